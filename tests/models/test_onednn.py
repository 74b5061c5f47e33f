"""Layers laid out for oneDNN answer as plain ones do, and replace only what they can stand for."""

import os
import platform
import subprocess
import sys
import weakref

import pytest
import torch
from torch import nn

from chiasm.models import language, onednn
from chiasm.models.config import LlavaConfig
from chiasm.models.device import computes_bfloat16
from chiasm.models.llava import Llava
from chiasm.models.onednn import OneDNNLinear, lay_out, rounded

_DTYPES = [torch.float32] + ([torch.bfloat16] if computes_bfloat16() else [])
_VISION = {"model_type": "clip_vision_model", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
_LANGUAGE = {"model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}


def _llava(**settings: object) -> Llava:
    torch.manual_seed(0)
    vision = {**_VISION, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    text = {**_LANGUAGE, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 64, **settings}
    return Llava(LlavaConfig(vision=vision, language=text, image_token_id=60)).eval()


@pytest.mark.parametrize("dtype", _DTYPES)
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 24), (7, 24), (2, 3, 24), (0, 24), (1, 700, 24)])
def test_a_layer_laid_out_computes_what_the_plain_one_does(
    dtype: torch.dtype, has_bias: bool, shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(24, 40, bias=has_bias).to(dtype), torch.randn(shape).to(dtype)
    laid_out = OneDNNLinear(layer)
    with torch.inference_mode():
        torch.testing.assert_close(laid_out(x), layer(x))
        torch.testing.assert_close(laid_out(x.transpose(0, -1).contiguous().transpose(0, -1)), layer(x))
    assert torch.equal(laid_out.weight, layer.weight)


def test_rows_are_rounded_up_by_a_quarter_at_most() -> None:
    found = {rows: rounded(rows) for rows in range(1, 3000)}
    assert all(rows <= more < max(rows + 1, 1.25 * rows) for rows, more in found.items())
    assert [found[rows] for rows in (1, 7, 8, 9, 13, 33, 64, 65, 210)] == [1, 7, 8, 10, 14, 40, 64, 80, 224]
    assert len({more for rows, more in found.items() if rows <= 64}) == 8 + 3 * 4


@pytest.mark.parametrize("dtype", _DTYPES)
def test_a_model_laid_out_gives_the_same_logits(dtype: torch.dtype) -> None:
    plain, laid_out = _llava().to(dtype), _llava().to(dtype)
    num_linear = sum(type(module) is nn.Linear for module in plain.modules())
    assert lay_out(laid_out) == num_linear
    assert not any(type(module) is nn.Linear for module in laid_out.modules())
    ids = torch.tensor([[1, 60, 60, 60, 60, 5, 6]])
    pixels = torch.randn(1, 3, 28, 28)
    with torch.inference_mode():
        one, other = (
            model.logits(model.hidden(model.embed(ids, model.encode_images(pixels)[0]))) for model in (plain, laid_out)
        )
    tolerance = 1e-5 if dtype == torch.float32 else 0.05
    torch.testing.assert_close(one, other, atol=tolerance, rtol=tolerance)


def test_tied_embeddings_stay_as_they_are() -> None:
    model = _llava(tie_word_embeddings=True)
    before = model.language_model.get_input_embeddings().weight.clone()  # type: ignore[operator]
    lay_out(model)
    assert torch.equal(model.language_model.get_input_embeddings().weight, before)  # type: ignore[operator]
    assert torch.equal(language.output_head(model.language_model).weight, before)  # type: ignore[arg-type]


def test_what_is_kept_and_what_is_more_than_a_linear_layer_stays() -> None:
    class Own(nn.Linear):
        pass

    model = nn.ModuleDict({"kept": nn.Linear(4, 4), "own": Own(4, 4), "other": nn.Linear(4, 4).half()})
    model["shared"] = model["again"] = nn.Linear(4, 4)
    assert lay_out(model, keep=model["kept"]) == 1
    assert type(model["kept"]) is nn.Linear
    assert type(model["own"]) is Own
    assert type(model["other"]) is nn.Linear
    assert model["shared"] is model["again"]
    assert isinstance(model["shared"], OneDNNLinear)


def test_a_torch_without_the_operators_leaves_all_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    model = nn.Sequential(nn.Linear(4, 4))
    assert lay_out(model) == 0
    assert type(model[0]) is nn.Linear


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory is asked of Linux and trimmed by glibc")
def test_prompts_of_ever_new_lengths_take_no_more_memory() -> None:
    """Unbounded, the kernels of 400 numbers of rows took 230 MB; in a process of its own, as they are kept for good."""
    program = """
import ctypes
import torch
from pathlib import Path
from chiasm.models.onednn import lay_out

def resident():
    ctypes.CDLL(None).malloc_trim(0)  # what is free does not count
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

torch.set_num_threads(1)
model = torch.nn.Sequential(torch.nn.Linear(192, 576))
assert lay_out(model) == 1
with torch.inference_mode():
    model(torch.zeros(1, 192))
    before = resident()
    for rows in range(1, 401):
        model(torch.zeros(rows, 192))
print(resident() - before)
"""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("CACHE_CAPACITY")}
    told = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert float(told.stdout) < 100


def test_each_layer_is_given_up_before_the_next_is_laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two copies of a large model are more than a machine may hold."""
    model = _llava()
    layers = [weakref.ref(module) for module in model.modules() if type(module) is nn.Linear]
    alive: list[int] = []

    class Counting(OneDNNLinear):
        def __init__(self, layer: nn.Linear) -> None:
            super().__init__(layer)
            alive.append(sum(each() is not None for each in layers))

    monkeypatch.setattr(onednn, "OneDNNLinear", Counting)
    assert lay_out(model) == len(layers)
    assert alive[-len(layers) :] == list(range(len(layers), 0, -1))
