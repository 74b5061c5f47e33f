"""What is asked about every picture of a run, and what came of one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chiasm.describing.styles import Style, Written
from chiasm.describing.styles._style import paragraphs

OWN = "own"  # the style of a prompt somebody wrote themselves
_OWN_TOKENS = 512  # ours


@dataclass(frozen=True, slots=True)
class Brief:
    """What makes descriptions belong together: the style's name, its language ("" for an own prompt), model and prompt.

    `how` is the style that reads the answers.
    """

    style: str
    language: str
    model: str
    prompt: str
    how: Style

    @classmethod
    def of_style(cls, name: str, style: Style, language: str, model: str) -> Brief:
        """The brief of a style in "en" or "zh"."""
        return cls(name, language, model, style.prompts[language], style)

    @classmethod
    def of_prompt(cls, prompt: str, model: str) -> Brief:
        """The brief of somebody's own prompt; answers are kept as they are."""
        return cls(OWN, "", model, prompt, Style({}, _OWN_TOKENS, paragraphs))

    @property
    def identity(self) -> dict[str, str]:
        """What every record of a file must have in common."""
        return {"style": self.style, "language": self.language, "model": self.model, "prompt": self.prompt}


@dataclass(frozen=True, slots=True)
class Description:
    """What was written about `image`; or, with `written` None, why nothing was.

    `finish_reason` as `chiasm.chat` has it. `error` is one short word or two for counting, `message` a line for people.
    `unfamiliar`: the picture is unlike those the model has learnt from, if it can tell.
    """

    image: str
    written: Written | None
    finish_reason: str = ""
    error: str = ""
    message: str = ""
    unfamiliar: bool = False

    def record(self, brief: Brief) -> dict[str, object]:
        """The description as it is written down."""
        record: dict[str, object] = {"image": self.image, "text": self.written.text if self.written else None}
        if brief.how.has_tags and self.written:
            record["tags"] = list(self.written.tags)
        if self.written:
            return {**record, **brief.identity, "finish_reason": self.finish_reason}
        return {**record, **brief.identity, "error": self.error, "message": self.message}


def differing(record: Mapping[str, object], brief: Brief) -> str:
    """What of `brief` a record was not made by, both values named; "" where it was made by it."""
    return "; ".join(
        f"{name} was {_short(record.get(name))}, now {_short(value)}"
        for name, value in brief.identity.items()
        if record.get(name) != value
    )


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}...'"
