"""A conversation as a value: who said what, and where the pictures stand.

Two written forms go both ways: LLaVA's JSON records (`human`/`gpt`) and OpenAI's chat messages. This module does not
know templates, tokens or how a picture is opened: a picture is whatever the caller handed in, usually a path.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Literal, cast

from chiasm.errors import UserError
from chiasm.picture_url import picture_url

Role = Literal["system", "user", "assistant"]

IMAGE_MARKER = "<image>"  # how LLaVA's JSON writes "a picture stands here" (LLaVA constants.py)
_LLAVA_ROLES: Mapping[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
}


class RecordError(UserError):
    """A record that is not a conversation. `reason` is the short word under which it is counted."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[RecordError], tuple[str, str]]:
        # Exceptions cross process borders as (message,), which is not how this one is made.
        return RecordError, (self.reason, str(self))


@dataclass(frozen=True, slots=True)
class Text:
    """Text, taken literally: `<image>` or `</s>` inside it are letters like any others."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: a path, bytes, a PIL image or an array. Opened by `chiasm.processing.pictures`, not here."""

    source: object


Part = Text | Image


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: its role and its parts in reading order."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The text of the turn without its pictures."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def images(self) -> tuple[Image, ...]:
        """The pictures of the turn, in order."""
        return tuple(part for part in self.parts if isinstance(part, Image))

    def with_pictures_first(self) -> Message:
        """The same turn as LLaVA was trained to read it: each picture on a line of its own, then the stripped text.

        Source: `preprocess_multimodal` of LLaVA's train.py.
        """
        if not self.images:
            return self
        parts: list[Part] = []
        for image in self.images:
            parts += [image, Text("\n")]
        text = self.text.strip()
        return Message(self.role, tuple(_joined([*parts, Text(text)] if text else parts[:-1])))


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns in order; at most one system turn, and it comes first. `id` names the record it was read from.

    `apart`: the questions were asked one by one, each as if alone, about the pictures of the first turn.
    """

    messages: tuple[Message, ...]
    id: str | None = None
    apart: bool = False

    @property
    def images(self) -> tuple[Image, ...]:
        """All pictures in reading order."""
        return tuple(image for message in self.messages for image in message.images)

    @property
    def system(self) -> str | None:
        """The text of the system turn; None when there is none and the template's own applies."""
        first = self.messages[0] if self.messages else None
        return first.text if first is not None and first.role == "system" else None

    @property
    def turns(self) -> tuple[Message, ...]:
        """The turns of user and assistant, without the system turn."""
        return tuple(message for message in self.messages if message.role != "system")

    def check_turns(self) -> None:
        """Raise `RecordError` unless user and assistant alternate, the user first, pictures only with the user."""
        if not self.turns:
            raise RecordError("no turns", "a conversation needs at least one turn of the user; this one has none")
        for position, message in enumerate(self.messages):
            if message.role == "system" and position:
                raise RecordError("turn order", f"a system turn must come first; here it is turn {position + 1}")
            if message.role == "system" and message.images:
                raise RecordError(
                    "picture in system turn", "the system turn holds a picture: only the user may show one"
                )
        for position, message in enumerate(self.turns):
            expected = ("user", "assistant")[position % 2]
            if message.role != expected:
                raise RecordError(
                    "turn order",
                    f"turn {position + 1} is the {message.role}'s where the {expected}'s was expected: "
                    "user and assistant must alternate, the user first",
                )
            if message.role == "assistant" and message.images:
                raise RecordError("picture in answer", f"turn {position + 1} is the assistant's and holds a picture")
            if self.apart and message.images and (position or message != message.with_pictures_first()):
                raise RecordError("apart", "questions asked apart share pictures that stand before the first of them")

    def said(self, role: Role, *parts: Part | str) -> Conversation:
        """This conversation with one more turn; strings are text."""
        as_parts = tuple(Text(part) if isinstance(part, str) else part for part in parts)
        return replace(self, messages=(*self.messages, Message(role, as_parts)))

    # ---- LLaVA's JSON --------------------------------------------------------------------------------------------

    @classmethod
    def from_llava(cls, record: object, image_root: Path | None = None) -> Conversation:
        """A record of LLaVA's JSON (`id`, `image`, `conversations`) as a conversation; raises `RecordError`.

        Pictures are below `image_root`, none outside; without one a name is a path as it is.

        Rules, stated because the published loader asserts, folds or guesses: markers `<image>` in human turns are
        matched to the record's pictures in order; their numbers must agree, except that pictures without any marker go
        to the front of the first human turn. A turn with one marker gets the picture in front, then a newline, then
        its stripped text (as published); with several, pictures stay where they were written. In a record without
        pictures, and in answers, `<image>` is text.
        """
        if not isinstance(record, Mapping):
            raise RecordError("not a record", f"a record must be an object with 'conversations', not {_kind(record)}")
        turns = record.get("conversations")
        if not isinstance(turns, list) or not turns:
            raise RecordError("no turns", f"'conversations' must be a list of turns, not {_kind(turns)}")
        waiting: list[Part] = [_image_of(name, image_root) for name in _image_names(record)]
        num_images = len(waiting)
        spoken = [_llava_turn(turn, position) for position, turn in enumerate(turns)]
        num_markers = sum(value.count(IMAGE_MARKER) for role, value in spoken if role == "user") if num_images else 0
        if num_markers not in (0, num_images):
            raise RecordError(
                "marker count", f"{num_markers} markers <image> in the human turns but {num_images} pictures in 'image'"
            )
        messages: list[Message] = []
        for role, value in spoken:
            if role != "user" or not num_images:
                messages.append(Message(role, (Text(value),)))
            elif not num_markers:  # the record names pictures and never says where: all before the first question
                parts = (*waiting, Text(value))
                messages.append(Message(role, parts).with_pictures_first() if waiting else Message(role, parts))
                waiting = []
            else:
                messages.append(_marked(value, waiting))
        identity = record.get("id")
        apart = record.get("apart", False)
        if not isinstance(apart, bool):
            raise RecordError("apart field", f"'apart' must be true or false, not {_kind(apart)}")
        conversation = cls(tuple(messages), None if identity is None else encodable(str(identity), "'id'"), apart)
        conversation.check_turns()
        return conversation

    def to_llava(self) -> dict[str, object]:
        """The record of LLaVA's JSON; pictures must be paths. The inverse of `from_llava` for alternating turns.

        Raises `RecordError` where a user typed `<image>` beside pictures: the format has no way to tell them apart.
        """
        names = [_path_of(image) for image in self.images]
        if names and any(IMAGE_MARKER in message.text for message in self.turns if message.role == "user"):
            raise RecordError(
                "marker count",
                "the user typed <image> in a conversation with pictures, and LLaVA's JSON would read it as a picture. "
                "Write it another way, or as OpenAI messages",
            )
        turns = [
            {
                "from": {"user": "human", "assistant": "gpt", "system": "system"}[message.role],
                "value": "".join(p.text if isinstance(p, Text) else IMAGE_MARKER for p in message.parts),
            }
            for message in self.messages
        ]
        record: dict[str, object] = {} if self.id is None else {"id": self.id}
        if names:
            record["image"] = names[0] if len(names) == 1 else names
        if self.apart:
            record["apart"] = True
        return {**record, "conversations": turns}

    # ---- OpenAI's chat messages ----------------------------------------------------------------------------------

    @classmethod
    def from_openai(cls, messages: object) -> Conversation:
        """OpenAI chat messages as a conversation; pictures go to the front of their turn. Raises `RecordError`.

        Texts that stood before and after a picture get a line each; texts without a picture between them are joined.

        `image_url` parts must be `data:` URLs, which become bytes, or are kept as the string they are (a path or a
        URL; whoever opens the picture decides what may be opened).
        """
        if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
            raise RecordError("no turns", f"'messages' must be a list of messages, not {_kind(messages)}")
        read = [_openai_message(message, position) for position, message in enumerate(messages)]
        return cls(tuple(read))

    def to_openai(self) -> list[dict[str, object]]:
        """OpenAI chat messages. Pictures become data URLs where they are bytes or readable paths."""
        written: list[dict[str, object]] = []
        for message in self.messages:
            if not message.images:
                written.append({"role": message.role, "content": message.text})
                continue
            content: list[dict[str, object]] = []
            for part in message.parts:
                if isinstance(part, Image):
                    content.append({"type": "image_url", "image_url": {"url": picture_url(part.source)}})
                elif part.text.strip("\n"):  # a lone newline is our own separator between picture and text
                    content.append({"type": "text", "text": part.text.strip("\n")})
            written.append({"role": message.role, "content": content})
        return written


def user(text: str, images: Iterable[object] = ()) -> Message:
    """A turn of the user as LLaVA was trained to read it: the pictures first, each on its own line."""
    return Message("user", (*(Image(image) for image in images), Text(text))).with_pictures_first()


def _joined(parts: Iterable[Part]) -> list[Part]:
    """Neighbouring texts made one, so that equal conversations are equal values."""
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, Text) and joined and isinstance(joined[-1], Text):
            joined[-1] = Text(joined[-1].text + part.text)
        else:
            joined.append(part)
    return joined


def _kind(value: object) -> str:
    return {"NoneType": "null", "dict": "an object", "list": "a list", "str": "a string"}.get(
        type(value).__name__, type(value).__name__
    )


def _image_names(record: Mapping[str, object]) -> list[str]:
    """The names under `image`: none, one or a list. Anything else is an error, never a guess."""
    value = record.get("image")
    if "image" not in record:
        return []
    names = value if isinstance(value, list) else [value]
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise RecordError("image field", f"'image' must be a path or a list of paths, not {name!r}")
        encodable(name, "'image'")
        if _is_address(name):
            raise RecordError("image field", f"'image' is the URL {name[:60]!r}; training data names local files only")
    return cast("list[str]", names)


def _is_address(name: str) -> bool:
    return "://" in name or name.startswith("data:")


def picture_path(root: Path, name: str) -> Path:
    """The file a record names below `root`; raises `RecordError` ("unsafe name") for names that lead elsewhere.

    By its letters alone: a link inside the folder may lead wherever its owner wants.
    """
    for kind in (PurePosixPath(name), PureWindowsPath(name)):
        if kind.is_absolute() or kind.drive or ".." in kind.parts or "\0" in name:
            raise RecordError(
                "unsafe name",
                f"the picture name {name[:80]!r} leads out of the folder of pictures: names are relative to it",
            )
    return root / name


def _image_of(name: str, root: Path | None) -> Image:
    return Image(name if root is None else str(picture_path(root, name)))


def _llava_turn(turn: object, position: int) -> tuple[Role, str]:
    if not isinstance(turn, Mapping):
        raise RecordError("turn format", f"turn {position + 1} must be an object with 'from' and 'value'")
    who, value = turn.get("from", turn.get("role")), turn.get("value", turn.get("content"))
    if not isinstance(who, str) or who not in _LLAVA_ROLES:
        raise RecordError(
            "unknown role", f"turn {position + 1} is from {who!r}; known: {', '.join(sorted(_LLAVA_ROLES))}"
        )
    if not isinstance(value, str):
        raise RecordError("turn format", f"turn {position + 1} must hold text under 'value', not {_kind(value)}")
    return _LLAVA_ROLES[who], encodable(value, f"turn {position + 1}")


def encodable(text: str, where: str) -> str:
    """`text` itself when it can be written as UTF-8; raises `RecordError` for lone surrogates."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RecordError(
            "bad text", f"{where} holds {text[error.start]!r} at character {error.start}, which no UTF-8 text can hold"
        ) from None
    return text


def _marked(value: str, waiting: list[Part]) -> Message:
    """A human turn with its markers replaced by the next waiting pictures (which are consumed)."""
    pieces = value.split(IMAGE_MARKER)
    if len(pieces) <= 2:
        parts: list[Part] = [Text("".join(pieces))] if len(pieces) == 1 else [waiting.pop(0), Text("".join(pieces))]
        return Message("user", tuple(parts)).with_pictures_first()
    pieces[0], pieces[-1] = pieces[0].lstrip(), pieces[-1].rstrip()
    parts = [Text(pieces[0])]
    for piece in pieces[1:]:
        parts += [waiting.pop(0), Text(piece)]
    return Message("user", tuple(part for part in parts if isinstance(part, Image) or part.text))


def _path_of(image: Image) -> str:
    if not isinstance(image.source, str | Path):
        raise UserError(
            f"LLaVA's JSON names pictures by path, not as {type(image.source).__name__}. Save it to a file first"
        )
    if _is_address(str(image.source)):
        raise UserError(
            f"LLaVA's JSON names local files, not the URL {str(image.source)[:60]!r}. Save it to a file first"
        )
    return str(image.source)


def _openai_message(message: object, position: int) -> Message:
    if not isinstance(message, Mapping) or message.get("role") not in ("system", "user", "assistant"):
        raise RecordError("unknown role", f"message {position + 1} needs a role: system, user or assistant")
    content = message.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise RecordError(
            "turn format", f"message {position + 1}: 'content' must be text or a list, not {_kind(content)}"
        )
    parts = _joined(_openai_part(part, position) for part in content)
    if any(isinstance(part, Image) for part in parts):
        lines = "\n".join(part.text for part in parts if isinstance(part, Text))
        parts = [*(part for part in parts if isinstance(part, Image)), Text(lines)]
    return Message(message["role"], tuple(parts)).with_pictures_first()


def _openai_part(part: object, position: int) -> Part:
    where = f"message {position + 1}"
    kind = part.get("type") if isinstance(part, Mapping) else None
    if isinstance(part, Mapping) and kind in ("text", "input_text") and isinstance(part.get("text"), str):
        return Text(encodable(part["text"], where))
    if isinstance(part, Mapping) and kind == "image_url":
        url = part.get("image_url")
        url = url.get("url") if isinstance(url, Mapping) else url
        if isinstance(url, str) and url.strip():
            return Image(_data_url_bytes(url, where) if url.startswith("data:") else url)
        raise RecordError("image field", f"{where}: 'image_url' must be an object with a 'url'")
    raise RecordError("turn format", f"{where}: a part must have the type 'text' or 'image_url', not {kind!r}")


def _data_url_bytes(url: str, where: str) -> bytes:
    head, comma, body = url.partition(",")
    if not comma or not head.startswith("data:image/") or not head.endswith(";base64"):
        raise RecordError("image field", f"{where}: a data URL must look like 'data:image/png;base64,...'")
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise RecordError("image field", f"{where}: the data URL is not valid base64") from None
    if not data:
        raise RecordError("image field", f"{where}: the data URL holds no bytes")
    return data
