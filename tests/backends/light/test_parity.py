"""Tower, connector, decoder and what is familiar: the numbers torch and transformers compute in float32."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from chiasm import bundled, checkpoints
from chiasm.backends.light.decoder import Decoder, KeysAndValues
from chiasm.backends.light.familiar import Familiar
from chiasm.backends.light.shape import shape_of
from chiasm.backends.light.tower import Tower, gelu
from chiasm.backends.light.weights import Weights
from chiasm.models.familiarity import Familiarity, statistics
from chiasm.models.llava import Llava
from tests.backends.light.folders import random_assistant

Both = tuple[Llava, Tower, Decoder]


@pytest.fixture(scope="module", params=["random", "bundled"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """The same folder by torch and by numpy."""
    random = request.param == "random"
    folder = random_assistant(tmp_path_factory.mktemp("model") / "x") if random else bundled.folder("assistant")
    shape = shape_of(json.loads((folder / "config.json").read_text()))
    weights = Weights(folder / "model.safetensors")
    tower = Tower(weights, shape.tower, shape.decoder.width)
    model = checkpoints.load(folder, dtype=torch.float32, progress=False).model.eval()
    return model, tower, Decoder(weights, shape.decoder)


def test_gelu_is_the_exact_one() -> None:
    x = torch.cat([torch.linspace(-12, 12, 20001), torch.tensor([0.0, 1e-8, -1e-8, 80.0, -80.0, 1e4, -1e4])])
    np.testing.assert_allclose(gelu(x.numpy()), torch.nn.functional.gelu(x.double()).numpy(), rtol=1e-6, atol=1e-6)


@torch.inference_mode()
def test_features_and_picture_tokens(both: Both) -> None:
    model, tower, _ = both
    size = model.config.vision["image_size"]
    pixels = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    seen = model.see(pixels)
    assert seen.abs().mean() > 0.1
    np.testing.assert_allclose(tower.see(pixels.numpy()), seen.numpy(), rtol=1e-4, atol=1e-4)
    assert tower.see(pixels.numpy()).dtype == np.float32
    np.testing.assert_allclose(tower.connect(seen.numpy()), model.connect(seen).numpy(), rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_logits_in_one_pass_and_token_by_token(both: Both) -> None:
    model, _, decoder = both
    ids = torch.randint(3, decoder.shape.num_ids, (300,), generator=torch.Generator().manual_seed(2)).tolist()
    logits_TV = model.logits(model.hidden(model.embed(torch.tensor([ids]).clamp(max=model.config.image_token_id - 1))))
    x_TD = decoder.embed([min(i, model.config.image_token_id - 1) for i in ids])
    expected = logits_TV[0].numpy()
    assert np.abs(expected).mean() > 0.1
    kept = KeysAndValues(decoder.shape)
    close = {"rtol": 1e-3, "atol": 1e-4 * float(np.abs(expected).max())}
    # A prompt, more of it than there is room for at first, and single tokens.
    for start, end in ((0, 40), (40, 297), (297, 298), (298, 299), (299, 300)):
        np.testing.assert_allclose(decoder.step(x_TD[start:end], kept), expected[end - 1], **close)
    kept.length = 40  # and back again
    logits_V = decoder.step(x_TD[40:60], kept)
    np.testing.assert_allclose(logits_V, expected[59], **close)
    assert logits_V.dtype == np.float32


def test_distance_from_what_is_familiar() -> None:
    noise = torch.Generator().manual_seed(3)
    directions = torch.linalg.qr(torch.randn(12, 4, generator=noise))[0].T.contiguous()
    mean, spread, scales = (torch.rand(count, generator=noise) + 0.5 for count in (12, 12, 4))
    slow = Familiarity(mean, spread, directions, scales, rest=0.4, limit=8.0)
    fast = Familiar(mean.numpy(), spread.numpy(), directions.numpy(), scales.numpy(), rest=0.4, limit=8.0)
    verdicts = set()
    for width in (0.1, 1.0, 3.0):
        x_NPV = torch.randn(2, 5, 6, generator=noise) * width + 1
        distance = float(slow.distances(statistics(x_NPV.reshape(1, -1, 6))))
        assert fast.distance(x_NPV.numpy()) == pytest.approx(distance, rel=1e-4)
        assert fast.is_unfamiliar(x_NPV.numpy()) == slow.is_unfamiliar(x_NPV)
        verdicts.add(fast.is_unfamiliar(x_NPV.numpy()))
    assert verdicts == {True, False}
    assert fast.is_unfamiliar(np.full((1, 5, 6), np.nan, np.float32))


def test_a_folder_in_bfloat16_is_read_as_it_is(tmp_path: Path) -> None:
    folder = random_assistant(tmp_path / "half", torch.bfloat16)
    shape = shape_of(json.loads((folder / "config.json").read_text()))
    model = checkpoints.load(folder, dtype=torch.float32, progress=False).model
    ids = [5, 60, 7]
    found = Decoder(Weights(folder / "model.safetensors"), shape.decoder).embed(ids)
    assert found.tolist() == model.embed(torch.tensor([ids]))[0].tolist()
