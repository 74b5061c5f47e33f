"""Reading a reply of questions and answers. The form that is asked for, in English and in Chinese:

    Question:            问题：
    How many dogs?       有几只狗？
    ===                  ===
    Answer:              回答：
    There are two.       有两只。
    ===                  ===

Teachers bend it. What can be read without guessing is read and the rule that was bent is named; the rest raises
`WrongFormat`. Nothing here judges what is said.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from chiasm.conversation import IMAGE_MARKER
from chiasm.synthesis.kinds._kind import Parsed, WrongFormat
from chiasm.synthesis.sample import Turn

MAX_REPLY = 30_000  # characters; ours, four times the longest reply of LLaVA-Instruct-150K
_MOST_BRACKETS = 2_000  # of a reply read as JSON; ours: Python's literal parser recurses

_EXACT = re.compile(r"(Question|Answer): *|(问题|回答)： *")
_QUESTION = r"question|问题|提问"
_ANSWER = r"answer|回答|答案"
_SHORT_QUESTION = r"q|问|user|human|用户"
_SHORT_ANSWER = r"a|答|assistant|gpt|助手"
_SEPARATOR = re.compile(r"\s*={3,}\s*")
_FENCE = re.compile(r"```[\w-]*\n(.*?)\n?```", re.DOTALL)
_NAMES = {"question": ("question", "q", "问题"), "answer": ("answer", "a", "回答", "答案")}
_ROLES = {"human": "question", "user": "question", "gpt": "answer", "assistant": "answer"}


def pairs(reply: str, fewest: int, most: int) -> Parsed:
    """The turns of a reply; raises `WrongFormat` unless there are `fewest` to `most`."""
    text, repairs = unfenced(plain(reply))
    if text.startswith(("[", "{")):
        parsed = _from_json(text)
    else:
        parsed = _from_blocks(text)
    num = len(parsed.turns)
    if not fewest <= num <= most:
        expected = str(fewest) if fewest == most else f"{fewest} to {most}"
        few = "few" if num < fewest else "many"
        raise WrongFormat(f"{num} pairs of question and answer came, expected {expected}", f"too {few} turns")
    return Parsed(parsed.turns, (*repairs, *parsed.repairs))


def plain(reply: str) -> str:
    """The reply without white space around it; raises `WrongFormat` for what no record could hold."""
    if len(reply) > MAX_REPLY:
        raise WrongFormat(f"a reply of {len(reply):,} characters, expected at most {MAX_REPLY:,}", "too long")
    try:
        reply.encode("utf-8")
    except UnicodeEncodeError as error:
        raise WrongFormat(f"{reply[error.start]!r} at character {error.start}, not valid text", "bad text") from None
    if "\0" in reply:
        raise WrongFormat(f"a NUL at character {reply.index(chr(0))}, not valid text", "bad text")
    if IMAGE_MARKER in reply:
        raise WrongFormat(f"the reply holds {IMAGE_MARKER}, which records read as a picture", "picture marker")
    return reply.replace("\r\n", "\n").strip()


def unfenced(text: str) -> tuple[str, tuple[str, ...]]:
    """The text without a code fence around all of it, and the repair that was."""
    fenced = _FENCE.fullmatch(text)
    return (fenced[1].strip(), ("code fence",)) if fenced else (text, ())


def has_markers(text: str) -> bool:
    """Whether a line of the text begins a question or an answer."""
    return any(_marker(line, _QUESTION, _ANSWER) for line in text.splitlines())


def _marker(line: str, question: str, answer: str) -> re.Match[str] | None:
    return re.fullmatch(
        rf"[\s#>*_-]*(?:({question})|({answer}))\s*\d*\.?\s*[*_]*\s*[:：]\s*[*_]*\s*(.*)", line, re.IGNORECASE
    )


def _from_blocks(text: str) -> Parsed:
    lines = text.splitlines()
    repairs: dict[str, None] = {}  # a set that keeps its order
    question, answer = _QUESTION, _ANSWER
    if not any(_marker(line, question, answer) for line in lines):
        question, answer = _SHORT_QUESTION, _SHORT_ANSWER
        repairs["short markers"] = None
    blocks: list[tuple[str, list[str]]] = []
    outside: list[str] = []  # lines before the first marker, or behind a separator that none followed
    separated = True
    for line in lines:
        if match := _marker(line, question, answer):
            if blocks and not separated:
                repairs["missing separator"] = None
            if not _EXACT.fullmatch(line[: match.start(3)]) and "short markers" not in repairs:
                repairs["loose markers"] = None
            blocks.append(("question" if match[1] else "answer", [match[3]]))
            separated = False
        elif _SEPARATOR.fullmatch(line):
            separated = True
        elif not separated and blocks:
            blocks[-1][1].append(line)
        elif line.strip():
            outside.append(line)
    if not blocks:
        raise WrongFormat("no line begins with 'Question:' or 'Answer:'")
    if len(outside) > 1 or sum(map(len, outside)) > 200:  # a greeting is one line; more may be half of the reply
        raise WrongFormat(f"{len(outside)} lines belong to no question and no answer: {outside[0][:60]!r}")
    if outside:
        repairs["one line outside left out"] = None
    return Parsed(_turns([(role, "\n".join(words).strip()) for role, words in blocks]), tuple(repairs))


def _turns(spoken: Sequence[tuple[str, str]]) -> tuple[Turn, ...]:
    if spoken and spoken[0][0] == "answer":
        raise WrongFormat("the reply begins with an answer: roles are swapped or the first question is missing")
    for place, (role, _) in enumerate(spoken):
        if role != ("question", "answer")[place % 2]:
            raise WrongFormat(f"two {role}s follow one another, at block {place + 1} of {len(spoken)}")
    if len(spoken) % 2:
        raise WrongFormat("the last question has no answer")
    return tuple(Turn(spoken[i][1], spoken[i + 1][1]) for i in range(0, len(spoken), 2))


# ---- JSON ------------------------------------------------------------------------------------------------------------


def _from_json(text: str) -> Parsed:
    repairs = ["JSON"]
    try:
        value, end = json.JSONDecoder().raw_decode(text)
        if text[end:].strip():
            raise WrongFormat(f"more follows the JSON value that ends at character {end}")
    except (ValueError, RecursionError):
        value = _python_literal(text)
        repairs.append("single quotes")
    turns = _turns([item for one in _items(value) for item in _spoken(one)])
    if not turns:
        raise WrongFormat("JSON without questions and answers")
    return Parsed(turns, tuple(repairs))


def _python_literal(text: str) -> Any:
    try:
        if sum(map(text.count, "[{(")) > _MOST_BRACKETS:
            raise WrongFormat("nested too deep to be read as JSON")
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise WrongFormat("begins like JSON and is none") from None


def _items(value: object) -> list[object]:
    """The list of turns in a value: itself, or the only list of an object around it; a lone pair is a list of one."""
    if isinstance(value, Mapping):
        lists = [inside for inside in value.values() if isinstance(inside, list)]
        return lists[0] if len(lists) == 1 else [value]
    return value if isinstance(value, list) else [value]


def _spoken(item: object) -> list[tuple[str, str]]:
    """What one object of the list says: a question and its answer, or one turn of `human`/`gpt`."""
    if not isinstance(item, Mapping):
        raise WrongFormat(f"JSON with {type(item).__name__} where a question and its answer were expected")
    fields = {str(key).lower(): value for key, value in item.items()}
    said = [(role, next((fields[n] for n in names if n in fields), None)) for role, names in _NAMES.items()]
    if said[0][1] is None and said[1][1] is None:
        role = _ROLES.get(str(fields.get("from", fields.get("role", ""))))
        said = [(role or "", fields.get("value", fields.get("content")))]
    if not all(role and isinstance(text, str) for role, text in said):
        raise WrongFormat("JSON without 'question' and 'answer', or 'from' and 'value', as text")
    return [(role, str(text).strip()) for role, text in said]
