"""`chiasm train --watch`: the curves of a run in the terminal or as a picture, for as long as it goes on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from chiasm.cli.braille_chart import Line, chart
from chiasm.cli.run_curves import Graph, graphs
from chiasm.training.history import RunHistory, StageHistory

if TYPE_CHECKING:
    from chiasm.training.history import State
    from chiasm.training.metrics import Answered

_SECONDS = 2.0  # between two looks; ours
_PICTURE_SECONDS = 10.0  # between two pictures; ours
_STYLES = ("bright_cyan", "bright_magenta", "bright_green", "bright_yellow")
_HELD_OUT = "bright_yellow"
_WIDEST = 60  # characters of a chart; ours


def watch(folder: Path, picture: Path | None = None) -> None:
    """Show the run in `folder` until it ends or Ctrl-C; in a pipe once.

    With `picture` its curves are drawn into that PNG as well, again and again. Raises `UserError` when there is no run.
    """
    history = RunHistory(folder)
    history.read()
    console = Console(highlight=False, markup=False)
    if picture is not None:
        _draw(history, picture)
    if not console.is_terminal:
        console.print(view(history, history.state(), console.width, 0))
        return
    drawn = time.monotonic()
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        try:
            while True:
                state = history.state()
                history.read()  # after the state: what a run that has ended wrote last is in
                live.update(view(history, state, console.width, console.height), refresh=True)
                if picture is not None and (state != "running" or time.monotonic() - drawn > _PICTURE_SECONDS):
                    _draw(history, picture)
                    drawn = time.monotonic()
                if state != "running":
                    return
                time.sleep(_SECONDS)
        except KeyboardInterrupt:  # the run goes on, only the watching ends
            return


def _draw(history: RunHistory, picture: Path) -> None:
    from chiasm.atomic import new_file
    from chiasm.cli.curves_picture import drawn

    image = drawn(history)
    with new_file(picture) as partial:
        image.save(partial, format="PNG")


def view(history: RunHistory, state: State, width: int, height: int) -> Group:
    """All stages that have begun, and the latest answers; 0 lines high: as high as it likes to be."""
    begun = [stage for stage in history.stages.values() if stage.step]
    waiting = [stage.name for stage in history.stages.values() if not stage.step]
    answers = next((stage for stage in reversed(begun) if stage.answers), None)
    shown_answers = _answers(answers, width) if answers is not None else []
    each = 9
    if height:
        room = height - len(shown_answers) - 2 - len(begun) * 4
        each = max(3, min(9, room // max(1, len(begun))))
        fits = max(1, (height - len(shown_answers) - 2) // (each + 4))
        begun = begun[-fits:]  # earlier stages give way where there is no room
    what = {"running": "goes on", "finished": "is finished", "stopped": "has stopped"}[state]
    title = Text(f"{history.folder} {what}", style="bold")
    if state == "stopped":
        title.append(f"; chiasm train --resume --out {history.folder}", style="dim")
    if waiting and state != "finished":
        title.append(f"; still to come: {', '.join(waiting)}", style="dim")
    blocks: list[Any] = [title]
    for stage in begun:
        blocks += [_heading(stage), _row(graphs(stage), stage, width, each)]
    return Group(*blocks, *shown_answers)


def _heading(stage: StageHistory) -> Text:
    last = stage.last
    said = [f"step {stage.step:,} of {stage.num_steps:,}"]
    if len(stage.validation):
        said.append(f"held-out loss {stage.validation.values[-1]:.4f}")
    if last.get("picture_tokens_per_second"):
        said.append(f"{last['picture_tokens_per_second']:,.0f} picture tokens a second")
    if "peak_memory_gib" in last:
        said.append(f"{last['peak_memory_gib']:.2f} GiB at most")
    if last.get("num_dropped"):
        said.append(f"{last['num_dropped']} samples left out")
    if stage.num_skipped:
        said.append(f"{stage.num_skipped} steps skipped")
    return Text.assemble((f"{stage.name}  ", "bold"), ", ".join(said), no_wrap=True, overflow="ellipsis")


def _row(shown: list[Graph], stage: StageHistory, width: int, height: int) -> Columns:
    """A stage's charts side by side."""
    each = min(_WIDEST, width // max(1, len(shown)) - 1)
    return Columns([_panel(graph, stage, each, height) for graph in shown], padding=(0, 1), expand=False)


def _panel(graph: Graph, stage: StageHistory, width: int, height: int) -> Panel:
    lines, names, number = [], Text(), 0
    for shown in graph.curves:
        if shown.look == "raw":  # a column of dots is a mean already
            continue
        style = _HELD_OUT if shown.look == "points" else _STYLES[number % len(_STYLES)]
        number += shown.look == "line"
        places = [step / max(1, stage.num_steps) for step in shown.curve.steps]
        lines.append(Line(places, shown.curve.values, style))
        if shown.label != graph.title:
            names.append(f" {shown.label}", style=style)
    rows = chart(lines, max(12, width - 2), height, (graph.low, graph.high))
    title = Text.assemble((graph.title, "bold"), names)
    return Panel(Group(*rows), title=title, title_align="left", width=max(14, width), padding=0, border_style="grey30")


def _answers(stage: StageHistory, width: int) -> list[Text]:
    lines = [Text(f"answers of {stage.name} after step {stage.answers_step:,}", style="bold")]
    return lines + [_answer(each, width // 2) for each in stage.answers[:4]]


def _answer(each: Answered, room: int) -> Text:
    """A line, of which picture and question take at most `room`."""
    picture = f"[{Path(each.images[0]).name}] " if each.images else ""
    question, answer, expected = (" ".join(text.split()) for text in (each.question, each.answer, each.expected))
    asked = Text(f"  {picture}{question}")
    asked.truncate(room, overflow="ellipsis")
    right = answer.strip(" .。").lower() == expected.strip(" .。").lower()
    return Text.assemble(
        (asked.plain + "  ", "dim"),
        (answer or "(nothing)", "green" if right else "yellow"),
        ("" if right else f"  expected: {expected}", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )
