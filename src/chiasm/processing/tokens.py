"""Pieces of a template to token ids and labels, in one pass.

Runs of text between pictures and special tokens are tokenised whole, so that ids equal those of the plain string, and
character offsets carry which tokens are trained. Special tokens enter only where the template put them: `</s>` typed
by a user is five letters. This module knows nothing about pictures but that one stands somewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from chiasm.conversation import Image
from chiasm.errors import UserError
from chiasm.templates import Control, Piece, Written

PICTURE = -200  # stands for a picture in ids; the published code's IMAGE_TOKEN_INDEX, never looked up in an embedding


@dataclass(slots=True)
class Tokens:
    """Ids with `PICTURE` where a picture stands, and for each whether it is trained."""

    ids: list[int] = field(default_factory=list)
    trained: list[bool] = field(default_factory=list)

    def add(self, ids: Iterable[int], trained: Iterable[bool]) -> None:
        """Append ids with their flags."""
        self.ids.extend(ids)
        self.trained.extend(trained)


@dataclass(frozen=True, slots=True)
class _Span:
    """Text with one trained flag."""

    text: str
    trained: bool


class PieceTokenizer:
    """A fast tokenizer that takes text literally and special tokens only from templates.

    Text that opens the sequence or follows a picture gets SentencePiece's leading-space piece, text after a special
    token does not: what the slow tokenizer (`legacy=false`) does with which released checkpoints were trained. Fast
    tokenizers would add it everywhere.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        # One round trip through JSON so that the caller's tokenizer stays as it was.
        state = _with_explicit_prepend(json.loads(tokenizer.to_str()))
        self.tokenizer = Tokenizer.from_str(json.dumps(state))
        self.special: dict[str, int] = {t["content"]: t["id"] for t in state["added_tokens"] if t["special"]}
        self.bos_ids: list[int] = _leading_ids(self.tokenizer)
        state["post_processor"] = state["truncation"] = state["padding"] = None
        # Without its special tokens the tokenizer cannot turn typed text into one.
        state["added_tokens"] = [t for t in state["added_tokens"] if not t["special"]]
        self._opening = Tokenizer.from_str(json.dumps(state))
        joined = _without_leading_space(state)
        self._following = self._opening if joined == state else Tokenizer.from_str(json.dumps(joined))
        self._special_ids = frozenset(self.special.values()) - {self.special.get("<unk>", -1)}

    @classmethod
    def from_folder(cls, folder: Path) -> PieceTokenizer:
        """The tokenizer of a checkpoint folder: `tokenizer.json`, or SentencePiece's `tokenizer.model`."""
        path = folder / "tokenizer.json"
        if path.is_file():
            try:
                return cls(Tokenizer.from_file(str(path)))
            except Exception as error:  # the Rust library raises plain Exception
                raise UserError(f"{path} is not a tokenizer: {error}. Copy it again from where it came") from None
        if (folder / "tokenizer.model").is_file():
            return cls(_from_sentencepiece(folder))
        raise UserError(f"{folder} has no tokenizer: expected tokenizer.json or tokenizer.model in it")

    def __len__(self) -> int:
        return self.tokenizer.get_vocab_size(with_added_tokens=True)

    def encode(self, pieces: Sequence[Piece]) -> Tokens:
        """Ids and trained flags of a rendered conversation, `PICTURE` for each picture, the start token first."""
        tokens = Tokens(list(self.bos_ids), [False] * len(self.bos_ids))
        run: list[_Span] = []
        opening = True
        for piece in pieces:
            if isinstance(piece, Written):
                run.append(_Span(piece.text, piece.trained))
            elif isinstance(piece, Control) and piece.token not in self.special:
                run.append(_Span(piece.token, piece.trained))  # unknown to this tokenizer: text, as published
            else:
                opening = self._flush(run, tokens, opening)
                if isinstance(piece, Image):
                    tokens.add([PICTURE], [False])
                    opening = True
                else:
                    tokens.add([self.special[piece.token]], [piece.trained])
                    opening = False
        self._flush(run, tokens, opening)
        return tokens

    def encode_text(self, text: str, *, opening: bool = True) -> list[int]:
        """Ids of literal text; `opening` as if it began a sequence."""
        tokens = Tokens()
        self._encode_run([_Span(text, False)], tokens, opening)
        return tokens.ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, special tokens left out."""
        return self.tokenizer.decode([i for i in ids if i >= 0], skip_special_tokens=True)

    def decode_stream(self) -> TokenStream:
        """A decoder that takes ids one by one and gives text as soon as its characters are whole."""
        return TokenStream(self.tokenizer)

    def _flush(self, run: list[_Span], tokens: Tokens, opening: bool) -> bool:
        """Tokenise what has gathered in `run` and empty it. True while nothing has been written since the opening."""
        spans = [span for span in run if span.text]
        run.clear()
        if not spans:
            return opening
        self._encode_run(spans, tokens, opening)
        return False

    def _encode_run(self, spans: list[_Span], tokens: Tokens, opening: bool) -> None:
        text = "".join(span.text for span in spans)
        encoding = (self._opening if opening else self._following).encode(text, add_special_tokens=False)
        flags = [span.trained for span in spans for _ in span.text]
        for start, end in encoding.offsets:
            cut = next((i for i in range(start + 1, end) if flags[i] != flags[i - 1]), None)
            if cut is not None:
                # A token reaches over the edge of the answer. Cut there: then exactly the answer is trained, and the
                # question's ids are those the model is asked with.
                self._encode_run(_slice(spans, 0, cut), tokens, opening)
                self._encode_run(_slice(spans, cut, len(text)), tokens, False)
                return
        for token_id, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            if token_id in self._special_ids and end - start > 1:
                # A vocabulary that looks whole words up found a special token in typed text: spell it out.
                for i in range(start, end):
                    spelt = self._following.encode(text[i], add_special_tokens=False).ids
                    tokens.add(spelt, [flags[i]] * len(spelt))
            else:
                tokens.add([token_id], [flags[min(start, len(flags) - 1)]])


class TokenStream:
    """Ids in, text out, held back until characters are whole."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)

    def feed(self, token_id: int) -> str:
        """The text that `token_id` completes; empty while a character is still missing bytes."""
        return self._stream.step(self._tokenizer, token_id) or ""


def _leading_ids(tokenizer: Tokenizer) -> list[int]:
    """The ids the tokenizer itself puts before any text: Llama's `<s>`, nothing for Qwen."""
    empty, some = tokenizer.encode("").ids, tokenizer.encode("a").ids
    common = 0
    while common < min(len(empty), len(some)) and empty[common] == some[common]:
        common += 1
    # A tokenizer that closes sequences by itself would show its end token in `empty` as well; the template does that.
    return empty[:1] if common else []


def _slice(spans: Sequence[_Span], start: int, end: int) -> list[_Span]:
    """The spans of characters [start, end)."""
    result, position = [], 0
    for span in spans:
        low, high = max(start - position, 0), min(end - position, len(span.text))
        if low < high:
            result.append(_Span(span.text[low:high], span.trained))
        position += len(span.text)
    return result


def _with_explicit_prepend(state: dict[str, Any]) -> dict[str, Any]:
    """Llama's `Metaspace` rewritten as the normaliser steps it stands for.

    `Metaspace` leaves out the leading space where the text begins with one already; SentencePiece never does
    (` then` after a picture is `▁`, `▁then`).
    """
    metaspace = state.get("pre_tokenizer") or {}
    if metaspace.get("type") != "Metaspace" or metaspace.get("split", True):
        return state
    steps: list[dict[str, Any]] = [state["normalizer"]] if state.get("normalizer") else []
    if metaspace.get("prepend_scheme") in ("first", "always"):
        steps.append({"type": "Prepend", "prepend": metaspace["replacement"]})
    steps.append({"type": "Replace", "pattern": {"String": " "}, "content": metaspace["replacement"]})
    return {**state, "normalizer": {"type": "Sequence", "normalizers": steps}, "pre_tokenizer": None}


def _without_leading_space(state: Any) -> Any:
    """The tokenizer's JSON with everything taken out that puts a space before the first word."""
    if isinstance(state, list):
        return [_without_leading_space(s) for s in state if not (isinstance(s, dict) and s.get("type") == "Prepend")]
    if not isinstance(state, dict) or state.get("type") in ("BPE", "Unigram", "WordLevel", "WordPiece"):
        return state
    if state.get("type") == "Prepend":
        return None
    changed = {key: _without_leading_space(value) for key, value in state.items()}
    if changed.get("type") == "Metaspace":
        changed["prepend_scheme"] = "never"
    if changed.get("type") == "ByteLevel":
        changed["add_prefix_space"] = False
    return changed


def _from_sentencepiece(folder: Path) -> Tokenizer:
    """transformers reads `tokenizer.model` and makes a fast tokenizer of it, with the settings in the folder beside it."""
    from transformers import AutoTokenizer, LlamaTokenizer

    settings = folder / "tokenizer_config.json"
    named = settings.is_file() and "tokenizer_class" in settings.read_text(encoding="utf-8")
    try:
        # AutoTokenizer would ask config.json for the class, and the original LLaVA types are unknown to it.
        reader = LlamaTokenizer if not named else AutoTokenizer
        backend = reader.from_pretrained(str(folder), local_files_only=True).backend_tokenizer
    except Exception as error:  # many kinds: a damaged protobuf, a missing field, an unknown class
        raise UserError(f"{folder / 'tokenizer.model'} could not be read: {error}") from None
    if not isinstance(backend, Tokenizer):
        raise UserError(f"{folder / 'tokenizer.model'}: no fast tokenizer can be made of this kind of model")
    return backend
