"""`chiasm demo`: a small LLaVA from nothing, on pictures drawn here, in minutes."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from chiasm.demo.story import Story


def demo(
    out: Annotated[Path, typer.Option(help="The folder for everything.")] = Path("runs/demo"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw an earlier demo in --out away first.")] = False,
    num: Annotated[int, typer.Option(min=100, help="Training pictures to draw.")] = 6000,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change the recipe `tiny`: a.b=value; repeatable.", metavar="A.B=V"),
    ] = None,
) -> None:
    """Train a small LLaVA through both stages on drawn pictures and let it answer about unseen ones.

    Stop it whenever you like; the same command goes on. Ends with a table of accuracies and report.html.

    \b
    Example:
      chiasm demo && chiasm chat -a runs/demo/world/images/val/000000.png "What do you see?"
    """
    from chiasm.cli.progress import RunReporter, let_other_programs_run

    let_other_programs_run()
    from chiasm.backends import DEMO_MODEL
    from chiasm.demo.report import write_report
    from chiasm.demo.story import tell
    from chiasm.errors import UserError
    from chiasm.training.stopping import Interrupted

    if fresh and out.exists():
        if not (out / "world" / "world.json").is_file():
            raise UserError(f"{out} does not look like a demo, so --fresh does not delete it. Name another --out")
        shutil.rmtree(out)
    reporter, begun = RunReporter(), time.monotonic()
    try:
        story = tell(out, reporter, changes=changes or [], num_train=num)
    except Interrupted as stop:
        reporter.close()
        print(f"{stop}; saved. The same command goes on", file=sys.stderr)
        raise SystemExit(128 + stop.signal_number) from None
    finally:
        reporter.close()
    _print_table(story)
    report = write_report(story)
    model = "" if out / "final" == DEMO_MODEL else f"-m {out / 'final'} "
    print(
        f"\n{time.monotonic() - begun:.0f} s. Report: {report}\nTalk to it: chiasm chat {model}-a {_a_picture(story)}"
    )


def _print_table(story: Story) -> None:
    from rich.console import Console
    from rich.table import Table

    from chiasm.demo.story import MOMENTS

    console = Console(highlight=False, markup=False)  # a model may say anything
    table = Table("questions about unseen pictures", "guessing", *MOMENTS.values(), title="right answers, percent")
    for kind in [*story.kinds, None]:
        row = [story.guessing(kind), *(story.accuracy(moment, kind) for moment in MOMENTS)]
        table.add_row(kind or "all", *(f"{value:.1f}" for value in row), end_section=kind == story.kinds[-1])
    console.print(table)
    console.print("guessing: always the most frequent answer of that kind", style="dim")
    for asked in story.asked[:: max(1, len(story.asked) // 5)][:5]:
        answer = asked.answers["instruct"]
        question = asked.question.partition("\n")[0]
        console.print(
            f"{asked.image}  {question}  {answer} " + ("✓" if asked.right("instruct") else f"✗ ({asked.truth})")
        )


def _a_picture(story: Story) -> Path:
    return story.folder / "world" / "images" / story.asked[0].image
