"""Fits which pictures are familiar to a checkpoint, and puts `familiar.safetensors` beside its weights.

    python scripts/fit_familiarity.py MODEL IMAGES HELD_OUT [--layer N] [--check FOLDER ...]

MODEL is a checkpoint folder (its tower must be the one that will be used), IMAGES holds pictures like those it has
learnt from, HELD_OUT others of the same kind, on which the limit is set: five in a thousand of them lie beyond it.
`--layer` looks at an earlier layer of the tower than the one the connector gets.
Every folder of `--check` is looked at afterwards, and how many of its pictures are unfamiliar is printed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from chiasm.checkpoints import load, write_familiarity
from chiasm.checkpoints.checkpoint import Checkpoint
from chiasm.errors import UserError
from chiasm.models.familiarity import fit, statistics
from chiasm.models.vision import num_layers
from chiasm.processing.pictures import open_picture

_PICTURES = (".png", ".jpg", ".jpeg", ".webp")
_AT_ONCE = 32
_MOST = 20_000  # of a folder, evenly taken: more tell nothing new
_QUANTILES = torch.tensor([0.0, 0.01, 0.05, 0.5, 0.95, 0.99, 1.0])


def found_in(folder: Path) -> list[Path]:
    """Pictures anywhere below `folder`, by name; raises `UserError` where there is none."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _PICTURES)
    if not paths:
        raise UserError(f"{folder} holds no pictures: expected files ending in {', '.join(_PICTURES)}")
    return paths[:: -(-len(paths) // _MOST)]


def batches(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    """`_AT_ONCE` at a time."""
    for start in range(0, len(paths), _AT_ONCE):
        yield paths[start : start + _AT_ONCE]


@torch.inference_mode()
def seen(checkpoint: Checkpoint, folder: Path, layer: int | None) -> torch.Tensor:
    """Statistics (pictures, 2 x vision width) of all pictures below `folder`."""
    found = []
    for some in batches(found_in(folder)):
        tiles = [checkpoint.processor.images.pixels(open_picture(path)) for path in some]
        (x_NPV,) = checkpoint.model.see_layers(torch.cat(tiles), (layer,))
        for x_PV in torch.split(x_NPV, [len(each) for each in tiles]):
            found.append(statistics(x_PV.reshape(1, -1, x_PV.shape[-1])))
    return torch.cat(found)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("--layer", type=int, help="hidden state of the tower, from 0; default: what the connector gets")
    parser.add_argument("--check", type=Path, action="append", default=[])
    options = parser.parse_args()
    try:
        checkpoint = load(options.model, progress=False)
        checkpoint.model.eval()
        depth = num_layers(checkpoint.model.vision_tower)
        if options.layer is not None and not 0 <= options.layer <= depth:
            raise UserError(f"--layer {options.layer} of a tower with {depth} layers: expected 0 to {depth}")
        familiar, held_out = (seen(checkpoint, each, options.layer) for each in (options.images, options.held_out))
        try:
            familiarity = fit(familiar, held_out, options.layer)
        except ValueError as error:
            raise UserError(str(error)) from None
        path = write_familiarity(options.model, familiarity)
        print(f"{path}: {path.stat().st_size:,} bytes from {len(familiar):,} pictures, limit {familiarity.limit:.1f}")
        for folder in options.check:
            distances = familiarity.distances(seen(checkpoint, folder, options.layer))
            num_beyond = int((distances > familiarity.limit).sum())
            print(
                f"{folder}: {num_beyond:,} of {len(distances):,} unfamiliar ({num_beyond / len(distances):.2%}); "
                f"distances {', '.join(f'{float(q):.1f}' for q in torch.quantile(distances, _QUANTILES))}"
            )
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
