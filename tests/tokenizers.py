"""Small tokenizers of every kind a checkpoint may carry, trained here on sentences of our own: no download.

Each says by which rules its pieces become bytes again, so that tests can read ids without the code under test.
"""

from __future__ import annotations

import functools
import io
import json
import tempfile
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

# What tokenizers are taught: ordinary talk about pictures in several scripts, and the words templates are made of.
SENTENCES = (
    "A chat between a curious user and an assistant about the picture, the answer and the question.",
    "USER: What is in the picture? ASSISTANT: Two dogs are running after a red ball.",
    "Human: How many cups are there on the table? Assistant: There are 12 of them, 3 are broken.",
    "system user assistant [INST] [/INST] <<SYS>> <</SYS>> ### image start end header id eot",
    "The helpful assistant gives detailed and polite answers; it isn't curious, it's honest!",
    "图里有一只红色的球和两只狗。 这是什么颜色的花？ 它们在桌子上。",
    "この写真には猫が二匹います。",
    "В комнате стоит большой стол, на нём лежит книга.",
    "في الصورة قطة صغيرة على الطاولة",
    "तस्वीर में एक कुत्ता है।",
    "มีแมวอยู่บนโต๊ะ",
    "Où est le café? Das Mädchen hört Musik. El niño está aquí.",
    "def area(width, height):\n    return width * height\n\n\nprint(area(3, 4))",
)
GPT4_WORDS = (  # the shape of Qwen's and Llama 3's pre-tokenisers: words, numbers, signs, runs of space
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TOOL_CALL = "<tool_call>"


@dataclass(frozen=True)
class MadeTokenizer:
    """A tokenizer and what its ids mean. `raw` treats special tokens as the library does."""

    raw: Tokenizer
    kind: str  # how pieces are spelt: "spaced" (SentencePiece: ▁ and <0x0A>), "bytes" (GPT-2) or "words" (lossy)
    form: str = ""  # Unicode normal form the tokenizer brings text into
    leading_space: str = ""  # text that opens a sequence gets a space that nobody wrote: "always" or "unless there"

    def normal(self, text: str, *, opening: bool = False) -> str:
        """The text as the tokenizer sees it and gives it back; `opening` as the beginning of a sequence."""
        # A plain added token is taken out before the rest is normalised: `>` and a bar after it stay two characters.
        parts = text.split(TOOL_CALL) if self.raw.token_to_id(TOOL_CALL) is not None else [text]
        seen = TOOL_CALL.join(unicodedata.normalize(self.form, part) if self.form else part for part in parts)
        seen = seen.replace("▁", " ") if self.kind == "spaced" else seen
        adds = opening and (self.leading_space == "always" or (self.leading_space and not seen.startswith(" ")))
        return " " + seen if adds else seen

    def text(self, ids: Iterable[int]) -> str:
        """The text of ids by the spelling of their pieces alone; special tokens in their written form."""
        special = {t["id"] for t in json.loads(self.raw.to_str())["added_tokens"]}
        spelt = b""
        for token_id in ids:
            piece = self.raw.id_to_token(token_id)
            assert piece is not None, f"id {token_id} is in no vocabulary"
            if token_id in special:
                spelt += piece.encode()
            elif self.kind == "bytes":
                spelt += bytes(_letter_bytes()[letter] for letter in piece)
            elif len(piece) == 6 and piece.startswith("<0x"):
                spelt += bytes([int(piece[3:5], 16)])
            else:
                spelt += piece.replace("▁", " ").encode()
        return spelt.decode()


@functools.cache
def _letter_bytes() -> dict[str, int]:
    """GPT-2's letters for bytes, inverted: printable Latin-1 stands for itself, the rest is moved above 255."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    moved = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + i): byte for i, byte in enumerate(moved)}


@functools.cache
def _sentencepiece_model(kind: str) -> bytes:
    """A SentencePiece model in Llama's layout: byte fallback, single digits, <unk> <s> </s> as 0, 1, 2."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line for line in SENTENCES for _ in range(3)]),
        model_writer=model,
        model_type=kind,
        vocab_size=640,
        hard_vocab_limit=False,
        byte_fallback=True,
        character_coverage=0.98,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        max_sentence_length=1000,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


def write_sentencepiece_folder(folder: Path) -> Path:
    """`folder` with a `tokenizer.model` as Vicuna's checkpoints carry it, and its settings."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(_sentencepiece_model("bpe"))
    settings = {"tokenizer_class": "LlamaTokenizer", "legacy": False, "add_bos_token": True, "add_eos_token": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def sentencepiece_processor() -> sentencepiece.SentencePieceProcessor:
    """SentencePiece itself on Llama's small model: what ids are compared with."""
    return sentencepiece.SentencePieceProcessor(model_proto=_sentencepiece_model("bpe"))


def llama_folder() -> MadeTokenizer:
    """`tokenizer.model` as transformers turns it into a fast tokenizer."""
    from transformers import LlamaTokenizer

    with tempfile.TemporaryDirectory() as folder:
        write_sentencepiece_folder(Path(folder))
        backend = LlamaTokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer
    return MadeTokenizer(Tokenizer.from_str(backend.to_str()), "spaced", leading_space="always")


def _changed(made: MadeTokenizer, **parts: Any) -> Tokenizer:
    return Tokenizer.from_str(json.dumps(json.loads(made.raw.to_str()) | parts))


def llama_prepend() -> MadeTokenizer:
    """`tokenizer.json` in the older form: the leading space is a step of the normaliser."""
    steps = [
        {"type": "Prepend", "prepend": "▁"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    ]
    normalizer = {"type": "Sequence", "normalizers": steps}
    return MadeTokenizer(
        _changed(made("llama_folder"), normalizer=normalizer, pre_tokenizer=None), "spaced", leading_space="always"
    )


def llama_metaspace() -> MadeTokenizer:
    """`tokenizer.json` in the newer form: the leading space is the pre-tokeniser's."""
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    return MadeTokenizer(
        _changed(made("llama_folder"), normalizer=None, pre_tokenizer=metaspace), "spaced", leading_space="always"
    )


def _byte_level(pre_tokenizer: Any, normalizer: Any, special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer, decoders.ByteLevel()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


def _gpt4_words() -> Any:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(GPT4_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def gpt2() -> MadeTokenizer:
    """GPT-2: bytes, one special token, nothing in front."""
    pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return MadeTokenizer(_byte_level(pre_tokenizer, None, ["<|endoftext|>"]), "bytes")


def qwen() -> MadeTokenizer:
    """Qwen: bytes of text in normal form C, ChatML's tokens; `<tool_call>` is an added token and not special."""
    tokenizer = _byte_level(_gpt4_words(), normalizers.NFC(), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens([AddedToken(TOOL_CALL, special=False, normalized=False)])
    tokenizer.add_special_tokens([AddedToken("<image>", special=True, normalized=False)])
    return MadeTokenizer(tokenizer, "bytes", form="NFC")


def llama_3() -> MadeTokenizer:
    """Llama 3: whole words looked up before merging, its start token written by the post-processor."""
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    tokenizer = _byte_level(_gpt4_words(), None, special)
    state = json.loads(tokenizer.to_str())
    state["model"]["ignore_merges"] = True
    tokenizer = Tokenizer.from_str(json.dumps(state))
    start = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", start)]),
        ]
    )
    return MadeTokenizer(tokenizer, "bytes")


def unigram() -> MadeTokenizer:
    """Unigram as T5 and XLM-R have it: compatibility form, words split at spaces, control pieces in the vocabulary."""
    pieces = sentencepiece.SentencePieceProcessor(model_proto=_sentencepiece_model("unigram"))
    vocab = [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(pieces.get_piece_size())]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=0, byte_fallback=True))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="always")])
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in ("<unk>", "<s>", "</s>")])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    return MadeTokenizer(tokenizer, "spaced", form="NFKC", leading_space="unless there")


def words() -> MadeTokenizer:
    """Whole words and signs; everything else is unknown. Its special tokens are ordinary words of the vocabulary."""
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordLevelTrainer(special_tokens=["[UNK]", "<s>", "</s>", "<image>"], show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return MadeTokenizer(tokenizer, "words")


MAKERS: dict[str, Callable[[], MadeTokenizer]] = {
    maker.__name__: maker
    for maker in (llama_folder, llama_prepend, llama_metaspace, gpt2, qwen, llama_3, unigram, words)
}


@functools.cache
def made(name: str) -> MadeTokenizer:
    """The tokenizer of that name, trained once a session."""
    return MAKERS[name]()
