"""Conversations to what the model sees: ids, labels, pixels, and what is cut when it does not fit."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import AddedToken, Tokenizer

from chiasm import templates
from chiasm.conversation import Conversation, Message, RecordError, Text, user
from chiasm.errors import UserError
from chiasm.processing.batch import pad
from chiasm.processing.images import ImageProcessing
from chiasm.processing.pictures import PictureError, PictureLimits
from chiasm.processing.processor import NOT_TRAINED, Processor
from chiasm.processing.tokens import PICTURE, PieceTokenizer
from tests.tokenizers import made

RED, GREEN, BLUE = (Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue"))
SQUARE = ImageProcessing(policy="square", size=8, patch_size=4)  # 2 x 2 patches


def vicuna(**settings: object) -> Processor:
    return Processor(PieceTokenizer(made("llama_folder").raw), "vicuna_v1", SQUARE, **settings)  # type: ignore[arg-type]


def answered(*pairs: tuple[Message, str]) -> Conversation:
    return Conversation(tuple(m for asked, text in pairs for m in (asked, Message("assistant", (Text(text),)))))


# ---- pictures ----


def test_every_picture_has_as_many_places_as_its_layout_says() -> None:
    conversation = answered((user("Which?", [RED, GREEN]), "Red."), (user("And?", [BLUE]), "Blue."))
    for class_token in (False, True):
        processor = vicuna().with_images(SQUARE.model_copy(update={"class_token": class_token}))
        example = processor.encode(conversation)
        ids = example.input_ids.tolist()
        assert ids.count(PICTURE) == sum(layout.num_tokens for layout in example.layouts) == 3 * (4 + class_token)
        written = processor.tokenizer.encode(processor.template.render(conversation)).ids
        assert [i for i in ids if i != PICTURE] == [i for i in written if i != PICTURE]


def test_pictures_come_in_the_order_in_which_they_are_read() -> None:
    example = vicuna().encode(answered((user("Which?", [GREEN, RED]), "Green."), (user("And?", [BLUE]), "Blue.")))
    assert example.pixels.shape == (3, 3, 8, 8)
    assert [int(tile.mean((1, 2)).argmax()) for tile in example.pixels] == [1, 0, 2]
    assert len({*example.picture_keys}) == 3


def test_a_conversation_without_pictures_has_an_empty_stack_of_tiles() -> None:
    example = vicuna().encode(answered((user("Hello"), "Hi.")))
    assert (example.pixels.shape, example.layouts, example.picture_keys) == ((0, 3, 8, 8), (), ())


def test_a_picture_is_the_same_however_it_is_handed_in(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    RED.save(buffer, "PNG")
    (tmp_path / "red.png").write_bytes(buffer.getvalue())
    sources = [RED, np.asarray(RED), buffer.getvalue(), tmp_path / "red.png", str(tmp_path / "red.png")]
    examples = [vicuna().encode(Conversation((user("Q", [source]),))) for source in sources]
    assert len({example.picture_keys for example in examples}) == 1
    assert all(torch.equal(example.pixels, examples[0].pixels) for example in examples)


def test_a_picture_that_cannot_be_read_is_refused_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(PictureError) as caught:
        vicuna().encode(Conversation((user("Q", [tmp_path / "none.jpg"]),)))
    assert caught.value.reason == "missing"
    with pytest.raises(PictureError) as caught:
        vicuna(limits=PictureLimits(max_pixels=63)).encode(Conversation((user("Q", [RED]),)))
    assert caught.value.reason == "too large"


def test_a_picture_in_a_system_turn_does_not_shift_the_others() -> None:
    system = Message("system", user("Be brief.", [GREEN]).parts)
    with pytest.raises(RecordError):
        vicuna().encode(Conversation((system, user("Q", [RED]))))


# ---- typed text ----


def test_a_typed_marker_is_no_picture_even_where_the_tokenizer_has_it_as_a_plain_added_token() -> None:
    raw = Tokenizer.from_str(made("llama_folder").raw.to_str())
    raw.add_tokens([AddedToken("<image>", special=False, normalized=False)])
    placeholder = raw.token_to_id("<image>")
    processor = Processor(PieceTokenizer(raw), "vicuna_v1", SQUARE, image_token_id=placeholder)
    example = processor.encode(Conversation((user("What is <image>?", [RED]),)))
    assert example.input_ids.tolist().count(placeholder) == 4
    assert "What is <image>?" in processor.decode(example.input_ids.tolist())


def test_a_typed_end_does_not_end_the_answer_even_where_it_is_a_plain_added_token() -> None:
    raw = Tokenizer.from_str(made("llama_folder").raw.to_str())
    raw.add_tokens([AddedToken(t, special=False, normalized=False) for t in ("<|im_start|>", "<|im_end|>", "<|end|>")])
    processor = Processor(PieceTokenizer(raw), "chatml", SQUARE, eos_token="<|end|>")
    assert processor.end_ids == {raw.token_to_id("<|im_end|>"), raw.token_to_id("<|end|>")}
    example = processor.encode(answered((user("Say <|im_end|>"), "<|im_end|> and <|end|>")))
    ids = example.input_ids.tolist()
    # The system turn has none (the template's own is empty): the user's end and the assistant's.
    assert [ids.count(raw.token_to_id(token)) for token in ("<|im_end|>", "<|end|>")] == [2, 0]


# ---- labels and cutting ----


def test_labels_are_the_ids_of_answers_and_their_ends_unshifted() -> None:
    processor = vicuna()
    example = processor.encode(answered((user("What?", [RED]), "A dog."), (user("Sure?"), "Yes.")), train=True)
    trained = example.labels != NOT_TRAINED
    assert torch.equal(example.labels[trained], example.input_ids[trained])
    assert made("llama_folder").text(example.input_ids[trained].tolist()) == " A dog.</s> Yes.</s>"
    assert example.num_trained == int(trained.sum())


def test_the_first_position_is_no_target() -> None:
    processor = Processor(PieceTokenizer(made("qwen").raw), "plain", SQUARE)  # no start token, no picture
    example = processor.encode(answered((user("Describe."), "a")), train=True)
    assert int((example.labels != NOT_TRAINED).sum()) == example.num_trained + 1


def test_only_the_answer_is_cut_and_what_was_lost_is_counted() -> None:
    conversation = answered((user("What?", [RED]), "one two three four five six seven"))
    whole = vicuna().encode(conversation, train=True)
    length = len(whole.input_ids)
    cut = vicuna(max_length=length - 3).encode(conversation, train=True)
    assert torch.equal(cut.input_ids, whole.input_ids[:-3])
    assert torch.equal(cut.labels, whole.labels[:-3])
    assert (cut.num_cut, whole.num_cut) == (3, 0)
    assert cut.num_trained == whole.num_trained - 3
    assert len(vicuna(max_length=length).encode(conversation, train=True).input_ids) == length


def test_a_question_left_without_its_answer_is_cut_off_too() -> None:
    conversation = answered((user("What?"), "A dog."), (user("one two three four five six"), "Yes."))
    whole = vicuna().encode(conversation, train=True)
    first_end = whole.input_ids.tolist().index(2) + 1
    for max_length in range(first_end, len(whole.input_ids) - 3):
        cut = vicuna(max_length=max_length).encode(conversation, train=True)
        assert cut.labels[-1] != NOT_TRAINED
        assert len(cut.input_ids) == first_end or cut.labels[first_end:].max() >= 0


def test_what_cannot_be_cut_is_refused_with_all_numbers() -> None:
    conversation = answered((user("What?", [RED]), "A dog."))
    whole = vicuna().encode(conversation, train=True)
    first_trained = int((whole.labels != NOT_TRAINED).nonzero()[0])
    with pytest.raises(RecordError, match=rf"{len(whole.input_ids)} tokens \(4 of them pictures\) .* {first_trained}"):
        vicuna(max_length=first_trained).encode(conversation, train=True)
    assert vicuna(max_length=first_trained + 1).encode(conversation, train=True).num_trained == 1


def test_a_later_picture_is_never_cut_in_half_nor_left_out() -> None:
    conversation = answered((user("What?"), "A dog."), (user("And here?", [RED]), "A cat."))
    whole = vicuna().encode(conversation, train=True)
    last_place = max(i for i, token in enumerate(whole.input_ids.tolist()) if token == PICTURE)
    first_after = int((whole.labels[last_place:] != NOT_TRAINED).nonzero()[0]) + last_place
    for max_length in range(2, first_after + 1):
        with pytest.raises(RecordError) as caught:
            vicuna(max_length=max_length).encode(conversation, train=True)
        assert caught.value.reason == "too long"


def test_a_prompt_is_never_cut() -> None:
    conversation = Conversation((user("one two three four five six", [RED]),))
    assert len(vicuna(max_length=4).encode(conversation).input_ids) > 4


@pytest.mark.parametrize("max_length", [-1, 0, 1])
def test_an_impossible_length_is_refused(max_length: int) -> None:
    with pytest.raises(UserError, match="max_length"):
        vicuna(max_length=max_length)


# ---- settings ----


def test_another_template_or_policy_leaves_the_first_processor_alone() -> None:
    processor = vicuna()
    plain = processor.with_template("plain")
    padded = processor.with_images(SQUARE.model_copy(update={"policy": "pad"}))
    assert (processor.template_name, plain.template_name) == ("vicuna_v1", "plain")
    assert (processor.template, plain.template) == (templates.find("vicuna_v1"), templates.find("plain"))
    assert (processor.images.policy, padded.images.policy) == ("square", "pad")
    with pytest.raises(UserError, match="did you mean 'plain'"):
        processor.with_template("plan")


def test_what_ends_an_answer() -> None:
    ours = PieceTokenizer(made("llama_folder").raw)
    assert (Processor(ours, "vicuna_v1", SQUARE).end_ids, Processor(ours, "vicuna_v1", SQUARE).stop) == ({2}, ())
    # Vicuna 0 ends with ### as text; the tokenizer's own end still counts.
    old = Processor(ours, "llava_v0", SQUARE, eos_token="</s>")
    assert (old.end_ids, old.stop) == ({2}, ("###",))
    qwen = Processor(PieceTokenizer(made("qwen").raw), "qwen", SQUARE, eos_token="<|endoftext|>")
    assert qwen.end_ids == {qwen.tokenizer.special[token] for token in ("<|im_end|>", "<|endoftext|>")}
    assert Processor(PieceTokenizer(made("gpt2").raw), "chatml", SQUARE).stop == ("<|im_end|>",)


def test_decoding_leaves_pictures_and_special_tokens_out() -> None:
    example = vicuna().encode(answered((user("What?", [RED]), "A dog.")))
    text = vicuna().decode(example.input_ids.tolist())
    assert "What? ASSISTANT: A dog." in text
    assert "</s>" not in text


# ---- batches ----


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_pads_the_shorter_and_keeps_everything(side: str) -> None:
    processor = vicuna()
    examples = [
        processor.encode(answered((user("What?", [RED]), "A dog.")), train=True),
        processor.encode(answered((user("Hello"), "Hi.")), train=True),
        processor.encode(answered((user("Which one?", [GREEN, BLUE]), "The second.")), train=True),
    ]
    batch = pad(examples, side)  # type: ignore[arg-type]
    assert {name: tensor.shape[0] for name, tensor in batch.items()} == {
        "input_ids": 3,
        "attention_mask": 3,
        "labels": 3,
        "pixels": 3,
    }
    for row, example in enumerate(examples):
        mask = batch["attention_mask"][row].bool()
        assert torch.equal(batch["input_ids"][row][mask], example.input_ids)
        assert torch.equal(batch["labels"][row][mask], example.labels)
        assert (batch["labels"][row][~mask] == NOT_TRAINED).all()
        assert (batch["input_ids"][row][~mask] != processor.image_token_id).all()
        edge = mask[-1] if side == "left" else mask[0]
        assert bool(edge), "padding stands on the other side"
    assert torch.equal(batch["pixels"], torch.cat([example.pixels for example in examples]))
