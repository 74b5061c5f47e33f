"""A model whose every weight, gradient and moment is divided among processes: FSDP2 of torch, put on and taken off.

A stage trains a twin: the same modules around divided weights (`fully_shard` on decoder blocks, tower layers and what
is left). While it does, the model itself is an empty shell; afterwards it holds what the twin learnt. It knows neither
files nor steps.
"""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from chiasm.errors import UserError
from chiasm.models.language import decoder_blocks
from chiasm.models.llava import Llava
from chiasm.training.config import Recipe
from chiasm.training.parallel import Placement
from chiasm.training.samples import Share


def check(recipe: Recipe, placement: Placement) -> None:
    """Raise `UserError` where samples or weights cannot be divided as `placement` asks."""
    world = placement.world
    for name, stage in recipe.stages.items():
        try:
            Share.of(stage, world)
        except UserError as error:
            raise UserError(f"stages.{name}.{error}") from None
    if placement.layout == "replicate" or world.size == 1:
        return
    if placement.layout == "hybrid" and (world.size % world.per_node or world.size == world.per_node):
        raise UserError(
            f"--parallel hybrid shards inside a machine and replicates between machines, but {world.size} processes "
            f"with {world.per_node} on this machine are no two equal machines: say --parallel shard"
        )
    if not hasattr(FSDPModule, "set_force_sum_reduction_for_comms"):
        raise UserError(f"--parallel {placement.layout} needs torch 2.9 or newer, this is {torch.__version__}")
    for name, stage in recipe.stages.items():
        if stage.lora is not None and stage.lora.bits == 4:
            raise UserError(
                f"stages.{name}.lora.bits 4: rounded weights cannot be divided. Say --parallel replicate, or bits 16"
            )


def sharded(model: Llava, placement: Placement, low: torch.dtype, whole_tower: bool) -> Llava:
    """The twin of `model`, on the processes' own devices; `model` is emptied, `gather` fills it again.

    Frozen or trained, float32 or lower, as they are. Where `low` is bfloat16 blocks are gathered and computed in it,
    their gradients added up in float32. Gradients are sums over processes, not means. `whole_tower`: every process
    keeps all of the tower, and nothing in the loop needs to gather it.
    """
    mesh = _mesh(placement)
    lower = torch.bfloat16 if low == torch.bfloat16 else None
    policy = MixedPrecisionPolicy(param_dtype=lower, reduce_dtype=torch.float32 if lower else None)
    shared = [*model.parameters(), *model.buffers()]
    twin = copy.deepcopy(model, {id(tensor): tensor for tensor in shared})
    tower = cast("Any", twin.vision_tower)
    kept = set(tower.parameters()) if whole_tower else set()
    if whole_tower:
        tower.to(placement.device)
    units = [*decoder_blocks(twin.language_model), *([] if whole_tower else tower.encoder.layers), twin]
    for unit in units:
        originals = [parameter for parameter in unit.parameters() if parameter not in kept]
        fully_shard(unit, mesh=mesh, mp_policy=policy, ignored_params=kept)
        part = cast("FSDPModule", unit)
        part.set_gradient_divide_factor(1.0)
        part.set_force_sum_reduction_for_comms(True)
        for parameter in originals:
            if not isinstance(parameter, DTensor):
                parameter.data = parameter.data.new_empty(0)  # the shell of `model`
    return twin


@torch.no_grad()
def gather(twin: Llava, model: Llava) -> None:
    """Put all weights of `twin` back into `model`, on the CPU, in every process. All must call it."""
    for unit in twin.modules():
        if isinstance(unit, FSDPModule):
            unit.reshard()  # who only looked has left the outermost gathered: no backward pass divided it again
    learnt = dict(twin.named_parameters())
    for name, parameter in model.named_parameters():
        tensor = learnt[name]
        if isinstance(tensor, DTensor):
            parameter.data = tensor.full_tensor().cpu()
        elif not parameter.numel():
            raise RuntimeError(f"{name} was divided and cannot be put back")


def _mesh(placement: Placement) -> DeviceMesh:
    world, kind = placement.world, torch.device(placement.device or "cpu").type
    if placement.layout == "hybrid":
        shape = (world.size // world.per_node, world.per_node)
        return init_device_mesh(kind, shape, mesh_dim_names=("between", "within"))
    return init_device_mesh(kind, (world.size,), mesh_dim_names=("within",))
