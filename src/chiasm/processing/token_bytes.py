"""The bytes each id of a tokenizer stands for, for those who want to see single tokens. It knows no answers."""

from __future__ import annotations

import json
import re

from tokenizers import pre_tokenizers

from chiasm.processing.tokens import PieceTokenizer

_BYTE = re.compile(r"<0x([0-9A-F]{2})>\Z")  # how SentencePiece writes a byte its vocabulary has no piece for


class TokenBytes:
    """Looks up ids of one tokenizer: those that write bytes as letters (GPT-2's way), and SentencePiece's."""

    def __init__(self, tokenizer: PieceTokenizer) -> None:
        state = json.loads(tokenizer.tokenizer.to_str())
        self._tokenizer = tokenizer.tokenizer
        self._letters = _letters() if "ByteLevel" in json.dumps(state["decoder"]) else {}
        self._added = {token["id"]: token["content"] for token in state["added_tokens"]}

    def of(self, token_id: int) -> bytes:
        """The bytes of an id, part of a character for some; none for ids beyond the vocabulary.

        Special tokens, which are no text, are shown by their names.
        """
        if token_id in self._added:
            return str(self._added[token_id]).encode()
        piece = self._tokenizer.id_to_token(token_id)
        if piece is None:
            return b""
        if self._letters:
            return b"".join(self._letters.get(letter, letter.encode()) for letter in piece)
        if byte := _BYTE.match(piece):
            return bytes.fromhex(byte[1])
        return piece.replace("▁", " ").encode()


def _letters() -> dict[str, bytes]:
    """GPT-2's letters for bytes: a printable byte is itself, the others follow from U+0100 on, in order."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    own = {ord(letter) for letter in letters if ord(letter) < 256}
    others = (byte for byte in range(256) if byte not in own)
    return {letter: bytes([ord(letter) if ord(letter) < 256 else next(others)]) for letter in letters}
