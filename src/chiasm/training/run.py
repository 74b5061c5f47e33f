"""A run: a recipe's stages one after the other in one folder, from nothing or from where it stopped.

The folder holds `recipe.yaml` (resolved), `run.json` (identity and digests of the data), `metrics.jsonl`,
`dropped.jsonl`, `skipped.jsonl`, `checkpoints/` of the stage in progress, `stages/` with what each finished stage
trained, and `final/`, the finished model. While a process trains in it there is a lock as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn

from chiasm import checkpoints
from chiasm.atomic import new_file
from chiasm.checkpoints.clip_folder import CLIP, copy_clip
from chiasm.errors import UserError
from chiasm.models import connectors
from chiasm.models.device import usable_device
from chiasm.models.llava import Llava
from chiasm.processing.processor import Processor
from chiasm.training import checking, lora, objectives, sharding, state
from chiasm.training.augmentation import Augmentation
from chiasm.training.config import Recipe, Stage
from chiasm.training.features import CacheSettings, TowerFeatures
from chiasm.training.holding import LOCK, held
from chiasm.training.loop import (
    StageRun,
    divides,
    freeze,
    frozen_dtype,
    look_first,
    part_of,
    samples_of,
    train_stage,
)
from chiasm.training.metrics import Reporter, Silent
from chiasm.training.objectives import Objective
from chiasm.training.objectives.answers import Answers
from chiasm.training.objectives.clip import Clip
from chiasm.training.origin import build_model
from chiasm.training.parallel import HERE, Placement
from chiasm.training.validation import HeldOut
from chiasm.version import __version__

_RECIPE, _RECORD = "recipe.yaml", "run.json"

AfterStage = Callable[[str, Llava, Processor], None]


@dataclass(frozen=True, slots=True)
class _Folder:
    """The folder of a run and the identity written into it."""

    path: Path
    run_id: str

    @classmethod
    def fresh(cls, path: Path) -> _Folder:
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
    def stopped(cls, path: Path, recipe: Recipe) -> _Folder:
        """The folder of a stopped run; raises `UserError` when it is none, or of a recipe that `recipe` goes not on."""
        if not (path / _RECORD).is_file():
            raise UserError(
                f"{path} is no run that could be resumed: it has no {_RECORD}. Leave --resume out to begin one"
            )
        before = Recipe.from_yaml(path / _RECIPE)
        before = before.model_copy(update={"sample_timeout": recipe.sample_timeout})  # no result depends on it
        first = dict(list(recipe.stages.items())[: len(before.stages)])  # more may follow
        if recipe.model_copy(update={"stages": first}) != before or list(first) != list(before.stages):
            raise UserError(f"{path} was begun with another recipe: {_first_difference(before, recipe)}")
        return cls(path, str(cls(path, "")._read()["run_id"]))

    def new_stages(self, recipe: Recipe) -> list[str]:
        """The stages of `recipe` behind those the run was begun with."""
        return list(recipe.stages)[len(Recipe.from_yaml(self.path / _RECIPE).stages) :]

    def grow(self, recipe: Recipe, final: Path, reporter: Reporter) -> None:
        """Write down that there are more stages; the model that was finished without them makes room."""
        new = self.new_stages(recipe)
        last = list(recipe.stages)[-len(new) - 1]
        reporter.note(f"{self.path} goes on with {'a stage' if len(new) == 1 else 'stages'} more: {', '.join(new)}")
        if final.is_dir():
            kept = final.with_name(f"after_{last}")
            if kept.exists():
                raise UserError(f"{final} should become {kept}, which is there already. Move one of them away")
            try:
                final.rename(kept)
            except OSError as error:
                raise UserError(f"cannot move {final} to {kept}: {error.strerror}") from None
            reporter.note(f"the model as stage {last} left it is in {kept}")
        with new_file(self.path / _RECIPE) as partial:
            partial.write_text(recipe.to_yaml(), encoding="utf-8")

    def begin(self, recipe: Recipe, tokenizer: str, processes: int = 1) -> None:
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

    def check_data(self, stage: str, digest: str) -> None:
        """Remember the digest of a stage's data, or raise `UserError` when it is no longer the same."""
        record = self._read()
        known = record["data"].setdefault(stage, digest)
        if known != digest:
            raise UserError(
                f"the data of stage '{stage}' changed since this run began (sha256 {known[:12]}, now {digest[:12]}). "
                "Put the old file back, or begin a new run"
            )
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


def run(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    reporter: Reporter | None = None,
    after_stage: AfterStage | None = None,
    final: Path | None = None,
    cache: CacheSettings | None = None,
    placement: Placement = HERE,
) -> Path:
    """Train a recipe in the folder `out` and return the folder of the finished model: `final`, by default in `out`.

    `after_stage` is called with "start" before the first stage and with each stage's name after it, with the model in
    eval mode; a resumed run begins with calling it for the stage that was finished last, in case that was cut short.
    `cache` says where stages with `features: cache` keep them. With several processes (`placement`) all call this; the
    first one alone writes, reports and calls `after_stage`.
    Raises `UserError`, also when another process trains in `out`, or `Interrupted` when a signal stopped the run after
    it saved itself.
    """
    with held(out) if placement.world.leads else contextlib.nullcontext():
        return _run(recipe, out, resume, reporter, after_stage, final, cache, placement)


def _run(
    recipe: Recipe,
    out: Path,
    resume: bool,
    reporter: Reporter | None,
    after_stage: AfterStage | None,
    final: Path | None,
    cache: CacheSettings | None,
    placement: Placement,
) -> Path:
    placement = replace(placement, device=usable_device(placement.device))
    world = placement.world
    reporter = reporter if reporter is not None and world.leads else Silent()
    final = out / "final" if final is None else final
    folder = _Folder(out, world.from_first(lambda: _identity(recipe, out, final, resume)))
    grows = resume and world.from_first(lambda: bool(folder.new_stages(recipe)))
    if world.from_first(final.is_dir) and not grows:
        world.from_first(lambda: _save_clip(out, final, recipe, folder.run_id))
        reporter.note(f"{out} is finished; the model is in {final}")
        return final
    checking.check_names(recipe)
    lora.check(recipe)
    sharding.check(recipe, placement)
    checking.check_paths(recipe)
    checking.check_configurations(recipe)
    model, processor = build_model(recipe)
    for name, stage in recipe.stages.items():
        checking.check_parts(name, stage, model)
        stage_processor(processor, stage)  # a template may ask for what this tokenizer does not have
    tokenizer = hashlib.sha256(processor.tokenizer.tokenizer.to_str().encode()).hexdigest()
    world.check_same("tokenizer", tokenizer)
    done = 0
    if resume:
        world.from_first(lambda: folder.check_machine(reporter, world.size))
        world.from_first(lambda: folder.check_tokenizer(tokenizer))
        done = _finished_stages(out, recipe, model)
        if grows:
            world.from_first(lambda: folder.grow(recipe, final, reporter))
    else:
        world.from_first(lambda: folder.begin(recipe, tokenizer, world.size))
    model.to(placement.device)
    hook = after_stage if world.leads else None
    if hook is not None:
        _call(hook, ["start", *recipe.stages][done], model, processor)
    for name, stage in list(recipe.stages.items())[done:]:
        stage_run = StageRun(name, stage, recipe, out, folder.run_id, reporter, placement)
        _train(stage_run, folder, model, processor, resume, cache or CacheSettings())
        if hook is not None:
            _call(hook, name, model, processor)
    world.from_first(lambda: _save_final(out, final, recipe, model, processor, folder.run_id))
    return final


def _identity(recipe: Recipe, out: Path, final: Path, resume: bool) -> str:
    """The run's id, new or from its folder; raises `UserError` where the run cannot begin, or go on, in `out`."""
    folder = _Folder.stopped(out, recipe) if resume else _Folder.fresh(out)
    if final.exists() and not resume:
        raise UserError(f"{final} already holds something: the finished model would go there. Name another --out")
    return folder.run_id


def _save_final(out: Path, final: Path, recipe: Recipe, model: Llava, processor: Processor, run_id: str) -> None:
    model.to(getattr(torch, recipe.model.dtype))
    last = list(recipe.stages.values())[-1]
    processor = stage_processor(processor, last)
    provenance = {"recipe": recipe.name, "run_id": run_id}
    if last.lora is not None:
        lora.save(final, recipe, model.eval(), processor, provenance)
    else:
        checkpoints.save(final, model.eval(), processor, provenance=provenance)
    _save_clip(out, final, recipe, run_id)


def _save_clip(out: Path, final: Path, recipe: Recipe, run_id: str) -> None:
    """Put the CLIP that a stage kept beside the finished model, unless it is there already."""
    for name in recipe.stages:
        kept = out / "stages" / name / CLIP
        if kept.is_dir() and not (final / CLIP).exists():
            provenance = {"recipe": recipe.name, "run_id": run_id, "stage": name}
            copy_clip(kept, final / CLIP, getattr(torch, recipe.model.dtype), provenance)


def stage_processor(processor: Processor, stage: Stage) -> Processor:
    """The processor as a stage wants it: its template, image policy and length."""
    changed = processor.with_template(stage.template)
    changed = changed.with_images(processor.images.model_copy(update={"policy": stage.images}))
    changed.max_length = stage.max_length
    return changed


def _train(
    run: StageRun, folder: _Folder, model: Llava, processor: Processor, resume: bool, cache: CacheSettings
) -> None:
    if run.stage.reset_connector:
        torch.manual_seed(run.recipe.seed)
        config = model.config
        model.connector = connectors.build(config.connector, config.vision_width, config.language_width).to(
            model.device
        )
    torch.manual_seed(run.recipe.seed)
    objective = objectives.build(run.stage, model, stage_processor(processor, run.stage))
    if run.stage.augment is not None and isinstance(objective, Answers | Clip):  # `Stage` lets no other ask for it
        objective.change_pictures(Augmentation(run.stage.augment, run.recipe.seed, run.name))
    for note in objective.notes():
        run.reporter.note(note)
    digest = objective.digest()
    run.world.check_same(f"file {run.stage.data.records}", digest)
    run.world.from_first(lambda: folder.check_data(run.name, digest))
    # What is to be divided never lies whole on a GPU.
    divided = divides(run.placement, objective)
    model.to("cpu" if divided else run.placement.device)
    if (head := objective.head()) is not None:
        head.to(model.device)  # after a divided stage it was made on the CPU
    if run.placement.layout != "replicate" and run.world.size > 1 and not divided:
        run.reporter.note(f"stage {run.name}: objective '{run.stage.objective}' is replicated, it cannot be divided")
    samples = None
    if not (resume and run.world.from_first(lambda: bool(state.newest_first(run.folder / "checkpoints", run.name)))):
        samples = samples_of(run, objective)
        look_first(run, objective, samples)  # before hours go into features
    held_out = HeldOut.of(run.stage, model, stage_processor(processor, run.stage))
    if run.stage.features == "cache" and isinstance(objective, Answers):  # `Stage` lets no other objective ask for it
        features = TowerFeatures(model, stage_processor(processor, run.stage), frozen_dtype(run.recipe), cache)
        model.vision_tower.to(run.placement.device)
        seen = [each for each in (objective, held_out and held_out.objective) if isinstance(each, Answers)]
        pictures = chain.from_iterable(each.pictures() for each in seen)
        features.fill(pictures, run.recipe.workers, run.reporter, run.world, run.recipe.sample_timeout)
        for each in seen:
            each.see_through(features)
    train_stage(run, model, objective, samples, resume, held_out)
    # Parameters, not the state dict: that names tied weights twice.
    trained = {
        f"{part}.{name}": parameter
        for part in run.stage.trains
        for name, parameter in part_of(model, part).named_parameters()
        if parameter.requires_grad  # of a language model with adapters, those alone
    }
    # Connector, tower and language model as this stage leaves them; what it did not touch is where it came from.
    run.world.from_first(lambda: _finish(run, trained, objective))


def _finish(run: StageRun, trained: Mapping[str, nn.Parameter], objective: Objective) -> None:
    """Write down what a stage trained; its checkpoints have done their work."""
    state.save_weights(run.folder / "stages" / run.name, trained, objective.keep)
    for checkpoint in state.newest_first(run.folder / "checkpoints", run.name):
        state.remove(checkpoint)


def _finished_stages(out: Path, recipe: Recipe, model: Llava) -> int:
    """Put back what finished stages trained; how many there are.

    Stage by stage and with the dtypes each had: what is frozen in bfloat16 and trains again later was rounded between.
    """
    for count, (name, stage) in enumerate(recipe.stages.items()):
        folder = out / "stages" / name
        if not folder.is_dir():
            return count
        freeze(model, stage, frozen_dtype(recipe))
        tensors = state.load_weights(folder)
        trained = {
            f"{part}.{n}": p
            for part in stage.trains
            for n, p in part_of(model, part).named_parameters()
            if p.requires_grad
        }
        state.check_fits(tensors, {n: p.shape for n, p in trained.items()}, folder)
        with torch.no_grad():
            for key, parameter in trained.items():
                parameter.copy_(tensors[key])
    return len(recipe.stages)


def _call(after_stage: AfterStage, name: str, model: Llava, processor: Processor) -> None:
    model.eval()
    after_stage(name, model, processor)


def _first_difference(before: Recipe, now: Recipe) -> str:
    old, new = before.to_yaml().splitlines(), now.to_yaml().splitlines()
    pair = next((pair for pair in zip(old, new, strict=False) if pair[0] != pair[1]), (str(len(old)), str(len(new))))
    return (
        f"'{pair[0].strip()}' then, '{pair[1].strip()}' now. Give the recipe it was begun with ({_RECIPE} in it); only "
        "stages behind its last may be new"
    )
