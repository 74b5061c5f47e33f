"""`chiasm eval` with scripted models: what is asked, kept, continued, refused, printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import chiasm.backends
from chiasm.backends.scripted import ScriptedChatModel
from chiasm.chat import Answer, Ranking, Sampling, Usage
from chiasm.cli import main
from chiasm.conversation import Conversation
from tests.evals.colours import knowing, write_data

ROOT = Path(__file__).resolve().parents[2]
TASK = "tests.evals.colours"


class Knowing(ScriptedChatModel):
    """Answers the fake benchmark, and finds the first option likeliest."""

    def __init__(self) -> None:
        super().__init__(knowing)
        self.opened: list[dict[str, object]] = []

    def rank_all(self, conversations: Sequence[Conversation], options: Sequence[Sequence[str]]) -> Iterator[Ranking]:
        for index in range(len(conversations)):
            yield Ranking((-1.0, -2.0, -3.0, -4.0), (1, 1, 1, 1), index)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    write_data(tmp_path / "data")


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Knowing:
    scripted = Knowing()

    def open_model(name: str | None = None, **options: object) -> Knowing:
        scripted.opened.append({"name": name} | {key: value for key, value in options.items() if value is not None})
        return scripted

    monkeypatch.setattr(chiasm.backends, "open_model", open_model)
    return scripted


def evaluate(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["eval", *arguments])
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return code or 0


def error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a command that fails."""
    capsys.readouterr()
    assert evaluate(*arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = [each for each in err.splitlines() if not each.startswith("note: ")]
    assert line.startswith("error: ")
    return line


def test_a_benchmark_from_outside_from_questions_to_report(model: Knowing, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(TASK, "-m", "runs/tiny/final", "--data", "data") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[0].startswith(
        f"{TASK}: 12 questions; rule: published; invalid answers: 0; intervals: 1,000"
    )
    assert out.splitlines()[1].split() == ["published", "95", "%", "strict"]
    assert out.splitlines()[2].split() == ["accuracy", "100.0", "[100.0,", "100.0]", "66.7"]
    assert out.splitlines()[-1] == "report: runs/eval/tiny-final/report.html"
    assert len(model.asked) == 12
    assert {sampling for _, sampling in model.asked} == {Sampling(max_tokens=8)}
    assert model.opened == [{"name": "runs/tiny/final"}]
    folder = Path("runs/eval/tiny-final")
    assert {path.name for path in folder.iterdir() if path.name[0] != "."} == {
        TASK, "report.html", "report.json", "report.md"
    }  # fmt: skip
    written = {path.name for path in (folder / TASK).iterdir() if path.name[0] != "."}
    assert written == {"answers.jsonl", "gallery.json", "run.json", "scores.json", "submission"}
    assert len(json.loads((folder / TASK / "submission" / "colours_upload.json").read_text())) == 12


def test_json_is_one_object_a_benchmark(model: Knowing, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(TASK, "--data", "data", "--out", "out", "--json", "--rule", "strict") == 0
    assert json.loads(capsys.readouterr().out) == {
        "task": TASK,
        "rule": "strict",
        "num_questions": 12,
        "num_invalid": 0,
        "metrics": {"accuracy": 66.6667, "accuracy_is": 66.6667, "accuracy_name": 66.6667},
    }
    assert model.opened == [{"name": None}]


def test_again_asks_nothing_and_a_limit_may_grow(model: Knowing, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(TASK, "--data", "data", "--out", "out", "--limit", "4") == 0
    assert "first 4 of 12 questions" in capsys.readouterr().out
    assert not Path("out", TASK, "submission").exists()
    assert evaluate(TASK, "--data", "data", "--out", "out") == 0
    assert [conversation.id for conversation, _ in model.asked] == [str(n) for n in range(12)]
    assert evaluate(TASK, "--data", "data", "--out", "out") == 0
    assert len(model.asked) == 12
    assert len(model.opened) == 2  # not for the third run
    assert "the answers to 12 questions, more than the 4 asked now" in error(
        capsys, TASK, "--data", "data", "--out", "out", "--limit", "4"
    )


def test_another_model_or_longer_answers_need_another_folder(
    model: Knowing, capsys: pytest.CaptureFixture[str]
) -> None:
    common = (TASK, "--data", "data", "--out", "out")
    assert evaluate(*common, "-m", "owner/one") == 0
    assert "model was 'owner/one', now 'owner/two'" in error(capsys, *common, "-m", "owner/two")
    assert "max_tokens was 8, now 9" in error(capsys, *common, "-m", "owner/one", "--max-tokens", "9")
    assert "dtype was None, now 'bfloat16'" in error(capsys, *common, "-m", "owner/one", "--dtype", "bfloat16")
    Path("data/colours.jsonl").write_text(Path("data/colours.jsonl").read_text().replace("What colour", "Which colour"))
    assert "data was" in error(capsys, *common, "-m", "owner/one")
    assert len(model.asked) == 12


def test_a_model_trained_again_is_another(model: Knowing, capsys: pytest.CaptureFixture[str]) -> None:
    Path("final").mkdir()
    Path("final/manifest.json").write_text("{}")
    common = (TASK, "--data", "data", "--out", "out", "-m", "final")
    assert evaluate(*common) == 0
    Path("final/manifest.json").write_text('{"files": {}}')
    assert "weights was" in error(capsys, *common)
    Path("final/manifest.json").unlink()
    Path("final/model.safetensors").write_bytes(b"abc")
    assert "weights was" in error(capsys, *common)
    assert len(model.asked) == 12


def test_missing_pictures_cost_no_model(model: Knowing, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/images/3.png").unlink()
    line = error(capsys, TASK, "--data", "data", "--out", "out")
    assert "1 of 6 pictures are missing or empty (first: data/images/3.png)" in line
    assert not model.opened
    assert not Path("out").exists()
    assert evaluate(TASK, "--data", "data", "--out", "out", "--limit", "6") == 0


@pytest.mark.usefixtures("model")
def test_one_run_against_another(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert evaluate(TASK, "--data", "data", "--out", "one") == 0
    monkeypatch.setattr(chiasm.backends, "open_model", lambda *_, **__: ScriptedChatModel(["yes", "red"]))
    assert evaluate(TASK, "--data", "data", "--out", "two", "-m", "other", "--against", "one") == 0
    out = capsys.readouterr().out
    assert "0 better than one, 7 worse" in out  # "yes" is wrong for 3 of 6, "red" for 4 of 6
    found = json.loads(Path("two/report.json").read_text())["tasks"][0]["against"]
    assert (found["run"], found["num_won"], found["num_lost"], found["num_tied"]) == ("one", 0, 7, 5)
    assert "does not exist" in error(capsys, TASK, "--data", "data", "--out", "three", "--against", "nowhere")


def test_ranked_beside_the_letter(model: Knowing, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(TASK, "--data", "data", "--out", "out") == 0
    assert evaluate(TASK, "--data", "data", "--out", "out", "--rank") == 0
    assert len(model.asked) == 12
    (entry,) = json.loads(Path("out/report.json").read_text())["tasks"]
    assert [other["name"] for other in entry["others"]] == ["strict", "likeliest option, 6 questions"]
    assert entry["others"][1]["metrics"]["accuracy_name"] == pytest.approx(100 * 2 / 6)  # "red" of pictures 0 and 4
    assert "likeliest option" in capsys.readouterr().out


def test_a_model_that_cannot_rank(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ScriptedChatModel(knowing)
    monkeypatch.setattr(chiasm.backends, "open_model", lambda *_, **__: plain)
    assert "cannot say how likely" in error(capsys, TASK, "--data", "data", "--out", "out", "--rank", "-m", "openai:x")
    assert not plain.asked


def test_options_of_a_server(model: Knowing) -> None:
    url = "http://127.0.0.1:9/v1"
    assert evaluate(TASK, "--data", "data", "-m", "openai:gpt-x", "--base-url", url, "--max-tokens", "3") == 0
    assert model.opened == [{"name": "openai:gpt-x", "base_url": url}]
    assert Path("runs/eval/openai-gpt-x/report.html").is_file()
    assert json.loads(Path("runs/eval/openai-gpt-x", TASK, "run.json").read_text())["max_tokens"] == 3


def test_questions_a_server_did_not_answer_are_asked_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(ScriptedChatModel):
        def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
            for answer in super().answer_all(conversations, sampling):
                lost = answer.index in (2, 5) and len(conversations) == 12
                yield Answer("", "unknown", Usage(0, 0, 0), answer.index) if lost else answer

    model = Failing(knowing)
    monkeypatch.setattr(chiasm.backends, "open_model", lambda *_, **__: model)
    line = error(capsys, TASK, "--data", "data", "--out", "out")
    assert "2 of 12 questions got no answer; the others are kept. Run the same command again" in line
    assert not list(Path("out").glob("**/scores.json"))
    assert evaluate(TASK, "--data", "data", "--out", "out") == 0
    assert [conversation.id for conversation, _ in model.asked[12:]] == ["2", "5"]


# ---- several processes -----------------------------------------------------------------------------------------------


def test_the_last_shard_scores(model: Knowing, capsys: pytest.CaptureFixture[str]) -> None:
    common = (TASK, "--data", "data", "--out", "out")
    assert evaluate(*common, "--shard", "1/2") == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "6 of 12 questions are with other processes" in err
    assert evaluate(*common, "--shard", "0/2", "--json") == 0
    assert json.loads(capsys.readouterr().out)["num_questions"] == 12
    assert len(model.asked) == 12
    assert {path.name for path in Path("out", TASK).glob("answers*")} == {
        "answers.0-of-2.jsonl", "answers.1-of-2.jsonl"
    }  # fmt: skip


def test_torchrun_says_which_shard(model: Knowing, monkeypatch: pytest.MonkeyPatch) -> None:
    for rank in ("0", "1", "2"):
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("WORLD_SIZE", "3")
        assert evaluate(TASK, "--data", "data", "--out", "out") == 0
        assert Path("out/report.html").exists() == (rank == "2")
    assert sorted(path.name for path in Path("out", TASK).glob("answers*")) == [
        f"answers.{rank}-of-3.jsonl" for rank in range(3)
    ]
    assert len(model.asked) == 12


_PROCESS = """
import sys, time
import chiasm.backends
from chiasm.backends.scripted import ScriptedChatModel
from chiasm.cli import main
from tests.evals.colours import knowing
def slow(conversation):
    time.sleep(0.01)
    return knowing(conversation)
chiasm.backends.open_model = lambda *_, **__: ScriptedChatModel(slow)
main(["eval", "tests.evals.colours", "--data", "data", "--out", "out", "-m", "m"])
"""


def test_processes_side_by_side_leave_one_report() -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "WORLD_SIZE": "3"}
    processes = [
        subprocess.Popen([sys.executable, "-c", _PROCESS], env={**environment, "RANK": str(rank)}) for rank in range(3)
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    (entry,) = json.loads(Path("out/report.json").read_text())["tasks"]
    assert (entry["num_questions"], entry["metrics"]["accuracy"]["value"]) == (12, 100.0)
    assert entry["spent"]["seconds"] >= 0.12


# ---- wrong usage -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["poppe", "--data", "data"], "no task called 'poppe'"),
        ([TASK, "--data", "data", "--rule", "strickt"], "did you mean 'strict'?"),
        ([TASK, "--data", "data", "--shard", "4/4"], "the first is 0/4"),
        ([TASK, "--data", "data", "--shard", "1"], "expected I/N"),
        ([TASK, "--data", "data", "--limit", "0"], "--limit"),
        ([TASK, "--data", "data", "--dtype", "float8"], "no dtype 'float8'"),
        ([TASK], "--data"),
        ([], "TASK..."),
    ],
)
def test_wrong_usage_is_told_with_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in " ".join(err.split())


def test_a_rule_that_a_benchmark_does_not_have(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from tests.evals import colours

    monkeypatch.setattr(colours, "TASK", replace(colours.TASK, rules=("published",)))
    assert evaluate(TASK, "--data", "data", "--rule", "strict") == 2
    assert "has no rule 'strict', only published" in " ".join(capsys.readouterr().err.split())


@pytest.mark.usefixtures("model")
def test_data_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert "name with --data" in error(capsys, TASK, "--data", "nowhere")
    Path("data/colours.jsonl").write_text("[]")
    assert "there are no questions in data" in error(capsys, TASK, "--data", "data")
