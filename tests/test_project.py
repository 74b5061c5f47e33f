"""The project's own rules: budgets, light import, layers, a fresh lock, a complete wheel, no machine's paths."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "chiasm"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

MOST_LINES = 400  # a file; the statements of a function are ruff's PLR0915
LEFT_BY_TOOLS = {".git", ".venv", "runs", "build", "dist", "__pycache__"}


def written_files(folder: Path) -> Iterator[Path]:
    """Files people wrote under `folder`: no caches, no environment."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part in LEFT_BY_TOOLS or part.endswith("_cache") for part in parts):
            yield path


@pytest.mark.parametrize("folder", ["src", "tests", "bench", "scripts"])
def test_budget_of_lines(folder: str) -> None:
    code = [path for path in written_files(ROOT / folder) if path.suffix in {".py", ".html", ".css", ".js"}]
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines()) for path in code}
    over = {name: count for name, count in lines.items() if count > MOST_LINES}
    assert not over, f"over {MOST_LINES} lines, split by what lives there: {over}"


def run(*command: str, cwd: Path = ROOT) -> str:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout


def test_importing_chiasm_loads_nothing_heavy() -> None:
    code = "import sys, chiasm; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = run(sys.executable, "-c", code, cwd=PACKAGE.parent).split()
    assert "chiasm" in loaded
    assert not {"torch", "transformers", "tokenizers", "numpy", "PIL", "pydantic", "rich", "typer"} & set(loaded)


def test_every_module_has_its_layer() -> None:
    contract = PYPROJECT["tool"]["importlinter"]["contracts"][0]
    layers = set(re.findall(r"\w+", " ".join(contract["layers"])))
    modules = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert modules - {"__init__", "chiasm"} <= layers
    assert contract["exhaustive"]


def test_every_folder_of_code_is_a_package() -> None:
    # Without __init__.py a folder is invisible to import-linter and mypy.
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert not [str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").is_file()]


def test_lock_satisfies_pyproject() -> None:
    lines = (ROOT / "requirements" / "dev.lock").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    project = PYPROJECT["project"]
    wanted = [Requirement(text) for text in project["dependencies"] + project["optional-dependencies"]["dev"]]
    stale = [str(want) for want in wanted if not want.specifier.contains(pinned.get(canonicalize_name(want.name), "0"))]
    assert not stale, f"missing from requirements/dev.lock or too old there, run `make lock`: {stale}"


def test_wheel_carries_every_file_of_the_package(tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("chiasm/")}
    assert packed == {path.relative_to(PACKAGE.parent).as_posix() for path in written_files(PACKAGE)}
    assert "chiasm/py.typed" in packed


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git knows which files are the project's; this is no checkout")
def test_no_file_names_a_path_of_one_machine() -> None:
    # Spelled in pieces, or this file would be the first to break the rule.
    machine = re.compile("(?<![\\w.-])(/wo" + "rk/|/tmp" + "/w/)")
    guilty = []
    for path in map(ROOT.joinpath, run("git", "ls-files", "-z").split("\0")[:-1]):
        text = path.read_text("utf-8", errors="ignore") if path.is_file() else ""
        guilty += [f"{path.relative_to(ROOT)}: {found[0]}" for found in machine.finditer(text)]
    assert not guilty
