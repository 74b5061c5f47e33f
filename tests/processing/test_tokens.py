"""Pieces to ids and labels: against the published code, against SentencePiece itself, and by hand."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, models

from chiasm import templates
from chiasm.conversation import Conversation, Image, Message, RecordError, Text
from chiasm.errors import UserError
from chiasm.processing.tokens import PICTURE, PieceTokenizer
from chiasm.templates import Control, Piece, Written
from tests.tokenizers import MAKERS, SENTENCES, MadeTokenizer, made, sentencepiece_processor, write_sentencepiece_folder

LOSSLESS = [name for name in MAKERS if name != "words"]
LLAMA = ["llama_folder", "llama_prepend", "llama_metaspace"]
TYPED_SPECIALS = "a </s><s> <unk> <0x0A> <|im_end|><|im_start|> <|eot_id|> <|endoftext|> [UNK] <image> b"


@pytest.fixture(params=MAKERS)
def tokenizer(request: pytest.FixtureRequest) -> MadeTokenizer:
    return made(request.param)


def in_turns(values: list[str]) -> Conversation:
    """A conversation from published turns, where `<image>` stands for a picture."""
    messages = []
    for position, value in enumerate(values):
        parts: list[Text | Image] = []
        for text in value.split("<image>"):
            parts += [Image("any"), Text(text)]
        messages.append(Message("assistant" if position % 2 else "user", tuple(p for p in parts[1:] if p != Text(""))))
    return Conversation(tuple(messages))


# ---- the published code's own numbers ----


@pytest.fixture(params=["tokenizer", "model/llava-tiny-v15"], ids=["tokenizer.json", "tokenizer.model"])
def vicuna(request: pytest.FixtureRequest, shared_data: Path) -> PieceTokenizer:
    return PieceTokenizer.from_folder(shared_data / "golden" / request.param)


def test_ids_of_published_prompts(vicuna: PieceTokenizer, shared_data: Path) -> None:
    num_checked = 0
    chatml = Tokenizer.from_str(vicuna.tokenizer.to_str())
    chatml.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<|im_start|>", "<|im_end|>")])
    with_blocks = PieceTokenizer(chatml)
    for line in (shared_data / "golden" / "prompts.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        turns = [turn for turn in case["turns"] if turn is not None]
        # Item 17 types `</s>`; the published tokenizer ends the sequence there, here it is text.
        if "error" in case or any("</s>" in turn for turn in turns):
            continue
        pieces = templates.find(case["template"]).render(in_turns(turns))
        assert vicuna.encode(pieces).ids == case["input_ids"], (case["template"], case["item"])
        if "input_ids_chatml" in case:
            assert with_blocks.encode(pieces).ids == case["input_ids_chatml"], case["item"]
        num_checked += 1
    assert num_checked > 50


def test_labels_of_published_records(vicuna: PieceTokenizer, shared_data: Path) -> None:
    names = {"v1": "vicuna_v1", "llama_2": "llava_llama_2", "plain": "plain"}
    num_checked = 0
    for line in (shared_data / "golden" / "tokens.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        conversation = Conversation.from_llava(case["record"])
        for version, result in case["results"].items():
            tokens = vicuna.encode(templates.find(names[version]).render(conversation, train=True))
            assert tokens.ids == result["input_ids"], (case["case"], version)
            kept = [any(start <= i < end for start, end in result["kept"]) for i in range(len(tokens.ids))]
            assert tokens.trained == kept, (case["case"], version)
            num_checked += 1
    assert num_checked > 40


def test_ids_of_the_slow_tokenizer(vicuna: PieceTokenizer, shared_data: Path) -> None:
    probes = json.loads((shared_data / "golden" / "tokenizer" / "slow_vs_fast.json").read_text(encoding="utf-8"))
    for probe in probes["probes"]:
        # To that tokenizer these three are special wherever they stand; here only where a template writes them.
        written = re.split("(</s>|<s>|<unk>)", probe["text"])
        pieces = [Control(text) if position % 2 else Written(text) for position, text in enumerate(written)]
        assert vicuna.encode(pieces).ids == probe["slow_legacy_false"], probe["text"]


# ---- against SentencePiece itself ----


@pytest.mark.parametrize("name", LLAMA)
@pytest.mark.parametrize("text", [*SENTENCES, " then", "  two", "\nline", "x  y", "é👩‍👧", "trailing  ", "\t", " "])
def test_literal_text_is_what_sentencepiece_makes_of_it(name: str, text: str) -> None:
    ours, theirs = PieceTokenizer(made(name).raw), sentencepiece_processor()
    assert ours.encode_text(text) == theirs.encode(text)
    # The slow tokenizer (legacy=false) reads what follows a special token behind "<unk>" and takes that off again.
    behind = theirs.encode("<unk>" + text)
    unk = theirs.encode("<unk>")
    assert behind[: len(unk)] == unk
    assert ours.encode_text(text, opening=False) == behind[len(unk) :]


@pytest.mark.parametrize("name", LLAMA)
def test_the_leading_space_comes_after_start_and_pictures_only(name: str) -> None:
    ours = PieceTokenizer(made(name).raw)
    (dog, space_dog) = (ours.encode_text("dog", opening=opening) for opening in (False, True))
    assert dog != space_dog
    pieces = [
        Written("dog"),
        Control("</s>"),
        Written("dog"),
        Image("any"),
        Written("dog"),
        Image("any"),
        Control("</s>"),
    ]
    assert ours.encode(pieces).ids == [1, *space_dog, 2, *dog, PICTURE, *space_dog, PICTURE, 2]


# ---- special tokens ----


def test_typed_special_tokens_are_letters(tokenizer: MadeTokenizer) -> None:
    ours = PieceTokenizer(tokenizer.raw)
    unknown = ours.special.get("[UNK]")
    for opening in (True, False):
        ids = ours.encode_text(TYPED_SPECIALS, opening=opening)
        assert not {*ids} & {*ours.special.values()} - {unknown}
        if tokenizer.kind != "words":
            assert tokenizer.text(ids).removeprefix(" ") == TYPED_SPECIALS
            assert ours.decode(ids) == TYPED_SPECIALS


def test_a_normaliser_cannot_make_a_special_token_of_typed_text() -> None:
    ours = PieceTokenizer(made("unigram").raw)  # NFKC: fullwidth signs become ASCII
    ids = ours.encode_text("＜/s＞ ＜0x0A＞")
    assert not {*ids} & {*ours.special.values(), ours.tokenizer.token_to_id("<0x0A>")}


def test_a_template_s_special_tokens_are_single_ids(tokenizer: MadeTokenizer) -> None:
    ours = PieceTokenizer(tokenizer.raw)
    for token, token_id in ours.special.items():
        assert ours.encode([Control(token, trained=True)]).ids == [*ours.bos_ids, token_id]
        assert ours.encode([Control(token, trained=True)]).trained == [False] * len(ours.bos_ids) + [True]


def test_a_special_token_the_tokenizer_lacks_is_text() -> None:
    ours = PieceTokenizer(made("gpt2").raw)
    tokens = ours.encode([Written("a "), Control("</s>", trained=True)])
    assert made("gpt2").text(tokens.ids) == "a </s>"
    assert made("gpt2").text(i for i, t in zip(tokens.ids, tokens.trained, strict=True) if t) == "</s>"


def test_added_tokens_keep_their_ids() -> None:
    # `<tool_call>` was added between special tokens: leaving those out must not move it.
    raw = made("qwen").raw
    assert PieceTokenizer(raw).encode_text("x <tool_call>") == raw.encode("x <tool_call>").ids


def test_reserved_tokens_are_out_of_reach_of_typed_text() -> None:
    before = PieceTokenizer(made("qwen").raw)
    call = before.tokenizer.token_to_id("<tool_call>")
    ours = before.reserving(["<tool_call>", "no such token"])
    assert (call in before.encode_text("<tool_call>"), call in ours.encode_text("<tool_call>")) == (True, False)
    assert ours.encode([Control("<tool_call>")]).ids == [call]
    assert ours.decode([call]) == ""
    assert before.reserving(["no such token", "<|im_end|>"]) is before
    assert {token.content: token.special for token in ours.tokenizer.get_added_tokens_decoder().values()}[
        "<tool_call>"
    ] is False  # written to a folder it is what it was


def test_unknown_words_stay_one_unknown_token() -> None:
    raw = made("words").raw
    text = "the unheard picture"
    assert PieceTokenizer(raw).encode_text(text) == raw.encode(text).ids


# ---- the start token ----


@pytest.mark.parametrize(
    ("name", "bos"),
    [(name, ["<s>"]) for name in LLAMA]
    + [("gpt2", []), ("qwen", []), ("llama_3", ["<|begin_of_text|>"]), ("unigram", [])],
)
def test_the_start_token_is_the_tokenizers_own_and_comes_once(name: str, bos: list[str]) -> None:
    ours = PieceTokenizer(made(name).raw)
    ids = ours.encode([Image("any"), Written("\nWhat?"), Written(" ASSISTANT:")]).ids
    assert ids[: len(bos) + 1] == [*(ours.special[token] for token in bos), PICTURE]
    assert not {*ids[len(bos) :]} & {*ours.bos_ids}


def test_settings_for_padding_and_cutting_in_the_file_are_not_taken_for_tokens() -> None:
    raw = Tokenizer.from_str(made("llama_folder").raw.to_str())
    raw.enable_padding(direction="left", pad_id=0, pad_token="<unk>", length=8)
    raw.enable_truncation(4)
    ours = PieceTokenizer(raw)
    assert ours.bos_ids == [1]
    assert ours.encode_text("one two three four five six") == PieceTokenizer(made("llama_folder").raw).encode_text(
        "one two three four five six"
    )
    assert raw.padding is not None  # the caller's tokenizer stays as it was


# ---- labels ----


def test_a_token_across_the_edge_of_an_answer_is_cut() -> None:
    # Qwen's words take every newline in a row as one; the template's ends the question's part.
    ours = PieceTokenizer(made("qwen").raw)
    tokens = ours.encode([Written("assistant\n"), Written("\n\nHi", trained=True)])
    prompt = ours.encode([Written("assistant\n")])
    assert tokens.ids[: len(prompt.ids)] == prompt.ids
    assert tokens.trained == [False] * len(prompt.ids) + [True] * (len(tokens.ids) - len(prompt.ids))
    assert made("qwen").text(tokens.ids[len(prompt.ids) :]) == "\n\nHi"


def test_an_answer_does_not_change_how_the_question_is_read() -> None:
    # GPT-2 reads two newlines as one token at the end of a text and as two in front of a word.
    ours = PieceTokenizer(made("gpt2").raw)
    prompt = ours.encode([Written("assistant\n\n")])
    assert made("gpt2").raw.encode("assistant\n\nHi").ids[: len(prompt.ids)] != prompt.ids
    tokens = ours.encode([Written("assistant\n\n"), Written("Hi", trained=True)])
    assert tokens.ids[: len(prompt.ids)] == prompt.ids
    assert tokens.trained == [i >= len(prompt.ids) for i in range(len(tokens.ids))]


def test_a_character_of_several_bytes_at_the_edge_stays_whole(tokenizer: MadeTokenizer) -> None:
    ours = PieceTokenizer(tokenizer.raw)
    tokens = ours.encode([Written("ա"), Written("ու 👩‍👧", trained=True), Written("ա")])
    answer = [i for i, trained in zip(tokens.ids, tokens.trained, strict=True) if trained]
    assert tokens.trained == sorted(tokens.trained[: tokens.trained.index(True)]) + [True] * len(answer) + [False] * (
        len(tokens.ids) - tokens.trained.index(True) - len(answer)
    )
    if tokenizer.kind != "words":
        assert tokenizer.text(answer) == "ու 👩‍👧"


def test_thousands_of_answers_in_one_run_of_text() -> None:
    # `###` is text to this tokenizer, so nothing but the edges parts the turns.
    ours = PieceTokenizer(made("gpt2").raw)
    pieces: list[Piece] = [Written("\n"), Written("\n\n.", trained=True)] * 4000
    tokens = ours.encode(pieces)
    answers = [i for i, trained in zip(tokens.ids, tokens.trained, strict=True) if trained]
    assert made("gpt2").text(answers) == "\n\n." * 4000
    assert made("gpt2").text(tokens.ids) == "\n\n\n." * 4000


def test_text_that_is_not_unicode_is_refused_for_people() -> None:
    with pytest.raises(RecordError, match="ud800"):
        PieceTokenizer(made("qwen").raw).encode([Written("a\ud800")])


def test_no_pieces_at_all(tokenizer: MadeTokenizer) -> None:
    ours = PieceTokenizer(tokenizer.raw)
    assert ours.encode([]).ids == ours.bos_ids == ours.encode([Written("")]).ids
    assert ours.encode_text("") == []
    assert ours.decode([]) == ""


# ---- back to text ----


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("text", [*SENTENCES, "  two spaces  ", "👩‍👩‍👧 🏳️‍🌈", "a\x00b", "नमस्ते", "\n"])
def test_streamed_text_is_the_decoded_text(name: str, text: str) -> None:
    ours = PieceTokenizer(made(name).raw)
    ids = ours.encode_text(text)
    stream = ours.decode_stream()
    said = [stream.feed(i) for i in ids]
    assert "".join(said) + stream.finish() == ours.decode(ids)
    if not (name == "unigram" and text.startswith(" ")):  # takes a written space for the one it would have added
        assert ours.decode(ids) == made(name).normal(text)
    assert not any("\ufffd" in text for text in said)  # half a character is never shown


@pytest.mark.parametrize("name", MAKERS)
def test_no_ids_can_break_a_stream(name: str) -> None:
    # A model with random weights says bytes that are no UTF-8, special tokens and pictures' placeholders.
    ours = PieceTokenizer(made(name).raw)
    chance = random.Random(0)
    for _ in range(100):
        ids = [chance.choice((PICTURE, *range(len(ours)))) for _ in range(chance.randrange(40))]
        stream = ours.decode_stream()
        said = "".join(stream.feed(i) for i in ids) + stream.finish()
        said.encode()
        if "\ufffd" not in ours.decode(ids):
            assert said == ours.decode(ids)


def test_a_stream_gives_back_what_it_held() -> None:
    ours = PieceTokenizer(made("qwen").raw)
    first_byte = ours.encode_text("👩")[0]
    stream = ours.decode_stream()
    assert [stream.feed(i) for i in (*ours.encode_text("ab"), first_byte)][-1] == ""
    assert (stream.finish(), stream.finish()) == ("\ufffd", "")


def test_special_tokens_and_pictures_are_left_out_of_text() -> None:
    ours = PieceTokenizer(made("llama_folder").raw)
    ids = ours.encode([Image("any"), Written("\nQ"), Control("</s>"), Written("A dog.")]).ids
    assert ours.decode(ids) == "\nQA dog."


# ---- folders ----


def test_a_folder_with_sentencepiece_and_one_with_json_give_the_same_ids(tmp_path: Path) -> None:
    spm, fast = write_sentencepiece_folder(tmp_path / "spm"), tmp_path / "fast"
    fast.mkdir()
    made("llama_prepend").raw.save(str(fast / "tokenizer.json"))
    pieces = [Written("A chat. USER: "), Image("any"), Written("\nWhat?"), Control("</s>"), Written("USER: 3 dogs 狗")]
    assert PieceTokenizer.from_folder(spm).encode(pieces).ids == PieceTokenizer.from_folder(fast).encode(pieces).ids
    (spm / "tokenizer_config.json").unlink()  # oldest checkpoints have nothing beside the model
    assert PieceTokenizer.from_folder(spm).encode(pieces).ids == PieceTokenizer.from_folder(fast).encode(pieces).ids


def test_a_model_type_unknown_to_transformers_beside_it_is_no_obstacle(tmp_path: Path) -> None:
    folder = write_sentencepiece_folder(tmp_path)
    (folder / "config.json").write_text(json.dumps({"model_type": "llava_llama", "rope_scaling": None}))
    assert PieceTokenizer.from_folder(folder).bos_ids == [1]


def test_a_subclass_stays_one() -> None:
    class Kept(PieceTokenizer):
        note = ""

    kept = Kept(made("qwen").raw)
    kept.note = "here"
    reserved = kept.reserving(["<tool_call>"])
    assert (type(reserved), reserved.note) == (Kept, "here")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no tokenizer"),
        ({"tokenizer.json": b""}, "not a tokenizer"),
        ({"tokenizer.json": b'{"model": '}, "not a tokenizer"),
        ({"tokenizer.json": b"\xff\xfe"}, "not a tokenizer"),
        ({"tokenizer.model": b""}, "could not be read"),
        ({"tokenizer.model": b"<html>404</html>"}, "could not be read"),
        ({"tokenizer.model": b"x", "tokenizer_config.json": b"{"}, "could not be read"),
    ],
)
def test_a_damaged_folder_is_an_error_for_people(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        PieceTokenizer.from_folder(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_code_in_a_tokenizer_folder_is_not_run(tmp_path: Path) -> None:
    folder = write_sentencepiece_folder(tmp_path)
    canary = tmp_path / "canary"
    (folder / "tokenization_evil.py").write_text(f"open({str(canary)!r}, 'w')\nclass Evil: pass")
    settings: dict[str, Any] = {
        "tokenizer_class": "Evil",
        "auto_map": {"AutoTokenizer": ["tokenization_evil.Evil", "tokenization_evil.Evil"]},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError):
        PieceTokenizer.from_folder(folder)
    assert not canary.exists()


def test_an_empty_vocabulary_does_not_crash_the_start() -> None:
    assert PieceTokenizer(Tokenizer(models.BPE())).bos_ids == []
