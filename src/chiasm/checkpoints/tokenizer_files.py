"""The tokenizer's files of a checkpoint folder: read with suspicion, kept as they are, written for both layouts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tokenizers import AddedToken, Tokenizer

from chiasm.checkpoints.json_files import read_json, read_json_if_there, write_json
from chiasm.conversation import IMAGE_MARKER
from chiasm.errors import UserError
from chiasm.processing.tokens import PieceTokenizer

PAD_TOKEN = "<pad>"  # llava-hf/llava-1.5-7b-hf, tokenizer_config.json

# Ours: 256,000 pieces with their merges take 35 MB (Gemma); ten million would take 400.
MAX_TOKENIZER_BYTES = 128 * 1024 * 1024
_KEPT = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)


class FolderTokenizer(PieceTokenizer):
    """A tokenizer that remembers the files it came from, so that they are copied through and not made up again."""

    files: dict[str, bytes]

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """Read a folder's tokenizer; raises `UserError` for a missing, oversized or damaged one."""
        for name in _KEPT:
            path = folder / name
            if path.is_file() and path.stat().st_size > MAX_TOKENIZER_BYTES:
                raise UserError(
                    f"{path} has {path.stat().st_size:,} bytes; at most {MAX_TOKENIZER_BYTES:,} are read. "
                    "A vocabulary of this size is no language model's"
                )
        tokenizer = super().from_folder(folder)
        assert isinstance(tokenizer, cls)
        tokenizer.files = {name: (folder / name).read_bytes() for name in _KEPT if (folder / name).is_file()}
        return tokenizer


def check_ids(tokenizer: PieceTokenizer, vocabulary_size: int, folder: Path) -> None:
    """Raise `UserError` if a token's id lies outside the model's vocabulary, where it has no embedding."""
    vocabulary = tokenizer.tokenizer.get_vocab(with_added_tokens=True)
    outside = sorted((i, token) for token, i in vocabulary.items() if not 0 <= i < vocabulary_size)
    if outside:
        some = ", ".join(f"{token!r} is {i}" for i, token in outside[:5])
        raise UserError(
            f"the tokenizer of {folder} has {len(outside)} tokens beyond the model's vocabulary of {vocabulary_size}: "
            f"{some}. Tokenizer and weights belong to different models"
        )


def end_of_sequence(tokenizer: PieceTokenizer, folder: Path, config: dict[str, Any]) -> str | None:
    """The token that ends a text: as `tokenizer_config.json` or `special_tokens_map.json` names it, else by its id.

    Raises `UserError` when the files name a token that the tokenizer does not have.
    """
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        token = _content(read_json_if_there(folder / name).get("eos_token"))
        if token is not None:
            if tokenizer.tokenizer.token_to_id(token) is None:
                raise UserError(f"{folder / name} ends texts with {token!r}, which the tokenizer does not have")
            return token
    ids = config.get("eos_token_id")
    first = ids[0] if isinstance(ids, list) and ids else ids
    return tokenizer.tokenizer.id_to_token(first) if isinstance(first, int) and first >= 0 else None


def length_limit(folder: Path) -> int | None:
    """`model_max_length` of the tokenizer; None where it is missing or stands for "no limit"."""
    value = read_json_if_there(folder / "tokenizer_config.json").get("model_max_length")
    return value if isinstance(value, int) and 2 <= value <= 10_000_000 else None


@dataclass(frozen=True, slots=True)
class HfTokenizer:
    """A tokenizer ready for the Hugging Face layout: its files, the ids it needs, and the tokens that were added."""

    files: dict[str, bytes]
    image_token_id: int
    pad_token_id: int
    num_ids: int
    added: tuple[str, ...]


def for_hf(tokenizer: PieceTokenizer, eos_token: str | None, max_length: int) -> HfTokenizer:
    """The tokenizer's files with `<image>` and `<pad>` in them, as transformers' `LlavaProcessor` needs them."""
    kept = getattr(tokenizer, "files", {})
    own = Tokenizer.from_str(
        kept["tokenizer.json"].decode() if "tokenizer.json" in kept else tokenizer.tokenizer.to_str()
    )
    added = tuple(token for token in (IMAGE_MARKER, PAD_TOKEN) if own.token_to_id(token) is None)
    own.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in added])
    own.no_padding()
    own.no_truncation()
    state = json.loads(own.to_str())
    old = json.loads(kept.get("tokenizer_config.json", b"{}"))
    special = json.loads(kept.get("special_tokens_map.json", b"{}"))
    bos = tokenizer.tokenizer.id_to_token(tokenizer.bos_ids[0]) if tokenizer.bos_ids else None
    names = {
        "bos_token": _content(old.get("bos_token")) or bos,
        "eos_token": _content(old.get("eos_token")) or eos_token,
        "unk_token": _content(old.get("unk_token")) or _content(special.get("unk_token")),
        "pad_token": PAD_TOKEN,
    }
    names = {key: token for key, token in names.items() if token is not None}
    config = {
        **{key: value for key, value in old.items() if key not in ("chat_template", "auto_map")},
        **names,
        "added_tokens_decoder": {
            str(token["id"]): {key: value for key, value in token.items() if key != "id"}
            for token in state["added_tokens"]
        },
        "extra_special_tokens": {"image_token": IMAGE_MARKER},
        "image_token": IMAGE_MARKER,
        "model_max_length": max_length,
        "padding_side": "left",  # what generation in batches needs; training pads by its own rule
        "processor_class": "LlavaProcessor",
        "tokenizer_class": old.get("tokenizer_class", "PreTrainedTokenizerFast"),
    }
    files = {
        **{name: kept[name] for name in ("tokenizer.model",) if name in kept},
        "tokenizer.json": own.to_str(pretty=True).encode(),
        "tokenizer_config.json": write_json(config),
        "special_tokens_map.json": write_json({**names, "image_token": IMAGE_MARKER}),
    }
    vocabulary = own.get_vocab(with_added_tokens=True)
    return HfTokenizer(files, vocabulary[IMAGE_MARKER], vocabulary[PAD_TOKEN], max(vocabulary.values()) + 1, added)


def for_original(tokenizer: PieceTokenizer) -> dict[str, bytes]:
    """The tokenizer's files as they came, or a `tokenizer.json` where it never was in a folder."""
    return getattr(tokenizer, "files", None) or {"tokenizer.json": tokenizer.tokenizer.to_str(pretty=True).encode()}


def without_tokens(tokenizer_json: bytes, tokens: tuple[str, ...]) -> bytes:
    """A `tokenizer.json` without tokens that `for_hf` added."""
    state = json.loads(tokenizer_json)
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] not in tokens]
    return Tokenizer.from_str(json.dumps(state)).to_str(pretty=True).encode()


def json_files(folder: Path) -> dict[str, dict[str, Any]]:
    """The small JSON files beside the tokenizer, as they are."""
    names = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "generation_config.json")
    return {name: read_json(folder / name) for name in names if (folder / name).is_file()}


def _content(token: object) -> str | None:
    """A special token as configurations write it: a string, or an object with its `content`."""
    value = token.get("content") if isinstance(token, dict) else token
    return value if isinstance(value, str) and value else None
