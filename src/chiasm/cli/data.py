"""`chiasm data`: draw a world, mix sets, check samples, look at them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chiasm.cli.data_mix import mix
from chiasm.cli.data_show import show_one, write_page

if TYPE_CHECKING:
    from chiasm.data.check import CheckReport
    from chiasm.processing.processor import Processor

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Draw a world, mix data sets, check samples, look at them as the model sees them.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(mix)

_Records = Annotated[Path, typer.Argument(help="LLaVA's JSON: a list, or one record a line.")]
_Images = Annotated[Path | None, typer.Option(help="The folder picture paths are relative to.")]
_Model = Annotated[
    str | None, typer.Option("--model", "-m", help="Checkpoint whose tokenizer, template and image policy to use.")
]
_Template = Annotated[str | None, typer.Option(help="Another template than the checkpoint's.")]


@app.command()
def check(
    records: _Records,
    images: _Images = None,
    model: _Model = None,
    template: _Template = None,
    max_bad: Annotated[
        float, typer.Option(min=0, max=1, help="Share of samples that may be unusable before the exit code is 1.")
    ] = 0.01,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that look. [default: one a core]")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for a sample from a slow disk.")] = 300.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, every unusable sample in it.")
    ] = False,
) -> None:
    """Read every record and open every picture; say which samples cannot be used, and why.

    Exit code 1 when they are more than --max-bad, the rule by which training stops before its first step.

    \b
    Example:
      chiasm data check llava_v1_5_mix665k.json --images playground/data -m llava-1.5-7b
    """
    from chiasm.cli.progress import bar
    from chiasm.data.check import check as check_all
    from chiasm.data.conversations import ConversationFile

    if model is None and template is not None:
        raise typer.BadParameter("say with -m whose tokenizer and image policy to use with it", param_hint="--template")
    file = ConversationFile(records, images)
    processor = None if model is None else _processor(model, template)
    with bar("checking", len(file)) as advance:
        report = check_all(file, processor, advance, workers, timeout)
    if as_json:
        print(json.dumps(report.as_dict(), ensure_ascii=False))
    else:
        _print_report(report)
    if report.unusable_share > max_bad:
        print(
            f"{len(report.dropped)} of {report.num_samples} samples cannot be used, more than --max-bad {max_bad:g} "
            "allows: training would not begin",
            file=sys.stderr,
        )
        raise SystemExit(1)


@app.command()
def show(
    records: _Records,
    images: _Images = None,
    model: _Model = None,
    template: _Template = None,
    index: Annotated[int, typer.Option(help="Which record, from 0.")] = 0,
    tiles: Annotated[Path | None, typer.Option(help="Save what the tower gets of each picture here, as PNG.")] = None,
    page: Annotated[Path | None, typer.Option(help="Write many records as one HTML file instead.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=2000, help="The most records of a page.")] = 200,
) -> None:
    """Show one sample as the model sees it: tokens that are trained, tokens that are not, pictures. Or many as a page.

    \b
    Example:
      chiasm data show chat.json --images photos -m llava-1.5-7b --index 3 --tiles /tmp/tiles
      chiasm data show mixed.json --images playground/data --page mixed.html
    """
    from chiasm.data.conversations import ConversationFile
    from chiasm.errors import UserError

    file = ConversationFile(records, images)
    if not len(file):
        raise UserError(f"{records} holds no records: there is nothing to show")
    if page is not None:
        if tiles is not None:
            raise typer.BadParameter("a page has its own pictures: leave one of the two out", param_hint="--tiles")
        write_page(page, file, None if model is None else _processor(model, template), limit)
        return
    if not 0 <= index < len(file):
        raise typer.BadParameter(
            f"{index} is not among the {len(file)} records (0 to {len(file) - 1})", param_hint="--index"
        )
    show_one(file, index, _processor(model, template), tiles)


@app.command()
def scenes(
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    num: Annotated[int, typer.Option(min=1, help="Training pictures.")] = 1000,
    num_val: Annotated[
        int | None, typer.Option(min=1, help="Pictures for validation. [default: a twentieth of --num, at least 200]")
    ] = None,
    num_test: Annotated[
        int | None, typer.Option(min=1, help="Pictures for the last test. [default: as many as for validation]")
    ] = None,
    num_text: Annotated[
        int | None, typer.Option(min=1, help="Scenes told in words only. [default: as many as training pictures]")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    size: Annotated[int, typer.Option(help="The longer side of a picture in pixels.")] = 224,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that draw. [default: one a core]")] = None,
) -> None:
    """Draw pictures with all that can be said of them, in English and Chinese. Stopped, the same command goes on.

    \b
    Example:
      chiasm data scenes --out world --num 2000
    """
    from chiasm.scenes.writing import write_world

    world = write_world(
        out,
        num=num,
        num_val=num_val,
        num_test=num_test,
        num_text=num_text,
        seed=seed,
        size=size,
        workers=workers,
    )
    print(world.folder)


def _processor(model: str | None, template: str | None) -> Processor:
    """The processor of a checkpoint, without reading its weights."""
    from chiasm import bundled, checkpoints

    return checkpoints.load_processor(model or bundled.folder("assistant"), template=template)


def _print_report(report: CheckReport) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)  # names and messages come from data
    console.print(f"{report.num_samples} samples, {report.num_usable} usable, {report.num_pictures} pictures in them")
    found = report.as_dict()
    if "tokens" in found:
        t = found["tokens"]
        console.print(
            f"tokens: {t['total']:,} in all, {t['trained']:,} trained, median {t['median']}, longest {t['longest']}; "
            f"{report.num_cut} answers cut"
        )
    if report.torn:
        print(f"note: {report.torn}", file=sys.stderr)
    if report.dropped.named:
        table = Table("sample", "reason", "what is wrong", title=str(report.dropped), title_justify="left")
        for name, (reason, message) in list(report.dropped.named.items())[:50]:
            table.add_row(name, reason, message)
        console.print(table)
        if len(report.dropped) > 50:
            console.print(f"... and {len(report.dropped) - 50} more: --json names them all")
