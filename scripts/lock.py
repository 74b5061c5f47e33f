"""Write the versions that `make setup` installs: pyproject.toml's dependencies and its dev extra, resolved by pip.

Usage: python scripts/lock.py

Resolves in a throwaway environment and installs nothing; requirements/hold.txt keeps single versions in place. Knows
nothing about indexes: pip's own settings say where packages come from, and the lock names versions only, so any
index will do.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements/dev.lock"
HOLD = ROOT / "requirements/hold.txt"
# Pins must install on the oldest Python we support; a newer one may choose releases that have dropped it.
PYTHON = (3, 11)
# What torch brings along only where its index serves a CUDA build: not ours to pin.
GPU_ONLY = re.compile(r"(nvidia|cuda|triton|pytorch-triton)(-|$)")
HEADER = "# Written by `make lock` from pyproject.toml; edit that one.\n"


def resolve(folder: Path) -> list[dict[str, str]]:
    """Name and version of every distribution that pip would install into an empty environment."""
    venv.create(folder / "venv", with_pip=True)
    report = folder / "report.json"
    options = ["--quiet", "--dry-run", "--ignore-installed", "--report", report, "--constraint", HOLD]
    subprocess.run([folder / "venv/bin/python", "-m", "pip", "install", *options, f"{ROOT}[dev]"], check=True)
    return [item["metadata"] for item in json.loads(report.read_text())["install"]]


def pins(distributions: list[dict[str, str]]) -> list[str]:
    """`name==version` lines, sorted, without ourselves, GPU-only packages and local versions (`+cpu`)."""
    versions = {re.sub(r"[-_.]+", "-", item["name"]).lower(): item["version"] for item in distributions}
    return [
        f"{name}=={version.partition('+')[0]}"
        for name, version in sorted(versions.items())
        if name != "chiasm" and not GPU_ONLY.match(name)
    ]


def main() -> None:
    """Resolve, and write the lock."""
    if sys.version_info[:2] != PYTHON:
        came = ".".join(map(str, sys.version_info[:2]))
        wanted = ".".join(map(str, PYTHON))
        sys.exit(f"error: the lock is made with Python {wanted}, the oldest supported, and this is {came}.")
    with tempfile.TemporaryDirectory() as folder:
        lines = pins(resolve(Path(folder)))
    LOCK.write_text(HEADER + "\n".join(lines) + "\n")
    print(f"{LOCK.relative_to(ROOT)}: {len(lines)} packages")


if __name__ == "__main__":
    main()
