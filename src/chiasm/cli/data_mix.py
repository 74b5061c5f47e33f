"""`chiasm data mix`: sets in their own files to one file of training data and a card."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chiasm.errors import suggest

if TYPE_CHECKING:
    from chiasm.data.card import Measure
    from chiasm.data.mixture import Mixture
    from chiasm.data.mixture_run import Mixed
    from chiasm.data.writers import Form

_FORMS = ("json", "jsonl", "parquet", "wds")


def _known_form(name: str | None) -> str | None:
    if name is not None and name not in _FORMS:
        raise typer.BadParameter(f"no format '{name}': {suggest(name, _FORMS)}")
    return name


def mix(  # noqa: PLR0913, PLR0917 - one argument an option
    mixture: Annotated[str, typer.Argument(metavar="FILE|NAME", help="A YAML file, or the name of a mixture.")],
    out: Annotated[Path | None, typer.Option(help="The file to write; with --format wds, the folder.")] = None,
    root: Annotated[Path, typer.Option(help="Where the sets' own files are, or their folders.")] = Path(),
    images: Annotated[
        Path | None, typer.Option(help="The folder picture names are relative to: missing ones are counted.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another seed than the mixture's.")] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", callback=_known_form, help="json, jsonl, parquet or wds; by default as --out ends."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Checkpoint whose tokenizer counts lengths; else words count.")
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Leave out sources whose files are not there.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the mixture as YAML and stop.")] = False,
) -> None:
    """Turn data sets into one file of conversations, with a card of what is in it.

    \b
    Example:
      chiasm data mix mine.yaml --out mixed.json --images photos
      chiasm data mix llava_v15_mix665k --root playground/data --out mix665k.json
    """
    chosen = _mixture(mixture)
    if seed is not None:
        chosen = chosen.model_copy(update={"seed": seed})
    if show:
        print(chosen.to_yaml(), end="")
        return
    if out is None:
        raise typer.BadParameter("say where to write, as in --out mixed.json", param_hint="--out")
    from chiasm.data.mixture_run import Places
    from chiasm.data.mixture_run import mix as mix_all

    with _counting() as advance:
        mixed = mix_all(
            chosen,
            out,
            Places(root, images),
            form=_as_form(form),
            partial=partial,
            measure=_measure(model),
            advance=advance,
        )
    _tell(mixed)


def _mixture(name: str) -> Mixture:
    """A file by its path, or a mixture by its name."""
    from chiasm.data import mixtures
    from chiasm.data.mixture import Mixture

    path = Path(name)
    if path.suffix.lower() in (".yaml", ".yml") or path.is_file():
        return Mixture.from_yaml(path)
    return mixtures.find(name)


def _as_form(name: str | None) -> Form | None:
    from chiasm.data.writers import FORMS

    return next((form for form in FORMS if form == name), None)


def _measure(model: str | None) -> Measure:
    """Words, or the tokens of a checkpoint's tokenizer and template; its weights and the pictures are not read."""
    from chiasm.data.card import IN_WORDS

    if model is None:
        return IN_WORDS
    from chiasm import checkpoints
    from chiasm.data.card_tokens import in_tokens

    return in_tokens(checkpoints.load_processor(model))


@contextmanager
def _counting() -> Iterator[Callable[[str, int], None]]:
    """Records read and written so far, on a terminal; how many there will be is known only at the end."""
    if not sys.stderr.isatty():
        yield lambda stage, count: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:,.0f} records"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks: dict[str, Any] = {}

        def advance(stage: str, count: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=None)
            progress.advance(tasks[stage], count)

        yield advance


def _tell(mixed: Mixed) -> None:
    """What there is now, a line a source; the card has the rest."""
    from rich.console import Console
    from rich.table import Table

    card = mixed.card
    compare = any("published" in part for part in card["parts"].values())
    table = Table("part", *(("records", "published", "difference") if compare else ("records", "of")))
    for column in table.columns[1:]:
        column.justify = "right"
    for name, part in card["parts"].items():
        known = "published" in part
        published = (f"{part['published']:,}", f"{part['difference']:+,}") if known else ("", "")
        table.add_row(name, f"{part['records']:,}", *(published if compare else (f"{part['available']:,}",)))
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(table)
    missing = "" if card["pictures_missing"] is None else f", {card['pictures_missing']:,} pictures missing"
    length = card["length"]
    console.print(
        f"{card['records']:,} records, {card['with_picture']:,} with a picture{missing}; "
        f"{length['median']:,} {card['unit']} in the middle, {length['max']:,} at most"
    )
    for note in mixed.notes:
        print(f"note: {note}", file=sys.stderr)
    if mixed.dropped is not None:
        print(f"note: every dropped record is in {mixed.dropped}", file=sys.stderr)
    print(mixed.card_files[0])
    print(mixed.out)
