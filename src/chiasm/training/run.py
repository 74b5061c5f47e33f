"""A run: a recipe's stages one after the other in one folder, from nothing or from where it stopped.

The folder holds `recipe.yaml` (resolved), `run.json` (identity and digests of the data), `metrics.jsonl`,
`dropped.jsonl`, `skipped.jsonl`, `checkpoints/` of the stage in progress, `stages/` with what each finished stage
trained, `final/`, the finished model, and `after_STAGE/`, the one that was finished before more stages were added.
While a process trains in it there is a lock as well.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path

import torch
from torch import nn

from chiasm import checkpoints
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
from chiasm.training.holding import held
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
from chiasm.training.origin import build_model, fingerprint
from chiasm.training.parallel import HERE, Placement
from chiasm.training.run_folder import RunFolder
from chiasm.training.validation import HeldOut

AfterStage = Callable[[str, Llava, Processor], None]


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
    folder = RunFolder(out, world.from_first(lambda: _identity(recipe, out, final, resume)))
    if world.from_first(final.is_dir):
        world.from_first(lambda: _save_clip(out, final, recipe, folder.run_id))
    if world.from_first(lambda: folder.is_finished(recipe, final)):
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
    weights = fingerprint(model)
    world.check_same("weights", weights)
    done = 0
    if resume:
        world.from_first(lambda: folder.check_machine(reporter, world.size))
        world.from_first(lambda: folder.check_tokenizer(tokenizer))
        world.from_first(lambda: folder.check_weights(weights))
        done, processor = _finished_stages(out, recipe, model, processor)
        world.from_first(lambda: folder.go_on(recipe, done, final, reporter))
    else:
        world.from_first(lambda: folder.begin(recipe, tokenizer, weights, world.size))
    model.to(placement.device)
    hook = after_stage if world.leads else None
    if hook is not None:
        _call(hook, ["start", *recipe.stages][done], model, processor)
    for name, stage in list(recipe.stages.items())[done:]:
        processor = _resized(stage, model, processor)
        stage_run = StageRun(name, stage, recipe, out, folder.run_id, reporter, placement)
        _train(stage_run, folder, model, processor, resume, cache or CacheSettings())
        if hook is not None:
            _call(hook, name, model, processor)
    world.from_first(lambda: _save_final(out, final, recipe, model, processor, folder.run_id))
    return final


def _identity(recipe: Recipe, out: Path, final: Path, resume: bool) -> str:
    """The run's id, new or from its folder; raises `UserError` where the run cannot begin, or go on, in `out`."""
    folder = RunFolder.stopped(out, recipe) if resume else RunFolder.fresh(out)
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
    run: StageRun, folder: RunFolder, model: Llava, processor: Processor, resume: bool, cache: CacheSettings
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
    goes_on = resume and run.world.from_first(lambda: bool(state.newest_first(run.folder / "checkpoints", run.name)))
    run.world.from_first(lambda: folder.check_data(run.name, digest, goes_on))
    # What is to be divided never lies whole on a GPU.
    divided = divides(run.placement, objective)
    model.to("cpu" if divided else run.placement.device)
    if (head := objective.head()) is not None:
        head.to(model.device)  # after a divided stage it was made on the CPU
    if run.placement.layout != "replicate" and run.world.size > 1 and not divided:
        run.reporter.note(f"stage {run.name}: objective '{run.stage.objective}' is replicated, it cannot be divided")
    samples = None
    if not goes_on:
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


def _resized(stage: Stage, model: Llava, processor: Processor) -> Processor:
    """The processor, and the model itself, for pictures of the size that the stage wants."""
    size = stage.image_size
    if size is None or size == processor.images.size:
        return processor
    model.resize_pictures(size)
    return processor.resized(size)


def _finished_stages(out: Path, recipe: Recipe, model: Llava, processor: Processor) -> tuple[int, Processor]:
    """Put back what finished stages trained; how many there are, and the processor as the last of them had it.

    Stage by stage and with the dtypes each had: what is frozen in bfloat16 and trains again later was rounded between.
    """
    for count, (name, stage) in enumerate(recipe.stages.items()):
        folder = out / "stages" / name
        if not folder.is_dir():
            return count, processor
        processor = _resized(stage, model, processor)
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
    return len(recipe.stages), processor


def _call(after_stage: AfterStage, name: str, model: Llava, processor: Processor) -> None:
    model.eval()
    after_stage(name, model, processor)
