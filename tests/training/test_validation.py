"""Looks at held-out data: what they say is right, when they happen, and that training is the same without them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import chiasm
from chiasm.backends.local import LocalChatModel
from chiasm.chat import Sampling
from chiasm.conversation import Conversation, user
from chiasm.errors import UserError
from chiasm.models.llava import Llava
from chiasm.processing.batch import pad
from chiasm.processing.processor import Processor
from chiasm.training.config import Recipe
from chiasm.training.features import CacheSettings
from chiasm.training.metrics import Answered
from chiasm.training.parallel import Lost, Told
from chiasm.training.run import run
from chiasm.training.stopping import Interrupted
from tests.training import micro, processes
from tests.training.processes import Job


@pytest.fixture(scope="module")
def held_out(micro_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven records: six with pictures, one that is only text."""
    path = tmp_path_factory.mktemp("held_out") / "held_out.json"
    text = {key: value for key, value in micro.records(micro_world, "text_train.json")[0].items() if key != "image"}
    path.write_text(json.dumps([*micro.records(micro_world)[-6:], text]))
    return path


def _validated(world: Path, held_out: Path, *changes: str, every: int = 2) -> Recipe:
    validation = f"stages.instruct.validation={{records: {held_out}, every: {every}, answers: 3}}"
    return micro.recipe(world, "stages.instruct.steps=5", *changes, validation)


def _lines(run: Path, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / name).read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def test_a_look_happens_every_so_many_steps_and_after_the_last(
    micro_world: Path, held_out: Path, tmp_path: Path
) -> None:
    recorder = micro.Recorder()
    run(_validated(micro_world, held_out), tmp_path / "run", reporter=recorder)
    lines = _lines(tmp_path / "run", "validation.jsonl")
    assert [(line["stage"], line["step"], line["num_steps"]) for line in lines] == [
        ("instruct", 2, 5),
        ("instruct", 4, 5),
        ("instruct", 5, 5),
    ]
    assert {(line["num_samples"], line["num_unusable"]) for line in lines} == {(7, 0)}
    assert [metrics["step"] for metrics, _ in recorder.validations] == [2, 4, 5]
    assert [len(answers) for _, answers in recorder.validations] == [3, 3, 3]
    # The stage's own log knows nothing of it.
    assert {line["step"] for line in micro.metrics(tmp_path / "run") if line["stage"] == "instruct"} == {1, 2, 3, 4, 5}


def test_a_signal_in_the_last_look_is_heard(micro_world: Path, held_out: Path, tmp_path: Path) -> None:
    """The run stops before its next stage, saved; what it looked at stands there once."""

    class Stopped(micro.Recorder):
        def validated(self, metrics: dict[str, Any], answers: Sequence[Answered]) -> None:
            super().validated(metrics, answers)
            if metrics["step"] == metrics["num_steps"]:
                os.kill(os.getpid(), signal.SIGTERM)

    validation = f"stages.align.validation={{records: {held_out}, every: 2, answers: 3}}"
    recipe, recorder = micro.recipe(micro_world, validation), Stopped()
    with pytest.raises(Interrupted, match="SIGTERM"):
        run(recipe, tmp_path / "run", reporter=recorder)
    assert recorder.begun == [("align", 0)]
    run(recipe, tmp_path / "run", resume=True)
    run(recipe, tmp_path / "unbroken")
    assert micro.weights(tmp_path / "run") == micro.weights(tmp_path / "unbroken")
    for name in ("validation.jsonl", "answers.jsonl"):
        assert _lines(tmp_path / "run", name) == _lines(tmp_path / "unbroken", name)


@pytest.mark.parametrize("pack", ["false", "true"])
def test_the_last_look_is_that_of_the_finished_model(
    micro_world: Path, held_out: Path, tmp_path: Path, pack: str
) -> None:
    """Loss and answers, computed a second time from the model as the stage leaves it, record by record."""
    records = json.loads(held_out.read_text())
    found: list[tuple[float, int]] = []

    def look(name: str, model: Llava, processor: Processor) -> None:
        for record in records if name == "instruct" else ():
            conversation = Conversation.from_llava(record, micro_world / "images")
            example = processor.with_template("chatml").encode(conversation, train=True)
            with torch.no_grad():
                output = model(**pad([example], "right"))
            found.append((float(output.loss_sum), output.num_trained))

    recipe = _validated(micro_world, held_out, f"stages.instruct.pack={pack}")
    model = chiasm.load(run(recipe, tmp_path / "run", after_stage=look))
    total, count = sum(loss for loss, _ in found), sum(num for _, num in found)
    line = _lines(tmp_path / "run", "validation.jsonl")[-1]
    assert line["num_trained"] == count
    assert line["loss"] == pytest.approx(total / count, abs=1e-5)

    asked = [record for index, record in enumerate(records) if index in (0, 2, 4)]  # three, spread over seven
    answers = [each for each in _lines(tmp_path / "run", "answers.jsonl") if each["step"] == 5]
    assert len(answers) == 3
    for record, said in zip(asked, answers, strict=True):
        question, expected = (turn["value"] for turn in record["conversations"][:2])
        question = question.replace("<image>", "").strip()
        picture = str(micro_world / "images" / record["image"])
        again = next(model.answer_all([Conversation((user(question, [picture]),))], Sampling(max_tokens=128)))
        assert (said["id"], said["question"].strip()) == (str(record["id"]), question)
        assert (said["images"], said["expected"]) == ([picture], expected)
        assert said["answer"] == again.text


DROPOUT = "stages.instruct.lora={rank: 3, alpha: 6, dropout: 0.3}"


@pytest.mark.parametrize(
    "changes",
    [
        ("model.language.attention_dropout=0.2",),
        (DROPOUT,),
        ("stages.instruct.pack=true", "precision=bfloat16", "model.dtype=bfloat16"),
        ("stages.instruct.features=cache", "stages.instruct.logits_at_once=5"),
        ("stages.instruct.gradient_checkpointing=true", "stages.instruct.trains=[vision, connector, language]"),
    ],
    ids=["dropout", "lora", "packed in bfloat16", "cached", "checkpointed"],
)
def test_training_is_the_same_with_and_without(
    micro_world: Path, held_out: Path, tmp_path: Path, changes: tuple[str, ...]
) -> None:
    cache = CacheSettings(tmp_path / "cache", 1.0)
    run(_validated(micro_world, held_out, *changes, every=1), tmp_path / "with", cache=cache)
    run(micro.recipe(micro_world, "stages.instruct.steps=5", *changes), tmp_path / "without", cache=cache)
    assert len(_lines(tmp_path / "with", "validation.jsonl")) == 5
    assert len(_lines(tmp_path / "with", "answers.jsonl")) == 15
    assert micro.weights(tmp_path / "with") == micro.weights(tmp_path / "without")
    assert micro.metrics(tmp_path / "with") == micro.metrics(tmp_path / "without")


@pytest.mark.parametrize("step", [3, 4])
def test_a_run_that_was_killed_looks_as_one_that_was_not(
    micro_world: Path, held_out: Path, tmp_path: Path, step: int
) -> None:
    """Killed before the look after step 4, which its checkpoint already knows of, and before it got there."""
    recipe = _validated(micro_world, held_out, "save_every=2")
    run(recipe, tmp_path / "unbroken")
    with pytest.raises(micro.Killed):
        run(recipe, tmp_path / "run", reporter=_Dying(step))
    run(recipe, tmp_path / "run", resume=True)
    for name in ("validation.jsonl", "answers.jsonl"):
        assert _lines(tmp_path / "run", name) == _lines(tmp_path / "unbroken", name)
    assert micro.weights(tmp_path / "run") == micro.weights(tmp_path / "unbroken")


class _Dying(micro.Recorder):
    """Ends the program at a step, or where that is followed by a look, when the look is there to be told."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._step = step

    def step(self, metrics: dict[str, Any]) -> None:
        if metrics["stage"] == "instruct" and metrics["step"] == self._step == 3:
            raise micro.Killed

    def validated(self, metrics: dict[str, Any], answers: Any) -> None:
        if metrics["step"] == self._step:
            raise micro.Killed


def test_a_missing_look_is_made_up_for(micro_world: Path, held_out: Path, tmp_path: Path) -> None:
    """The checkpoint of step 4 was written, the program ended before the look."""
    recipe = _validated(micro_world, held_out, "save_every=4")
    run(recipe, tmp_path / "unbroken")
    with pytest.raises(micro.Killed):
        run(recipe, tmp_path / "run", reporter=_Dying(4))
    log = tmp_path / "run" / "validation.jsonl"
    log.write_text(log.read_text().splitlines()[0] + "\n")
    run(recipe, tmp_path / "run", resume=True)
    assert _lines(tmp_path / "run", "validation.jsonl") == _lines(tmp_path / "unbroken", "validation.jsonl")


def test_what_cannot_be_used_is_named_once_and_counted(micro_world: Path, tmp_path: Path) -> None:
    good, bad = micro.records(micro_world)[:2]
    records = [good, {**bad, "id": "gone", "image": "gone.png"}, {"id": "empty", "conversations": []}]
    (tmp_path / "held_out.json").write_text(json.dumps(records))
    recorder = micro.Recorder()
    run(_validated(micro_world, tmp_path / "held_out.json"), tmp_path / "run", reporter=recorder)
    assert [line["num_unusable"] for line in _lines(tmp_path / "run", "validation.jsonl")] == [2, 2, 2]
    notes = [note for note in recorder.notes if "held-out records" in note]
    assert len(notes) == 1
    assert notes[0].startswith("2 held-out records")
    assert "1 no turns" in notes[0]
    assert "gone" in notes[0]


@pytest.mark.parametrize("error", [Told, Lost])
def test_a_run_that_ends_while_it_answers_ends(
    micro_world: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[UserError]
) -> None:
    """What another process has said is no question that could not be answered."""

    def gone(*_: object) -> None:
        raise error("another one is gone")

    monkeypatch.setattr(LocalChatModel, "answer_all", gone)
    with pytest.raises(error, match="gone"):
        run(_validated(micro_world, held_out), tmp_path / "run")


def test_held_out_data_of_which_nothing_can_be_used_has_no_loss(micro_world: Path, tmp_path: Path) -> None:
    (tmp_path / "held_out.json").write_text(json.dumps([{"id": "empty", "conversations": []}]))
    run(_validated(micro_world, tmp_path / "held_out.json", every=5), tmp_path / "run")
    (line,) = _lines(tmp_path / "run", "validation.jsonl")
    assert "loss" not in line
    assert line["num_samples"] == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("stages.instruct.validation={records: nowhere.json}", "validation.records: there is no file nowhere.json"),
        ("stages.instruct.validation={records: R, images: nowhere}", "validation.images: .* nowhere does not exist"),
        ("stages.instruct.validation={records: R, evry: 3}", "did you mean 'every'"),
        ("stages.instruct.validation={records: R, every: 0}", "every.*greater than or equal to 1"),
        ("stages.see.validation={records: R}", "'patches' has no answers to validate"),
    ],
)
def test_mistakes_are_found_before_any_work(
    micro_world: Path, held_out: Path, tmp_path: Path, change: str, says: str
) -> None:
    change = change.replace(" R", f" {held_out}")
    with pytest.raises(UserError, match=says):
        run(micro.recipe(micro_world, change, stages=("see", "align", "instruct")), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_many_processes_look_as_one(micro_world: Path, tmp_path: Path) -> None:
    """The same loss, bit for bit, and the same answers; divided weights give the first half of them."""
    held_out, learnt, recipe = (tmp_path / name for name in ("held_out.json", "learnt.json", "recipe.yaml"))
    answer = {"from": "gpt", "value": "one red ball and one blue kite"}
    records = [{**each, "conversations": [each["conversations"][0], answer]} for each in micro.records(micro_world)]
    learnt.write_text(json.dumps(records[:7]))
    too_long = {"from": "human", "value": "<image>\n" + "why " * 1000}
    records[2] = {**records[2], "conversations": [too_long, answer]}
    held_out.write_text(json.dumps(records[:7]))
    # In both stages: one process that computed four samples at once would round otherwise than two.
    halves = [f"stages.{stage}.micro_batch_size=2" for stage in ("align", "instruct")]
    # So many steps of the same records, at such a rate, that it answers in words.
    words = ["stages.instruct.steps=30", "stages.instruct.optim.lr=0.01", f"stages.instruct.data.records={learnt}"]
    recipe.write_text(_validated(micro_world, held_out, *halves, *words, every=15).to_yaml())
    jobs = {name: Job(str(recipe), str(tmp_path / name)) for name in ("one", "two")}
    shard = Job(str(recipe), str(tmp_path / "shard"), layout="shard")
    told = processes.start([(1, [jobs["one"]]), (2, [jobs["two"], shard])], tmp_path / "told")
    for job in (told[0][0], told[1][1]):
        assert any("held-out questions: " in note and "context holds 1024" in note for note in job[0]["notes"])
    one, two, divided = (_lines(tmp_path / name, "validation.jsonl") for name in ("one", "two", "shard"))
    assert one == two
    assert _lines(tmp_path / "one", "answers.jsonl") == _lines(tmp_path / "two", "answers.jsonl")
    assert len(divided) == 2
    for a, b in zip(one, divided, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], abs=1e-4)
    answers = [_lines(tmp_path / name, "answers.jsonl") for name in ("one", "shard")]
    assert len(answers[1]) == 4
    assert any(together["answer"].isascii() and together["answer"] for together in answers[1])
    for by_one, together in zip(*answers, strict=True):
        assert by_one.pop("answer").startswith(together.pop("answer").rstrip("\ufffd"))  # a character not yet whole
        assert by_one == together
    # The last look is the last thing that is computed before weights are put together again.
    whole, put_together = (load_file(tmp_path / name / "final" / "model.safetensors") for name in ("one", "shard"))
    assert whole.keys() == put_together.keys()
    for name, weight in whole.items():
        torch.testing.assert_close(put_together[name], weight, rtol=0.01, atol=0.01)
