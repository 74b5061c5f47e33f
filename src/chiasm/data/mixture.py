"""What a mixture is: which sources, how much of each, in which order. Read from YAML; knows no file of any source.

Unknown keys are refused with the nearest known one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from chiasm.data.plain_yaml import read_yaml
from chiasm.errors import UserError, suggest

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}$")]
_Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Part(_Value):
    """One part of a mixture: a source, or the same source a second time with other settings.

    `source` is the part's name unless said. `files` are paths by key below `root`, for files that do not lie where
    releases have them; one path alone where the source has one file. `images` is put before picture names.
    `count` records, or a share of the mixture's `total` by `weight`; without either all. `cap` is the most. With
    `repeat` a source that has fewer gives some twice; otherwise it gives what it has, and the card says so.
    `max_turns` cuts records after so many answers. `options` are the source's own.
    """

    source: str | None = None
    root: str = ""
    files: str | dict[str, str] = Field(default_factory=dict)
    images: str | None = None
    count: _Count | None = None
    weight: float | None = Field(default=None, strict=True, gt=0)
    cap: _Count | None = None
    repeat: Annotated[bool, Field(strict=True)] = False
    max_turns: Annotated[int, Field(strict=True, ge=1)] | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def asks_for_some(self) -> bool:
        """Whether a number of records is asked for; a `cap` alone asks for none."""
        return self.count is not None or self.weight is not None

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if self.count is not None and self.weight is not None:
            raise ValueError("a source takes either a count or a weight")
        if self.repeat and not self.asks_for_some:
            raise ValueError("repeat needs a count or a weight to reach")
        return self


class Mixture(_Value):
    """Parts by name, and what holds for all of them. `images` is put before every picture name; `cap` is any part's."""

    name: Name
    seed: Annotated[int, Field(strict=True, ge=0, lt=1 << 63)] = 0
    order: Literal["shuffled", "listed"] = "shuffled"
    images: str = ""
    total: _Count | None = None
    cap: _Count | None = None
    published: Annotated[bool, Field(strict=True)] = False
    """Whether this is the published mixture, so that its card compares each source's count with the published one."""
    sources: dict[Name, Part] = Field(min_length=1)

    @model_validator(mode="after")
    def _weights_have_a_whole(self) -> Self:
        weighted = [name for name, part in self.sources.items() if part.weight is not None]
        if weighted and self.total is None:
            raise ValueError(f"{weighted[0]} has a weight: say with 'total' how many records there shall be in all")
        if self.total is not None:
            if open_ended := [n for n, part in self.sources.items() if part.weight is None and part.count is None]:
                raise ValueError(f"with 'total', every source needs a count or a weight: {open_ended[0]} has neither")
            if (counted := sum(part.count or 0 for part in self.sources.values())) > self.total:
                raise ValueError(f"the counts add up to {counted:,}, more than the total of {self.total:,}")
            if not weighted and counted != self.total:
                raise ValueError(f"the counts add up to {counted:,}, not to the total of {self.total:,}")
        return self

    def wanted(self) -> dict[str, int | None]:
        """How many records of each part are asked for, None for all. Weights share what counts leave of `total`."""
        amounts = {name: part.count for name, part in self.sources.items()}
        weights = {name: part.weight for name, part in self.sources.items() if part.weight is not None}
        if self.total is not None and weights:
            left = self.total - sum(part.count or 0 for part in self.sources.values())
            amounts |= _shared_out(left, weights)
        for name, part in self.sources.items():
            caps = [cap for cap in (part.cap, self.cap) if cap is not None]
            if caps:
                amount = amounts[name]
                amounts[name] = min(caps if amount is None else [amount, *caps])
        return amounts

    def to_yaml(self) -> str:
        """The mixture as YAML that `from_yaml` reads back to an equal value; what is not said is left out."""
        return yaml.safe_dump(
            self.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True, width=120
        )

    @classmethod
    def from_yaml(cls, path: Path) -> Mixture:
        """A mixture file; raises `UserError` naming the file and the field."""
        return cls.parse(read_yaml(path, "the mixture"), str(path))

    @classmethod
    def parse(cls, value: object, where: str) -> Mixture:
        """A mixture from plain values; raises one `UserError` with every field that is wrong."""
        if not isinstance(value, Mapping):
            raise UserError(f"{where}: a mixture must be a mapping with name and sources, not {type(value).__name__}")
        sources = value.get("sources")
        if isinstance(sources, Mapping):  # `vqav2:` with nothing behind it means all of it
            value = {**value, "sources": {name: {} if part is None else part for name, part in sources.items()}}
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise UserError(f"{where}: " + "; ".join(_explained(e["loc"], e) for e in error.errors())) from None


def _shared_out(total: int, weights: Mapping[str, float]) -> dict[str, int]:
    """`total` by weight in whole numbers that add up: what rounding down leaves goes to the largest remainders."""
    whole = sum(weights.values())
    exact = {name: total * weight / whole for name, weight in weights.items()}
    amounts = {name: int(share) for name, share in exact.items()}
    for name in sorted(weights, key=lambda n: amounts[n] - exact[n])[: total - sum(amounts.values())]:
        amounts[name] += 1
    return amounts


def _explained(location: tuple[int | str, ...], error: Any) -> str:
    """One wrong field in words a person can act on, with the nearest name for an unknown key."""
    path = ".".join(str(part) for part in location if part != "[key]")
    if error["type"] == "extra_forbidden":
        model = Part if location[0] == "sources" else Mixture
        return f"{path}: unknown key, {suggest(str(location[-1]), model.model_fields)}"
    came = "" if error["type"] in ("missing", "value_error") else f", got {error['input']!r}"[:200]
    return f"{path or 'mixture'}: {error['msg'].removeprefix('Value error, ')}{came if path else ''}"
