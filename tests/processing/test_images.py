from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from chiasm.errors import UserError
from chiasm.processing.images import CLIP_MEAN, CLIP_STD, POLICIES, ImageLayout, ImageProcessing
from chiasm.processing.pictures import open_picture
from chiasm.processing.policies import pad

BICUBIC = Image.Resampling.BICUBIC
SIZES = [(64, 64), (120, 80), (80, 120), (201, 50), (40, 171), (1, 1), (1, 7), (500, 375), (336, 336), (337, 336)]
PROCESSORS = {
    "CLIPImageProcessor": CLIPImageProcessorPil,
    "LlavaImageProcessor": LlavaImageProcessorPil,
    "SiglipImageProcessor": SiglipImageProcessorPil,
}


def noise(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(width * 7919 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def by_transformers(config: dict[str, object], image: Image.Image) -> np.ndarray:
    fields: dict[str, Any] = dict(config)
    processor = PROCESSORS[str(fields.pop("image_processor_type"))](**fields)
    return np.asarray(processor(image, return_tensors="np")["pixel_values"])


@pytest.mark.parametrize("size", [336, 224])
@pytest.mark.parametrize("policy", ["square", "pad"])
def test_pixels_of_the_published_code(policy: str, size: int, shared_data: Path) -> None:
    golden = shared_data / "golden"
    samples = np.load(golden / "pixels" / "subsampled.npz")
    records = json.loads((golden / "pixels" / "pixels.json").read_text())["images"]
    assert len(records) == 5
    processing = ImageProcessing(policy=policy, size=size)
    for record in records:
        image = open_picture(golden / "images" / record["name"])
        run = record["runs"][f"{size}_{policy}"]
        (tile,) = processing.tiles(image)
        pixels = processing.pixels(image).numpy()
        chw = np.ascontiguousarray(np.asarray(tile).transpose(2, 0, 1))
        assert hashlib.sha256(chw.tobytes()).hexdigest() == run["per_tile"][0]["sha256_uint8_chw"]
        rounded = np.round(pixels[0] * 100).astype(np.int16)
        assert hashlib.sha256(rounded.tobytes()).hexdigest() == run["per_tile"][0]["sha256_round2_int16_chw"]
        assert np.array_equal(pixels[:, :, 3::7, 3::7].astype(np.float16), samples[run["array"]])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "processing",
    [
        ImageProcessing(policy="pad"),
        ImageProcessing(policy="square"),
        ImageProcessing(policy="square", size=224),
        ImageProcessing(policy="pad", size=384, resize="exact", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
        ImageProcessing(policy="square", size=384, resize="exact", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    ],
    ids=lambda processing: f"{processing.policy}-{processing.size}-{processing.resize}",
)
def test_transformers_reads_our_config_and_gives_our_pixels(processing: ImageProcessing, size: tuple[int, int]) -> None:
    image = noise(*size)
    config = processing.to_preprocessor_config()
    theirs = by_transformers(json.loads(json.dumps(config)), image)
    ours = processing.pixels(image)
    assert ours.dtype == torch.float32
    assert ours.is_contiguous()
    assert np.array_equal(ours.numpy(), theirs)
    back = ImageProcessing.from_preprocessor_config(config, None, processing.patch_size)
    assert back == processing


@pytest.mark.parametrize("band", [1, 700, 100_000])
@pytest.mark.parametrize("size", [(300, 40), (40, 300), (401, 1), (1, 401), (90, 91), (224, 100), (64, 64)])
def test_padding_in_bands_equals_the_whole_square(
    size: tuple[int, int], band: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pad, "BAND_PIXELS", band)
    processing = ImageProcessing(policy="pad", size=224)
    image = noise(*size)
    side = max(size)
    square = Image.new("RGB", (side, side), (122, 116, 104))
    square.paste(image, ((side - size[0]) // 2, (side - size[1]) // 2))
    (tile,) = processing.tiles(image)
    assert np.array_equal(np.asarray(tile), np.asarray(square.resize((224, 224), BICUBIC)))


def test_the_odd_remainder_of_padding_goes_to_the_bottom_and_the_right() -> None:
    processing = ImageProcessing(policy="pad", size=8, patch_size=2)
    background = np.array((122, 116, 104))
    wide = np.asarray(processing.tiles(Image.new("RGB", (8, 5), "white"))[0])
    assert (wide == background).all(axis=(1, 2)).tolist() == [True, False, False, False, False, False, True, True]
    tall = np.asarray(processing.tiles(Image.new("RGB", (5, 8), "white"))[0])
    assert (tall == background).all(axis=(0, 2)).tolist() == [True, False, False, False, False, False, True, True]


def test_square_keeps_the_middle() -> None:
    """12 x 4 at size 4: nothing is resized, columns 4 to 7 stay; one column more and the crop starts at the floor."""
    processing = ImageProcessing(policy="square", size=4, patch_size=2)
    image = noise(12, 4)
    assert np.array_equal(np.asarray(processing.tiles(image)[0]), np.asarray(image)[:, 4:8])
    image = noise(4, 13)
    assert np.array_equal(np.asarray(processing.tiles(image)[0]), np.asarray(image)[4:8])


def test_pad_colours() -> None:
    assert ImageProcessing().pad_colour == (122, 116, 104)
    assert ImageProcessing(mean=(0.5, 0.5, 0.5)).pad_colour == (127, 127, 127)


@pytest.mark.parametrize(
    ("size", "patch", "class_token", "tokens"),
    [(224, 14, False, 256), (336, 14, False, 576), (336, 14, True, 577), (384, 14, False, 729), (56, 14, True, 17)],
)
def test_token_counts(size: int, patch: int, class_token: bool, tokens: int) -> None:
    for policy in ("square", "pad"):
        processing = ImageProcessing(policy=policy, size=size, patch_size=patch, class_token=class_token)
        assert processing.layout(640, 480).num_tokens == tokens


def test_a_layout_counts_every_tile() -> None:
    assert ImageLayout(tiles=5, rows=24, cols=24).num_tokens == 5 * 576
    assert ImageLayout(tiles=3, rows=2, cols=4, class_token=True).num_tokens == 27
    with pytest.raises(ValueError, match="at least one"):
        ImageLayout(tiles=0, rows=24, cols=24)


@pytest.mark.parametrize("name", POLICIES.names())
def test_every_policy_agrees_with_its_layout(name: str) -> None:
    processing = ImageProcessing(policy=name, size=28, patch_size=14)
    for size in ((1, 1), (200, 1), (1, 200), (63, 47), (28, 28)):
        image = noise(*size)
        layout = processing.layout(*size)
        tiles = processing.tiles(image)
        assert layout.tiles == len(tiles)
        assert all(tile.mode == "RGB" and tile.size == (28, 28) for tile in tiles)
        assert processing.pixels(image).shape == (layout.tiles, 3, 28, 28)
    assert processing.to_preprocessor_config()["image_processor_type"]


def test_stored_and_read_again() -> None:
    processing = ImageProcessing(policy="square", size=224, patch_size=16, class_token=True)
    assert ImageProcessing.model_validate_json(processing.model_dump_json()) == processing


@pytest.mark.parametrize(
    "fields",
    [
        {"size": 0},
        {"size": 10**9},
        {"size": "336"},
        {"size": 12},
        {"patch_size": 0},
        {"std": (1, 0, 1)},
        {"mean": (0.5, 0.5)},
        {"mean": (0.5, 0.5, float("nan"))},
        {"class_token": 1},
        {"resize": "crop"},
        {"pollicy": "pad"},
    ],
)
def test_wrong_fields_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ImageProcessing.model_validate(fields)


def test_a_misspelt_policy_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match="did you mean 'square'"):
        ImageProcessing(policy="sqare")


def test_only_rgb_is_processed() -> None:
    with pytest.raises(ValueError, match="open_picture"):
        ImageProcessing().pixels(Image.new("L", (5, 5)))


CLIP_CONFIG: dict[str, object] = {
    "crop_size": {"height": 336, "width": 336},
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": list(CLIP_MEAN),
    "image_std": list(CLIP_STD),
    "resample": 3,
    "size": {"shortest_edge": 336},
}


def test_reading_the_configs_of_published_towers(shared_data: Path) -> None:
    clip = ImageProcessing.from_preprocessor_config(CLIP_CONFIG, "pad", 14)
    assert clip == ImageProcessing(policy="pad", size=336, patch_size=14)
    old = ImageProcessing.from_preprocessor_config(CLIP_CONFIG | {"size": 336, "crop_size": 336}, "square", 14)
    assert old == ImageProcessing(policy="square")
    siglip: dict[str, object] = {
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "image_processor_type": "SiglipImageProcessor",
        "resample": 3,
        "rescale_factor": 0.00392156862745098,
        "size": {"height": 384, "width": 384},
    }
    read = ImageProcessing.from_preprocessor_config(siglip, "pad", 14, class_token=False)
    assert (read.resize, read.size, read.pad_colour) == ("exact", 384, (127, 127, 127))
    tiny = json.loads((shared_data / "golden/model/tiny-clip-56/preprocessor_config.json").read_text())
    assert ImageProcessing.from_preprocessor_config(tiny, None, 14).policy == "square"
    assert ImageProcessing.from_preprocessor_config(tiny | {"do_pad": True}, None, 14).policy == "pad"


@pytest.mark.parametrize(
    "change",
    [
        {"resample": 2},
        {"do_normalize": False},
        {"do_resize": False},
        {"rescale_factor": 1 / 127.5},
        {"size": {"shortest_edge": 256}},
        {"size": {"height": 336, "width": 224}},
        {"size": {"longest_edge": 336}},
        {"size": None},
        {"image_mean": [0.5]},
        {"image_std": None},
    ],
)
def test_configs_that_would_give_other_pixels_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(UserError, match=next(iter(change)) if "shortest_edge" not in str(change) else "336"):
        ImageProcessing.from_preprocessor_config(CLIP_CONFIG | change, "square", 14)
