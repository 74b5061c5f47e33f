"""Benchmarks a judge scores, with a judge's functions that are not there to judge: what is asked, kept and refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import chiasm.backends
from chiasm.backends.scripted import ScriptedChatModel
from chiasm.chat import ChatModel
from chiasm.cli import main
from chiasm.evals import judging
from chiasm.evals.task import Mark, Question, Task
from tests.evals import colours

TASK = "tests.evals.colours"
JUDGING = judging.Judging(ask=lambda *_: None, read=lambda _: None, mark=lambda *_: None)  # type: ignore[arg-type,return-value]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The names of models that were opened; the fake benchmark needs a judge now."""
    names: list[str | None] = []

    def open_model(name: str | None = None, **_: object) -> ChatModel:
        names.append(name)
        return ScriptedChatModel(colours.knowing)

    def judge_answers(
        task: Task,
        questions: Sequence[Question],
        texts: Mapping[str, str],
        judge: ChatModel,
        reviews: Path,
        judge_name: str,
        **_: object,
    ) -> None:
        lines = [{"review_of": each.key, "by": judge_name, "score": 0.5, "text": texts[each.key]} for each in questions]
        reviews.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def marks_from_reviews(
        task: Task, questions: Sequence[Question], texts: Mapping[str, str] | None, reviews: Path
    ) -> list[Mark]:
        scores = [json.loads(line)["score"] for line in reviews.read_text().splitlines()]
        return [
            Mark(each, texts[each.key] if texts else "", score, str(score))
            for each, score in zip(questions, scores, strict=True)
        ]

    monkeypatch.chdir(tmp_path)
    colours.write_data(tmp_path / "data")
    monkeypatch.setattr(colours, "TASK", replace(colours.TASK, judging=JUDGING, rules=("published",)))
    monkeypatch.setattr(chiasm.backends, "open_model", open_model)
    monkeypatch.setattr(judging, "judge_answers", judge_answers, raising=False)
    monkeypatch.setattr(judging, "marks_from_reviews", marks_from_reviews, raising=False)
    monkeypatch.setattr(judging, "spent_on", lambda _: "")
    monkeypatch.setattr(judging, "are_reviews", lambda path: "review_of" in path.read_text(), raising=False)
    return names


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return code or 0


def test_without_a_judge_answers_are_kept_and_not_scored(
    opened: list[str | None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("eval", TASK, "--data", "data", "--out", "out", "-m", "m") == 0
    out, err = capsys.readouterr()
    assert "report:" not in out
    assert "answered, not scored: name a judge with --judge" in err
    assert Path("out", TASK, "submission", "colours_upload.json").is_file()
    assert run("eval", TASK, "--data", "data", "--out", "out", "-m", "m", "--judge", "openai:judge", "--json") == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["accuracy"] == 50
    assert opened == ["m", "openai:judge"]
    (entry,) = json.loads(Path("out/report.json").read_text())["tasks"]
    assert entry["judge"] == "openai:judge"


def test_stored_reviews_are_summed_up_again(opened: list[str | None], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("eval", TASK, "--data", "data", "--out", "out", "-m", "m", "--judge", "openai:judge") == 0
    capsys.readouterr()
    for path in ("out", f"out/{TASK}", f"out/{TASK}/reviews.jsonl"):
        assert run("score", TASK, path, "--data", "data", "--json") == 0
        assert json.loads(capsys.readouterr().out)["metrics"]["accuracy"] == 50
    assert run("score", TASK, f"out/{TASK}/answers.jsonl", "--data", "data") == 1
    assert "is scored by a judge, not by a rule" in capsys.readouterr().err
    assert opened == ["m", "openai:judge"]


@pytest.mark.usefixtures("opened")
def test_two_judged_runs_are_compared_by_their_reviews(capsys: pytest.CaptureFixture[str]) -> None:
    common = ("eval", TASK, "--data", "data", "-m", "m", "--judge", "openai:judge")
    assert run(*common, "--out", "one") == 0
    reviews = Path("one", TASK, "reviews.jsonl")
    reviews.write_text(reviews.read_text().replace("0.5", "0.25"))
    assert run(*common, "--out", "two", "--against", "one") == 0
    assert "12 better than one, 0 worse" in capsys.readouterr().out
