"""`chiasm score`: answers files of anybody, without a model and without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chiasm.cli import main
from tests.evals.colours import knowing, questions, write_data

ROOT = Path(__file__).resolve().parents[2]
TASK = "tests.evals.colours"


@pytest.fixture(autouse=True)
def _data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_answers("answers.jsonl", {})


def write_answers(name: str, changes: dict[str, str]) -> None:
    """An answers file, good but for `changes`, in an order of its own."""
    data = Path("data")
    asked = questions(data if data.is_dir() else write_data(data))
    lines = [
        {
            "question_id": question.id,
            "prompt": question.text,
            "text": changes.get(question.key, knowing(question.conversation)),
            "answer_id": "x",
            "model_id": "m",
            "metadata": {},
        }
        for question in reversed(asked)
    ]
    Path(name).write_text("".join(json.dumps(line) + "\n" for line in lines))


def scored(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["score", *arguments])
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return code or 0


def test_json_is_exactly_this(capsys: pytest.CaptureFixture[str]) -> None:
    write_answers("answers.jsonl", {"0": "", "4": "maybe"})
    assert scored(TASK, "answers.jsonl", "--data", "data", "--json") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == {
        "task": TASK,
        "rule": "published",
        "num_questions": 12,
        "num_invalid": 1,
        "metrics": {"accuracy": 83.3333, "accuracy_is": 66.6667, "accuracy_name": 100.0},
    }
    assert out.count("\n") == 1


def test_a_table_with_both_rules_intervals_and_invalid_answers(capsys: pytest.CaptureFixture[str]) -> None:
    write_answers("answers.jsonl", {"0": ""})
    assert scored(TASK, "answers.jsonl", "--data", "data") == 0
    head, columns, first, *_ = capsys.readouterr().out.splitlines()
    assert "12 questions; rule: published; invalid answers: 1 (8.3 %)" in head
    assert columns.split() == ["published", "95", "%", "strict"]
    assert first.split()[:2] == ["accuracy", "91.7"]
    assert first.split()[-1] == "58.3"


def test_a_part_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert scored(TASK, "answers.jsonl", "--data", "data", "--limit", "4", "--json") == 0
    assert json.loads(capsys.readouterr().out)["num_questions"] == 4
    assert scored(TASK, "answers.jsonl", "--data", "data", "--limit", "4") == 0
    assert "first 4 of 12 questions" in capsys.readouterr().out


def test_against_other_answers_and_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    write_answers("worse.jsonl", {"1": "no", "3": "no", "0": "x"})
    assert scored(TASK, "answers.jsonl", "--data", "data", "--against", "worse.jsonl", "--out", "out") == 0
    out = capsys.readouterr().out
    assert "Of 12 questions this run answers 3 better than worse.jsonl, 0 worse and 9 equally well" in out
    assert out.splitlines()[-1] == "report: out/report.html"
    assert json.loads(Path("out/report.json").read_text())["model"] == "answers.jsonl"
    assert Path("out", TASK, "submission", "colours_upload.json").is_file()


@pytest.mark.parametrize("how", [(), ("--json",)])
def test_answers_only_a_server_can_score_are_said_to_be(how: tuple[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("test.json").write_text(json.dumps([{"image": "VizWiz_test_00000000.jpg", "question": "What?"}]))
    Path("v.jsonl").write_text(json.dumps({"question_id": "VizWiz_test_00000000.jpg", "text": "A cat."}) + "\n")
    note = "note: only the benchmark's server knows the truth: --out FOLDER writes the file it takes"
    assert scored("vizwiz", "v.jsonl", "--data", ".", *how) == 0
    assert note in capsys.readouterr().err
    assert scored("vizwiz", "v.jsonl", "--data", ".", "--out", "out", *how) == 0
    assert note not in capsys.readouterr().err
    written = json.loads(Path("out/vizwiz/submission/vizwiz_submission.json").read_text())
    assert written == [{"image": "VizWiz_test_00000000.jpg", "answer": "cat"}]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (lambda lines: lines[:-2], "2 of 12 questions have no answer (first: 0, 1)"),
        (lambda lines: [*lines, lines[0]], "1 questions are answered twice or more (11)"),
        (lambda lines: [*lines[:-1], lines[-1][:20]], "cut off: 11 whole answers"),
        (lambda lines: [], "is empty"),
    ],
)
def test_broken_answers_are_one_line(lines: object, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(lines)
    path = Path("answers.jsonl")
    changed = lines(path.read_text().splitlines(keepends=True))
    path.write_text("".join(changed))
    assert scored(TASK, "answers.jsonl", "--data", "data", "--json") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("error: answers.jsonl ")
    assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pop", "a.jsonl", "--data", "data"], "no task called 'pop'"),
        ([TASK, "answers.jsonl"], "--data"),
        ([TASK, "answers.jsonl", "--data", "data", "--rule", "fair"], "no rule 'fair'"),
        ([TASK, "--data", "data"], "Missing argument 'answers'"),
    ],
)
def test_wrong_usage_is_told_with_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert scored(*arguments) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_no_torch_and_no_numpy_for_a_score() -> None:
    code = (
        "import sys\n"
        "from chiasm.cli import main\n"
        "try:\n"
        f"    main(['score', '{TASK}', 'answers.jsonl', '--data', 'data', '--json'])\n"
        "except SystemExit: pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    # The fake benchmark draws its pictures with Pillow itself, and typer looks at pydantic's types where they are.
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    result, modules = ran.stdout.splitlines()
    assert json.loads(result)["num_questions"] == 12
    assert not {"torch", "transformers", "numpy", "rich"} & set(modules.split())
