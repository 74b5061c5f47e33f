"""The light assistant says what the torch path says in float32, and knows what it cannot do."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from chiasm import bundled
from chiasm.backends import open_model
from chiasm.backends.light import LightChatModel, Unsupported
from chiasm.backends.local import LocalChatModel
from chiasm.backends.local_prompts import UnansweredError
from chiasm.chat import ChatModel, Delta, Sampling, collect
from chiasm.checkpoints import load as load_checkpoint
from chiasm.checkpoints import write_familiarity
from chiasm.cli.token_counts import count
from chiasm.conversation import Conversation, user
from chiasm.errors import UserError
from chiasm.models.familiarity import Familiarity
from chiasm.scenes.drawing.compose import draw
from chiasm.scenes.placing import sample_scene
from tests.backends.light.folders import random_assistant
from tests.backends.tiny import assistant
from tests.checkpoints import tiny

SHORT = Sampling(max_tokens=40)
NOISE = random.Random(5).randbytes(3 * 90 * 60)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Drawn ones, and one of noise, which is unlike them; the second is no square."""
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(4):
        image = draw(sample_scene(52525, index, 140)).image
        (image.crop((0, 0, 140, 101)) if index == 1 else image).save(folder / f"{index}.png")
    Image.frombytes("RGB", (90, 60), NOISE).save(folder / "4.png")
    return [folder / f"{index}.png" for index in range(5)]


@pytest.fixture(scope="module")
def light() -> LightChatModel:
    return LightChatModel.load(bundled.folder("assistant"))


@pytest.fixture(scope="module")
def local() -> LocalChatModel:
    torch.set_num_threads(1)
    return LocalChatModel.load(bundled.folder("assistant"), dtype="float32", device="cpu")


def last(model: ChatModel, conversation: Conversation, sampling: Sampling = SHORT) -> tuple[str, Delta]:
    """The whole text, and the last delta without its own part of it."""
    deltas = list(model.stream(conversation, sampling))
    text = "".join(delta.text for delta in deltas)
    assert len(deltas) > 2 or len(text) < 8, "the answer came in one piece"
    return text, Delta("", deltas[-1].finish_reason, deltas[-1].usage, (), deltas[-1].unfamiliar)


@pytest.mark.parametrize("question", ["What is this?", "Describe the picture.", "图片里有什么？", "Is there a dog?"])
def test_answers_are_those_of_torch(
    light: LightChatModel, local: LocalChatModel, pictures: list[Path], question: str
) -> None:
    for shown in ([picture] for picture in pictures):
        talk = Conversation((user(question, shown),))
        text, end = last(light, talk)
        expected, local_end = last(local, talk)
        assert (text, end.finish_reason, end.unfamiliar) == (expected, local_end.finish_reason, local_end.unfamiliar)
        assert text
    assert end.unfamiliar == (0,)  # of the noise


def test_several_pictures_several_turns_and_a_system_text(
    light: LightChatModel, local: LocalChatModel, pictures: list[Path]
) -> None:
    talk = Conversation(()).said("system", "Be short.")
    talk = Conversation((*talk.messages, user("What is in the two pictures?", pictures[3:])))
    fresh, *models = LightChatModel.load(bundled.folder("assistant")), light, local
    for _ in range(2):
        (text, end), (expected, local_end) = [last(model, talk) for model in models]
        assert (text, end.unfamiliar) == (expected, local_end.unfamiliar)
        assert end.unfamiliar[-1:] == (1,)
        assert end.usage is not None
        assert local_end.usage is not None
        assert end.usage.num_prompt == local_end.usage.num_prompt
        talk = Conversation((*talk.said("assistant", text).messages, user("And what is on the left?")))
    text, end = last(light, talk)
    assert end.usage is not None
    # All but the last answer's end and the new question were kept, and nothing of it changes the answer.
    assert end.usage.num_cached > 200
    assert text == last(local, talk)[0] == last(fresh, talk)[0]


def test_random_weights_with_and_without_a_picture_stopped_and_not(tmp_path: Path) -> None:
    folder = random_assistant(tmp_path / "model")
    light, local = LightChatModel.load(folder), LocalChatModel.load(folder, dtype="float32", device="cpu")
    for question in ("Hello", "a", "what now"):
        for shown in ([], [Image.frombytes("RGB", (90, 60), NOISE)]):
            talk = Conversation((user(question, shown),))
            answer, expected = (collect(model.stream(talk, Sampling(max_tokens=60))) for model in (light, local))
            assert (answer.text, answer.finish_reason) == (expected.text, expected.finish_reason)
            assert answer.usage.num_answer == expected.usage.num_answer
            stop = answer.text[3:5]
            cut = Sampling(max_tokens=60, stop=(stop,))
            stopped = [collect(model.stream(talk, cut)) for model in (light, local)]
            assert {(each.text, each.finish_reason, each.usage.num_answer) for each in stopped} == {
                (answer.text.partition(stop)[0].rstrip(), "stop", stopped[0].usage.num_answer)
            }


def test_the_limits_are_told_as_by_torch(tmp_path: Path) -> None:
    folder = random_assistant(tmp_path / "model")
    light, local = LightChatModel.load(folder), LocalChatModel.load(folder, dtype="float32", device="cpu")
    assert light.max_positions == 512
    errors = []
    for model in (light, local):
        with pytest.raises(UserError, match="context holds 512") as caught:
            last(model, Conversation((user("a" * 600),)))
        errors.append(str(caught.value))
    assert errors[0] == errors[1]
    nearly = Conversation((user("a" * 450),))
    assert count(light, nearly) == count(local, nearly)
    used = collect(light.stream(nearly, Sampling())).usage
    assert used.num_prompt + used.num_answer <= 512


def test_draws_are_repeatable_by_their_seed(light: LightChatModel, pictures: list[Path]) -> None:
    talk = Conversation((user("Describe the picture.", pictures[:1]),))
    texts = [last(light, talk, Sampling(40, temperature=1.5, top_p=0.95, seed=seed))[0] for seed in (1, 1, 2, 3)]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


def test_many_are_answered_and_the_others_named(light: LightChatModel, pictures: list[Path]) -> None:
    talks = [Conversation((user("What is this?", [each]),)) for each in (*pictures[:2], pictures[0])]
    bad = Conversation((user("What is this?", ["nowhere.png"]),), id="lost")
    answering, answers = light.answer_all([*talks, bad], SHORT), {}
    for answer in itertools.islice(answering, 3):
        answers[answer.index] = answer.text
    with pytest.raises(UnansweredError, match=r"1 of 4 .*lost"):
        next(answering)
    assert answers.keys() == {0, 1, 2}
    assert answers[0] == answers[2] == last(light, talks[0])[0]


def test_what_only_torch_gives_is_refused(light: LightChatModel) -> None:
    for sampling in (Sampling(json_schema="{}"), Sampling(num_likely=0)):
        with pytest.raises(UserError, match="torch"):
            next(light.stream(Conversation((user("Hello"),)), sampling))


def test_only_the_bundled_assistant_as_it_is_opens_light(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random_assistant(tmp_path / "assistant")
    monkeypatch.setattr(bundled, "__file__", str(tmp_path / "__init__.py"))
    assert isinstance(open_model(light=True), LightChatModel)
    others = [
        open_model(),
        open_model(tmp_path / "assistant", light=True),
        open_model(dtype="float32", light=True),
        open_model(device="cpu", light=True),
        open_model(template="vicuna_v1", light=True),
    ]
    assert {type(model) for model in others} == {LocalChatModel}
    with pytest.raises(UserError, match="base-url"):
        open_model(base_url="http://127.0.0.1", light=True)


@pytest.mark.parametrize("change", ["kind", "pictures", "words", "processor", "layer", "tensors"])
def test_of_another_kind_it_leaves_to_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    folder = random_assistant(tmp_path / "assistant")
    if change == "kind":
        tiny.edit(folder / "config.json", vision_feature_select_strategy="full")
    elif change == "pictures":
        tiny.edit(folder / "processor.json", images={"policy": "pad", "size": 42, "patch_size": 14})
    elif change == "words":
        tiny.edit(folder / "processor.json", eos_token="<nowhere>")
    elif change == "processor":
        (folder / "processor.json").unlink()
        (folder / "manifest.json").unlink()
    elif change == "layer":  # the last of the tower, which is not run here
        stats = 2 * tiny.VISION["hidden_size"]
        gaussian = torch.zeros(stats), torch.ones(stats), torch.eye(stats)[:3], torch.ones(3), 1.0, 1.0
        write_familiarity(folder, Familiarity(*gaussian, layer=tiny.VISION["num_hidden_layers"]))
        assert load_checkpoint(folder, progress=False).familiarity is not None
    else:
        weights = load_file(folder / "model.safetensors")
        save_file({**weights, "language_model.model.layers.0.strange.weight": torch.ones(2)}, folder / "other")
        (folder / "other").replace(folder / "model.safetensors")
        (folder / "manifest.json").unlink()
    with pytest.raises(Unsupported):
        LightChatModel.load(folder)
    asked = list[object]()
    monkeypatch.setattr(bundled, "__file__", str(tmp_path / "__init__.py"))

    def load(source: object, **_: object) -> LocalChatModel:
        asked.append(source)
        return assistant()

    monkeypatch.setattr(LocalChatModel, "load", load)
    open_model(light=True)
    assert asked == [folder]


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    folder = random_assistant(tmp_path / "assistant")
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"SHA-256 differs"):
        LightChatModel.load(folder)
