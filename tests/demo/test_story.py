"""The demo from an empty folder to measured answers, however often it is interrupted on the way."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chiasm import bundled
from chiasm.backends.local import LocalChatModel
from chiasm.chat import Sampling
from chiasm.demo.asking import CODES
from chiasm.demo.story import LAST, MOMENTS, SEED, Story, tell
from chiasm.errors import UserError
from tests.demo.standins import NUM_TRAIN, STEPS
from tests.training import micro


def _tell(folder: Path, recorder: micro.Recorder | None = None, *changes: str) -> Story:
    return tell(folder, recorder or micro.Recorder(), changes=[*STEPS, *changes], num_train=NUM_TRAIN)


def _keys(story: Story) -> set[str]:
    questions = {question.key for code in CODES for question in story.questions[code]}
    return questions | {request.key for request in story.requests}


def test_everything_is_asked_at_every_moment(told: Story) -> None:
    assert told.answers.keys() == MOMENTS.keys()
    assert all(texts.keys() == _keys(told) for texts in told.answers.values())
    assert len(_keys(told)) > 30
    assert {request.kind for request in told.requests} == {"describe", "ask", "reason", "compare"}


def test_no_picture_it_is_asked_about_was_learnt_from(told: Story) -> None:
    learnt: set[str] = set()
    for name in ("align", "mixture"):
        for record in json.loads((told.world.folder / f"{name}_train.json").read_text()):
            images = record.get("image", [])
            learnt.update([images] if isinstance(images, str) else images)
    asked = {Path(str(image)) for code in CODES for question in told.questions[code] for image in question.images}
    asked |= {path for request in told.requests for path in request.images}
    assert learnt
    assert not {told.world.images / name for name in learnt} & asked
    assert not {(told.world.images / name).read_bytes() for name in learnt} & {path.read_bytes() for path in asked}


def test_its_world_is_not_that_of_the_parts(told: Story) -> None:
    """The tower and the language model that come with chiasm were made of the world of seed 0."""
    assert SEED != 0
    assert json.loads(told.world.manifest.read_text())["seed"] == SEED


def test_where_it_looked_is_kept_for_every_request(told: Story) -> None:
    assert told.looked.keys() == {request.key for request in told.requests}
    for request in told.requests:
        words = told.looked[request.key]
        said = told.answers[LAST][request.key]
        assert "".join(word.text for word in words).strip() == (said.strip() if words else "")
        assert all(len(word.maps) in (0, len(request.images)) for word in words)


def test_what_is_asked_of_is_what_is_saved(told: Story) -> None:
    """The last answers are those of the finished model."""
    model = LocalChatModel.load(told.folder / "final", dtype="bfloat16")
    request = told.requests[0]
    (answer,) = model.answer_all([request.conversation], Sampling(max_tokens=8))
    assert answer.text == told.answers[LAST][request.key]


def test_a_second_call_asks_nothing_again(told: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(LocalChatModel, "answer_all", never)
    before = {path: path.stat().st_mtime_ns for path in told.folder.rglob("*") if path.is_file()}
    recorder = micro.Recorder()
    again = _tell(told.folder, recorder)
    assert (again.answers, again.looked, again.parameters) == (told.answers, told.looked, told.parameters)
    assert recorder.begun == []
    assert {path: path.stat().st_mtime_ns for path in told.folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("moment", ["start, asked", "align", "instruct, asking", "saving"])
def test_an_interrupted_demo_goes_on_to_the_same_end(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    folder = tmp_path / "demo"
    shutil.copytree(told.world.folder, folder / "world")
    recorder = micro.Recorder(fail_at=(moment, 2))
    asked: list[str] = []
    answer_all = LocalChatModel.answer_all

    def asking(self: LocalChatModel, *arguments: Any) -> Any:
        asked.append("x")  # twice a moment: questions, then requests
        for number, answer in enumerate(answer_all(self, *arguments)):
            if moment == "instruct, asking" and len(asked) == 6 and number == 3:
                raise micro.Killed
            yield answer

    def saving(*_: Any, **__: Any) -> None:
        raise micro.Killed

    with monkeypatch.context() as patch:
        patch.setattr(LocalChatModel, "answer_all", asking)
        if moment == "start, asked":
            patch.setattr(recorder, "note", lambda text: saving() if "right answers" in text else None)
        if moment == "saving":
            patch.setattr("chiasm.checkpoints.save", saving)
        with pytest.raises(micro.Killed):
            _tell(folder, recorder)
    end = _tell(folder)
    assert end.answers == told.answers
    assert end.looked == told.looked
    assert (folder / "final").is_dir()


def test_another_recipe_on_the_same_folder_is_refused(told: Story) -> None:
    with pytest.raises(UserError, match=r"another recipe.*seed"):
        _tell(told.folder, None, "seed=7")


@pytest.mark.parametrize(
    "content", ["", "[", "[]", "{}", '{"format": 1}', '{"format": 2, "answers": {"start": {}}}', '{"format": 2}']
)
def test_a_damaged_story_is_told(told: Story, tmp_path: Path, content: str) -> None:
    shutil.copytree(told.world.folder, tmp_path / "world")
    (tmp_path / "demo.json").write_text(content)
    with pytest.raises(UserError, match=r"demo\.json.*--fresh"):
        _tell(tmp_path)


def test_without_the_parts_nothing_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(part: str) -> Path:
        raise UserError(f"no weights for {part}")

    monkeypatch.setattr(bundled, "folder", absent)
    with pytest.raises(UserError, match="no weights for clip"):
        _tell(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def test_what_was_measured_survives_a_kill_while_it_is_saved(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = replace(told, folder=tmp_path)
    story.save()
    before = (tmp_path / "demo.json").read_bytes()
    assert "answers" in json.loads(before)

    def killed(*_: Any, **__: Any) -> None:
        raise micro.Killed

    monkeypatch.setattr(Path, "replace", killed)
    story.seconds = {"drawing": 1.0}
    with pytest.raises(micro.Killed):
        story.save()
    assert (tmp_path / "demo.json").read_bytes() == before
