"""`manifest.json`: every file of a folder with its size and SHA-256, so that no changed byte goes unnoticed."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

from chiasm.checkpoints.json_files import plain_name, read_json, write_json
from chiasm.checkpoints.processor_json import check_format
from chiasm.errors import UserError
from chiasm.version import __version__

FILE = "manifest.json"
FORMAT = 1

_WEIGHTS = (".safetensors", ".bin")
_CHUNK_BYTES = 4 * 1024 * 1024


def written(folder: Path, digests: dict[str, str], num_tensors: int, provenance: dict[str, Any] | None) -> bytes:
    """The manifest of the files in `folder`; `digests` are those already known."""
    names = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    files = {
        name: {"bytes": path.stat().st_size, "sha256": digests.get(name) or digest(path)}
        for name, path in names.items()
    }
    about = {"format": FORMAT, "chiasm": __version__, "num_tensors": num_tensors, "provenance": provenance or {}}
    return write_json({**about, "files": files})


def read(folder: Path) -> dict[str, Any] | None:
    """The folder's manifest, None where there is none; raises `UserError` for a newer or malformed one."""
    path = folder / FILE
    if not path.is_file():
        return None
    manifest = read_json(path)
    check_format(manifest.get("format"), FORMAT, path)
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(
        isinstance(entry, dict) and isinstance(entry.get("sha256"), str) for entry in files.values()
    ):
        raise UserError(f"{path} has no list of files with digests. Copy the folder again from where it came")
    for name in files:
        for part in name.split("/"):
            plain_name(part, path)
    return manifest


def check_small_files(folder: Path, manifest: dict[str, Any] | None) -> None:
    """Compare every size, and the digests of all but weights; raises `UserError` naming the first that differs."""
    for name, entry in manifest["files"].items() if manifest else ():
        path = folder / name
        if not path.is_file():
            raise UserError(f"{folder / FILE} lists {name}, which is missing. Copy the folder again, whole")
        if path.stat().st_size != entry.get("bytes"):
            raise UserError(
                f"{path} has {path.stat().st_size:,} bytes, {FILE} says {entry.get('bytes')!r}. {_advice(folder)}"
            )
        if not name.endswith(_WEIGHTS) and digest(path) != entry["sha256"]:
            raise _changed(path, folder)


class WeightCheck:
    """Digests of the weight files, made in a thread while the weights are loaded.

    `with WeightCheck(folder, manifest) as check: ...; check.finish()`. Leaving the block early stops the thread.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any] | None) -> None:
        files = manifest["files"] if manifest else {}
        self._folder = folder
        self._expected = {name: entry["sha256"] for name, entry in files.items() if name.endswith(_WEIGHTS)}
        self._error: UserError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="digests", daemon=True)

    def __enter__(self) -> WeightCheck:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def finish(self) -> None:
        """Wait for the digests; raises `UserError` naming the first file that has changed."""
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        for name, expected in self._expected.items():
            path = self._folder / name
            try:
                if digest(path, self._stop) != expected and not self._stop.is_set():
                    raise _changed(path, self._folder)
            except UserError as error:
                self._error = error
                return
            except OSError as error:
                self._error = UserError(f"{path} cannot be read: {error}")
                return


def digest(path: Path, stop: threading.Event | None = None) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; of what was read so far once `stop` is set."""
    result = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        buffer = bytearray(_CHUNK_BYTES)
        while (count := file.readinto(buffer)) and not (stop is not None and stop.is_set()):
            result.update(memoryview(buffer)[:count])
    return result.hexdigest()


def _changed(path: Path, folder: Path) -> UserError:
    return UserError(f"{path} is not what was written: its SHA-256 differs from {FILE}. {_advice(folder)}")


def _advice(folder: Path) -> str:
    return f"Copy it again; if the change is yours, remove {folder / FILE}"
