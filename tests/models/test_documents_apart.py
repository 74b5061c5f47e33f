"""Documents that go on from an earlier one: what many questions share is computed once, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from chiasm.models import documents, families
from chiasm.models.language import build_language, decoder
from tests.models.test_llava import CLIP, IMAGE, LLAMA, ours

# Several short ones after one document; one longer than a block of queries.
LENGTHS = [10, 5, 7, 300, 40, 60, 50, 200, 3, 12]
AFTER = [-1, 0, 0, -1, 3, 3, 3, 3, -1, 8]


@pytest.mark.parametrize("heads", [(4, 4), (6, 2)])
@pytest.mark.parametrize("longest", [0, 100, 1024], ids=["none kept", "short ones kept", "all kept"])
def test_equal_to_torchs_attention_under_a_mask(
    heads: tuple[int, int], longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values and gradients; the mask is written down pair by pair, as the contract says."""
    monkeypatch.setattr(documents, "LONGEST_KEPT", longest)
    torch.manual_seed(0)
    total, bounds, after = sum(LENGTHS), documents.boundaries(LENGTHS), torch.tensor(AFTER)
    q, k, v = (torch.randn(1, h, total, 16, requires_grad=True) for h in (heads[0], heads[1], heads[1]))
    upstream = torch.randn(1, total, heads[0], 16)
    packed = {documents.BOUNDARIES: bounds, documents.AFTER: after}
    mine, _ = documents.attend(torch.nn.Module(), q, k, v, None, **packed)
    document = [number for number, length in enumerate(LENGTHS) for _ in range(length)]
    seen = [[y <= x and document[y] in (document[x], AFTER[document[x]]) for y in range(total)] for x in range(total)]
    by_family = families.attend(q, k, v, bounds, after, 16**-0.5)
    theirs = torch.nn.functional.scaled_dot_product_attention(
        q, k, v, attn_mask=torch.tensor(seen), enable_gqa=True
    ).transpose(1, 2)
    torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(by_family, theirs, rtol=1e-5, atol=1e-5)
    gradients = torch.autograd.grad(mine, (q, k, v), upstream)
    expected = torch.autograd.grad(theirs, (q, k, v), upstream)
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_question_apart_is_the_question_alone() -> None:
    """Hidden states and the gradient of what is shared, against each question behind its own copy of it."""
    torch.manual_seed(0)
    model = build_language(LLAMA).eval()
    shared, first, second = (torch.randn(1, length, 48) for length in (30, 6, 9))
    shared.requires_grad_()
    lengths = [30, 6, 9]
    bounds, after = documents.boundaries(lengths), torch.tensor([-1, 0, 0])
    more: dict[str, Any] = {documents.BOUNDARIES: bounds, documents.AFTER: after}
    places = documents.positions(bounds, after)
    assert places[0, 30:].tolist() == [*range(30, 36), *range(30, 39)]
    with documents.attending(model):
        x = torch.cat([shared, first, second], 1)
        row = decoder(model)(inputs_embeds=x, position_ids=places, **more).last_hidden_state
        row[:, 30:].square().sum().backward()
    assert shared.grad is not None
    mine, shared.grad = shared.grad, None
    alone = [decoder(model)(inputs_embeds=torch.cat([shared, part], 1)).last_hidden_state for part in (first, second)]
    states = torch.cat([each[:, 30:] for each in alone], 1)
    states.square().sum().backward()
    torch.testing.assert_close(row[:, 30:], states, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mine, shared.grad, rtol=1e-4, atol=1e-5)


def test_loss_of_questions_apart_is_the_sum_of_each_alone() -> None:
    model = ours(CLIP)
    torch.manual_seed(1)
    pixels = torch.randn(1, 3, 28, 28)
    picture, questions = [3, IMAGE, IMAGE, IMAGE, IMAGE], [[7, 8, 9], [5, 6]]
    expected = torch.tensor(0.0)
    for question in questions:
        labels = torch.tensor([[-100] * 6 + question[1:]])
        expected = expected + model(torch.tensor([picture + question]), pixels=pixels, labels=labels).loss_sum
    row = torch.tensor([picture + questions[0] + questions[1]])
    labels = torch.tensor([[-100] * 6 + [8, 9, -100, 6]])
    with documents.attending(model.language_model):
        output = model(
            row, pixels=pixels, labels=labels, bounds=torch.tensor([0, 5, 8, 10]), after=torch.tensor([-1, 0, 0])
        )
    assert output.num_trained == 3
    torch.testing.assert_close(output.loss_sum, expected, rtol=1e-5, atol=1e-5)


def test_a_window_must_hold_what_is_shared_too() -> None:
    packed = {documents.BOUNDARIES: torch.tensor([0, 6, 10]), documents.AFTER: torch.tensor([-1, 0])}
    q = torch.randn(1, 2, 10, 8)
    documents.attend(torch.nn.Module(), q, q, q, None, **packed, sliding_window=10)
    with pytest.raises(ValueError, match="a window of 9 over 10 tokens"):
        documents.attend(torch.nn.Module(), q, q, q, None, **packed, sliding_window=9)


def test_documents_stand_with_the_one_they_go_on_from() -> None:
    bounds = torch.tensor([0, 2, 4, 6, 8])
    assert families.families(bounds, torch.tensor([-1, 0, -1, 2])) == [(0, 4), (4, 8)]
    with pytest.raises(ValueError, match="right behind it"):
        families.families(bounds, torch.tensor([-1, 0, -1, 0]))
