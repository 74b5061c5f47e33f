"""`chiasm classify PICTURE LABEL...`: which of some names fits a picture best, by a CLIP."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from chiasm.cli.known_values import known_device
from chiasm.errors import UserError
from chiasm.harmless import harmless, json_line

if TYPE_CHECKING:
    from chiasm.classifying import Likelihood

_BAR = 30  # columns of a certainty; ours
_WIDEST = 60  # columns of a label; ours
_EIGHTHS = " ▏▎▍▌▋▊▉"


def classify(
    picture: Annotated[str, typer.Argument(help="A picture.")],
    labels: Annotated[list[str], typer.Argument(metavar="LABEL...", help="Words or phrases, at least two.")],
    image: Annotated[
        list[str] | None, typer.Option("--image", "-a", help="One more picture, for the same labels; repeatable.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="The folder of a CLIP, of a run's result, or a hub name. [default: chiasm's own]"
        ),
    ] = None,
    template: Annotated[
        str, typer.Option(help='The words around a label, as in "a picture of {}".', metavar="TEXT")
    ] = "{}",
    device: Annotated[str, typer.Option(callback=known_device, help="cpu, cuda, cuda:1, mps.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a picture.")] = False,
) -> None:
    """Say which of some labels fits a picture best, without training: zero-shot classification.

    \b
    Examples:
      chiasm classify picture.png dog cat "red car"
      chiasm classify a.png day night -a b.png -a c.png
      chiasm classify photo.jpg dog cat -m openai/clip-vit-base-patch32 --template "a photo of a {}"
    """
    from chiasm import bundled
    from chiasm.classifying import Classifier
    from chiasm.models.device import usable_device
    from chiasm.processing.pictures import PictureError, open_picture

    pictures = [picture, *(image or [])]
    if len(pictures) == 1:
        open_picture(picture)  # before the model is
    classifier = Classifier.open(model or bundled.folder("clip"), labels, template, device=usable_device(device))
    failed = 0
    for number, name in enumerate(pictures):
        try:
            opened = open_picture(name)
        except PictureError as error:
            failed += 1
            _tell_failure(name, error, as_json)
            continue
        likelihoods = classifier.classify(opened)
        if as_json:
            print(json_line(_fields(name, likelihoods)))
            continue
        if len(pictures) > 1:
            print(f"{chr(10) if number else ''}{harmless(name)}")
        print(_table(likelihoods))
    if failed:
        raise SystemExit(1)


def _fields(name: str, likelihoods: Sequence[Likelihood]) -> dict[str, object]:
    rows = [
        {"label": each.label, "probability": round(each.probability, 6), "cosine": round(each.cosine, 6)}
        for each in likelihoods
    ]
    return {"image": name, "label": likelihoods[0].label, "labels": rows}


def _tell_failure(name: str, error: UserError, as_json: bool) -> None:
    if as_json:
        print(json_line({"image": name, "error": getattr(error, "reason", "error"), "message": str(error)}))
    else:
        print(f"error: {harmless(str(error))}", file=sys.stderr)


def _table(likelihoods: Sequence[Likelihood]) -> str:
    """A line a label, likeliest first: its name, its per cent, a bar."""
    from rich.cells import cell_len, set_cell_size

    names = [" ".join(harmless(each.label).split()) for each in likelihoods]
    names = [name if cell_len(name) <= _WIDEST else set_cell_size(name, _WIDEST - 1) + "…" for name in names]
    width = max(map(cell_len, names))
    return "\n".join(
        f"{name}{' ' * (width - cell_len(name))}  {100 * each.probability:5.1f} %  {_bar(each.probability)}".rstrip()
        for name, each in zip(names, likelihoods, strict=True)
    )


def _bar(share: float) -> str:
    whole, part = divmod(round(share * _BAR * 8), 8)
    return "█" * whole + (_EIGHTHS[part] if part else "")
