"""The demo from an empty folder to measured answers, however often it is interrupted on the way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import chiasm
from chiasm.backends.local import LocalChatModel
from chiasm.demo import story as module
from chiasm.demo.story import MOMENTS, Asked, Story, tell
from chiasm.errors import UserError
from tests.demo.conftest import CHANGES
from tests.training import micro


def test_every_question_is_asked_at_every_moment(told: Story) -> None:
    questions = json.loads((told.folder / "world" / "questions_val.json").read_text())
    assert [(a.image, a.question, a.truth) for a in told.asked] == [
        (q["image"], q["question"], q["answer"]) for q in questions
    ]
    assert len(told.asked) > 15
    for asked in told.asked:
        assert asked.answers.keys() == MOMENTS.keys()
    assert all(told.measured(moment) for moment in MOMENTS)


def test_no_picture_it_is_asked_about_was_learnt_from(told: Story) -> None:
    world = told.folder / "world"
    learnt = {
        record["image"]
        for name in ("align", "instruct")
        for record in json.loads((world / f"{name}_train.json").read_text())
    }
    assert not learnt & {asked.image for asked in told.asked}
    seen = {(world / "images" / name).read_bytes() for name in learnt}
    assert not seen & {(world / "images" / asked.image).read_bytes() for asked in told.asked}


def test_the_model_lies_where_chat_looks_for_it(told: Story, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "demo").symlink_to(told.folder)
    monkeypatch.chdir(tmp_path)
    assert isinstance(chiasm.load(), LocalChatModel)


def test_a_second_call_asks_nothing_again(told: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(LocalChatModel, "answer_all", never)
    before = {path: path.stat().st_mtime_ns for path in told.folder.rglob("*") if path.is_file()}
    recorder = micro.Recorder()
    again = tell(told.folder, recorder, changes=CHANGES, num_train=40)
    assert again.asked == told.asked
    assert recorder.begun == []
    assert {path: path.stat().st_mtime_ns for path in told.folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("moment", ["see", "talk, asking", "talk, asked", "align", "instruct, asking", "saving"])
def test_an_interrupted_demo_goes_on_to_the_same_end(
    told: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    folder = tmp_path / "demo"
    shutil.copytree(told.folder / "world", folder / "world")
    recorder = micro.Recorder(fail_at=(moment, 2))
    asked: list[str] = []
    answer_all = LocalChatModel.answer_all

    def asking(self: LocalChatModel, *arguments: Any) -> Any:
        asked.append("x")
        stop = {"talk, asking": 1, "instruct, asking": 3}.get(moment)
        for number, answer in enumerate(answer_all(self, *arguments)):
            if len(asked) == stop and number == 5:
                raise micro.Killed
            yield answer

    def saving(*_: Any, **__: Any) -> None:
        raise micro.Killed

    with monkeypatch.context() as patch:
        patch.setattr(LocalChatModel, "answer_all", asking)
        if moment == "talk, asked":
            note = recorder.note
            patch.setattr(recorder, "note", lambda text: (note(text), saving()))
        if moment == "saving":
            patch.setattr("chiasm.checkpoints.save", saving)
        with pytest.raises(micro.Killed):
            tell(folder, recorder, changes=CHANGES, num_train=40)
    end = tell(folder, micro.Recorder(), changes=CHANGES, num_train=40)
    assert [a.answers.keys() for a in end.asked] == [a.answers.keys() for a in told.asked]
    assert end.asked == told.asked
    assert (folder / "final").is_dir()


def test_other_sizes_on_the_same_folder_are_refused(told: Story) -> None:
    with pytest.raises(UserError, match=r"another recipe.*hidden_size"):
        tell(told.folder, micro.Recorder(), changes=[*CHANGES, "model.vision.hidden_size=64"], num_train=40)


@pytest.mark.parametrize("content", ["", "[", "{}", '[{"image": 1}]'])
def test_a_damaged_story_is_told(told: Story, tmp_path: Path, content: str) -> None:
    shutil.copytree(told.folder / "world", tmp_path / "world")
    (tmp_path / "demo.json").write_text(content)
    with pytest.raises(UserError, match=r"demo\.json.*--fresh"):
        tell(tmp_path, micro.Recorder(), changes=CHANGES, num_train=40)


# ---- what is counted -------------------------------------------------------------------------------------------------


def _story(*asked: tuple[str, str, str]) -> Story:
    return Story(Path(), [Asked("a.png", kind, "?", truth, {"talk": said}) for kind, truth, said in asked])


@pytest.mark.parametrize(
    ("said", "right"),
    [("yes", True), (" Yes.\n", True), ("YES", True), ("yes, it is", False), ("no", False), ("", False), (".", False)],
)
def test_an_answer_is_right_when_it_is_the_truth(said: str, right: bool) -> None:
    assert Asked("a.png", "existence", "?", "yes", {"talk": said}).right("talk") == right


def test_accuracy_and_guessing() -> None:
    story = _story(
        ("existence", "yes", "yes"),
        ("existence", "no", "yes"),
        ("colour", "red", "red"),
        ("colour", "blue", "green"),
        ("colour", "red", "Red."),
    )
    assert story.kinds == ["existence", "colour"]
    assert story.accuracy("talk") == 60
    assert story.accuracy("talk", "colour") == pytest.approx(100 * 2 / 3)
    assert story.guessing("existence") == 50
    assert story.guessing("colour") == pytest.approx(100 * 2 / 3)
    assert story.guessing() == 60  # each kind guessed by itself
    assert Story(Path(), []).guessing() == Story(Path(), []).accuracy("talk") == 0


def test_what_was_measured_survives_a_kill_while_it_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = _story(("colour", "rot", "röt"))
    story.folder = tmp_path
    story.save()
    before = (tmp_path / "demo.json").read_bytes()

    def killed(*_: Any, **__: Any) -> None:
        raise micro.Killed

    monkeypatch.setattr(Path, "replace", killed)
    story.asked[0].answers["talk"] = "blau"
    with pytest.raises(micro.Killed):
        story.save()
    assert (tmp_path / "demo.json").read_bytes() == before
    assert module.NUM_PICTURES == 6
