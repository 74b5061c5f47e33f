from __future__ import annotations

import itertools

import pytest
import torch
from PIL import Image

from chiasm.backends.local_looking import looked, token_spans, words_of
from chiasm.backends.local_prompts import Opened
from chiasm.chat import Looker, Sampling, collect
from chiasm.conversation import Conversation, user
from chiasm.errors import UserError
from chiasm.processing.images import ImageLayout
from tests.backends.tiny import assistant


def asked(*pictures: object) -> Conversation:
    return Conversation((user("What is this?", pictures),))


def picture(width: int = 20, height: int = 20) -> Image.Image:
    torch.manual_seed(width)
    return Image.frombytes("RGB", (width, height), bytes(torch.randint(0, 256, (width * height * 3,)).tolist()))


def test_each_word_has_the_mean_of_its_tokens() -> None:
    model = assistant()
    assert isinstance(model, Looker)
    seen = model.looked(asked(picture()), " A red cat. ")
    assert seen.text == "A red cat."
    # The tokenizer's are bytes: one a letter.
    assert [seen.text[t.start : t.end] for t in seen.tokens] == ["", *"A red cat."]  # the first is the template's space
    assert [seen.text[w.start : w.end] for w in seen.words] == ["A", "red", "cat"]
    red = torch.tensor([t.heats[0].shares for t in seen.tokens[3:6]]).mean(0)
    torch.testing.assert_close(torch.tensor(seen.words[1].heats[0].shares), red, rtol=1e-3, atol=0)
    whole = torch.tensor([t.heats[0].shares for t in seen.tokens]).mean(0)
    torch.testing.assert_close(torch.tensor(seen.whole[0].shares), whole, rtol=1e-3, atol=0)
    assert 0 < sum(seen.whole[0].shares) < 1


def test_maps_have_the_shape_of_their_pictures() -> None:
    # In squares of 2 x 2 patches, the pictures take all of it, one row, one column.
    seen = assistant().looked(asked(picture(), picture(40, 20), picture(20, 40)), "Yes")
    assert [(heat.rows, heat.columns) for heat in seen.whole] == [(2, 2), (1, 2), (2, 1)]
    assert all(len(heat.shares) == heat.rows * heat.columns for heat in seen.whole)


def test_looking_changes_no_answer() -> None:
    model, conversation, sampling = assistant(), asked(picture()), Sampling(max_tokens=8)
    before = collect(model.stream(conversation, sampling)).text
    model.looked(conversation, before)
    assert collect(model.stream(conversation, sampling)).text == before


def test_what_cannot_be_told_is_said() -> None:
    model = assistant(num_positions=64)
    with pytest.raises(UserError, match="no picture"):
        model.looked(Conversation((user("Hello"),)), "Hi")
    with pytest.raises(UserError, match="the answer is empty"):
        model.looked(asked(picture()), "  ")
    with pytest.raises(UserError, match="context holds 64"):
        model.looked(asked(picture()), "a" * 64)


def opened(layout: ImageLayout, size: tuple[int, int] = (20, 20)) -> Opened:
    return Opened(layout, torch.zeros(layout.tiles, 3, 28, 28), "key", size)


def test_the_class_token_is_no_place_and_pictures_follow_each_other() -> None:
    processor = assistant().processor
    shown = [opened(ImageLayout(1, 2, 2, class_token=True)), opened(ImageLayout(1, 2, 2), (40, 20))]
    shares = torch.tensor([[0.5, 1, 2, 3, 4, 10, 20, 30, 40]]) / 128
    seen = looked(processor, shown, processor.tokenizer.encode_text("a"), shares)
    # The second is as high as one of its two rows: half of each lies in the padding, and counts whole.
    values = [[share * 128 for share in heat.shares] for heat in seen.whole]
    assert values == [pytest.approx([1, 2, 3, 4], rel=1e-3), pytest.approx([40, 60], rel=1e-3)]


def test_pictures_of_several_tiles_are_refused() -> None:
    processor = assistant().processor
    with pytest.raises(UserError, match="picture 1 is seen in 3 tiles"):
        looked(processor, [opened(ImageLayout(3, 2, 2))], [97], torch.zeros(1, 12))


def test_tokens_of_half_a_character_share_it() -> None:
    processor = assistant().processor
    ids = processor.tokenizer.encode_text(" 红a")
    assert len(ids) == 5  # a space, three bytes of one character, a letter
    assert token_spans(processor, ids) == ("红a", [(0, 0), (0, 1), (0, 1), (0, 1), (1, 2)])


@pytest.mark.parametrize(
    ("text", "borders", "words"),
    [
        ("Don't, it's 3.5 well-known!", [], ["Don't", "it's", "3.5", "well-known"]),
        ("[0.1, 0.25]", [], ["0.1", "0.25"]),
        ("红色的猫。", [2, 3, 4], ["红色", "的", "猫"]),
        ("3只cat猫咪", [1, 2, 5], ["3", "只", "cat", "猫咪"]),
        ("", [], []),
    ],
)
def test_words(text: str, borders: list[int], words: list[str]) -> None:
    edges = [0, *borders, len(text)]
    found = words_of(text, list(itertools.pairwise(edges)))
    assert [text[start:end] for start, end in found] == words
