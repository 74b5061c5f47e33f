"""Two models' answers as one: complemented, or settled by a judge, as the paper does for ScienceQA."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chiasm import evals
from chiasm.backends.scripted import ScriptedChatModel
from chiasm.conversation import Conversation
from chiasm.errors import UserError
from chiasm.evals.ensembles import TwoModels
from chiasm.evals.task import Question
from chiasm.evals.tasks.scienceqa import Reference

TASK = evals.find("scienceqa")
OPTIONS = {"A": "iron", "B": "wood", "C": "glass"}
TRUTH = {"1": "A", "2": "B", "3": "C", "4": "A", "5": "B"}
OURS = {"1": "A", "2": "A", "3": "The answer is C.", "4": "no idea", "5": "B"}
OTHERS = {
    "1": "It is a metal. The answer is A.",  # agrees
    "2": "The answer is B.",  # disagrees, right
    "3": "I cannot see the picture.",  # says nothing
    "4": "The answer is D.",  # no such choice
    "5": "The answer is C.",  # disagrees, wrong
}


def questions() -> list[Question]:
    return [
        Question(
            key,
            key,
            f"Question {key}?\nA. iron\nB. wood\nC. glass",
            (),
            Reference(truth, OPTIONS, ()),
            "",
            "",
            tuple(OPTIONS),
        )
        for key, truth in TRUTH.items()
    ]


def accuracy(texts: dict[str, str]) -> float:
    return TASK.metrics(TASK.mark(questions(), texts, "published"))["accuracy"]


def two(**changes: str) -> TwoModels:
    return TwoModels(TASK, questions(), OURS, OTHERS | changes, "published")


def test_complement() -> None:
    found = two().complement()
    assert found.texts == {**OTHERS, "3": OURS["3"], "4": OURS["4"]}
    assert found.note == "complement: 3 of 5 answers are the text-only model's"
    assert accuracy(found.texts) == 60  # 1, 2 and 3; nobody answered 4


def test_judge(tmp_path: Path) -> None:
    said = {"2": "Wood floats. The answer is B.", "3": "Sorry.", "4": "The answer is A.", "5": "The answer is B."}

    def settle(conversation: Conversation) -> str:
        text = conversation.turns[0].text
        return said[next(key for key in said if f"Question {key}?" in text)]

    judge, path = ScriptedChatModel(settle), tmp_path / "rulings.jsonl"
    found = two().arbitrate(judge, "j", path)
    assert len(judge.asked) == 3 + 3  # not about 1; 3 was tried three times
    assert found.texts == {**said, "1": OURS["1"], "3": OURS["3"]}
    assert "settled 3 of 4 disagreements in 5 questions" in found.note
    assert accuracy(found.texts) == 100
    told = judge.asked[0][0].turns[0].text
    assert told.index("Question 2?") < told.index("[First answer]\nA") < told.index("[Second answer]\nThe answer is B.")
    again = ScriptedChatModel([])
    assert two().arbitrate(again, "j", path).texts == found.texts
    assert again.asked == []
    other = ScriptedChatModel(["The answer is C."])
    assert two(**{"2": "The answer is C."}).arbitrate(other, "j", path).texts["2"] == "The answer is C."
    assert len(other.asked) == 1  # another outcome is another question


def test_only_multiple_choice() -> None:
    asked = [Question("1", "1", "Why?")]
    with pytest.raises(UserError, match="1 of 1 questions are not multiple choice"):
        TwoModels(TASK, asked, {"1": "a"}, {"1": "b"}, "published")


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from chiasm.cli import main

    problems = {
        key: {
            "question": f"Question {key}?",
            "choices": list(OPTIONS.values()),
            "answer": "ABC".index(truth),
            "hint": "",
        }
        for key, truth in TRUTH.items()
    }
    (tmp_path / "problems.json").write_text(json.dumps(problems))
    (tmp_path / "pid_splits.json").write_text(json.dumps({"test": list(problems)}))
    for name, texts in (("ours", OURS), ("others", OTHERS)):
        lines = [json.dumps({"question_id": key, "text": text}) for key, text in texts.items()]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    common = ["score", "scienceqa", str(tmp_path / "ours.jsonl"), "--data", str(tmp_path), "--json"]
    for more, expected in (([], 60), (["--complement", str(tmp_path / "others.jsonl")], 60)):
        with pytest.raises(SystemExit) as ended:
            main([*common, *more])
        assert not ended.value.code
        out, err = capsys.readouterr()
        assert json.loads(out)["metrics"]["accuracy"] == expected
        assert ("3 of 5 answers are the text-only model's" in err) == bool(more)
    with pytest.raises(SystemExit) as ended:
        main([*common, "--judge", "openai:j"])
    assert ended.value.code == 2
    assert "needs no judge" in capsys.readouterr().err
