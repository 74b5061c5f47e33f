"""`chiasm chat` without a model's name never imports what takes longer than the answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import chiasm

RUN = """
import sys
from chiasm.cli import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    assert not ended.code, ended.code
heavy = ("torch", "transformers", "huggingface_hub", "safetensors", "scipy")
print([name for name in heavy if name in sys.modules], file=sys.stderr)
"""


@pytest.mark.parametrize("way", [[], ["--timing", "--temperature", "0.5", "--seed", "3"], ["--json"]])
def test_neither_torch_nor_transformers_is_imported(tmp_path: Path, way: list[str]) -> None:
    Image.new("RGB", (90, 60), "red").save(tmp_path / "red.png")
    source = Path(chiasm.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", RUN, "chat", "-a", "red.png", *way, "What is this?"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(source), "PATH": ""},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "[]"
    assert len(done.stdout) > 3
    if "--json" in way:
        assert json.loads(done.stdout)["usage"]["num_answer"] > 0
