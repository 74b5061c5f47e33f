"""Put a finished run of the recipe `tiny` into the package: CLIP, base language model, assistant, and their manifest.

    python scripts/fit_familiarity.py runs/tiny/final world/images/train world/images/test --layer 1
    python scripts/bundle_assistant.py runs/tiny world runs/eval/tiny

The arguments are the run, the drawn world it learnt from, and the folder `chiasm eval` measured it into. The first
command lets it tell pictures of another kind. Each version of the weights stays in the history for ever, so this is
done rarely.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

from chiasm import bundled
from chiasm.checkpoints.backbones import open_language
from chiasm.checkpoints.clip_folder import CLIP, copy_clip

_WORDS = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json")
_IMAGE = "<image>"
_PREFIX = "language."  # of the language model's tensors among a stage's
_MOST_BYTES = 40_000_000  # all of it together


def main() -> None:
    """Write the parts, then what is known of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("world", type=Path)
    parser.add_argument("scores", type=Path)
    given = parser.parse_args()
    home = bundled.MANIFEST.parent
    for part in ("clip", "language", "assistant"):
        shutil.rmtree(home / part, ignore_errors=True)
    copy_clip(given.run / "stages" / "clip" / CLIP, home / "clip", torch.bfloat16)
    _write_language(given.run, home / "language")
    shutil.copytree(given.run / "final", home / "assistant", ignore=shutil.ignore_patterns(CLIP))
    bundled.MANIFEST.write_text(json.dumps(_manifest(given.run, given.world, given.scores), indent=1) + "\n")
    size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file() and path.suffix != ".py")
    if size > _MOST_BYTES:
        raise SystemExit(f"{size:,} bytes are too many for the package: at most {_MOST_BYTES:,}")
    print(f"{home}: {size:,} bytes")


def _write_language(run: Path, target: Path) -> None:
    """The language model as it was before it saw a picture, as a folder of transformers."""
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    tensors = load_file(run / "stages" / "language" / "weights.safetensors")
    tensors = {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}
    settings = json.loads((run / "final" / "config.json").read_text())["text_config"]
    settings["vocab_size"] = len(tensors["model.embed_tokens.weight"])
    config = AutoConfig.for_model(**{**settings, **recipe["model"]["language"]})
    model = AutoModelForCausalLM.from_config(config)
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise SystemExit(f"the stage's weights do not fit: {missing}, {unexpected}")
    model.to(torch.bfloat16).save_pretrained(target)
    for name in _WORDS:
        words = json.loads((run / "final" / name).read_text())
        (target / name).write_text(json.dumps(_without_pictures(words), ensure_ascii=False, indent=1) + "\n")
    open_language(target)  # what the demo will do


def _without_pictures(words: dict[str, Any]) -> dict[str, Any]:
    """A tokenizer's file without the token that stands for pictures, which came after this model."""
    kept = {k: v for k, v in words.items() if v != _IMAGE and k not in ("extra_special_tokens", "processor_class")}
    if isinstance(words.get("added_tokens"), list):
        kept["added_tokens"] = [token for token in words["added_tokens"] if token["content"] != _IMAGE]
    if isinstance(words.get("added_tokens_decoder"), dict):
        decoder = words["added_tokens_decoder"].items()
        kept["added_tokens_decoder"] = {number: token for number, token in decoder if token["content"] != _IMAGE}
    return kept


def _manifest(run: Path, world: Path, scores: Path) -> dict[str, Any]:
    """By what it was made and how good it is."""
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    record = json.loads((run / "run.json").read_text())
    minutes: dict[str, float] = defaultdict(float)
    steps: dict[str, int] = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        step = json.loads(line)
        if "seconds" in step:
            minutes[step["stage"]] += step["seconds"] / 60
            steps[step["stage"]] = step["step"]
    drawn = json.loads((world / "world.json").read_text())
    return {
        "recipe": recipe,
        "processes": record.get("processes", 1),
        "threads_each": record["threads"],
        "stages": {name: {"steps": steps[name], "minutes": round(minutes[name], 1)} for name in steps},
        "world": {key: drawn[key] for key in ("format", "seed", "size", "train", "text")},
        "sha256_of_data": record["data"],
        "sha256": {
            str(path.relative_to(bundled.MANIFEST.parent)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(bundled.MANIFEST.parent.rglob("*.safetensors"))
        },
        "figures": {path.parent.name: json.loads(path.read_text()) for path in sorted(scores.rglob("scores.json"))},
    }


if __name__ == "__main__":
    main()
