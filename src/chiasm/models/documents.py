"""Attention of a packed row: several documents one behind the other, each attending only to itself.

A document may also go on from an earlier one: it sees that and itself, but none of the others that do. So what many
questions share, a picture say, is computed once.

Registered with transformers as an attention function, so that every family that goes through its interface works; the
documents' boundaries are handed in at every forward. On a CPU a document is attended in blocks of queries by matrix
products, which in bfloat16 take about a third of the time of SDPA's own kernel there, and no mask of a row is made; on
CUDA the whole row goes through torch's variable-length flash attention, unless documents go on from others
(`chiasm.models.families`). It knows nothing of text, pictures or losses.

Shapes: T tokens of the row, D documents, H query heads, G key-value heads, R = H / G, K head width, N queries of a
block, S keys they may see.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import torch
from transformers import AttentionInterface

from chiasm.errors import UserError
from chiasm.models import families

NAME = "chiasm_documents"  # under which transformers knows the function
BOUNDARIES = "chiasm_documents"  # the keyword by which the boundaries reach it through the decoder
AFTER = "chiasm_after"  # and which document each goes on from
QUERIES = 128  # of a block; ours, measured: larger ones compute more of what no query may see
# Tokens of a document whose weights wait for the backward pass and are not computed again there: for each head and
# layer as many numbers as half the square of its length. Ours.
LONGEST_KEPT = 1024
# Heads so narrow are attended in float32: their products in bfloat16 run on one core, whatever there is. With heads of
# 32 a step of the demo's model took 0.55 s in place of 1.01 on two cores of an EPYC; with 64 bfloat16 is faster.
NARROW = 32
# Arguments of other attention functions that change the result.
_FOREIGN = ("softcap", "s_aux", "position_bias")


def boundaries(lengths: list[int]) -> torch.Tensor:
    """Where documents of these lengths begin in their row, and where the last ends: (D + 1,)."""
    return torch.tensor([0, *lengths]).cumsum(0)


def positions(bounds: torch.Tensor, after: torch.Tensor | None = None) -> torch.Tensor:
    """Each token's place in its own document, behind the one it goes on from: (1, T)."""
    starts, lengths = bounds[:-1], bounds.diff()
    if after is not None:
        starts = starts - torch.where(after >= 0, lengths[after], 0)
    return (torch.arange(int(bounds[-1]), device=bounds.device) - starts.repeat_interleave(lengths))[None]


@contextmanager
def attending(language_model: Any) -> Iterator[None]:
    """Let `language_model` attend document by document inside the block, backward passes included.

    Raises `UserError` for a model that attends past transformers' interface, or by more than all earlier tokens.
    """
    config = language_model.config
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    plain = kinds == {"full_attention"} and not getattr(config, "attention_dropout", 0)
    if not getattr(language_model, "_supports_attention_backend", False) or not plain:
        raise UserError(
            f"rows of a {config.model_type} cannot be packed: its layers ({', '.join(sorted(kinds))}) do not attend "
            "through transformers' interface to all earlier tokens, without dropout. Leave 'pack' out of the stage"
        )
    # Not registered with `AttentionMaskInterface`: transformers then makes no mask.
    AttentionInterface.register(NAME, attend)
    before = config._attn_implementation
    language_model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        language_model.set_attn_implementation(before)


def is_attending(language_model: Any) -> bool:
    """Whether this is inside `attending`: elsewhere boundaries would be ignored, and documents see each other."""
    return bool(language_model.config._attn_implementation == NAME)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention: query (1, H, T, K), key and value (1, G, T, K) -> (1, T, H, K), no weights."""
    bounds: torch.Tensor | None = kwargs.get(BOUNDARIES)
    if bounds is None:
        raise ValueError("packed rows need the documents' boundaries")
    foreign = [name for name in _FOREIGN if kwargs.get(name) is not None]
    after: torch.Tensor | None = kwargs.get(AFTER)
    window = kwargs.get("sliding_window")
    if window is not None and window < (longest := int(positions(bounds, after).max()) + 1):
        foreign.append(f"a window of {window} over {longest} tokens")
    if attention_mask is not None or foreign or kwargs.get("dropout"):
        what = ", ".join(foreign) or "a mask or dropout"
        raise ValueError(f"packed rows are attended causally and no other way, got {what}")
    if key.shape[2] != query.shape[2]:
        raise ValueError(f"a packed row of {query.shape[2]} tokens cannot extend a cache to {key.shape[2]}")
    after = bounds.new_empty(0) if after is None else after
    scale = kwargs.get("scaling") or query.shape[-1] ** -0.5
    query, key, value, dtype = computed_in(query, key, value)
    if query.is_cuda:
        if len(after):
            return families.attend(query, key, value, bounds, after, scale), None
        return _on_cuda(query, key, value, bounds, scale)[None], None
    # A compiler wants to know sizes ahead, and how much is kept depends on the documents.
    learns = torch.is_grad_enabled() and any(x.requires_grad for x in (query, key, value))
    keep = learns and not torch.compiler.is_compiling()
    with torch.autocast(query.device.type, enabled=False):  # in the type it is given
        x, _ = torch.ops.chiasm.documents(query[0], key[0], value[0], bounds, after, scale, keep)
    return cast("torch.Tensor", x)[None].to(dtype), None


def computed_in(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.dtype]:
    """The three in the type they are attended in, and the type that is wanted of the outcome."""
    device = query.device.type
    # Autocast knows nothing of our operator; torch's own attention is computed in autocast's type.
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else value.dtype
    low = torch.float32 if query.shape[-1] <= NARROW and device == "cpu" else dtype
    query, key, value = (x.to(dtype).to(low) for x in (query, key, value))
    return query, key, value, dtype


def _on_cuda(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: torch.Tensor, scale: float
) -> torch.Tensor:
    """The same through flash attention (T, H, K). Never run by us so far: no GPU was at hand."""
    from torch.nn.attention.varlen import varlen_attn

    query, key, value = (x[0].transpose(0, 1).contiguous() for x in (query, key, value))
    where, longest = bounds.to(torch.int32), int(bounds.diff().max())
    # window_size (-1, 0): any number of earlier tokens, no later one. A pair comes back only where `return_aux` asks.
    x: Any = varlen_attn(
        query,
        key,
        value,
        where,
        where,
        longest,
        longest,
        scale=scale,
        window_size=(-1, 0),
        enable_gqa=query.shape[1] > key.shape[1],
    )
    return cast("torch.Tensor", x)


# One operator for torch: its inside is no concern of autograd or of a compiler.
@torch.library.custom_op("chiasm::documents", mutates_args=())
def _documents(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: torch.Tensor,
    after: torch.Tensor,
    scale: float,
    keep: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """query (H, T, K), key and value (G, T, K), bounds (D + 1,) -> (T, H, K), and the weights of short documents.

    `after` (D,) may be empty. The weights, block by block in one row, are for the backward pass: empty unless there
    will be one (`keep`).
    """
    num_heads, length, width = query.shape
    groups = key.shape[0]
    out = query.new_empty(length, num_heads, width)
    by_group = out.view(length, groups, -1, width)
    blocks = list(_blocks(bounds, after))
    kept = query.new_empty(sum(num_heads * block.num_weights for block in blocks if keep and block.short))
    later, query = _later(query), query * scale
    used = 0
    for block in blocks:
        size = num_heads * block.num_weights
        place = None
        if keep and block.short:
            place = kept[used : used + size].view(groups, -1, block.num_keys)
            used += size
        p_GMS = _weights(_rows(query, groups, block), block.keys(key), block.masked(later), place)
        x_GMK = torch.bmm(p_GMS, block.keys(value))
        by_group[block.queries] = x_GMK.view(groups, -1, block.num_queries, width).permute(2, 0, 1, 3)
    return out, kept


@_documents.register_fake
def _(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: torch.Tensor,
    after: torch.Tensor,
    scale: float,
    keep: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    num_kept = torch.library.get_ctx().new_dynamic_size() if keep else 0
    return query.new_empty(query.shape[1], query.shape[0], query.shape[2]), query.new_empty(num_kept)


@torch.library.custom_op("chiasm::documents_backward", mutates_args=())
def _documents_backward(
    grad: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: torch.Tensor,
    after: torch.Tensor,
    kept: torch.Tensor,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of query, key and value from that of the output (T, H, K). Weights not kept are computed again."""
    groups, _, width = key.shape
    grad = grad.transpose(0, 1)
    d_query = torch.empty_like(query, memory_format=torch.contiguous_format)
    # Each key is seen by several blocks: their sums are kept in float32.
    d_key, d_value = (torch.zeros(x.shape, dtype=torch.float32) for x in (key, value))
    by_group = d_query.view(groups, -1, query.shape[1], width)
    later, query = _later(query), query * scale
    used = 0
    for block in _blocks(bounds, after):
        size = len(query) * block.num_weights
        k_GSK, v_GSK = block.keys(key), block.keys(value)
        q_GMK, g_GMK = _rows(query, groups, block), _rows(grad, groups, block)
        if block.short and len(kept):
            p_GMS = kept[used : used + size].view(groups, -1, block.num_keys)
            used += size
        else:
            p_GMS = _weights(q_GMK, k_GSK, block.masked(later))
        block.add(d_value, torch.bmm(p_GMS.transpose(1, 2), g_GMK))
        d_p_GMS = torch.bmm(g_GMK, v_GSK.transpose(1, 2))
        d_s_GMS = torch._softmax_backward_data(d_p_GMS, p_GMS, -1, p_GMS.dtype)
        block.add(d_key, torch.bmm(d_s_GMS.transpose(1, 2), q_GMK))
        by_group[:, :, block.queries] = torch.bmm(d_s_GMS, k_GSK).view(groups, -1, block.num_queries, width)
    return d_query.mul_(scale), d_key.to(key.dtype), d_value.to(value.dtype)


@_documents_backward.register_fake
def _(
    grad: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: torch.Tensor,
    after: torch.Tensor,
    kept: torch.Tensor,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return query.new_empty(query.shape), key.new_empty(key.shape), value.new_empty(value.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, torch.Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)  # of the weights: as many zeros were a tenth of a step
    ctx.save_for_backward(*inputs[:5], output[1])
    ctx.scale = inputs[5]


def _backward(ctx: Any, grad: torch.Tensor, _: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
    d_query, d_key, d_value = torch.ops.chiasm.documents_backward(grad, *ctx.saved_tensors, ctx.scale)
    return d_query, d_key, d_value, None, None, None, None


_documents.register_autograd(_backward, setup_context=_keep)


@dataclass(frozen=True, slots=True)
class _Block:
    """Queries `begin` to `end`, and the keys they may see: from `first` on up to the last query, and `shared` ones.

    The queries are of one document, `first` to `last`; or of several whole ones, as long as `lengths` says, that all go
    on from the shared keys.
    """

    first: int
    begin: int
    end: int
    last: int
    shared: slice
    lengths: tuple[int, ...] = ()

    @property
    def queries(self) -> slice:
        return slice(self.begin, self.end)

    @property
    def num_queries(self) -> int:
        return self.end - self.begin

    @property
    def num_shared(self) -> int:
        return int(self.shared.stop - self.shared.start)

    @property
    def num_keys(self) -> int:
        return self.num_shared + self.end - self.first

    @property
    def num_weights(self) -> int:
        """Of a head."""
        return self.num_queries * self.num_keys

    @property
    def short(self) -> bool:
        """Whether its document's weights are few enough to be kept."""
        return self.num_shared + self.last - self.first <= LONGEST_KEPT

    def keys(self, x: torch.Tensor) -> torch.Tensor:
        """Of keys or values (G, T, K) those it may see (G, S, K)."""
        if not self.num_shared:
            return x[:, self.first : self.end]
        if self.shared.stop == self.first:
            return x[:, self.shared.start : self.end]
        return torch.cat([x[:, self.shared], x[:, self.first : self.end]], 1)

    def add(self, x: torch.Tensor, seen_GSK: torch.Tensor) -> None:
        """Add to those it may see."""
        x[:, self.shared] += seen_GSK[:, : self.num_shared]
        x[:, self.first : self.end] += seen_GSK[:, self.num_shared :]

    def masked(self, later_NN: torch.Tensor) -> torch.Tensor:
        """Which of its own tokens (the last N keys) each query may not see (N, N)."""
        hidden_NN = later_NN[: self.num_queries, : self.num_queries]
        if len(self.lengths) < 2:
            return hidden_NN
        lengths = torch.tensor(self.lengths)
        document = torch.arange(len(lengths)).repeat_interleave(lengths)
        return hidden_NN | (document[:, None] != document)


def _blocks(bounds: torch.Tensor, after: torch.Tensor) -> Iterator[_Block]:
    """In the order of the row. Short documents that go on from the same one share a block."""
    edges = bounds.tolist()
    goes_on = after.tolist() or [-1] * (len(edges) - 1)
    waiting: list[int] = []  # neighbouring documents for one block

    def together() -> Iterator[_Block]:
        if waiting:
            begin, end, root = edges[waiting[0]], edges[waiting[-1] + 1], goes_on[waiting[0]]
            lengths = tuple(edges[each + 1] - edges[each] for each in waiting)
            yield _Block(begin, begin, end, end, slice(edges[root], edges[root + 1]), lengths)
            waiting.clear()

    for number, (first, last) in enumerate(pairwise(edges)):
        root = goes_on[number]
        if waiting and (goes_on[waiting[0]] != root or last - edges[waiting[0]] > QUERIES):
            yield from together()
        if root >= 0 and last - first <= QUERIES:
            waiting.append(number)
            continue
        shared = slice(edges[root], edges[root + 1]) if root >= 0 else slice(0, 0)
        for begin in range(first, last, QUERIES):
            yield _Block(first, begin, min(begin + QUERIES, last), last, shared)
    yield from together()


def _rows(x: torch.Tensor, groups: int, block: _Block) -> torch.Tensor:
    """(H, T, K) -> the block's (G, R * N, K): heads that share keys become more queries of one head."""
    return x[:, block.queries].reshape(groups, -1, x.shape[2])


def _later(like: torch.Tensor) -> torch.Tensor:
    """Which keys of a block come after a query of it: (N, N)."""
    return torch.ones(QUERIES, QUERIES, dtype=torch.bool, device=like.device).triu_(1)


def _weights(
    q_GMK: torch.Tensor, k_GSK: torch.Tensor, later_NN: torch.Tensor, place: torch.Tensor | None = None
) -> torch.Tensor:
    """How much each (scaled) query of a block takes of each key (G, R * N, S); the last N keys are the block's own."""
    s_GMS = torch.bmm(q_GMK, k_GSK.transpose(1, 2))
    num_queries = len(later_NN)
    s_GRNS = s_GMS.view(len(s_GMS), -1, num_queries, s_GMS.shape[2])
    s_GRNS[..., s_GMS.shape[2] - num_queries :].masked_fill_(later_NN, -torch.inf)
    return torch.softmax(s_GMS, -1) if place is None else torch.softmax(s_GMS, -1, out=place)
