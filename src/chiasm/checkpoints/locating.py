"""From what a person wrote to a folder on this machine: a path, or a name on the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path

from chiasm.errors import UserError

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
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
    """The hub's files, from its cache on this machine or downloaded; safetensors rather than pickles."""
    import huggingface_hub

    for local in (True, False):
        try:
            folder = Path(
                huggingface_hub.snapshot_download(
                    name, allow_patterns=[*_SMALL, "*.safetensors"], local_files_only=local
                )
            )
            if not any(folder.glob("*.safetensors")):
                patterns = [*_SMALL, "*.bin"]
                folder = Path(huggingface_hub.snapshot_download(name, allow_patterns=patterns, local_files_only=local))
            if any(folder.glob("*.safetensors")) or any(folder.glob("*.bin")):
                return folder
        except Exception as error:  # offline, no such name, no permission, a full disk: each with classes of its own
            reason = str(error).strip().partition("\n")[0]
    raise UserError(
        f"{what} '{name}' is not on this machine and could not be downloaded from huggingface.co ({reason}). "
        f"Download it where there is a network and put its files into {looked[0] if looked else name}"
    )
