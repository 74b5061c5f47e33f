"""The published code's own numbers for its tiny checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chiasm import checkpoints
from chiasm.checkpoints import Checkpoint
from chiasm.conversation import Conversation
from chiasm.processing.tokens import PICTURE

CASES = ("single_image", "text_only", "two_images", "multi_turn", "image_second_turn", "chinese")


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> Path:
    return shared_data / "golden"


@pytest.fixture(scope="module")
def records(golden: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((golden / "model" / "llava-tiny-v15.golden.json").read_text())
    return values


@pytest.fixture(scope="module", params=["as published", "hf", "back in the original layout"])
def checkpoint(golden: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    published = golden / "model" / "llava-tiny-v15"
    if request.param == "as published":
        return checkpoints.load(published)
    root = tmp_path_factory.mktemp("golden")
    checkpoints.convert(published, root / "hf", to="hf")
    if request.param == "hf":
        return checkpoints.load(root / "hf")
    checkpoints.convert(root / "hf", root / "original", to="original")
    return checkpoints.load(root / "original")


def _conversation(case: dict[str, Any], golden: Path) -> Conversation:
    turns = [{"from": ("human", "gpt")[i % 2], "value": value} for i, value in enumerate(case["turns"])]
    return Conversation.from_llava({"image": case["images"], "conversations": turns}, golden / "images")


@pytest.mark.parametrize("name", CASES)
def test_ids_logits_loss_and_answer(checkpoint: Checkpoint, records: dict[str, Any], golden: Path, name: str) -> None:
    case = next(case for case in records["cases"] if case["case"] == name)
    numbers = np.load(golden / "model" / "llava-tiny-v15.npz")
    conversation = _conversation(case, golden)
    example = checkpoint.processor.encode(Conversation(conversation.messages[:-1]))
    num_tokens = checkpoint.processor.images.one_tile().num_tokens
    image_token = checkpoint.processor.image_token_id
    expanded: list[int] = []
    for token in case["prompt_input_ids"]:
        expanded += [image_token] * num_tokens if token == PICTURE else [token]
    assert example.input_ids.tolist() == expanded
    for index in range(len(case["images"])):
        assert np.allclose(example.pixels[index].numpy(), numbers[f"{name}.pixels{index}"], atol=1e-6)

    model = checkpoint.model
    with torch.no_grad():
        logits = model(**example.batch(), logits_to_keep=8).logits[0]
        assert np.abs(logits[:, :2000].numpy() - numbers[f"{name}.logits_last8"]).max() < 2e-3
        ids = example.input_ids
        for wanted in case["generated_ids"]:
            rows = model(ids[None], pixels=example.pixels, logits_to_keep=1).logits[0, -1]
            assert int(rows.argmax()) == wanted
            ids = torch.cat([ids, rows.argmax()[None]])
        trained = checkpoint.processor.encode(conversation, train=True)
        loss = model(trained.input_ids[None], pixels=trained.pixels, labels=trained.labels[None]).loss
    assert abs(float(loss) - case["loss"]) < 1e-4


def test_the_loss_of_a_batch(checkpoint: Checkpoint, records: dict[str, Any], golden: Path) -> None:
    cases = {case["case"]: case for case in records["cases"]}
    names = records["batch"]["cases_in_order"]
    examples = [checkpoint.processor.encode(_conversation(cases[name], golden), train=True) for name in names]
    pad = torch.nn.utils.rnn.pad_sequence
    ids = pad([example.input_ids for example in examples], batch_first=True)
    labels = pad([example.labels for example in examples], batch_first=True, padding_value=-100)
    mask = pad([torch.ones_like(example.input_ids) for example in examples], batch_first=True)
    pixels = torch.cat([example.pixels for example in examples])
    with torch.no_grad():
        loss = checkpoint.model(ids, attention_mask=mask, pixels=pixels, labels=labels).loss
    assert list(ids.shape) == records["batch"]["expanded_shape"]
    assert abs(float(loss) - records["batch"]["loss"]) < 1e-4


def test_round_trip_of_the_published_folder(golden: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    published = golden / "model" / "llava-tiny-v15"
    checkpoints.convert(published, tmp_path / "hf", to="hf")
    checkpoints.convert(tmp_path / "hf", tmp_path / "original", to="original")
    before = load_file(published / "model.safetensors")
    after = load_file(tmp_path / "original" / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    for name in ("config.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"):
        assert json.loads((published / name).read_text()) == json.loads((tmp_path / "original" / name).read_text())
    assert (published / "tokenizer.model").read_bytes() == (tmp_path / "original" / "tokenizer.model").read_bytes()
