"""Bytes of single tokens, against a second source: llguidance reads the same tokenizers."""

from __future__ import annotations

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models

from chiasm.processing.token_bytes import TokenBytes
from chiasm.processing.tokens import PieceTokenizer
from tests.backends.tiny import byte_tokenizer


def llama_like() -> PieceTokenizer:
    """SentencePiece's way: spaces as ▁, and a piece for every byte."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "▁a", "é", "中", "▁▁"]
    bpe = models.BPE({piece: i for i, piece in enumerate(pieces)}, [], unk_token="<unk>", byte_fallback=True)
    tokenizer = Tokenizer(bpe)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<s>", "</s>")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    return PieceTokenizer(tokenizer)


@pytest.mark.parametrize("tokenizer", [byte_tokenizer(), llama_like()], ids=["bytes as letters", "pieces"])
def test_every_id_stands_for_what_llguidance_says(tokenizer: PieceTokenizer) -> None:
    llguidance = pytest.importorskip("llguidance")
    end = tokenizer.special["</s>"]
    theirs = llguidance.LLTokenizer(tokenizer.tokenizer.to_str(), eos_token=end)
    bytes_of, special = TokenBytes(tokenizer), set(tokenizer.special.values())
    for token_id in range(len(tokenizer)):
        said = bytes_of.of(token_id)
        # The byte FF, which no text has, marks special tokens over there.
        if token_id not in special and said not in (b"<unk>", b"\xff"):
            assert said == theirs.decode_bytes([token_id]), token_id


def test_special_tokens_have_names_and_padding_has_nothing() -> None:
    bytes_of = TokenBytes(llama_like())
    assert bytes_of.of(2) == b"</s>"
    assert bytes_of.of(3 + 0xE9) == b"\xe9"
    assert bytes_of.of(261) == b" a"
    assert bytes_of.of(100_000) == b""
