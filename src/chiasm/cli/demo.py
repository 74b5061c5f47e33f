"""`chiasm demo`: LLaVA's two stages on pictures drawn here, from the parts that come with chiasm, in minutes."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from chiasm.demo.story import Story
    from chiasm.evals.tasks._drawn import Share


def demo(
    out: Annotated[Path, typer.Option(help="The folder for everything.")] = Path("runs/demo"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw an earlier demo in --out away first.")] = False,
    num: Annotated[int, typer.Option(min=100, help="Training pictures to draw.")] = 3000,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change the recipe `demo`: a.b=value; repeatable.", metavar="A.B=V"),
    ] = None,
) -> None:
    """Join a tower and a language model through LLaVA's two stages, and let them answer about unseen pictures.

    Both parts come with chiasm and have never met. Stop it whenever you like; the same command goes on. Ends with a
    table of accuracies and report.html.

    \b
    Example:
      chiasm demo && chiasm chat -m runs/demo/final -a runs/demo/world/images/val/000000.png "What do you see?"
    """
    from chiasm.cli.progress import RunReporter, bar, let_other_programs_run

    let_other_programs_run()
    from chiasm.demo.report import write_report
    from chiasm.demo.story import tell
    from chiasm.errors import UserError
    from chiasm.recipes.demo import recipe
    from chiasm.training.stopping import Interrupted

    if fresh and out.exists():
        if not (out / "world" / "world.json").is_file():
            raise UserError(f"{out} does not look like a demo, so --fresh does not delete it. Name another --out")
        recipe(str(out / "world")).with_changes(changes or [])  # a typing error deletes nothing
        shutil.rmtree(out)
    reporter, begun = RunReporter(), time.monotonic()
    try:
        story = tell(out, reporter, changes=changes or [], num_train=num, bar=bar)
    except (Interrupted, KeyboardInterrupt) as stop:
        reporter.close()
        signal_number = stop.signal_number if isinstance(stop, Interrupted) else signal.SIGINT
        print(f"{str(stop) or 'stopped by SIGINT'}; saved. The same command goes on", file=sys.stderr)
        raise SystemExit(128 + signal_number) from None
    finally:
        reporter.close()
    _print_table(story)
    report = write_report(story)
    picture = story.requests[0].images[0]
    print(
        f"\n{time.monotonic() - begun:.0f} s. Look at it: {report}\n"
        f"Talk to it: chiasm chat -m {out / 'final'} -a {picture}"
    )


def _print_table(story: Story) -> None:
    from rich.console import Console
    from rich.table import Table

    from chiasm.demo.asking import CODES, right, together, truth
    from chiasm.demo.story import LAST, MOMENTS

    console = Console(highlight=False, markup=False)  # a model may say anything
    title = "right answers about unseen pictures, percent (95 % interval)"
    table = Table("kind of question", "guessing", *MOMENTS.values(), "of", title=title)
    guessing, by_moment = story.guessing(), {moment: story.shares(moment) for moment in MOMENTS}
    for kind, share in guessing.items():
        row = [f"{share.percent:.0f}", *(_told(shares[kind], moment) for moment, shares in by_moment.items())]
        table.add_row(kind, *row, str(share.num), end_section=kind == list(guessing)[-1])
    for name, codes in (("English", CODES[:1]), ("Chinese", CODES[1:]), ("all", CODES)):
        share = together(story.guessing(*codes).values())
        row = [f"{share.percent:.0f}", *(_told(story.total(moment, *codes), moment) for moment in MOMENTS)]
        table.add_row(name, *row, str(share.num))
    console.print(table)
    console.print("guessing: always the most frequent answer of that kind", style="dim")
    asked = story.questions["en"]
    for question in asked[:: max(1, len(asked) // 5)][:5]:
        answer = story.answers[LAST][question.key]
        verdict = "✓" if right("en", question, answer) else f"✗ ({truth(question).answer})"
        console.print(f"{question.group}  {question.text.splitlines()[0]}  {answer} {verdict}")


def _told(share: Share, moment: str) -> str:
    """With its interval at the end, where it matters most."""
    from chiasm.demo.story import LAST

    if moment != LAST:
        return f"{share.percent:.0f}"
    return f"{share.percent:.0f} ({share.interval.low:.0f} to {share.interval.high:.0f})"
