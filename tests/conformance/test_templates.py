"""Every template of the folder with every kind of tokenizer: what must hold for any pair.

A file added to `chiasm/templates` is tested here without an edit.
"""

from __future__ import annotations

import copy
import itertools
import random
import re
from collections.abc import Sequence
from functools import cache

import PIL.Image
import pytest

from chiasm import templates
from chiasm.conversation import Conversation, Image, Message, Part, RecordError, Text
from chiasm.processing.images import ImageProcessing
from chiasm.processing.processor import NOT_TRAINED, Example, Processor
from chiasm.processing.tokens import PICTURE, PieceTokenizer
from chiasm.templates import Control, Piece, Template, Written, as_text
from tests.tokenizers import MAKERS, MadeTokenizer, made, sentencepiece_processor

TEMPLATES = templates.REGISTRY.names()
NUM_CONVERSATIONS = 10_000
PER_PAIR = -(-NUM_CONVERSATIONS // (len(TEMPLATES) * len(MAKERS)))

PAIRS = list(itertools.product(TEMPLATES, MAKERS))

SPECIAL_LOOKING = (
    *(
        "<image>",
        "</s>",
        "<s>",
        "<unk>",
        "<pad>",
        "[INST]",
        " [/INST] ",
        "<<SYS>>",
        "ASSISTANT:",
        "USER: ",
        " ASSISTANT: ",
    ),
    *("###", "### Human:", "<|im_end|>", "<|im_start|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"),
    *("<|begin_of_text|>", "<|endoftext|>", "<tool_call>", "<0x0A>", "<0xE7>", "[UNK]", "＜/s＞", "</", "s>", "<", "▁"),
)
SCRIPTS = (
    *("dog", "The picture", " two words ", "isn't", "12345", "3.14", "def f(x):\n    return x\n", "don't!?", "UPPER"),
    *("图里有一只狗。", "この写真", "한국어", "السلام عليكم", "שלום", "तस्वीर में", "มีแมว", "Ελληνικά", "Привет", "ħæß"),
    # A family and a rainbow flag of several joined signs, a skin tone, a flag of two letters.
    *("\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f3f3\ufe0f\u200d\U0001f308", "\U0001f44d\U0001f3fd"),
    *("\U0001f1e9\U0001f1ea", "\u00e9", "e\u0301", "\u0301", "\u0338x", "\ufb01", "\u00c5\u030a", "\u1100\u1161\u11a8"),
    *(
        "\x00",
        "\x07",
        "\ue000",
        "\U0010fffd",
        "\ufffd",
        "\ufeff",
        "\u200b",
        "\u202e",
        "\u3000",
        "\u00a0",
        "\x85",
        "\u2028",
    ),
)
SPACE = (" ", "  ", "\n", "\n\n", "\t", "\r\n", "   \n ")
SIZES = ((8, 8), (20, 6), (5, 9))
PICTURES = tuple(PIL.Image.new("RGB", size, (50 * size[0] % 256, 0, 0)) for size in SIZES)


@cache
def processor_of(template: str, tokenizer: str) -> Processor:
    """Pictures of 2 x 2 patches; placeholders as published, or the tokenizer's own `<image>`."""
    pieces = PieceTokenizer(made(tokenizer).raw)
    images = ImageProcessing(size=4, patch_size=2, class_token=tokenizer in ("gpt2", "words"))
    placeholder = pieces.special.get("<image>", PICTURE)
    return Processor(pieces, template, images, image_token_id=placeholder, max_length=1_000_000)


# ---- random conversations ----


def random_text(chance: random.Random) -> str:
    if chance.random() < 0.1:
        return ""
    pools = chance.choices((SCRIPTS, SPECIAL_LOOKING, SPACE), weights=(5, 3, 2), k=chance.randrange(1, 7))
    return "".join(chance.choice(pool) for pool in pools)


def random_conversation(chance: random.Random) -> Conversation:
    messages = [Message("system", (Text(random_text(chance)),))] if chance.random() < 0.2 else []
    for position in range(chance.randrange(1, 6)):
        if position % 2:
            messages.append(Message("assistant", (Text(random_text(chance)),)))
            continue
        parts: list[Part] = [Text(random_text(chance)) for _ in range(chance.randrange(1, 3))]
        for _ in range(chance.choice((0, 0, 1, 1, 2))):
            parts.insert(chance.randrange(len(parts) + 1), Image(chance.choice(PICTURES)))
        message = Message("user", tuple(parts))
        messages.append(message.with_pictures_first() if chance.random() < 0.5 else message)
    return Conversation(tuple(messages))


@pytest.mark.parametrize(("template", "tokenizer"), PAIRS)
def test_random_conversations(template: str, tokenizer: str) -> None:
    processor = processor_of(template, tokenizer)
    for seed in range(PER_PAIR):
        chance = random.Random(f"{template} {tokenizer} {seed}")
        conversation = random_conversation(chance)
        try:
            for train in (False, True):
                check_labels(processor, made(tokenizer), conversation, train=train)
            check_prompts(processor, conversation)
            check_pictures_and_cutting(processor, conversation, chance)
        except Exception as error:
            error.add_note(f"seed {seed}: {conversation}")
            raise


def check_labels(processor: Processor, tokenizer: MadeTokenizer, conversation: Conversation, *, train: bool) -> None:
    """Exactly the answers and their ends are trained, exactly the template's special tokens are special."""
    pieces = processor.template.render(conversation, train=train)
    tokens = processor.tokenizer.encode(pieces)
    assert len(tokens.ids) == len(tokens.trained)
    check_trained_pieces(processor.template, pieces, conversation)

    special = processor.tokenizer.special
    unknown = {special[token] for token in ("<unk>", "[UNK]") if token in special and tokenizer.kind == "words"}
    found = [i for i in tokens.ids if i in {*special.values()} - unknown]
    written = [special[p.token] for p in pieces if isinstance(p, Control) and p.token in special]
    assert found == [*processor.tokenizer.bos_ids, *written]
    assert tokens.ids.count(PICTURE) == sum(isinstance(piece, Image) for piece in pieces)

    groups = [list(run) for trained, run in itertools.groupby(pieces, is_trained) if trained]
    if tokenizer.kind == "words":  # it forgets what text was: count what an answer takes
        assert sum(tokens.trained) == sum(num_words(group, special) for group in groups)
        return
    said, expected = [], []
    for trained, run in itertools.groupby(range(len(tokens.ids)), lambda i: tokens.trained[i]):
        if trained:
            first, *rest = run
            said.append(tokenizer.text(tokens.ids[i] for i in (first, *rest)))
            opening = first == 0 or tokens.ids[first - 1] in (PICTURE, *processor.tokenizer.bos_ids)
            answer = as_text(groups[len(expected)]) if len(expected) < len(groups) else "no such answer"
            expected.append(tokenizer.normal(answer, opening=opening))
    assert said == expected
    assert len(said) == len(groups)


def is_trained(piece: Piece) -> bool:
    return not isinstance(piece, Image) and piece.trained


def num_words(pieces: Sequence[Piece], special: dict[str, int]) -> int:
    """Tokens of pieces whose tokenizer looks whole words up, and spells out what is typed like a special token."""
    count = 0
    for known, run in itertools.groupby(pieces, lambda p: isinstance(p, Control) and p.token in special):
        text = as_text(run)
        count += 1 if known else sum(len(word) if word in special else 1 for word in text.split())
    return count


def check_trained_pieces(template: Template, pieces: Sequence[Piece], conversation: Conversation) -> None:
    """The trained pieces are the assistant's texts in order, each with its end and at most a space around it."""
    answers = [turn.text for turn in conversation.turns if turn.role == "assistant"]
    pattern = "".join(f" ?{re.escape(answer)} ?{re.escape(template.end)}" for answer in answers)
    assert re.fullmatch(pattern, as_text(piece for piece in pieces if is_trained(piece)))


def check_prompts(processor: Processor, conversation: Conversation) -> None:
    """What the model is asked with is, id for id, the beginning of what it was trained on."""
    whole = processor.tokenizer.encode(processor.template.render(conversation)).ids
    for position, message in enumerate(conversation.messages):
        if message.role == "user":
            asked = Conversation(conversation.messages[: position + 1])
            prompt = processor.tokenizer.encode(processor.template.render(asked)).ids
            assert whole[: len(prompt)] == prompt, f"the prompt of message {position + 1}"


def check_pictures_and_cutting(processor: Processor, conversation: Conversation, chance: random.Random) -> None:
    whole = processor.encode(conversation, train=True)
    num_places = sum(layout.num_tokens for layout in whole.layouts)
    assert int((whole.input_ids == processor.image_token_id).sum()) == num_places
    assert len(whole.pixels) == sum(layout.tiles for layout in whole.layouts)
    assert len(whole.layouts) == len(whole.picture_keys) == len(conversation.images)
    assert whole.num_cut == 0
    is_kept = whole.labels != NOT_TRAINED
    assert (whole.labels[is_kept] == whole.input_ids[is_kept]).all()

    length = len(whole.input_ids)
    shorter = copy.copy(processor)
    shorter.max_length = chance.randrange(2, length + 2) if length > 1 else 2
    trained = [i for i, kept in enumerate(is_kept.tolist()) if kept]
    pictures = [i for i, token in enumerate(whole.input_ids.tolist()) if token == processor.image_token_id]
    left = [i for i in trained if i < shorter.max_length]
    if length > shorter.max_length and (not left or (pictures and pictures[-1] > left[-1])):
        with pytest.raises(RecordError) as caught:
            shorter.encode(conversation, train=True)
        assert caught.value.reason == "too long"
        return
    cut = shorter.encode(conversation, train=True)
    check_cut(cut, whole, shorter.max_length)
    assert cut.num_cut == len(trained) - int((cut.labels != NOT_TRAINED).sum())


def check_cut(cut: Example, whole: Example, max_length: int) -> None:
    """A cut example is the beginning of the whole one: every picture complete, the last token trained."""
    length = len(cut.input_ids)
    assert length <= max_length
    assert (cut.input_ids == whole.input_ids[:length]).all()
    assert (cut.labels == whole.labels[:length]).all()
    if length < len(whole.input_ids):
        assert cut.labels[-1] != NOT_TRAINED
        after = whole.labels[length:max_length] != NOT_TRAINED
        assert not after.any(), "trained tokens that fitted were cut"
    assert (cut.pixels.shape, cut.layouts) == (whole.pixels.shape, whole.layouts)
    assert (cut.input_ids == -200).sum() == (whole.input_ids == -200).sum()


# ---- ids of the plain string ----

QUESTIONS = ("What is in the picture?", "图里有什么？ And why?", "How many cups, 3 or 12?\n\nAnswer with a number.")
ANSWERS = ("Two dogs are running.", "一只红色的球。", "def area(x):\n    return x * x")


@pytest.mark.parametrize(("template", "tokenizer"), PAIRS)
def test_ids_are_those_of_the_plain_string(template: str, tokenizer: str) -> None:
    """Text without anything special typed: what a person would get by tokenising the rendered prompt."""
    processor, library = processor_of(template, tokenizer), made(tokenizer)
    if library.kind == "words" and processor.template.end not in processor.tokenizer.special:
        pytest.skip("a vocabulary of whole words joins the answer, its end and the next turn to one unknown word")
    conversation, prompt = Conversation(()), []
    for question, answer in zip(QUESTIONS, ANSWERS, strict=True):
        conversation = conversation.said("user", question)
        pieces = processor.template.render(conversation)
        prompt = plain_ids(library, pieces, processor.tokenizer)
        assert processor.tokenizer.encode(pieces).ids == prompt
        conversation = conversation.said("assistant", answer)
        pieces = processor.template.render(conversation)
        whole = plain_ids(library, pieces, processor.tokenizer)
        if whole[: len(prompt)] != prompt:
            # The library reads the same question in two ways; what the model is asked with decides.
            assert (tokenizer, template) == ("gpt2", "llama_3")
            return
        assert processor.tokenizer.encode(pieces).ids == whole


def plain_ids(tokenizer: MadeTokenizer, pieces: Sequence[Piece], ours: PieceTokenizer) -> list[int]:
    """The library's own ids of the whole string; for Llama, SentencePiece's on each stretch between special tokens.

    Fast tokenizers of that kind put a space behind special tokens which the slow one, used in training, does not.
    """
    if tokenizer.leading_space != "always":
        end = {"</s>"} & ({*ours.special} if tokenizer.leading_space else set())
        if end & {piece.token for piece in pieces if isinstance(piece, Control)}:
            # Unigram with Metaspace has the same fault; what stands before the first special token is comparable.
            ids = tokenizer.raw.encode(as_text(pieces), add_special_tokens=False).ids
            first = ids.index(ours.special["</s>"])
            return [*ids[:first], *ours.encode(pieces).ids[first:]]
        bos = [tokenizer.raw.token_to_id("<|begin_of_text|>")] if "<|begin_of_text|>" in ours.special else []
        return [*bos, *tokenizer.raw.encode(as_text(pieces), add_special_tokens=False).ids]
    oracle = sentencepiece_processor()
    ids, behind = [oracle.bos_id()], len(oracle.encode("<unk>"))
    opening = True
    for known, run in itertools.groupby(pieces, lambda p: isinstance(p, Control) and p.token in ours.special):
        if known:
            ids += [oracle.piece_to_id(as_text([piece])) for piece in run]
        else:
            text = as_text(run)
            ids += oracle.encode(text) if opening else oracle.encode("<unk>" + text)[behind:]
        opening = False
    return ids


def test_the_folder_is_not_empty() -> None:
    assert len(TEMPLATES) * len(MAKERS) * PER_PAIR >= NUM_CONVERSATIONS
    assert {"vicuna_v1", "plain", "llama_3"} <= {*TEMPLATES}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_file_says_what_it_is(name: str) -> None:
    template = templates.find(name)
    assert template.end, "an answer needs an end that is learnt"
    pieces = template.render(Conversation(()).said("user", ""))
    assert all(piece.text for piece in pieces if isinstance(piece, Written)), "empty pieces are left out"
    assert template.controls <= {template.start, template.separator, template.end, *template.stop}
