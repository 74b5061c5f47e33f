"""A judge behind a real socket that misbehaves: an evaluation and a score, from the command line to the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chiasm.cli import main
from tests.hostile_teacher import HostileTeacher

NUM = 12


@pytest.fixture(autouse=True)
def _bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LLaVA-Bench (In-the-Wild) with drawn pictures, and answers to it."""
    monkeypatch.chdir(tmp_path)
    kinds = ("conv", "detail", "complex")
    Path("images").mkdir()
    asked, answers, known, ours = [], [], [], []
    for n in range(NUM):
        Image.new("RGB", (8, 8), "red").save(f"images/{n}.jpg")
        asked.append({"question_id": n, "image": f"{n}.jpg", "text": f"What is {n}?", "category": kinds[n % 3]})
        answers.append({"question_id": n, "text": f"By the book {n}."})
        known.append({"id": n, "image": f"{n}.jpg", "caption": f"A picture of {n}."})
        ours.append({"question_id": n, "prompt": f"What is {n}?", "text": f"It seems {n}.", "model_id": "m"})
    for name, lines in (("questions", asked), ("answers_gpt4", answers), ("context", known), ("ours", ours)):
        Path(f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return code or 0


def judge(messages: list[dict[str, Any]]) -> str:
    """The reference is worth 8, what seems so 6."""
    said = messages[-1]["content"]
    if not isinstance(said, str):
        said = " ".join(part.get("text", "") for part in said)
    if "[Answer 1]" not in said:
        return "It seems so."
    return "8 6\nBecause." if said.index("By the book") < said.index("It seems") else "6 8\nBecause."


def test_answers_are_reviewed_once(capsys: pytest.CaptureFixture[str]) -> None:
    with HostileTeacher(seed=2, share=0.1, answers=judge) as teacher:
        command = ("score", "llava_bench_wild", "ours.jsonl", "--data", ".", "--judge", "openai:j", "--json")
        prices = ("--price-in", "1000000", "--price-out", "0")
        assert run(*command, *prices, "--judge-url", teacher.base_url) == 0
        out, err = capsys.readouterr()
        found = json.loads(out)
        assert (found["num_questions"], found["num_invalid"]) == (NUM, 0)
        assert found["metrics"]["relative_all"] == 75
        assert found["metrics"]["position_effect"] == 0
        assert f"{NUM} of {NUM} answers have a valid review; openai:j gave" in err
        num_asked = teacher.ledger().num_received
        assert run(*command, "--judge-url", teacher.base_url) == 0
        assert teacher.ledger().num_received == num_asked
    reviews = [json.loads(line) for line in Path("ours.reviews.jsonl").read_text().splitlines()][1:]
    assert sum(review["cost"] for review in reviews) == sum(review["usage"]["num_prompt"] for review in reviews)
    capsys.readouterr()
    assert run("score", "llava_bench_wild", "ours.reviews.jsonl", "--data", ".", "--out", "page") == 0
    out, err = capsys.readouterr()
    assert "relative_complex_reference_first" in out
    (entry,) = json.loads(Path("page/report.json").read_text())["tasks"]
    assert entry["metrics"]["relative_all"]["value"] == 75


def test_an_evaluation_is_answered_and_judged(capsys: pytest.CaptureFixture[str]) -> None:
    with HostileTeacher(share=0, answers=judge) as teacher:
        common = ("eval", "llava_bench_wild", "--data", ".", "--out", "out", "-m", "openai:m")
        urls = ("--base-url", teacher.base_url, "--judge-url", teacher.base_url)
        assert run(*common, *urls, "--judge", "openai:j") == 0
        assert teacher.ledger().num_received == 3 * NUM
    (entry,) = json.loads(Path("out/report.json").read_text())["tasks"]
    assert entry["judge"] == "openai:j"
    assert entry["notes"][0].startswith(f"{NUM} of {NUM} answers have a valid review; openai:j gave {2 * NUM} replies")
    assert run("score", "llava_bench_wild", "out", "--data", ".", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["metrics"]["relative_all"] == pytest.approx(75)


def test_a_judge_that_refuses_gives_no_score(capsys: pytest.CaptureFixture[str]) -> None:
    with HostileTeacher(share=0, answers=lambda _: "I'm sorry, but I can't help with that.") as teacher:
        command = ("score", "llava_bench_wild", "ours.jsonl", "--data", ".", "--judge", "openai:j", "--json")
        assert run(*command, "--judge-url", teacher.base_url) == 1
        assert teacher.ledger().num_received == NUM * 2 * 3
    out, err = capsys.readouterr()
    assert out == ""
    assert f"0 of {NUM} answers have a valid review" in err
    assert "above 2% without one there is no score" in err


def test_reviews_are_not_reviewed(capsys: pytest.CaptureFixture[str]) -> None:
    with HostileTeacher(share=0, answers=judge) as teacher:
        to = ("--data", ".", "--judge", "openai:j", "--judge-url", teacher.base_url)
        assert run("score", "llava_bench_wild", "ours.jsonl", *to) == 0
        assert run("score", "llava_bench_wild", "ours.reviews.jsonl", *to) == 1
    assert "holds reviews, not answers: leave out --judge" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--judge-url", "http://127.0.0.1:1/v1"], "no judge is named"),
        (["--price-in", "1", "--judge", "openai:j"], "go together"),
        (["--complement", "ours.jsonl"], "scored by a judge alone"),
    ],
)
def test_wrong_usage(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("score", "llava_bench_wild", "ours.jsonl", "--data", ".", *options) == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())
