"""A conversation to a file and back: LLaVA's record, OpenAI's messages, or Markdown to read (that one only out).

Pictures are kept by path. Those that came from the web have none, and are put beside the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from chiasm.conversation import Conversation, Image, Message, RecordError, Text
from chiasm.errors import UserError

OPENAI_ENDING = ".openai.json"
_LARGEST = 256 * 2**20  # bytes of a file that is loaded; ours


def save(conversation: Conversation, path: Path, *, overwrite: bool) -> None:
    """Write `conversation` to `path`, in the form its ending says. Raises `UserError`, also for a file that exists."""
    if path.suffix not in (".json", ".md"):
        raise UserError(
            f"{path.name} says no format: end it in .json (LLaVA's records), {OPENAI_ENDING} or .md (to read)"
        )
    if path.exists() and not overwrite:
        raise UserError(f"{path} exists already: choose another name")
    try:
        named = _with_files(conversation, path)
        path.write_text(_written(named, path), encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None


def load(path: Path) -> Conversation:
    """The conversation in a file `save` or another program wrote. Every picture is opened once.

    Paths are looked for as written, then beside the file. Raises `UserError`.
    """
    from chiasm.processing.pictures import open_picture

    try:
        if path.stat().st_size > _LARGEST:
            raise UserError(f"{path}: {path.stat().st_size:,} bytes are more than a conversation")
        value = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON ({error}); /load reads what /save wrote as .json") from None
    conversation = _read(value, path)
    conversation.check_turns()
    found = _changed(conversation, lambda source, _: _beside(source, path))
    for image in found.images:
        open_picture(image.source)
    return found


def as_markdown(conversation: Conversation) -> str:
    """The conversation to read; pictures must be paths."""
    lines = []
    if conversation.system is not None:
        lines.append(f"**System**\n\n{conversation.system.strip()}\n")
    for turn in conversation.turns:
        lines.append(f"**{'You' if turn.role == 'user' else 'Assistant'}**\n")
        lines += [f"![picture](<{image.source}>)\n" for image in turn.images]
        lines.append(f"{turn.text.strip()}\n")
    return "\n".join(lines)


def _written(conversation: Conversation, path: Path) -> str:
    if path.suffix == ".md":
        return as_markdown(conversation)
    if path.name.endswith(OPENAI_ENDING):
        value: object = {"messages": [_message(message) for message in conversation.messages]}
    else:
        value = [conversation.to_llava()]
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _message(message: Message) -> dict[str, object]:
    """A message of OpenAI's with pictures by path; `Conversation.from_openai` keeps them so."""
    if not message.images:
        return {"role": message.role, "content": message.text}
    parts: list[dict[str, object]] = []
    for part in message.parts:
        if isinstance(part, Image):
            parts.append({"type": "image_url", "image_url": {"url": str(part.source)}})
        elif part.text.strip("\n"):  # a lone newline is our own separator between picture and text
            parts.append({"type": "text", "text": part.text.strip("\n")})
    return {"role": message.role, "content": parts}


def _read(value: Any, path: Path) -> Conversation:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) and "conversations" in value[0]:
        value = value[0]
    if isinstance(value, dict) and "conversations" in value:
        return Conversation.from_llava(value)
    messages = value.get("messages") if isinstance(value, dict) else value
    if isinstance(messages, list) and messages and all(isinstance(each, dict) and "role" in each for each in messages):
        return Conversation.from_openai(messages)
    several = f"a list of {len(value):,} values" if isinstance(value, list) else f"a {type(value).__name__}"
    raise RecordError(
        "no turns", f"{path} holds {several}; expected one record with 'conversations', or OpenAI's 'messages'"
    )


def _with_files(conversation: Conversation, path: Path) -> Conversation:
    """The conversation with every picture a path: bytes become files NAME-1.jpg beside `path`."""

    def named(source: object, number: int) -> object:
        if not isinstance(source, bytes):
            return source
        stem = path.name.removesuffix(OPENAI_ENDING).removesuffix(path.suffix)
        beside = path.with_name(f"{stem}-{number}{_ending(source)}")
        if not (beside.is_file() and beside.read_bytes() == source):
            with beside.open("xb") as file:
                file.write(source)
        return str(beside)

    return _changed(conversation, named)


def _beside(source: object, path: Path) -> object:
    if not isinstance(source, str):
        return source
    if "://" in source:
        raise UserError(f"the picture {source[:100]} is an address, which /load does not fetch. Save it to a file")
    beside = path.parent / source
    return source if Path(source).exists() or not beside.exists() else str(beside)


def _changed(conversation: Conversation, change: Callable[[object, int], object]) -> Conversation:
    """The conversation with `change(source, number)` for the source of every picture, numbered from 1."""
    number, messages = 0, []
    for message in conversation.messages:
        parts: list[Image | Text] = []
        for part in message.parts:
            if isinstance(part, Image):
                number += 1
                part = Image(change(part.source, number))
            parts.append(part)
        messages.append(replace(message, parts=tuple(parts)))
    return replace(conversation, messages=tuple(messages))


def _ending(data: bytes) -> str:
    for start, ending in ((b"\x89PNG", ".png"), (b"GIF8", ".gif"), (b"RIFF", ".webp"), (b"BM", ".bmp")):
        if data.startswith(start):
            return ending
    return ".tif" if data[:2] in (b"II", b"MM") else ".jpg"
