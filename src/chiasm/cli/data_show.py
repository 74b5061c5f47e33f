"""How `chiasm data show` shows: one record as tokens in the terminal, or many as a page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chiasm.data.conversations import ConversationFile
    from chiasm.processing.processor import Processor


def write_page(page: Path, file: ConversationFile, processor: Processor | None, limit: int) -> None:
    """Write the page and say what is on it."""
    from chiasm.cli.overwriting import refuse_overwriting
    from chiasm.cli.progress import bar
    from chiasm.data import page as pages

    refuse_overwriting({"--page": page}, [file.records.path])
    with bar("looking", min(limit, len(file))) as advance:
        shown = pages.write_page(page, file, processor=processor, most=limit, advance=advance)
    which = "" if shown.num_shown == shown.num_records else f" of {shown.num_records:,}, at even distances"
    broken = f"; {shown.num_broken:,} cannot be used" if shown.num_broken else ""
    print(f"{shown.num_shown:,} records{which}{broken}", file=sys.stderr)
    print(page)


def show_one(file: ConversationFile, index: int, processor: Processor, tiles: Path | None) -> None:
    """Print a record's tokens by what they are; save the tiles of its pictures in the folder `tiles`."""
    from rich.console import Console
    from rich.text import Text

    from chiasm.data.show import seen
    from chiasm.data.show import tiles as tiles_of
    from chiasm.errors import UserError

    conversation = file[index]
    example = processor.encode(conversation, train=True)
    saved = []
    if tiles is not None:
        try:
            tiles.mkdir(parents=True, exist_ok=True)
            for number, picture in enumerate(tiles_of(conversation, processor)):
                for part, tile in enumerate(picture):
                    saved.append(tiles / f"picture{number}_tile{part}.png")
                    tile.save(saved[-1])
        except OSError as error:
            raise UserError(f"cannot save tiles in {tiles}: {error.strerror}. Name another folder") from None
    console = Console(highlight=False, soft_wrap=True, markup=False)  # records may hold anything
    console.print(
        f"record {conversation.id}: {len(example.input_ids)} tokens, {example.num_trained} trained, "
        f"{example.num_cut} cut"
    )
    # On a terminal colours tell the kinds apart; brackets do in a pipe.
    marks = {
        "picture": ("black on cyan", "", ""),
        "trained": ("black on green", "[+", "+]"),
        "not trained": ("dim", "", ""),
    }
    line = Text()
    for run in seen(example, processor):
        style, before, after = marks[run.kind]
        before, after = ("", "") if console.is_terminal else (before, after)
        what = f"[picture: {run.num_tokens} tokens]" if run.kind == "picture" else "|".join(run.tokens)
        line.append(f"{before}{what}{after}", style=style)
    console.print(line)
    for path in saved:
        console.print(f"saved {path}")
