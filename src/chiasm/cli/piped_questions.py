"""Questions piped in line by line, each answered as one line of JSON before the next is read.

A line is a question, or an object {"question": ..., "images": [paths]}. Text is taken literally: a path in it is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from chiasm.chat import ChatModel, Sampling
from chiasm.cli.speaking import speak
from chiasm.conversation import Conversation, user
from chiasm.errors import UserError
from chiasm.harmless import json_line


def answer_lines(model: ChatModel, lines: Iterable[str], images: Sequence[object], sampling: Sampling) -> bool:
    """Print an object for every line that is not empty; whether all were answered. `images` go with every question.

    A question without answer prints {"question": ..., "error": ...} and the next is read. Raises `UserError` when
    there was no question at all.
    """
    num_asked = num_answered = 0
    for line in lines:
        if not line.strip():
            continue
        num_asked += 1
        record: dict[str, object] = {"question": line.strip()}
        try:
            question, own = _read(line.strip())
            record = {"question": question, **({"images": own} if own else {})}
            spoken = speak(iter(model.stream(Conversation((user(question, [*images, *own]),)), sampling)), _nothing)
            if spoken.usage is None:
                raise KeyboardInterrupt
            record |= spoken.fields()
            num_answered += 1
        except UserError as error:
            record["error"] = str(error)
        print(json_line(record), flush=True)
    if not num_asked:
        raise UserError("nothing to ask: no prompt was given and standard input is empty")
    return num_answered == num_asked


def _nothing(_: str) -> None:
    """Shown when it is whole."""


def _read(line: str) -> tuple[str, list[str]]:
    if not line.startswith("{"):
        return line, []
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"the line begins with {{ but is no JSON object: {error}") from None
    question, images = value.get("question"), value.get("images", [])
    if not isinstance(question, str) or not isinstance(images, list) or not all(isinstance(i, str) for i in images):
        raise UserError('expected {"question": "...", "images": ["path", ...]}')
    if unknown := value.keys() - {"question", "images"}:
        raise UserError(f"unknown keys: {', '.join(sorted(unknown))}; expected question and images")
    return question, images
