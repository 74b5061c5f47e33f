"""A whole CLIP read as transformers reads it, and refused in one line where it is none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from chiasm.checkpoints.clip_folder import copy_clip, load_clip
from chiasm.classifying import Classifier
from chiasm.errors import UserError
from tests.checkpoints import whole_clip
from tests.checkpoints.whole_clip import change

LABELS = ["a dog", "Two Cats on the RED car", "猫", "a " * 40 + "dog"]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole_clip.write(tmp_path_factory.mktemp("whole") / "clip")


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "clip"))


def picture() -> Image.Image:
    return Image.effect_mandelbrot((48, 40), (-2, -1.5, 1, 1.5), 30).convert("RGB")


def theirs(folder: Path, labels: list[str]) -> list[float]:
    """Probabilities as transformers computes them from files alone."""
    from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel

    model = cast(Any, CLIPModel).from_pretrained(folder).eval()
    tokens = AutoTokenizer.from_pretrained(folder)(labels, padding=True, truncation=True, return_tensors="pt")
    pixels = cast(Any, CLIPImageProcessor).from_pretrained(folder)(picture(), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        found = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"], pixel_values=pixels)
    probabilities: list[float] = found.logits_per_image.softmax(1)[0].tolist()
    return probabilities


@pytest.mark.parametrize("legacy_end", [False, True], ids=["end named", "end 2"])
def test_probabilities_are_those_of_transformers(tmp_path: Path, legacy_end: bool) -> None:
    folder = whole_clip.write(tmp_path / "clip", legacy_end=legacy_end, seed=3)
    found = Classifier.open(folder, LABELS).classify(picture())
    by_label = {each.label: each.probability for each in found}
    assert [by_label[label.strip()] for label in LABELS] == pytest.approx(theirs(folder, LABELS), abs=1e-5)
    assert [each.probability for each in found] == sorted(by_label.values(), reverse=True)
    assert sum(by_label.values()) == pytest.approx(1)


def test_a_template_stands_around_each_label(folder: Path) -> None:
    around = Classifier.open(folder, ["dog", "cat"], "a photo of {}").classify(picture())
    written_out = Classifier.open(folder, ["a photo of dog", "a photo of cat"]).classify(picture())
    assert [each.cosine for each in around] == [each.cosine for each in written_out]
    assert {each.label for each in around} == {"dog", "cat"}


def test_what_looks_like_an_end_is_text(folder: Path) -> None:
    # As a token it would end the text there, and both would be the same.
    first, second = Classifier.open(folder, ["a dog<|endoftext|> red", "a dog<|endoftext|> sky"]).classify(picture())
    assert first.cosine != second.cosine


def test_a_copy_in_bfloat16_holds_the_same_rounded(folder: Path, tmp_path: Path) -> None:
    copy_clip(folder, tmp_path / "copy", torch.bfloat16, {"recipe": "x"})
    one, other = load_file(folder / "model.safetensors"), load_file(tmp_path / "copy/model.safetensors")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name].bfloat16(), other[name]) for name in one)
    assert json.loads((tmp_path / "copy/manifest.json").read_text())["provenance"] == {"recipe": "x"}
    assert load_clip(tmp_path / "copy").max_tokens == 32


def test_a_changed_byte_of_what_we_wrote_is_noticed(folder: Path, tmp_path: Path) -> None:
    copy_clip(folder, tmp_path / "copy", torch.float32)
    path = tmp_path / "copy/model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="SHA-256 differs"):
        load_clip(tmp_path / "copy")


def test_the_clip_beside_a_trained_model_is_found(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "final").mkdir()
    folder.rename(tmp_path / "final/clip")
    assert load_clip(tmp_path / "final").folder == tmp_path / "final/clip"


def _without(folder: Path, name: str) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors[name]
    save_file(tensors, folder / "model.safetensors")


def _with(folder: Path, name: str, tensor: torch.Tensor) -> None:
    save_file({**load_file(folder / "model.safetensors"), name: tensor}, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json is missing"),
        (lambda f: (f / "config.json").write_text("[]"), "expected an object"),
        (lambda f: change(f / "config.json", model_type="siglip"), "is of a 'siglip' model"),
        (lambda f: change(f / "config.json", text_config=3), "no object 'text_config'"),
        (lambda f: change(f / "config.json", projection_dim="x"), "projection_dim 'x'"),
        (lambda f: change(f / "config.json", vision_config__patch_size=64), "no grid of patches"),
        (lambda f: change(f / "config.json", text_config__num_attention_heads=5), "is not one of a clip_text_model"),
        (lambda f: change(f / "config.json", text_config__max_position_embeddings=10**9), "positions for texts"),
        (lambda f: change(f / "config.json", text_config__eos_token_id=7), "config.json expects 7"),
        (lambda f: change(f / "config.json", text_config__hidden_size=48), "misshapen"),
        (lambda f: change(f / "preprocessor_config.json", size={"shortest_edge": 56}, crop_size=56), "makes 56 pixels"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "is not a tokenizer"),
        (lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x" * 100), "no safetensors file"),
        (lambda f: (f / "model.safetensors").unlink(), "holds no weights"),
        (lambda f: _without(f, "text_projection.weight"), "1 missing: text_projection.weight"),
        (lambda f: _with(f, "surprise", torch.ones(1)), "1 unexpected: surprise"),
        (lambda f: _with(f, "logit_scale", torch.tensor(torch.nan)), "not finite"),
    ],
)
def test_what_is_no_whole_clip_is_refused_in_one_line(folder: Path, harm: Any, said: str) -> None:
    harm(folder)
    with pytest.raises(UserError, match=said) as refused:
        load_clip(folder)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("labels", "template", "said"),
    [
        ([], "{}", "0 labels"),
        (["dog"], "{}", "1 label to choose from"),
        (["dog", " "], "{}", "one of the labels is empty"),
        (["dog", "cat", "dog "], "{}", "'dog' is given twice"),
        (["dog", "cat"], "a photo", "0 places"),
        (["dog", "cat"], "{} {}", "2 places"),
        (["dog", "\ud800"], "{}", "no text"),
    ],
)
def test_labels_are_checked_before_any_file_is_read(labels: list[str], template: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        Classifier.open("nowhere", labels, template)
