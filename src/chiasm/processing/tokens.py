"""Pieces of a template to token ids and labels, in one pass.

Runs of text between pictures and special tokens are tokenised whole, so that ids equal those of the plain string, and
character offsets carry which tokens are trained. Special tokens enter only where the template put them: `</s>` typed
by a user is five letters. This module knows nothing about pictures but that one stands somewhere.
"""

from __future__ import annotations

import copy
import functools
import itertools
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tokenizers import Tokenizer

from chiasm.conversation import Image, encodable
from chiasm.errors import UserError
from chiasm.templates import Control, Piece, Written

PICTURE = -200  # stands for a picture in ids; the published code's IMAGE_TOKEN_INDEX, never looked up in an embedding

# Ours. A template writes the same few runs around every turn, and a chat asks with its earlier turns again.
_NUM_KNOWN = 512
_LONGEST_KNOWN = 500  # characters


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
        # Lengths are the processor's affair; padding here would also look like a start token.
        state["truncation"] = state["padding"] = None
        self.tokenizer = Tokenizer.from_str(json.dumps(state))
        self.bos_ids: list[int] = _leading_ids(self.tokenizer)
        self._take_literally(state)

    def _take_literally(self, state: dict[str, Any]) -> None:
        """Set up what reads text: tokenizers to which special tokens (by the flags in `state`) are letters."""
        self.special: dict[str, int] = {t["content"]: t["id"] for t in state["added_tokens"] if t["special"]}
        state = {**state, "post_processor": None}
        self._opening = _literal(state)
        joined = _without_leading_space(state)
        self._following = self._opening if joined == state else _literal(joined)
        self._special_ids = frozenset(self.special.values())
        self._fallback_ids = _fallback_ids(self.tokenizer, state["model"])
        self._known_run = functools.lru_cache(_NUM_KNOWN)(self._run)

    def reserving(self, tokens: Iterable[str]) -> Self:
        """The same tokenizer with these added tokens special as well, so that typed text can never become one.

        Some checkpoints add `<|im_end|>` or `<image>` without marking it special. Strings that are no added token of
        this tokenizer are left alone.
        """
        state = json.loads(self.tokenizer.to_str())
        wanted = {t["content"] for t in state["added_tokens"]} & ({*tokens} - self.special.keys())
        if not wanted:
            return self
        for token in state["added_tokens"]:
            token["special"] = token["content"] in wanted or token["content"] in self.special
        changed = copy.copy(self)
        changed._take_literally(state)
        return changed

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
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
        return self._run((_Span(text, False),), opening).ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, special tokens left out."""
        spoken = [i for i in ids if i >= 0 and i not in self._special_ids]
        return self.tokenizer.decode(spoken, skip_special_tokens=True)

    def decode_stream(self) -> TokenStream:
        """A decoder that takes ids one by one and gives text as soon as its characters are whole."""
        return TokenStream(self)

    def _flush(self, run: list[_Span], tokens: Tokens, opening: bool) -> bool:
        """Tokenise what has gathered in `run` and empty it. True while nothing has been written since the opening."""
        spans = tuple(span for span in run if span.text)
        run.clear()
        if not spans:
            return opening
        is_short = sum(len(span.text) for span in spans) <= _LONGEST_KNOWN
        read = (self._known_run if is_short else self._run)(spans, opening)
        tokens.add(read.ids, read.trained)
        return False

    def _run(self, spans: tuple[_Span, ...], opening: bool) -> Tokens:
        tokens = Tokens()
        text = encodable("".join(span.text for span in spans), "the conversation")
        flags = [span.trained for span in spans for _ in span.text]
        waiting = [(0, len(text))]
        while waiting:
            first, last = waiting.pop()
            reader = self._opening if opening and first == 0 else self._following
            encoding = reader.encode(text[first:last], add_special_tokens=False)
            offsets = [(first + start, first + end) for start, end in encoding.offsets]
            # A token that reaches over the edge of an answer is cut there, so that exactly the answer is trained.
            cuts = {i for start, end in offsets for i in range(start + 1, end) if flags[i] != flags[i - 1]}
            if not cuts:
                # What the model is asked with must be what it was trained on, id for id. GPT-2's rule for white space
                # looks ahead (`\s+(?!\S)`): there an answer changes how the question before it is read.
                edges = [i for i in range(first + 1, last) if flags[i] and not flags[i - 1] and text[i - 1].isspace()]
                prompts = {i: reader.encode(text[first:i], add_special_tokens=False).ids for i in edges}
                cuts = {i for i, ids in prompts.items() if encoding.ids[: len(ids)] != ids}
            if cuts:
                waiting.extend(reversed(list(itertools.pairwise([first, *sorted(cuts), last]))))
                continue
            for token_id, (start, end) in zip(encoding.ids, offsets, strict=True):
                if self._is_typed(token_id, text[start:end]):
                    for i in range(start, end):
                        spelt = self._following.encode(text[i], add_special_tokens=False).ids
                        tokens.add(spelt, [flags[i]] * len(spelt))
                else:
                    tokens.add([token_id], [flags[min(start, len(flags) - 1)]])
        return tokens

    def _is_typed(self, token_id: int, text: str) -> bool:
        """Whether a vocabulary that looks whole words up took typed `text` for the special token or byte it spells."""
        if token_id in self._fallback_ids:  # rightly so for what the vocabulary does not know
            return unicodedata.normalize("NFKC", text) == self.tokenizer.id_to_token(token_id)
        return token_id in self._special_ids


class TokenStream:
    """Ids in, text out, held back until characters are whole. Nothing is held back for good: `finish` gives the rest.

    The texts joined are what `PieceTokenizer.decode` gives for all ids at once, as long as these are valid UTF-8.
    (tokenizers' own DecodeStream raises for ids that are not, which a young model writes often.)
    """

    def __init__(self, tokenizer: PieceTokenizer) -> None:
        self._tokenizer = tokenizer
        self._said: list[int] = []  # the ids of the last text given out: context for the space before the next
        self._held: list[int] = []

    def feed(self, token_id: int) -> str:
        """The text that `token_id` completes; empty while a character is still missing bytes."""
        self._held.append(token_id)
        text = self._new_text()
        if not text or text.endswith("\N{REPLACEMENT CHARACTER}"):
            return ""
        self._said, self._held = self._held, []
        return text

    def finish(self) -> str:
        """What was held back: bytes that never became a character, shown as U+FFFD."""
        text = self._new_text()
        self._said, self._held = self._held, []
        return text

    def _new_text(self) -> str:
        said = self._tokenizer.decode(self._said)
        return self._tokenizer.decode([*self._said, *self._held])[len(said) :]


def _literal(state: dict[str, Any]) -> Tokenizer:
    """A tokenizer that reads special tokens as the letters they are written with."""
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.encode_special_tokens = True
    return tokenizer


def _fallback_ids(tokenizer: Tokenizer, model: dict[str, Any]) -> frozenset[int]:
    """Ids that stand for text outside the vocabulary: the unknown token and, with byte fallback, the 256 bytes."""
    ids = {model.get("unk_id"), tokenizer.token_to_id(model.get("unk_token") or "")}
    if model.get("byte_fallback"):
        ids |= {tokenizer.token_to_id(f"<0x{byte:02X}>") for byte in range(256)}
    return frozenset(i for i in ids if i is not None)


def _leading_ids(tokenizer: Tokenizer) -> list[int]:
    """The ids the tokenizer itself puts before any text: Llama's `<s>`, nothing for Qwen."""
    empty, some = tokenizer.encode("").ids, tokenizer.encode("a").ids
    common = 0
    while common < min(len(empty), len(some)) and empty[common] == some[common]:
        common += 1
    # A tokenizer that closes sequences by itself would show its end token in `empty` as well; the template does that.
    return empty[:1] if common else []


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
    """transformers reads `tokenizer.model` and makes a fast tokenizer of it, with the settings beside it."""
    from transformers import AutoTokenizer, LlamaTokenizer

    path, beside = folder / "tokenizer.model", folder / "tokenizer_config.json"
    try:
        settings = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
        if settings.get("tokenizer_class") in (None, "LlamaTokenizer", "LlamaTokenizerFast"):
            # Named outright, because AutoTokenizer also reads config.json, to which the original LLaVA types are
            # unknown. Llama's own default is to start with <s>; transformers 5 forgets it where no file says so.
            add_bos = settings.get("add_bos_token", True)
            reader = LlamaTokenizer.from_pretrained(str(folder), local_files_only=True, add_bos_token=add_bos)
        else:
            reader = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        backend = reader.backend_tokenizer
    except Exception as error:  # many kinds: a damaged protobuf, a missing field, an unknown class
        raise UserError(f"{path} could not be read: {error}. Copy it again from where it came") from None
    if not isinstance(backend, Tokenizer):
        raise UserError(f"{path}: no fast tokenizer can be made of this kind of model")
    if path.stat().st_size == 0:  # which transformers takes for a model without pieces
        raise UserError(f"{path} could not be read: the file is empty. Copy it again from where it came")
    return backend
