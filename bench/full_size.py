"""A LLaVA-1.5-7B-shaped checkpoint of random weights: written, loaded, asked once about a photograph.

Needs 14 GB of disk for the time it runs and a machine with 16 GB of memory free. Prints sizes, times and peak memory.

    python bench/full_size.py --picture photo.jpg
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

from chiasm.checkpoints import writing
from chiasm.checkpoints.description import Description
from chiasm.checkpoints.filling import empty
from chiasm.checkpoints.tensors import Stored
from chiasm.models.config import LlavaConfig
from chiasm.processing.images import ImageProcessing
from chiasm.processing.processor import Processor
from chiasm.processing.tokens import PieceTokenizer

GB = 1e9
# liuhaotian/llava-v1.5-7b and openai/clip-vit-large-patch14-336; vocabulary as the Hugging Face layout pads it.
VISION = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
    "projection_dim": 768,
}
LANGUAGE: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
    "vocab_size": 32000,
}


def vocabulary() -> PieceTokenizer:
    """Llama's kind of tokenizer and size, its words made up: every id is some text, so that answers can be watched."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256)), "\u2581"]
    pieces += [f"\u2581word{i}" for i in range(LANGUAGE["vocab_size"] - len(pieces))]
    model = models.BPE({piece: i for i, piece in enumerate(pieces)}, [], unk_token="<unk>", byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in pieces[:3]])
    return PieceTokenizer(tokenizer)


def write_checkpoint(folder: Path) -> int:
    """Write it in the Hugging Face layout, a tensor at a time; bytes of weights."""
    config = LlavaConfig(vision=VISION, language=LANGUAGE)
    model = empty(config, torch.bfloat16, "meta")

    def random(name: str, shape: tuple[int, ...]) -> Stored:
        is_norm = "norm" in name and name.endswith("weight")

        def read() -> torch.Tensor:
            # Values of a size that keeps activations finite through 32 layers.
            return torch.ones(shape, dtype=torch.bfloat16) if is_norm else torch.randn(shape).mul_(0.02).bfloat16()

        return Stored(shape, torch.bfloat16, read)

    tensors = {name: random(name, tuple(parameter.shape)) for name, parameter in model.named_parameters()}
    processor = Processor(vocabulary(), "vicuna_v1", ImageProcessing(), eos_token="</s>")
    described = Description(folder, "chiasm", config, processor, tensors, (), None, True, None)
    writing.write(folder, described, "hf", {"weights": "random"}, 5 * 10**9, True)
    return sum(tensor.num_bytes for tensor in tensors.values())


def ask(folder: Path, picture: Path, max_tokens: int) -> dict[str, float]:
    """`chiasm chat` in a process of its own: its wall time and peak memory, and what it says of itself."""
    # Drawn, not greedy: the likeliest token of random weights may well be the end.
    command = [sys.executable, "-m", "chiasm", "chat", "-m", str(folder), "-a", str(picture), "--json"]
    command += ["--temperature", "1", "--seed", "0"]
    begun = time.perf_counter()
    done = subprocess.run(
        [*command, "--max-tokens", str(max_tokens), "What is unusual here?"], check=True, capture_output=True, text=True
    )
    wall = time.perf_counter() - begun
    answer = json.loads(done.stdout)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    first = answer["seconds_to_first_token"]
    return {
        "wall": wall,
        "load": wall - answer["seconds"],
        "first_token": first,
        "tokens_per_second": (answer["usage"]["num_answer"] - 1) / max(1e-9, answer["seconds"] - first),
        "peak": peak,
    }


def main() -> None:
    """Write, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument("--max-tokens", type=int, default=16)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "llava-7b-random"
        begun = time.perf_counter()
        num_bytes = write_checkpoint(folder)
        print(f"written: {num_bytes / GB:.2f} GB in {time.perf_counter() - begun:.0f} s")
        found = ask(folder, arguments.picture, arguments.max_tokens)
    print(f"loaded and started in {found['load']:.0f} s; first token after {found['first_token']:.1f} s")
    print(f"then {found['tokens_per_second']:.2f} tokens/s; peak memory {found['peak'] / GB:.2f} GB", end=" ")
    print(f"= {found['peak'] / num_bytes:.2f} x the weights")


if __name__ == "__main__":
    main()
