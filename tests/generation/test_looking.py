from __future__ import annotations

import pytest
import torch

from chiasm.errors import UserError
from chiasm.generation import attention
from chiasm.generation.features import Features
from chiasm.generation.looking import attention_to_pictures, looking_layers, onto_picture
from chiasm.generation.prompt import Picture, Prompt
from chiasm.processing.images import Frame
from tests.generation.tiny import IMAGE, LANGUAGE, NUM_PATCHES, both, ours


def prompt(num_pictures: int = 1) -> Prompt:
    torch.manual_seed(1)
    ids, pictures = [1, 7], []
    for i in range(num_pictures):
        pictures.append(Picture(f"key {i}", len(ids), len(ids) + NUM_PATCHES, i, 1))
        ids += [IMAGE] * NUM_PATCHES + [9 + i]
    return Prompt([*ids, 20, 21], torch.randn(num_pictures, 3, 28, 28), tuple(pictures))


def theirs_to_pictures(theirs: object, asked: Prompt, answer: list[int], layers: range) -> torch.Tensor:
    """The same from the weights that transformers returns in eager attention."""
    theirs.set_attn_implementation("eager")  # type: ignore[attr-defined]
    with torch.inference_mode():
        ids = torch.tensor([[*asked.ids, *answer]])
        output = theirs(input_ids=ids, pixel_values=asked.pixels, output_attentions=True)  # type: ignore[operator]
    mean = torch.stack([output.attentions[i][0].mean(0) for i in layers]).mean(0)
    first = len(asked.ids) - 1
    columns = [i for p in asked.pictures for i in range(p.start, p.end)]
    return mean[first : first + len(answer)][:, columns]


@pytest.mark.parametrize("layers", [None, range(1), range(2)])
@pytest.mark.parametrize("num_pictures", [1, 2])
def test_shares_are_those_of_transformers_own_eager_attention(layers: range | None, num_pictures: int) -> None:
    mine, theirs = both()
    asked, answer = prompt(num_pictures), [30, 31, 32]
    shares = attention_to_pictures(mine, Features(mine, 1 << 20), asked, answer, layers)
    expected = theirs_to_pictures(theirs, asked, answer, layers or range(2))
    assert shares.shape == (3, num_pictures * NUM_PATCHES)
    torch.testing.assert_close(shares, expected, rtol=1e-4, atol=1e-6)


def test_a_long_answer_is_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, _ = both()
    answer = list(range(20, 27))
    whole = attention_to_pictures(mine, Features(mine, 1 << 20), prompt(), answer)
    monkeypatch.setattr("chiasm.generation.looking._ROWS_AT_ONCE", 3)
    torch.testing.assert_close(attention_to_pictures(mine, Features(mine, 1 << 20), prompt(), answer), whole)


def test_a_window_hides_the_picture_from_tokens_behind_it() -> None:
    sliding = {**LANGUAGE, "model_type": "mistral", "sliding_window": 4}
    model = ours(sliding)
    shares = attention_to_pictures(model, Features(model, 1 << 20), prompt(), [30, 31, 32, 33, 34])
    # The picture is at 2..5 and the first row at 8: it still sees 5..8, and the next none of the picture.
    assert (shares[0] > 0).tolist() == [False, False, False, True]
    assert not shares[1:].any()


def test_generating_goes_on_as_before() -> None:
    model = ours()
    x = torch.randn(1, 5, 48)
    with torch.inference_mode():
        before = model.hidden(x)
        attention_to_pictures(model, Features(model, 1 << 20), prompt(), [30])
        assert torch.equal(model.hidden(x), before)


def test_who_attends_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ours()
    with pytest.raises(ValueError, match="no tokens"):
        attention_to_pictures(model, Features(model, 1 << 20), prompt(), [])
    monkeypatch.setattr(attention, "take_over", lambda _: False)
    with pytest.raises(UserError, match="a way of its own"):
        attention_to_pictures(model, Features(model, 1 << 20), prompt(), [30])


def test_a_decoder_that_shows_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ours()
    monkeypatch.setattr(attention, "_FOREIGN", ("is_causal", "scaling"))  # arguments that change what is attended to
    with pytest.raises(UserError, match="unknown"):
        attention_to_pictures(model, Features(model, 1 << 20), prompt(), [30])


@pytest.mark.parametrize(("num_layers", "layers"), [(1, [0]), (2, [0, 1]), (3, [1, 2]), (6, [2, 3, 4, 5])])
def test_the_first_third_is_left_out(num_layers: int, layers: list[int]) -> None:
    assert list(looking_layers(num_layers)) == layers


def test_patches_in_the_padding_go_and_those_at_the_edge_count_whole() -> None:
    # A picture twice as wide as high in a padded square of 4 x 4 patches: rows 1 and 2 are the picture.
    shares = torch.arange(16.0).reshape(4, 4)
    assert onto_picture(shares, Frame(0, -0.5, 1, 1.5)).tolist() == [[4, 5, 6, 7], [8, 9, 10, 11]]
    # 4 patches over a height of 1.6: 2.5 patches of it are picture, 0.75 in the padding at each end.
    column = torch.tensor([[1.0], [2.0], [4.0], [8.0]])
    cells = onto_picture(column, Frame(0, -0.3, 1, 1.3))
    # Patch borders at -.3 .1 .5 .9 1.3: the first's share falls on 0 to .1, and so on; cells end at 1/3, 2/3 and 1.
    # The second patch has 7/12 of it in the first cell, the third 5/12 in the second.
    assert cells.flatten().tolist() == pytest.approx([1 + 2 * 7 / 12, 2 * 5 / 12 + 4 * 5 / 12, 4 * 7 / 12 + 8])


def test_where_the_tower_saw_nothing_there_is_nothing() -> None:
    # The middle square of a picture three times as wide as high, in 2 x 2 patches.
    cells = onto_picture(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), Frame(1 / 3, 0, 2 / 3, 1))
    assert cells.shape == (2, 6)
    torch.testing.assert_close(cells, torch.tensor([[0.0, 0, 1, 2, 0, 0], [0, 0, 3, 4, 0, 0]]))


def test_a_strip_has_a_bounded_map() -> None:
    cells = onto_picture(torch.ones(2, 2), Frame(0.4999, 0, 0.5001, 1))
    assert cells.shape == (2, 64)
    assert float(cells.sum()) == pytest.approx(4)
