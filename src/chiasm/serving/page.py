"""The page: the files of the folder `static`, read once. No path is ever made from what a client sends."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from importlib import resources

_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it is sent."""

    content: bytes
    media_type: str
    etag: str


def files() -> dict[str, PageFile]:
    """All files by the path they are served under; `/` is index.html. Empty where no page is installed."""
    found: dict[str, PageFile] = {}
    folder = resources.files("chiasm.serving") / "static"
    if not folder.is_dir():
        return found
    for entry in folder.iterdir():
        if not entry.is_file() or entry.name.startswith("."):
            continue
        content = entry.read_bytes()
        suffix = "." + entry.name.rpartition(".")[2]
        kind = _TYPES.get(suffix) or mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
        if kind.startswith("text/"):
            kind += "; charset=utf-8"
        file = PageFile(content, kind, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
        found[f"/{entry.name}"] = found[f"/static/{entry.name}"] = file
        if entry.name == "index.html":
            found["/"] = file
    return found
