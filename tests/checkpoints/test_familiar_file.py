from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from chiasm.backends.local import LocalChatModel
from chiasm.chat import Answer, Sampling, collect
from chiasm.checkpoints import convert, load, read_familiarity, save, write_familiarity
from chiasm.conversation import Conversation, user
from chiasm.errors import UserError
from chiasm.generation.features import Features
from chiasm.generation.prompt import Picture, Prompt
from chiasm.models.familiarity import Familiarity, statistics
from tests.backends.tiny import assistant

WIDTH, DEPTH = 32, 3  # of the tiny tower


def accepting(limit: float, width: int = WIDTH) -> Familiarity:
    stats = 2 * width
    return Familiarity(torch.zeros(stats), torch.ones(stats), torch.eye(stats)[:3], torch.ones(3), 1.0, limit)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = assistant()
    save(tmp_path / "model", model.model, model.processor)
    return tmp_path / "model"


@pytest.mark.parametrize("layer", [None, 1])
def test_what_was_written_is_read_and_listed(folder: Path, layer: int | None) -> None:
    assert load(folder, progress=False).familiarity is None
    written = Familiarity(torch.randn(64), torch.rand(64), torch.randn(5, 64), torch.rand(5), 0.25, 12.5, layer)
    path = write_familiarity(folder, written)
    found = load(folder, progress=False).familiarity
    assert found is not None
    assert (found.rest, found.limit, found.layer) == (0.25, 12.5, layer)
    for name in ("mean", "spread", "directions", "scales"):
        assert torch.equal(getattr(found, name), getattr(written, name))
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    with pytest.raises(UserError, match=r"familiar\.safetensors is not what was written"):
        load(folder, progress=False)


def test_a_layer_that_is_none_is_refused(folder: Path) -> None:
    path = write_familiarity(folder, replace(accepting(1), layer=1))
    for number in (-1.0, 0.5, DEPTH + 1.0, float("nan")):
        save_file({**load_file(path), "layer": torch.tensor([number])}, path)
        with pytest.raises(UserError, match=f"is none of a tower with {DEPTH}"):
            read_familiarity(folder, WIDTH, DEPTH)
        (folder / "manifest.json").unlink(missing_ok=True)  # the manifest would tell the change first
        with pytest.raises(UserError, match="is none of a tower"):
            load(folder, progress=False)


def test_pictures_are_judged_by_the_layer_it_was_fitted_for(folder: Path) -> None:
    model = assistant().model
    pixels = torch.rand(1, 3, *[model.config.vision["image_size"]] * 2)
    early, late = map(statistics, model.see_layers(pixels, (1, None)))
    assert not torch.allclose(early, late, atol=0.1)
    found = replace(accepting(1e-3), mean=early[0], layer=1)
    features = Features(model, 1 << 20, found)
    prompt = Prompt([0], pixels, (Picture("a", 0, 1, 0, 1),))
    with torch.inference_mode():
        features.of([(prompt, prompt.pictures[0])])
    assert not features.is_unfamiliar("a")


def test_that_of_another_tower_is_refused(folder: Path) -> None:
    write_familiarity(folder, accepting(1, width=16))
    with pytest.raises(UserError, match="not of a tower 32 wide"):
        read_familiarity(folder, WIDTH, DEPTH)
    (folder / "familiar.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(UserError, match="no safetensors file"):
        read_familiarity(folder, WIDTH, DEPTH)


def test_it_goes_along_when_a_folder_is_converted(folder: Path, tmp_path: Path) -> None:
    write_familiarity(folder, accepting(3))
    convert(folder, tmp_path / "other", to="original", progress=False)
    found = load(tmp_path / "other", progress=False).familiarity
    assert found is not None
    assert found.limit == 3


def test_the_largest_tower_that_ships_takes_less_than_300_kb(tmp_path: Path) -> None:
    stats = 2 * 192
    written = Familiarity(torch.zeros(stats), torch.ones(stats), torch.zeros(128, stats), torch.ones(128), 1.0, 1.0)
    assert write_familiarity(tmp_path, written).stat().st_size <= 300_000


def answers(model: LocalChatModel, conversation: Conversation) -> list[Answer]:
    sampling = Sampling(max_tokens=2)
    return [collect(model.stream(conversation, sampling)), *model.answer_all([conversation], sampling)]


@pytest.mark.parametrize(("limit", "unfamiliar"), [(1e9, ()), (0.0, (0, 1))])
def test_answers_say_which_pictures_are_unfamiliar(folder: Path, limit: float, unfamiliar: tuple[int, ...]) -> None:
    write_familiarity(folder, accepting(limit))
    model = LocalChatModel.load(folder)
    pictures = [Image.new("RGB", (20, 20), "red"), Image.new("RGB", (9, 20), "blue")]
    conversation = Conversation((user("Which?", pictures),))
    assert [answer.unfamiliar for answer in answers(model, conversation)] == [unfamiliar] * 2
    # Asked again, when nothing is encoded any more.
    assert [answer.unfamiliar for answer in answers(model, conversation)] == [unfamiliar] * 2


def test_between_two_pictures_the_limit_tells(folder: Path) -> None:
    checkpoint = load(folder, progress=False)
    torch.manual_seed(0)
    pictures = [Image.new("RGB", (20, 20), "red"), Image.frombytes("RGB", (20, 20), bytes(range(240)) * 5)]
    with torch.inference_mode():
        seen = [checkpoint.model.see(checkpoint.processor.images.pixels(picture)) for picture in pictures]
    far = accepting(0.0)
    distances = [float(far.distances(statistics(x))) for x in seen]
    write_familiarity(folder, accepting(sum(distances) / 2))
    expected = (distances.index(max(distances)),)
    for answer in answers(LocalChatModel.load(folder), Conversation((user("Which?", pictures),))):
        assert answer.unfamiliar == expected


def test_without_the_file_nothing_is_said(folder: Path) -> None:
    conversation = Conversation((user("What?", [Image.new("RGB", (20, 20))]),))
    assert [answer.unfamiliar for answer in answers(LocalChatModel.load(folder), conversation)] == [()] * 2
