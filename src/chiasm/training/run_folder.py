"""The folder of a run: its recipe, who it is, on what it stands, and whether another recipe may go on in it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from chiasm.atomic import new_file
from chiasm.errors import UserError
from chiasm.training import state
from chiasm.training.config import Recipe
from chiasm.training.holding import LOCK
from chiasm.training.metrics import Reporter
from chiasm.version import __version__

_RECIPE, _RECORD = "recipe.yaml", "run.json"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of a run and the identity written into it."""

    path: Path
    run_id: str

    @classmethod
    def fresh(cls, path: Path) -> RunFolder:
        """A folder still to be written; raises `UserError` when something is there already.

        A recipe alone is no run: one that was killed just before it began leaves that, and does not stand in the way.
        """
        try:
            names = [file.name for file in path.iterdir()] if path.is_dir() else []
            taken = any(name not in (_RECIPE, LOCK) and not name.startswith(f".{_RECORD}.") for name in names)
            taken = taken or (path.exists() and not path.is_dir())
        except OSError as error:
            raise UserError(f"cannot look into {path}: {error.strerror}. Name another folder with --out") from None
        if taken:
            raise UserError(f"{path} already holds something. Continue it with --resume, or name another --out")
        return cls(path, uuid.uuid4().hex[:12])

    @classmethod
    def stopped(cls, path: Path, recipe: Recipe) -> RunFolder:
        """The folder of a stopped run; raises `UserError` when it is none, or one that `recipe` cannot go on with.

        All has to be as in its recipe, but for the stages that have not begun.
        """
        if not (path / _RECORD).is_file():
            raise UserError(
                f"{path} is no run that could be resumed: it has no {_RECORD}. Leave --resume out to begin one"
            )
        before = Recipe.from_yaml(path / _RECIPE)
        num_begun = max((n for n, name in enumerate(before.stages, 1) if _has_begun(path, name)), default=0)
        then, now = (dict(list(each.stages.items())[:num_begun]) for each in (before, recipe))
        if list(then) != list(now):
            raise UserError(
                f"{path} has begun with stages {', '.join(then)}, and this recipe with {', '.join(now)}. Only behind "
                "them may stages be added or left out"
            )
        # No result depends on how long a sample is waited for.
        before = before.model_copy(update={"stages": then, "sample_timeout": recipe.sample_timeout})
        if before != (same := recipe.model_copy(update={"stages": now})):
            raise UserError(f"{path} was begun with another recipe: {_first_difference(before, same)}")
        return cls(path, str(cls(path, "")._read()["run_id"]))

    def is_finished(self, recipe: Recipe, final: Path) -> bool:
        """Whether `final` is the model of all stages of `recipe`, and not of the first ones alone.

        Raises `UserError` where what the stages left was cleared away, and others are asked for.
        """
        stages = self.path / "stages"
        if not final.is_dir() or stages.is_dir():
            return final.is_dir() and (stages / list(recipe.stages)[-1]).is_dir()
        # Cleared away by who was done with the run: the recipe alone still says what became the model.
        if list(recipe.stages.items()) != list(Recipe.from_yaml(self.path / _RECIPE).stages.items()):
            raise UserError(
                f"{stages} was cleared away, so only the stages of {self.path / _RECIPE} may be asked for, which are "
                f"done. For others begin a new run, with {final} as its model.start"
            )
        return True

    def go_on(self, recipe: Recipe, num_done: int, final: Path, reporter: Reporter) -> None:
        """Make `recipe` the run's; what was finished after the first `num_done` stages alone makes room in `final`."""
        kept = final.with_name(f"after_{list(recipe.stages)[num_done - 1]}")
        if final.is_dir() and kept.exists():
            raise UserError(f"{final} should become {kept}, which is there already. Move one of them away")
        # The recipe first: killed in between, the run knows that its finished model is not that of all stages.
        if list(recipe.stages.items()) != list(Recipe.from_yaml(self.path / _RECIPE).stages.items()):
            with new_file(self.path / _RECIPE) as partial:
                partial.write_text(recipe.to_yaml(), encoding="utf-8")
        if final.is_dir():
            try:
                final.rename(kept)
            except OSError as error:
                raise UserError(f"cannot move {final} to {kept}: {error.strerror}. Move it yourself") from None
            reporter.note(f"the finished model has become {kept}: more stages follow")

    def begin(self, recipe: Recipe, tokenizer: str, weights: str, processes: int = 1) -> None:
        """From here on this is a run: write down what it does, who it is and on what it stands."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / _RECIPE).write_text(recipe.to_yaml(), encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot write to {self.path}: {error.strerror}. Name another folder with --out") from None
        about = {
            "run_id": self.run_id,
            "chiasm": __version__,
            "threads": torch.get_num_threads(),
            "processes": processes,
            "tokenizer": tokenizer,
            "weights": weights,
            "data": {},
        }
        self._write(about)

    def check_machine(self, reporter: Reporter, processes: int = 1) -> None:
        """Say so when other numbers of threads or processes compute now: sums round differently then."""
        record = self._read()
        now = {"threads": torch.get_num_threads(), "processes": processes}
        before = {"threads": record.get("threads"), "processes": record.get("processes", 1)}
        if changed := [key for key in now if now[key] != before[key]]:
            then, goes_on = (" and ".join(f"{counts[key]} {key}" for key in changed) for counts in (before, now))
            reporter.note(
                f"this run began with {then} and goes on with {goes_on}: its numbers will differ in their last digits "
                "from those of an unbroken run"
            )

    def check_tokenizer(self, digest: str) -> None:
        """Raise `UserError` when the model's tokenizer is no longer the one the run began with."""
        known = self._read().get("tokenizer", digest)
        if known != digest:
            raise UserError(
                f"the tokenizer is another one than this run began with (sha256 {known[:12]}, now {digest[:12]}): the "
                "records of model.vocabulary, the files it comes from, or chiasm's own rules changed. Put them back, "
                "or begin a new run"
            )

    def check_weights(self, fingerprint: str) -> None:
        """Raise `UserError` when the model is not the one the run began with: no checkpoint holds what is frozen."""
        known = self._read().get("weights", fingerprint)  # runs of before have none
        if known != fingerprint:
            raise UserError(
                f"the model is another one than this run began with (fingerprint {known[:12]}, now "
                f"{fingerprint[:12]}): the files that model.start, model.vision, model.language or "
                "model.connector_weights name have changed, or, where a part begins from nothing, another version of "
                "torch draws it otherwise. Put back what has changed, or begin a new run"
            )

    def check_data(self, stage: str, digest: str, goes_on: bool) -> None:
        """Remember the digest of a stage's data; raises `UserError` when the stage goes on and it is another one."""
        record = self._read()
        known = record["data"].get(stage, digest)
        if goes_on and known != digest:
            raise UserError(
                f"the data of stage '{stage}' changed since this run began (sha256 {known[:12]}, now {digest[:12]}). "
                "Put the old file back, or begin a new run"
            )
        record["data"][stage] = digest
        self._write(record)

    def _read(self) -> dict[str, Any]:
        path = self.path / _RECORD
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            record["run_id"], record["data"]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path} cannot be read ({error}): without it this run cannot go on") from None
        return dict(record)

    def _write(self, record: dict[str, Any]) -> None:
        path = self.path / _RECORD
        with new_file(path) as partial:  # whole or not at all: without it a run cannot go on
            partial.write_text(json.dumps(record, indent=1), encoding="utf-8")


def _has_begun(path: Path, stage: str) -> bool:
    """Whether the run in `path` has kept anything of this stage."""
    return (path / "stages" / stage).is_dir() or bool(state.newest_first(path / "checkpoints", stage))


def _first_difference(before: Recipe, now: Recipe) -> str:
    old, new = before.to_yaml().splitlines(), now.to_yaml().splitlines()
    pair = next((pair for pair in zip(old, new, strict=False) if pair[0] != pair[1]), (str(len(old)), str(len(new))))
    return (
        f"'{pair[0].strip()}' then, '{pair[1].strip()}' now. Give the recipe in its {_RECIPE}; only stages that have "
        "not begun may be others"
    )
