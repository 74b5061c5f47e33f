"""A run: a recipe's stages one after the other in one folder, from nothing or from where it stopped.

The folder holds `recipe.yaml` (resolved), `run.json` (identity and digests of the data), `metrics.jsonl`,
`dropped.jsonl`, `checkpoints/` of the stage in progress, `stages/` with what each finished stage trained, and `final/`,
the finished model.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from chiasm import checkpoints
from chiasm.errors import UserError
from chiasm.models import connectors
from chiasm.models.llava import Llava
from chiasm.processing.processor import Processor
from chiasm.training import objectives, state
from chiasm.training.config import Recipe, Stage
from chiasm.training.loop import StageRun, part_of, train_stage
from chiasm.training.metrics import Reporter, Silent
from chiasm.training.origin import build_model
from chiasm.version import __version__

AfterStage = Callable[[str, Llava, Processor], None]


@dataclass(frozen=True, slots=True)
class _Folder:
    """The folder of a run and the identity written into it."""

    path: Path
    run_id: str

    @classmethod
    def fresh(cls, path: Path, recipe: Recipe) -> _Folder:
        """A new folder; raises `UserError` when something is there already."""
        if path.exists() and any(path.iterdir() if path.is_dir() else [path]):
            raise UserError(f"{path} already holds something. Continue it with --resume, or name another --out")
        try:
            path.mkdir(parents=True, exist_ok=True)
            run_id = uuid.uuid4().hex[:12]
            (path / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
            about = {"run_id": run_id, "chiasm": __version__, "threads": torch.get_num_threads(), "data": {}}
            _write_json(path / "run.json", about)
        except OSError as error:
            raise UserError(f"cannot write to {path}: {error.strerror}. Name another folder with --out") from None
        return cls(path, run_id)

    @classmethod
    def stopped(cls, path: Path, recipe: Recipe) -> _Folder:
        """The folder of a stopped run; raises `UserError` when it is none or of another recipe."""
        if not (path / "run.json").is_file():
            raise UserError(
                f"{path} is no run that could be resumed: it has no run.json. Leave --resume out to begin one"
            )
        before = Recipe.from_yaml(path / "recipe.yaml")
        if before != recipe:
            raise UserError(f"{path} was begun with another recipe: {_first_difference(before, recipe)}")
        return cls(path, json.loads((path / "run.json").read_text())["run_id"])

    def check_machine(self, reporter: Reporter) -> None:
        """Say so when this machine computes with another number of threads: sums round differently then."""
        before = json.loads((self.path / "run.json").read_text()).get("threads")
        if before != torch.get_num_threads():
            reporter.note(
                f"this run began with {before} threads and goes on with {torch.get_num_threads()}: its numbers will "
                "differ in their last digits from those of an unbroken run"
            )

    def check_data(self, stage: str, digest: str) -> None:
        """Remember the digest of a stage's data, or raise `UserError` when it is no longer the same."""
        record = json.loads((self.path / "run.json").read_text())
        known = record["data"].setdefault(stage, digest)
        if known != digest:
            raise UserError(
                f"the data of stage '{stage}' changed since this run began (sha256 {known[:12]}, now {digest[:12]}). "
                "Put the old file back, or begin a new run"
            )
        _write_json(self.path / "run.json", record)


def run(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    reporter: Reporter | None = None,
    after_stage: AfterStage | None = None,
    device: str = "cpu",
) -> Path:
    """Train a recipe in the folder `out` and return the folder of the finished model.

    `after_stage` is called with "start" before the first stage and with each stage's name after it, with the model in
    eval mode. Raises `UserError`, or `Interrupted` when a signal stopped the run after it saved itself.
    """
    reporter = reporter or Silent()
    folder = _Folder.stopped(out, recipe) if resume else _Folder.fresh(out, recipe)
    final = out / "final"
    if final.is_dir():
        reporter.note(f"{out} is finished; the model is in {final}")
        return final
    folder.check_machine(reporter)
    model, processor = build_model(recipe)
    model.to(device)
    done = _finished_stages(out, recipe, model) if resume else 0
    if not done and after_stage is not None:
        _call(after_stage, "start", model, processor)
    for name, stage in list(recipe.stages.items())[done:]:
        stage_run = StageRun(name, stage, recipe, out, folder.run_id, reporter)
        _train(stage_run, folder, model, processor, resume)
        if after_stage is not None:
            _call(after_stage, name, model, processor)
    model.to(getattr(torch, recipe.model.dtype))
    last = list(recipe.stages.values())[-1]
    processor = stage_processor(processor, last)
    checkpoints.save(final, model.eval(), processor, provenance={"recipe": recipe.name, "run_id": folder.run_id})
    return final


def stage_processor(processor: Processor, stage: Stage) -> Processor:
    """The processor as a stage wants it: its template, image policy and length."""
    changed = processor.with_template(stage.template)
    changed = changed.with_images(processor.images.model_copy(update={"policy": stage.images}))
    changed.max_length = stage.max_length
    return changed


def _train(run: StageRun, folder: _Folder, model: Llava, processor: Processor, resume: bool) -> None:
    if run.stage.reset_connector:
        torch.manual_seed(run.recipe.seed)
        config = model.config
        model.connector = connectors.build(config.connector, config.vision_width, config.language_width).to(
            model.device
        )
    torch.manual_seed(run.recipe.seed)
    objective = objectives.build(run.stage, model, stage_processor(processor, run.stage))
    folder.check_data(run.name, objective.digest())
    train_stage(run, model, objective, resume)
    # Parameters, not the state dict: that names tied weights twice.
    trained = {
        f"{part}.{name}": parameter
        for part in run.stage.trains
        for name, parameter in part_of(model, part).named_parameters()
    }
    # Connector, tower and language model as this stage leaves them; what it did not touch is where it came from.
    state.save_weights(run.folder / "stages" / run.name, trained)
    for checkpoint in state.newest_first(run.folder / "checkpoints", run.name):
        state.remove(checkpoint)


def _finished_stages(out: Path, recipe: Recipe, model: Llava) -> int:
    """Put back what finished stages trained; how many there are."""
    for count, name in enumerate(recipe.stages):
        folder = out / "stages" / name
        if not folder.is_dir():
            return count
        tensors = state.load_weights(folder)
        for part in recipe.stages[name].trains:
            module = part_of(model, part).to(torch.float32)
            with torch.no_grad():
                for rest, parameter in module.named_parameters():
                    parameter.copy_(tensors[f"{part}.{rest}"])
    return len(recipe.stages)


def _call(after_stage: AfterStage, name: str, model: Llava, processor: Processor) -> None:
    model.eval()
    after_stage(name, model, processor)


def _first_difference(before: Recipe, now: Recipe) -> str:
    old, new = before.to_yaml().splitlines(), now.to_yaml().splitlines()
    pair = next((pair for pair in zip(old, new, strict=False) if pair[0] != pair[1]), (str(len(old)), str(len(new))))
    return (
        f"'{pair[0].strip()}' then, '{pair[1].strip()}' now. Give the recipe it was begun with ({'recipe.yaml'} in it)"
    )


def _write_json(path: Path, value: object) -> None:
    temporary = path.with_name(f".{path.name}.writing")
    temporary.write_text(json.dumps(value, indent=1))
    temporary.replace(path)
