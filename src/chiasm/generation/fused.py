"""A Llama's decoder in fewer operations: in a small model most of a step's time goes between them.

Projections of the same input are one product, queries and keys are turned together, a norm is one call, and there are
no modules between them. Through transformers' layers a step of the assistant that comes with chiasm takes 1.7 times as
long for one answer, and 1.5 times for eight, on two cores of an EPYC. Only steps come by here: every other call is
transformers' own.

Shapes: T tokens of a step, R rows of them, D language width, H query heads, G key-value heads, K head width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional as F

from chiasm.generation.attention import NAME, STEP, Heads, Step
from chiasm.generation.cache import layer_kinds
from chiasm.models import language
from chiasm.models.onednn import OneDNNLinear, rounded

# Of the rotations transformers knows: the others stretch with the longest position there has been.
_FIXED_ROTATIONS = ("default", "linear", "llama3", "yarn")
_FEWEST_PLACES = 1024  # of the table, which doubles; ours

Compute = Callable[[torch.Tensor], torch.Tensor]

# What a block must consist of, to the last module: then only numbers can be different, and those are compared.
_BLOCK = {
    "": {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"},
    "self_attn": {"q_proj", "k_proj", "v_proj", "o_proj"},
    "mlp": {"gate_proj", "up_proj", "down_proj", "act_fn"},
}


def take_over(language_model: Any) -> bool:
    """Bring the steps of `language_model` through fewer operations; False, and nothing changed, where it cannot be.

    That is: where `attention.take_over` has not accepted it, weights are not float32 (in 16 bits the operations would
    round elsewhere), or it is not built, or does not compute, as a Llama. Its projections can be used as before, but no
    longer be trained or saved.
    """
    decoder: Any = language.decoder(language_model)
    if language_model.config._attn_implementation != NAME or not _is_built_like_llama(decoder):
        return False
    if not _computes_like_llama(decoder):
        return False
    for block in decoder.layers:
        _join(block.self_attn, ("q_proj", "k_proj", "v_proj"))
        _join(block.mlp, ("gate_proj", "up_proj"))
    decoder.forward = partial(_forward, _Blocks(decoder), decoder.forward, _Turns(decoder.rotary_emb))
    return True


class _Part(nn.Module):
    """Some of the outputs of a layer that is several in one."""

    def __init__(self, joint: nn.Module, rows: slice) -> None:
        super().__init__()
        self.joint, self.rows = joint, rows

    @property
    def weight(self) -> torch.Tensor:
        """(out_features, in_features)."""
        return cast("torch.Tensor", self.joint.weight)[self.rows]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes all, and gives what is wanted: for who is in no hurry."""
        return cast("torch.Tensor", self.joint(x))[..., self.rows]


def _join(parent: nn.Module, names: tuple[str, ...]) -> None:
    """Make the linear layers `names` of `parent`, which are given the same input, one layer."""
    layers = [cast("nn.Linear", getattr(parent, name)) for name in names]
    skip_init: Any = nn.utils.skip_init  # draws nothing from anyone's random numbers
    joint: nn.Linear = skip_init(nn.Linear, 1, 1, bias=False)
    joint.weight = nn.Parameter(torch.cat([layer.weight.detach() for layer in layers]), requires_grad=False)
    joint.out_features, joint.in_features = joint.weight.shape
    if layers[0].bias is not None:
        joint.bias = nn.Parameter(torch.cat([layer.bias.detach() for layer in layers]), requires_grad=False)
    start = 0
    for name, layer in zip(names, layers, strict=True):
        setattr(parent, name, _Part(joint, slice(start, start + layer.out_features)))
        start += layer.out_features


def _product(*layers: nn.Module) -> Compute:
    """What computes the outputs of `layers`, one behind another."""
    first = layers[0]
    if isinstance(first, _Part):
        return first.joint.forward
    return lambda x: torch.cat([layer(x) for layer in layers], -1)


@dataclass(frozen=True, slots=True)
class _Norm:
    """A root-mean-square norm of width D."""

    shape: torch.Size
    weight: torch.Tensor
    eps: float

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return torch.rms_norm(x, self.shape, self.weight, self.eps)


def _norm(module: Any) -> _Norm:
    return _Norm(module.weight.shape, module.weight, module.variance_epsilon)


@dataclass(frozen=True, slots=True)
class _Block:
    """What is computed in one layer, with nothing looked up in modules."""

    before: _Norm
    heads: Compute  # queries, keys and values
    num_groups: int  # query heads to a key
    scaling: float
    attended: Compute
    between: _Norm
    gate_up: Compute
    act: Compute
    down: Compute


class _Blocks:
    """The layers of `decoder`, read at the first step, and again where its last projection is another: laid out anew.

    Their own `forward` is called, past hooks of modules.
    """

    def __init__(self, decoder: Any) -> None:
        self.decoder = decoder
        self.norm = _norm(decoder.norm)
        self._blocks: list[_Block] = []
        self._read_from: nn.Module | None = None

    @property
    def is_laid_out(self) -> bool:
        """Whether kernels are made for every number of rows."""
        return isinstance(self.decoder.layers[-1].mlp.down_proj, OneDNNLinear)

    def __iter__(self) -> Iterator[_Block]:
        last = self.decoder.layers[-1].mlp.down_proj
        if last is not self._read_from:
            self._blocks, self._read_from = [_read(block) for block in self.decoder.layers], last
        return iter(self._blocks)


def _read(block: Any) -> _Block:
    attention, mlp = block.self_attn, block.mlp
    return _Block(
        _norm(block.input_layernorm),
        _product(attention.q_proj, attention.k_proj, attention.v_proj),
        attention.num_key_value_groups,
        attention.scaling,
        attention.o_proj.forward,
        _norm(block.post_attention_layernorm),
        _product(mlp.gate_proj, mlp.up_proj),
        mlp.act_fn.forward,
        mlp.down_proj.forward,
    )


class _Turns:
    """How far queries and keys are turned at each position, computed once: a row of a table for every position.

    Only of rotations that depend on nothing but the position; others are computed at every step.
    """

    def __init__(self, rotary: Any, keep: bool = True) -> None:
        """`keep`: with a table."""
        self._rotary = rotary
        self._is_kept = keep and getattr(rotary, "rope_type", None) in _FIXED_ROTATIONS
        self._table: tuple[torch.Tensor, torch.Tensor] | None = None

    def at(self, x: torch.Tensor, position_ids: torch.Tensor, longest: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and signed sines (1, T, 1, K) at positions (1, T), all below `longest`."""
        if not self._is_kept:
            return self._computed(x, position_ids)
        if self._table is None or len(self._table[0]) < longest:
            places = torch.arange(max(_FEWEST_PLACES, 1 << (longest - 1).bit_length()), device=x.device)
            cos, sin = self._computed(x, places[None])
            self._table = cos[0], sin[0]
        cos, sin = (each[position_ids] for each in self._table)
        return cos, sin

    def _computed(self, x: torch.Tensor, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        cos, sin = (each[:, :, None] for each in self._rotary(x, position_ids))
        half = cos.shape[-1] // 2
        return cos, torch.cat([-sin[..., :half], sin[..., half:]], -1)


def _forward(blocks: _Blocks, original: Any, turns: _Turns, *args: Any, **kwargs: Any) -> Any:
    if not {STEP, "inputs_embeds", "position_ids"} <= kwargs.keys():
        return original(*args, **kwargs)
    return _Output(_hidden(blocks, turns, kwargs["inputs_embeds"], kwargs["position_ids"], kwargs[STEP]))


@dataclass(frozen=True, slots=True)
class _Output:
    """What a step reads of transformers' output, which takes 8 us to be made."""

    last_hidden_state: torch.Tensor


def _hidden(
    blocks: _Blocks, turns: _Turns, x: torch.Tensor, position_ids: torch.Tensor, step: Step | _Causal
) -> torch.Tensor:
    """Embeddings (1, T, D) at positions (1, T) -> hidden states of the rows the step wants (1, R, D).

    Half a head is turned by the other half: x cos + (-b, a) sin for x = (a, b), `roll` being the swap.
    """
    num_rows = x.shape[1]
    wanted = step.wanted if 0 < len(step.wanted) < num_rows else None
    cos, sin = turns.at(x, position_ids, step.longest)
    width = cos.shape[-1]
    last = len(blocks.decoder.layers) - 1
    empty = rounded(num_rows) - num_rows if blocks.is_laid_out else 0
    if empty:
        x = F.pad(x, (0, 0, 0, empty))
    for index, block in enumerate(blocks):
        heads = block.heads(block.before(x))[:, :num_rows].view(1, num_rows, -1, width)
        num_keys = heads.shape[2] // (block.num_groups + 2)  # and as many values
        turned, values = heads[:, :, :-num_keys], heads[:, :, -num_keys:]
        turned = (turned * cos).addcmul_(turned.roll(width // 2, -1), sin)
        queries, keys = turned[:, :, :-num_keys], turned[:, :, -num_keys:]
        asked = Heads(queries.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2))
        attended = step.attend(index, asked, block.scaling, None).flatten(2)
        if wanted is not None and index == last:  # from here on each row is by itself
            x, attended = x[:, wanted], attended[:, wanted]
        elif empty:
            attended = F.pad(attended, (0, 0, 0, empty))
        x = x + block.attended(attended)
        gate, up = block.gate_up(block.between(x)).chunk(2, -1)
        x = x + block.down(block.act(gate) * up)
    return blocks.norm(x if wanted else x[:, :num_rows])


def _is_built_like_llama(decoder: Any) -> bool:
    """Whether `_hidden` finds all that it looks for, and nothing that it would leave out."""
    return (
        _names(decoder) == {"embed_tokens", "layers", "norm", "rotary_emb"}
        and set(layer_kinds(decoder.config)) == {"full_attention"}
        and all(weight.dtype == torch.float32 for weight in decoder.parameters())
        and hasattr(decoder.norm, "variance_epsilon")
        and all(_is_block(block) for block in decoder.layers)
    )


def _is_block(block: Any) -> bool:
    if any(_names(block.get_submodule(path)) != names for path, names in _BLOCK.items()):
        return False
    attention, mlp = block.self_attn, block.mlp
    joined = (attention.q_proj, attention.k_proj, attention.v_proj), (mlp.gate_proj, mlp.up_proj)
    alone = attention.o_proj, mlp.down_proj
    return (
        all(type(each) is nn.Linear for each in (*joined[0], *joined[1], *alone))
        and all(len({each.bias is None for each in layers}) == 1 for layers in joined)
        and all(hasattr(attention, name) for name in ("scaling", "num_key_value_groups"))
        and all(hasattr(each, "variance_epsilon") for each in (block.input_layernorm, block.post_attention_layernorm))
    )


def _names(module: nn.Module) -> set[str]:
    return {name for name, _ in module.named_children()}


@torch.inference_mode()
def _computes_like_llama(decoder: Any) -> bool:
    """Whether three tokens, the last as late as can be, come out of `_hidden` as they come out of `decoder` itself."""
    weight = decoder.embed_tokens.weight
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(1, 3, weight.shape[1], generator=draw).to(weight.device) * weight.std()
    # Some families attend in another way behind a position far from the first.
    last = getattr(decoder.config.get_text_config(decoder=True), "max_position_embeddings", 6) - 1
    positions = torch.tensor([[0, 2, last]], device=weight.device)
    step = _Causal(last + 1)
    theirs = decoder(
        inputs_embeds=x,
        position_ids=positions,
        attention_mask=x.new_zeros(1, 1, 1, 1),
        use_cache=False,
        **{STEP: step},
    ).last_hidden_state
    try:
        turns = _Turns(decoder.rotary_emb, keep=False)  # few of many places
        mine = _hidden(_Blocks(decoder), turns, x, positions, step)
    except (RuntimeError, AttributeError, IndexError, TypeError, ValueError):  # shapes, or insides, of another kind
        return False
    return not step.has_window and torch.allclose(mine, theirs, rtol=1e-3, atol=1e-4 * float(theirs.abs().max()))


@dataclass
class _Causal:
    """A step whose tokens see each other and those before; it notes whether a layer told it of a window."""

    longest: int
    wanted: Sequence[int] = ()
    has_window: bool = False

    def attend(self, layer: int, heads: Heads, scaling: float | None, window: int | None) -> torch.Tensor:
        """As `Step.attend`."""
        self.has_window |= window is not None
        grouped = heads.query.shape[1] > heads.key.shape[1]
        x = F.scaled_dot_product_attention(*heads, is_causal=True, scale=scaling, enable_gqa=grouped)
        return x.transpose(1, 2)
