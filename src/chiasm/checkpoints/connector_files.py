"""Files with a connector alone, as stage 1 leaves them: `mm_projector.bin` of the published code, or safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from chiasm.atomic import new_file
from chiasm.checkpoints import weights
from chiasm.checkpoints.shards import write_shard
from chiasm.checkpoints.tensors import Stored, read_files
from chiasm.errors import UserError
from chiasm.models.llava import Llava

# What stage 1 calls its file; ours first.
_NAMES = ("mm_projector.safetensors", "mm_projector.bin")


def read_connector(path: str | Path) -> dict[str, torch.Tensor]:
    """A connector's tensors under the module's own names (`0.weight`, `0.bias`, `2.weight`, ...).

    `path` is a file or a folder with `mm_projector.safetensors` or `mm_projector.bin`. Raises `UserError` for a file
    that holds anything else: a token's embedding trained along with it would otherwise be lost without a word.
    """
    path = Path(path)
    if path.is_dir():
        present = [path / name for name in _NAMES if (path / name).is_file()]
        if not present:
            raise UserError(f"{path} holds no connector: expected {' or '.join(_NAMES)} in it")
        path = present[0]
    if not path.is_file():
        raise UserError(f"no connector file {path}: expected the mm_projector.bin of a stage-1 run, or its folder")
    named, strangers = weights.renamed(read_files([path]), weights.from_connector)
    if strangers or not named:
        raise UserError(
            f"{path} is no connector: it holds {', '.join(strangers) or 'nothing'}; expected names like "
            "model.mm_projector.0.weight"
        )
    return {name: tensor.read().clone() for name, tensor in named.items()}


def write_connector(path: str | Path, model: Llava) -> None:
    """Write the connector of `model` to a safetensors file under the published names, `model.mm_projector.0.weight`."""
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"connectors are written as .safetensors, not {path.name}")
    tensors = {
        weights.to_original(f"connector.{name}", model.config.connector): Stored.of(tensor)
        for name, tensor in model.connector.state_dict().items()
    }
    with new_file(path) as partial:
        write_shard(partial, tensors)


def check_connector(
    tensors: Mapping[str, torch.Tensor], expected: Mapping[str, tuple[int, ...]], connector: str, source: str | Path
) -> None:
    """Raise one `UserError` with all tensors of a connector file that are missing, too many or of another shape."""
    problems = [f"missing {name}" for name in expected if name not in tensors]
    problems += [f"unexpected {name}" for name in tensors if name not in expected]
    problems += [
        f"{name} is {tuple(tensors[name].shape)}, expected {shape}"
        for name, shape in expected.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    ]
    if problems:
        raise UserError(f"{source} does not fit the connector '{connector}' here: {'; '.join(problems)}")
