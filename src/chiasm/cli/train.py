"""`chiasm train`: the stages of a recipe, from nothing or from where a run stopped."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from chiasm.errors import UserError

if TYPE_CHECKING:
    from chiasm.training.config import Recipe
    from chiasm.training.metrics import Reporter
    from chiasm.training.plan import Machine


def train(  # noqa: PLR0913, PLR0917 - one argument an option
    recipe: Annotated[str | None, typer.Argument(help="A recipe's name or a .yaml file; not needed to resume.")] = None,
    out: Annotated[Path | None, typer.Option(help="The folder of the run. [default: runs/NAME]")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="a.b=value, stages.*.b=value; repeatable.", metavar="A.B=V")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Leave out the stages behind this one.", metavar="STAGE")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the resolved recipe as YAML and stop.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps. [default: best here]")] = None,
    parallel: Annotated[
        Literal["replicate", "shard", "hybrid"],
        typer.Option(help="What each process torchrun starts holds: the model, a share, or a share of its machine's."),
    ] = "replicate",
    plan: Annotated[bool, typer.Option("--plan", help="Say what the run will take, and stop.")] = False,
    gpus: Annotated[int, typer.Option(help="Devices to plan for.", min=1, max=100_000)] = 1,
    gpu_memory: Annotated[float, typer.Option(help="GiB of each.", min=0.001, max=100_000)] = 80.0,
    tflops: Annotated[float, typer.Option(help="Peak of each; an A100 has 312, an H100 989.", min=0.001)] = 312.0,
    utilisation: Annotated[float, typer.Option(help="Share of the peak a step reaches.", min=0.01, max=1.0)] = 0.4,
    as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON.")] = False,
    cache_gb: Annotated[float, typer.Option(help="What stages with `features: cache` may keep, in all.", min=0)] = 50.0,
    cache_dir: Annotated[
        Path | None, typer.Option(help="The folder they keep it in. [default: ~/.cache/chiasm/features]")
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write the metrics for TensorBoard, too.")] = False,
    watch: Annotated[
        Path | None, typer.Option(help="Train nothing: show the curves of the run in this folder.", metavar="RUN")
    ] = None,
    png: Annotated[Path | None, typer.Option(help="With --watch: draw them into this PNG.", metavar="FILE")] = None,
) -> None:
    """Train a model: the stages of a recipe, one after the other.

    Stop with Ctrl-C: the run saves itself and `--resume` goes on with it.

    \b
    Examples:
      chiasm train llava_v15_7b --show > my.yaml
      chiasm train my.yaml --out runs/mine --set stages.align.optim.lr=2e-3
      chiasm train --resume --out runs/mine
      chiasm train tiny --until instruct
      chiasm train llava_v15_7b --plan --gpus 8 --gpu-memory 80
      chiasm train --watch runs/mine
      torchrun --nproc-per-node 8 -m chiasm train llava_v15_7b --parallel shard
    """
    if watch is not None or png is not None:
        _watch(watch, png)
        return
    from chiasm.cli.progress import RunReporter, let_other_programs_run

    let_other_programs_run()
    from chiasm.training.parallel import Told, joined, launched, leads
    from chiasm.training.stopping import Interrupted

    if recipe is None and not (resume and out is not None):
        from chiasm import recipes

        raise typer.BadParameter(f"name one of {', '.join(recipes.REGISTRY.names())}, or a .yaml", param_hint="RECIPE")
    if plan:
        from chiasm.training.plan import Machine

        on_cpu = device is not None and device.startswith("cpu")
        _print_plan(
            _resolved(recipe, out, changes, until), Machine(gpus, gpu_memory, tflops, utilisation, on_cpu), as_json
        )
        return
    if as_json:
        raise typer.BadParameter("goes with --plan", param_hint="--json")
    if show:
        from chiasm.training.checking import check_names

        resolved = _resolved(recipe, out, changes, until)
        check_names(resolved)
        sys.stdout.write(resolved.to_yaml())
        return
    from chiasm.training.allocation import keep_freed_memory
    from chiasm.training.features import CacheSettings
    from chiasm.training.run import run

    keep_freed_memory()

    reporter, folder = RunReporter(), out
    try:
        cache = CacheSettings(cache_dir, cache_gb)
        with joined(device, parallel) as placement:
            resolved = _resolved(recipe, out, changes, until)
            folder = out if out is not None else Path("runs") / resolved.name
            told = _with_tensorboard(folder, reporter) if tensorboard else reporter
            final = run(resolved, folder, resume=resume, reporter=told, cache=cache, placement=placement)
    except Interrupted as stop:
        reporter.close()
        if leads():
            again = "the same torchrun and" if launched() else "chiasm train"
            print(f"{stop}; saved. Go on with: {again} --resume --out {folder}", file=sys.stderr)
        raise SystemExit(128 + stop.signal_number) from None
    except Told:  # by one of the processes, to all
        if leads():
            raise
        raise SystemExit(1) from None
    finally:
        reporter.close()
    if leads():
        print(final)


def _watch(folder: Path | None, picture: Path | None) -> None:
    if folder is None:
        raise typer.BadParameter("goes with --watch", param_hint="--png")
    from chiasm.cli import watch_run

    watch_run.watch(folder, picture)


def _with_tensorboard(folder: Path, reporter: Reporter) -> Reporter:
    from chiasm.training.tensorboard import TensorBoard

    return TensorBoard(folder, reporter)


def _resolved(recipe: str | None, out: Path | None, changes: list[str] | None, until: str | None) -> Recipe:
    """The recipe of that name or file, by default that of the run in `out`, with `changes` and no stage too many."""
    from chiasm import recipes

    if recipe is None and out is not None:
        if not (out / "recipe.yaml").is_file():
            raise UserError(f"{out} is no run that could be resumed: it has no recipe.yaml. Name the folder of a run")
        recipe = str(out / "recipe.yaml")
    resolved = recipes.find(str(recipe))
    resolved = resolved.with_changes(changes) if changes else resolved
    return resolved.until(until) if until is not None else resolved


def _print_plan(recipe: Recipe, machine: Machine, as_json: bool) -> None:
    from chiasm.cli import plan_table
    from chiasm.training.checking import check_names
    from chiasm.training.plan import plan

    check_names(recipe)
    made = plan(recipe, machine)
    text = json.dumps(made.as_json(), indent=1) if as_json else "\n".join(plan_table.lines(made))
    sys.stdout.write(text + "\n")
