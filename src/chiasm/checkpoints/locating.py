"""From what a person wrote to a folder on this machine: a path, or a name on the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path

from chiasm.checkpoints.adapter import is_adapter
from chiasm.checkpoints.json_files import plain_name, read_json
from chiasm.checkpoints.tensors import WEIGHT_FILES
from chiasm.errors import UserError

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
TOWER = "the vision tower"  # the one thing that needs no tokenizer
_TOKENIZERS = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"))  # any of these is a tokenizer
_SMALL_WEIGHTS = ["non_lora_trainables.bin"]  # beside adapters of the published code, whatever those are stored as
_SMALL = ["*.json", "*.model", "*.jinja", "merges.txt", "vocab.txt"]


def locate(source: str | Path, beside: Path | None = None, what: str = "a checkpoint") -> Path:
    """The folder `source` means. With `beside`, relative names are looked for inside and beside that folder first.

    Raises `UserError` naming the places looked at and what to put there.
    """
    name = str(source)
    looked: list[str] = []
    if beside is not None and not Path(name).is_absolute() and ".." not in Path(name).parts:
        for place in (beside / name, beside.resolve().parent / name):
            if place.is_dir():
                return place
            looked.append(str(place))
    if (beside is None or Path(name).is_absolute()) and Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    looked += [name] if beside is None or Path(name).is_absolute() else []
    if not _HUB_NAME.fullmatch(name) or (beside is None and Path(name).exists()):
        kind = " (that is a file)" if Path(name).is_file() else ""
        raise UserError(f"no folder {name}{kind}: looked for {what} at {', '.join(looked)}. Copy its folder there")
    return _from_hub(name, looked, what)


def _from_hub(name: str, looked: list[str], what: str) -> Path:
    """The hub's files, from its cache on this machine where all of them are there, else downloaded.

    Safetensors rather than pickles. A download goes on where an earlier one stopped; without a network the hub's own
    client returns what it has, so that is looked at too.
    """
    reason, missing = "", list[str]()
    for local in (True, False):
        try:
            folder = _snapshot(name, local)
        except Exception as error:  # offline, no such name, no permission, a full disk: each with classes of its own
            reason = str(error).strip().partition("\n")[0]
            continue
        missing = missing_files(folder, tokenizer=what != TOWER)
        if not missing:
            return folder
        reason = "no more could be had"
    if missing:
        raise UserError(
            f"{what} '{name}' is incomplete on this machine: {', '.join(missing)} missing, and could not be had "
            f"from huggingface.co ({reason}). Try again where there is a network"
        )
    raise UserError(
        f"{what} '{name}' is not on this machine and could not be downloaded from huggingface.co ({reason}). "
        f"Download it where there is a network and put its files into {looked[0] if looked else name}"
    )


def missing_files(folder: Path, *, tokenizer: bool) -> list[str]:
    """The files without which `folder` cannot be used: configuration, weights with every shard, tokenizer."""
    missing = [] if (folder / "config.json").is_file() else ["config.json"]
    if is_adapter(folder):  # weights and often the tokenizer are the base's
        return missing
    present = [name for name in WEIGHT_FILES if (folder / name).is_file()]
    if not present:
        missing.append(WEIGHT_FILES[0])
    elif present[0].endswith(".index.json"):
        shards = read_json(folder / present[0]).get("weight_map")
        names = (
            {plain_name(shard, folder / present[0]) for shard in shards.values()} if isinstance(shards, dict) else ()
        )
        missing += sorted(shard for shard in names if not (folder / shard).is_file())
    if tokenizer and not any(all((folder / name).is_file() for name in names) for names in _TOKENIZERS):
        missing.append(_TOKENIZERS[0][0])
    return missing


def _snapshot(name: str, local: bool) -> Path:
    """Where the hub's client has put the files of `name`; with `local`, without asking the network."""
    import huggingface_hub

    for weights in ("*.safetensors", "*.bin"):
        folder = Path(
            huggingface_hub.snapshot_download(
                name, allow_patterns=[*_SMALL, *_SMALL_WEIGHTS, weights], local_files_only=local
            )
        )
        if any(folder.glob(weights)):
            break
    return folder
