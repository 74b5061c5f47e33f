"""Loading peaks hardly above the model's own size; converting never holds a model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from chiasm import checkpoints
from chiasm.checkpoints.filling import empty
from chiasm.models.config import LlavaConfig
from tests.checkpoints import tiny

MEASURED = """
import resource, sys
import transformers
from transformers import CLIPVisionModel, LlamaForCausalLM
from chiasm import checkpoints
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
checkpoints.convert(sys.argv[1], sys.argv[2], to="hf")
print(peak() - before)
checkpoint = checkpoints.load(sys.argv[1])
print(peak() - before)
"""


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_peak_memory(tmp_path: Path, kind: str) -> None:
    big = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 8, "num_attention_heads": 16}
    model = empty(LlavaConfig(vision=tiny.VISION, language=tiny.language(**big)), torch.bfloat16)
    for parameter in model.parameters():
        parameter.data.fill_(0.5)
    folder = tmp_path / "big"
    checkpoints.save(folder, model, tiny.processor(), layout="original")
    size = (folder / "model.safetensors").stat().st_size
    if kind == "bin":
        from safetensors.torch import load_file

        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
        tiny.without_manifest(folder)
    command = [sys.executable, "-c", MEASURED, str(folder), str(tmp_path / "hf")]
    converting, loading = map(int, subprocess.run(command, capture_output=True, check=True).stdout.split())
    # Beside the weights: what is mapped at a time (64 MiB), one tensor, and what transformers imports on first use.
    assert converting < 150e6 < size
    assert loading < size + 150e6
