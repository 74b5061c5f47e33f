"""`chiasm convert SRC DST --to hf|original`: a checkpoint in the other layout, a tensor at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from chiasm.cli.known_values import known_template


def convert(
    src: Annotated[str, typer.Argument(help="A checkpoint folder, or a name on the Hugging Face hub.")],
    dst: Annotated[Path, typer.Argument(help="The folder to write; it must not exist, or be empty.")],
    to: Annotated[
        Literal["hf", "original"],
        typer.Option(help="hf: transformers, vLLM and SGLang read it. original: the published LLaVA code reads it."),
    ],
    template: Annotated[
        str | None,
        typer.Option(
            callback=known_template, help="The template the model was trained with, where the folder does not say."
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="What adapters stand on, where their folder does not say or says it wrongly.")
    ] = None,
) -> None:
    """Write a checkpoint in another layout, values untouched; adapters (LoRA) are merged.

    Example: chiasm convert liuhaotian/llava-v1.5-7b llava-hf --to hf
    """
    from chiasm import checkpoints

    checkpoints.convert(src, dst, to=to, template=template, base=base)
    typer.echo(str(dst))
