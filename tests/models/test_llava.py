"""The model against transformers' own LLaVA on tiny random weights, and its own promises."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any, Literal

import pytest
import torch
from torch.nn import functional as F
from transformers import CLIPVisionConfig, LlamaConfig, LlavaForConditionalGeneration, SiglipVisionConfig
from transformers import LlavaConfig as TheirConfig

from chiasm.errors import UserError
from chiasm.models import language, vision
from chiasm.models.config import LlavaConfig
from chiasm.models.llava import Llava, LlavaOutput

IMAGE = 100  # the placeholder's id; the vocabulary has 120
LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 120,
}
TOWER: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 28,
    "patch_size": 14,
}
CLIP = {"model_type": "clip_vision_model", **TOWER}
SIGLIP = {"model_type": "siglip_vision_model", **TOWER}
OTHERS: dict[str, dict[str, Any]] = {
    "gpt2": {"model_type": "gpt2", "n_embd": 48, "n_layer": 2, "n_head": 4, "n_positions": 64, "vocab_size": 120},
    "qwen2": {**LLAMA, "model_type": "qwen2", "tie_word_embeddings": True},
    "mistral": {**LLAMA, "model_type": "mistral", "sliding_window": 8},
    "gpt_neox": {**LLAMA, "model_type": "gpt_neox"},
    "phi": {**LLAMA, "model_type": "phi"},
}


def randomised(module: torch.nn.Module) -> torch.nn.Module:
    """Weights far enough from zero that every part of the model can be seen in the logits."""
    with torch.no_grad():
        for name, parameter in sorted(module.named_parameters()):
            generator = torch.Generator().manual_seed(len(name) * 1000 + parameter.numel())
            noise = torch.randn(parameter.shape, generator=generator) * 0.2
            parameter.copy_(1 + noise if "norm" in name and name.endswith("weight") else noise)
    return module.eval()


def ours(tower: dict[str, Any] = CLIP, text: dict[str, Any] = LLAMA, **settings: Any) -> Llava:
    torch.manual_seed(0)
    return Llava(LlavaConfig(vision=tower, language=text, **{"image_token_id": IMAGE, **settings})).eval()


@cache
def theirs(kind: str, act: str, feature_layer: int, keeps_class_token: bool) -> LlavaForConditionalGeneration:
    """transformers' LLaVA of the same shape."""
    tower = (CLIPVisionConfig if kind == "clip" else SiglipVisionConfig)(**TOWER, hidden_act=act)
    # "full" leaves the features as they are, which is right for SigLIP, where there is no class token to drop.
    strategy = "full" if keeps_class_token or kind == "siglip" else "default"
    config = TheirConfig(
        vision_config=tower,
        text_config=LlamaConfig(**{k: v for k, v in LLAMA.items() if k != "model_type"}),
        image_token_index=IMAGE,
        vision_feature_layer=feature_layer,
        vision_feature_select_strategy=strategy,
    )
    return randomised(LlavaForConditionalGeneration(config))  # type: ignore[return-value]


def with_weights_of(model: LlavaForConditionalGeneration, mine: Llava) -> Llava:
    """Their weights under our names; every one must find its place."""
    renamed = {}
    for name, tensor in model.state_dict().items():
        name = f"language_model.{name}" if name.startswith("lm_head") else name.removeprefix("model.")
        if name.startswith("language_model.") and "lm_head" not in name:
            name = name.replace("language_model.", "language_model.model.", 1)
        for theirs_, ours_ in (("linear_1", "0"), ("linear_2", "2")):
            name = name.replace(f"multi_modal_projector.{theirs_}", f"connector.{ours_}")
        renamed[name] = tensor
    mine.load_state_dict(renamed)
    return mine.eval()


def prompt(num_places: int) -> torch.Tensor:
    return torch.tensor([[1, 5, 9, *[IMAGE] * num_places, 7, 8, 3, 44, 2]])


def pixels(num_tiles: int = 1) -> torch.Tensor:
    return torch.randn(num_tiles, 3, 28, 28, generator=torch.Generator().manual_seed(1))


# ---- parity ----


@pytest.mark.parametrize("kind", ["clip", "siglip"])
@pytest.mark.parametrize("act", ["quick_gelu", "gelu", "gelu_pytorch_tanh"])
@pytest.mark.parametrize("feature_layer", [-1, -2, 1])
@pytest.mark.parametrize("keeps_class_token", [False, True])
def test_logits_are_those_of_transformers(kind: str, act: str, feature_layer: int, keeps_class_token: bool) -> None:
    hf = theirs(kind, act, feature_layer, keeps_class_token)
    tower = {**(CLIP if kind == "clip" else SIGLIP), "hidden_act": act}
    model = with_weights_of(hf, ours(tower, feature_layer=feature_layer, class_token=keeps_class_token))
    ids = prompt(4 + (kind == "clip" and keeps_class_token))
    with torch.no_grad():
        expected = hf(input_ids=ids, pixel_values=pixels()).logits
        logits = model(ids, pixels=pixels()).logits
    assert expected.std() > 0.1, "such logits would hide a difference"
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)


def test_quick_gelu_and_gelu_are_told_apart() -> None:
    hf = theirs("clip", "quick_gelu", -2, False)
    logits = [
        with_weights_of(hf, ours({**CLIP, "hidden_act": act}))(prompt(4), pixels=pixels()).logits
        for act in ("quick_gelu", "gelu")
    ]
    assert (logits[0] - logits[1]).abs().max() > 1e-3
    # OpenAI's CLIP is quick_gelu, and its published configurations say so by silence.
    assert vision.build_tower(CLIP).config.hidden_act == "quick_gelu"


def test_several_pictures_a_row_and_rows_without_any() -> None:
    hf = theirs("clip", "quick_gelu", -2, False)
    model = with_weights_of(hf, ours())
    four = [IMAGE] * 4
    ids = torch.tensor([[1, *four, 5, *four, 6], [1, 5, 6, 7, 8, 9, *four, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]])
    with torch.no_grad():
        expected = hf(input_ids=ids, pixel_values=pixels(3)).logits
        logits = model(ids, pixels=pixels(3)).logits
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)


def test_the_loss_is_transformers_mean_over_trained_tokens() -> None:
    hf = theirs("clip", "quick_gelu", -2, False)
    model = with_weights_of(hf, ours())
    ids = torch.cat([prompt(4), prompt(4).flip(1)])
    labels = ids.clone()
    labels[0, :8] = labels[1, 3:9] = -100
    labels[labels == IMAGE] = -100
    with torch.no_grad():
        expected = hf(input_ids=ids, pixel_values=pixels(2), labels=labels).loss
        output = model(ids, pixels=pixels(2), labels=labels)
    torch.testing.assert_close(output.loss, expected, atol=1e-4, rtol=0)
    assert output.num_trained == int((labels[:, 1:] != -100).sum()) == len(output.logits)
    assert output.loss_sum is not None
    torch.testing.assert_close(output.loss_sum / output.num_trained, output.loss)


def test_the_first_label_is_no_target_and_every_other_is_one_shifted_once() -> None:
    model = ours()
    ids = torch.tensor([[1, 5, 9, 7, 8]])
    output = model(ids, labels=ids)
    logits = model(ids).logits
    expected = F.cross_entropy(logits[0, :-1], ids[0, 1:], reduction="sum")
    torch.testing.assert_close(output.loss_sum, expected)
    assert output.num_trained == 4


@pytest.mark.parametrize("labels", [None, torch.full((1, 5), -100)])
def test_no_trained_token_no_loss(labels: torch.Tensor | None) -> None:
    output = ours()(torch.tensor([[1, 5, 9, 7, 8]]), labels=labels)
    with pytest.raises(ValueError, match="no trained token"):
        _ = output.loss


def test_a_batch_without_trained_tokens_can_still_be_summed() -> None:
    output: LlavaOutput = ours()(torch.tensor([[1, 5, 9]]), labels=torch.full((1, 3), -100))
    assert output.loss_sum is not None
    output.loss_sum.backward()
    assert (output.loss_sum.item(), output.num_trained) == (0.0, 0)


def test_the_last_rows_alone_are_the_last_rows_of_all() -> None:
    model = ours()
    with torch.no_grad():
        whole = model(prompt(4), pixels=pixels()).logits
        last = model(prompt(4), pixels=pixels(), logits_to_keep=2).logits
    assert last.shape[1] == 2
    torch.testing.assert_close(last, whole[:, -2:])


# ---- the tower ----


@pytest.mark.parametrize(("feature_layer", "num_run"), [(-1, 3), (-2, 2), (-3, 1), (-4, 0), (0, 0), (2, 2)])
def test_layers_after_the_selected_one_are_never_computed(feature_layer: int, num_run: int) -> None:
    model = ours(feature_layer=feature_layer)
    run: list[int] = []
    tower: Any = model.vision_tower
    for index, layer in enumerate(tower.encoder.layers):
        layer.register_forward_hook(lambda *_, index=index: run.append(index))
    tower.post_layernorm.register_forward_hook(lambda *_: run.append(-1))
    model.encode_images(pixels())
    assert run == list(range(num_run))


def test_the_class_token_leads_and_is_dropped() -> None:
    tower = vision.build_tower(CLIP)
    kept = vision.features(tower, pixels(), -2, class_token=True)
    assert kept.shape == (1, 5, 32)
    assert torch.equal(vision.features(tower, pixels(), -2, class_token=False), kept[:, 1:])
    assert (vision.has_class_token(tower), vision.has_class_token(vision.build_tower(SIGLIP))) == (True, False)


def test_a_frozen_tower_keeps_no_graph_and_the_connector_learns() -> None:
    model = ours()
    model.vision_tower.requires_grad_(False)
    labels = prompt(4).masked_fill(prompt(4) == IMAGE, -100)
    model(prompt(4), pixels=pixels(), labels=labels).loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.connector.parameters())
    assert all(p.grad is None for p in model.vision_tower.parameters())


def test_a_trained_tower_gets_gradients_up_to_the_selected_layer() -> None:
    model = ours()
    model(prompt(4), pixels=pixels(), labels=prompt(4).masked_fill(prompt(4) == IMAGE, -100)).loss.backward()
    tower: Any = model.vision_tower
    reached = [any(p.grad is not None for p in layer.parameters()) for layer in tower.encoder.layers]
    assert reached == [True, True, False]


def test_the_placeholders_row_of_the_vocabulary_is_never_read() -> None:
    model = ours()
    with torch.no_grad():
        before = model(prompt(4), pixels=pixels()).logits
        model.language_model.get_input_embeddings().weight[IMAGE] = float("nan")  # type: ignore[operator]
        after = model(prompt(4), pixels=pixels()).logits
    assert torch.equal(before, after)


def test_a_placeholder_outside_the_vocabulary_gives_the_same() -> None:
    inside, outside = ours(), ours(image_token_id=-200)
    ids = prompt(4)
    with torch.no_grad():
        a = inside(ids, pixels=pixels()).logits
        b = outside(ids.masked_fill(ids == IMAGE, -200), pixels=pixels()).logits
    assert torch.equal(a, b)


# ---- mismatches ----


@pytest.mark.parametrize(("num_places", "num_tiles"), [(4, 2), (8, 1), (3, 1), (5, 1), (0, 1), (4, 0)])
def test_places_and_picture_tokens_must_agree(num_places: int, num_tiles: int) -> None:
    with pytest.raises(ValueError, match=rf"hold {num_places} picture placeholders .* give {4 * num_tiles} tokens"):
        ours()(prompt(num_places), pixels=pixels(num_tiles) if num_tiles else None)


def test_no_pictures_is_no_pictures_however_it_is_said() -> None:
    model, ids = ours(), torch.tensor([[1, 5, 9]])
    with torch.no_grad():
        assert torch.equal(model(ids).logits, model(ids, pixels=torch.zeros(0, 3, 28, 28)).logits)


# ---- batches and caches ----


@pytest.mark.parametrize("text", [LLAMA, *OTHERS.values()], ids=lambda text: text["model_type"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_nothing(text: dict[str, Any], side: Literal["left", "right"]) -> None:
    model = ours(text=text)
    rows = [[1, *[IMAGE] * 4, 7, 8], [1, 5, 6], [1, 9, *[IMAGE] * 4, 3, 4, 5, 11]]
    length = max(map(len, rows))
    ids, mask = torch.zeros(3, length, dtype=torch.long), torch.zeros(3, length, dtype=torch.long)
    for row, tokens in enumerate(rows):
        place = slice(length - len(tokens), length) if side == "left" else slice(0, len(tokens))
        ids[row, place], mask[row, place] = torch.tensor(tokens), 1
    tiles = pixels(2)
    with torch.no_grad():
        batched = model(ids, mask, tiles).logits
        alone = [
            model(torch.tensor([rows[0]]), pixels=tiles[:1]).logits[0],
            model(torch.tensor([rows[1]])).logits[0],
            model(torch.tensor([rows[2]]), pixels=tiles[1:]).logits[0],
        ]
    for row in range(3):
        torch.testing.assert_close(batched[row][mask[row].bool()], alone[row], atol=1e-4, rtol=0)


@pytest.mark.parametrize("text", [LLAMA, *OTHERS.values()], ids=lambda text: text["model_type"])
def test_step_by_step_with_a_cache_is_all_at_once(text: dict[str, Any]) -> None:
    from transformers import DynamicCache

    model, ids = ours(text=text), torch.tensor([[0, 0, 1, 5, 9, 7, 8, 3, 44, 2, 6, 12]])
    mask = (ids != 0).long()
    with torch.no_grad():
        whole = model(ids, mask).logits
        cache = DynamicCache(config=model.language_model.config)
        steps = []
        for start, end in ((0, 5), (5, 6), (6, 9), (9, 12)):
            x_BTD = model.hidden(model.embed(ids[:, start:end]), mask[:, :end], cache)
            steps.append(model.logits(x_BTD))
    torch.testing.assert_close(torch.cat(steps, 1)[:, 2:], whole[:, 2:], atol=1e-4, rtol=0)


# ---- other language models ----


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_other_language_models_read_and_learn(text: dict[str, Any]) -> None:
    model = ours(text=text)
    assert model.config.language_width == 48
    labels = prompt(4).masked_fill(prompt(4) == IMAGE, -100)
    model(prompt(4), pixels=pixels(), labels=labels).loss.backward()
    assert all(p.grad is not None for p in model.connector.parameters())
    ids = torch.tensor([[1, 5, 9, 7]])
    with torch.no_grad():
        expected: Any = model.language_model(input_ids=ids)
    torch.testing.assert_close(model(ids).logits, expected.logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_type_is_torchs_default_and_pixels_follow(dtype: torch.dtype) -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        model = ours()
    finally:
        torch.set_default_dtype(before)
    assert {p.dtype for p in model.parameters()} == {dtype}
    assert model(prompt(4), pixels=pixels()).logits.dtype == model.dtype == dtype


def test_a_model_can_be_built_without_memory() -> None:
    with torch.device("meta"):
        model = Llava(LlavaConfig(vision=CLIP, language=LLAMA))
    assert {p.device.type for p in model.parameters()} == {"meta"}


def test_building_twice_from_one_configuration_leaves_it_alone() -> None:
    config = LlavaConfig(vision=copy.deepcopy(CLIP), language=copy.deepcopy(LLAMA))
    Llava(config)
    assert (config.vision, config.language) == (CLIP, LLAMA)


# ---- what cannot be built ----


@pytest.mark.parametrize("feature_layer", [-5, 4, 100])
def test_a_layer_the_tower_does_not_have(feature_layer: int) -> None:
    with pytest.raises(UserError, match=rf"feature layer {feature_layer} .* 3 layers.*-4 to 3"):
        ours(feature_layer=feature_layer)


@pytest.mark.parametrize("kind", [None, "resnet", "clip"])
def test_an_unknown_tower(kind: str | None) -> None:
    with pytest.raises(UserError, match="known: clip_vision_model, siglip_vision_model"):
        vision.build_tower({**TOWER, "model_type": kind})


@pytest.mark.parametrize("kind", [None, "lama", 5, "clip_vision_model", "t5"])
def test_an_unknown_language_model(kind: object) -> None:
    with pytest.raises(UserError, match="language model"):
        language.build_language({**LLAMA, "model_type": kind})


@pytest.mark.parametrize(
    "wrong",
    [
        {"rope_parameters": {"rope_type": "nonsense", "rope_theta": 1e4}},
        {"rope_scaling": {"rope_type": "nonsense", "factor": 2.0}},
        {"hidden_act": "nonsense"},
        {"num_hidden_layers": "two"},
    ],
    ids=str,
)
def test_settings_transformers_does_not_know(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"llama cannot be built .*(nonsense|num_hidden_layers|str)"):
        language.build_language({**LLAMA, **wrong})


def test_code_named_by_a_configuration_is_not_run() -> None:
    with pytest.raises(UserError, match="auto_map"):
        language.build_language({**LLAMA, "auto_map": {"AutoModelForCausalLM": "evil.Evil"}})


def test_a_configuration_without_a_width() -> None:
    with pytest.raises(UserError, match="hidden_size"):
        ours(text={"model_type": "llama", "vocab_size": 120})


def test_quick_gelu_without_gradients_is_bit_for_bit_the_one_with() -> None:
    tower = vision.build_tower({**CLIP, "hidden_act": "quick_gelu"})
    pixels = torch.randn(2, 3, 28, 28)
    with_graph = vision.features(tower, pixels, -2, class_token=False)
    with torch.inference_mode():
        without = vision.features(tower, pixels, -2, class_token=False)
    assert with_graph.requires_grad
    assert torch.equal(with_graph, without)
