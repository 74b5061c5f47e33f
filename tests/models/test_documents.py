"""Packed rows: each document attends to itself alone, forward and backward, whatever the model is set to."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from chiasm.errors import UserError
from chiasm.models import documents
from chiasm.models.language import build_language, decoder
from tests.models.test_llava import CLIP, IMAGE, LLAMA, OTHERS, ours

LENGTHS = [5, 1, 150, 3]  # one longer than a block of queries
NONE = torch.empty(0, dtype=torch.int64)  # no document goes on from another


def embedded(length: int = sum(LENGTHS), width: int = 48) -> torch.Tensor:
    return torch.randn(1, length, width, generator=torch.Generator().manual_seed(5))


def row(model: torch.nn.Module, x: torch.Tensor, lengths: list[int], **more: Any) -> torch.Tensor:
    """Hidden states of a packed row, straight from transformers."""
    bounds = documents.boundaries(lengths)
    output = decoder(model)(inputs_embeds=x, position_ids=documents.positions(bounds), chiasm_documents=bounds, **more)
    hidden: torch.Tensor = output.last_hidden_state
    return hidden


def test_boundaries_and_positions() -> None:
    bounds = documents.boundaries([2, 3, 1])
    assert bounds.tolist() == [0, 2, 5, 6]
    assert documents.positions(bounds).tolist() == [[0, 1, 0, 1, 2, 0]]


@pytest.mark.parametrize("heads", [(4, 4), (6, 2), (3, 1)])
@pytest.mark.parametrize("longest", [0, 50, 1024], ids=["none kept", "short ones kept", "all kept"])
def test_equal_to_attention_of_each_document_alone(
    heads: tuple[int, int], longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values and gradients against torch's own attention, one document after the other."""
    monkeypatch.setattr(documents, "LONGEST_KEPT", longest)
    torch.manual_seed(0)
    total, bounds = sum(LENGTHS), documents.boundaries(LENGTHS)
    q, k, v = (torch.randn(h, total, 16, requires_grad=True) for h in (heads[0], heads[1], heads[1]))
    upstream = torch.randn(total, heads[0], 16)
    mine, kept = torch.ops.chiasm.documents(q, k, v, bounds, NONE, 0.3, True)
    assert bool(len(kept)) == bool(longest)
    assert not len(torch.ops.chiasm.documents(q, k, v, bounds, NONE, 0.3, False)[1])
    alone = [
        F.scaled_dot_product_attention(q[:, a:b], k[:, a:b], v[:, a:b], is_causal=True, scale=0.3, enable_gqa=True)
        for a, b in pairwise(bounds)
    ]
    theirs = torch.cat(alone, 1).transpose(0, 1)
    torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
    gradients = torch.autograd.grad(mine, (q, k, v), upstream)
    expected = torch.autograd.grad(theirs, (q, k, v), upstream)
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("autocast", [False, True])
def test_narrow_heads_are_attended_in_float32(autocast: bool) -> None:
    """In bfloat16 outside: the outcome is that of float32, rounded once; heads of 64 are computed in bfloat16."""
    bounds, dtype = documents.boundaries(LENGTHS), torch.float32 if autocast else torch.bfloat16
    for width, is_exact in ((documents.NARROW, True), (64, False)):
        draw = torch.Generator().manual_seed(0)
        whole = [torch.randn(1, 2, sum(LENGTHS), width, generator=draw).bfloat16() for _ in range(3)]
        exact, _ = torch.ops.chiasm.documents(*(x[0].float() for x in whole), bounds, NONE, width**-0.5, False)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            mine, _ = documents.attend(
                torch.nn.Module(), *(x.to(dtype) for x in whole), None, **{documents.BOUNDARIES: bounds}
            )
        assert mine.dtype == torch.bfloat16
        assert torch.equal(mine[0], exact.bfloat16()) == is_exact


def test_the_operator_keeps_torchs_rules() -> None:
    """Schema, shapes without data, gradients registered: what compilers rely on."""
    q, k, v = (torch.randn(h, 6, 4, requires_grad=True) for h in (2, 1, 1))
    for after, keep in ((NONE, True), (torch.tensor([-1, 0]), True), (NONE, False)):
        arguments = (q, k, v, torch.tensor([0, 4, 6]), after, 0.5, keep)
        torch.library.opcheck(torch.ops.chiasm.documents.default, arguments)


@pytest.mark.parametrize("checkpointing", [False, True], ids=["kept", "checkpointed"])
@pytest.mark.parametrize("more", [{}, {"use_cache": False}], ids=["cache by default", "no cache"])
@pytest.mark.parametrize("trains", [False, True], ids=["eval", "train"])
def test_nothing_leaks_between_documents(checkpointing: bool, more: dict[str, Any], trains: bool) -> None:
    """Neither into the states of a document nor, exactly, into the gradient that its loss gives to another."""
    torch.manual_seed(0)
    model = build_language(LLAMA).train(trains)
    if checkpointing:
        word = "activation" if hasattr(model, "activation_checkpointing_enable") else "gradient"
        getattr(model, f"{word}_checkpointing_enable")({"use_reentrant": False})
    x = embedded()
    changed = x.clone()
    changed[:, :5] += 1  # the first document
    changed[:, 156:] -= 1  # the last one
    with documents.attending(model):
        with torch.no_grad():
            one, other = row(model, x, LENGTHS, **more), row(model, changed, LENGTHS, **more)
        assert torch.equal(one[:, 5:156], other[:, 5:156])
        assert not torch.equal(one[:, :5], other[:, :5])
        x.requires_grad_()
        states = row(model, x, LENGTHS, **more)
        states[:, 6:156].square().sum().backward()
    assert x.grad is not None
    touched = x.grad[0].abs().sum(-1) > 0
    assert touched.tolist() == [False] * 6 + [True] * 150 + [False] * 3


@pytest.mark.parametrize("name", ["llama", "qwen2", "phi", "gpt_neox"])
def test_a_packed_document_is_the_document_alone(name: str) -> None:
    torch.manual_seed(0)
    model = build_language({"llama": LLAMA, **OTHERS}[name]).eval()
    x = embedded()
    with documents.attending(model), torch.no_grad():
        packed = row(model, x, LENGTHS)
    with torch.no_grad():
        alone = [decoder(model)(inputs_embeds=part).last_hidden_state for part in torch.split(x, LENGTHS, 1)]
    torch.testing.assert_close(packed, torch.cat(alone, 1), rtol=1e-4, atol=1e-5)


def test_what_cannot_be_packed_is_refused() -> None:
    with (
        pytest.raises(UserError, match=r"a mistral cannot be packed.*sliding_attention.*Leave 'pack' out"),
        documents.attending(build_language({**OTHERS["mistral"], "layer_types": ["sliding_attention"] * 2})),
    ):
        pass
    dropping = build_language({**LLAMA, "attention_dropout": 0.1})
    with pytest.raises(UserError, match="without dropout"), documents.attending(dropping):
        pass


def test_boundaries_never_go_unheard() -> None:
    """Outside `attending`, transformers would take the row for one document."""
    model = ours()
    ids, bounds = torch.arange(6)[None], torch.tensor([0, 2, 6])
    with pytest.raises(ValueError, match="would see each other"):
        model(ids, bounds=bounds)
    with documents.attending(model.language_model):
        model(ids, bounds=bounds)
        with pytest.raises(ValueError, match="boundaries"):
            model(ids)
        with pytest.raises(ValueError, match="up to 6 need one row"):
            model(ids[:, :5], bounds=bounds)
        with pytest.raises(ValueError, match="without a mask"):
            model(ids, bounds=bounds, attention_mask=torch.ones_like(ids))
    assert not documents.is_attending(model.language_model)
    model(ids)


def test_loss_of_a_packed_row_is_the_sum_of_its_documents() -> None:
    model = ours(CLIP)
    torch.manual_seed(1)
    pixels = torch.randn(2, 3, 28, 28)
    rows = [torch.tensor([3, IMAGE, IMAGE, IMAGE, IMAGE, 7, 8]), torch.tensor([1, 2, 4, IMAGE, IMAGE, IMAGE, IMAGE, 9])]
    labels = [ids.where(ids != IMAGE, torch.tensor(-100)) for ids in rows]
    alone = [
        model(ids[None], pixels=pixels[i : i + 1], labels=label[None])
        for i, (ids, label) in enumerate(zip(rows, labels, strict=True))
    ]
    labels[1] = labels[1].clone()
    labels[1][0] = -100
    packed = {"input_ids": torch.cat(rows)[None], "labels": torch.cat(labels)[None], "bounds": torch.tensor([0, 7, 15])}
    with documents.attending(model.language_model):
        together = model(**packed, pixels=pixels)
        seen = model.vision_tower(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
        from_features = model(**packed, features=seen)
        model.rows_at_once = 2
        in_parts = model(**packed, pixels=pixels)
    assert together.num_trained == sum(each.num_trained for each in alone) == in_parts.num_trained
    expected = sum(each.loss_sum for each in alone)
    for output in (together, from_features, in_parts):
        torch.testing.assert_close(output.loss_sum, expected, rtol=1e-5, atol=1e-5)


def test_logits_in_parts_give_the_same_gradients() -> None:
    model = ours(CLIP)
    ids = torch.arange(20)[None]
    gradients = []
    for at_once in (None, 3, 19, 100):
        model.rows_at_once = at_once
        model.zero_grad()
        model(ids, labels=ids).loss.backward()
        gradients.append([p.grad.clone() for p in model.language_model.parameters() if p.grad is not None])
    for others in gradients[1:]:
        for one, other in zip(gradients[0], others, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
