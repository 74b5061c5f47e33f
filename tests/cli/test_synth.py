"""`chiasm synth` on the command line: files, figures, keys, exit codes, and that its records train."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from chiasm.cli import main
from tests.hostile_teacher import HostileTeacher, answer_reply, error_reply
from tests.synthesis.answering import rulebook
from tests.synthesis.pictures import written

KEY = "sk-test-0123456789abcdefghijklmnopqrstuv"
KINDS = ("conversation", "detail", "reasoning")


def exit_code(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.fixture(autouse=True)
def no_key_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    return written(tmp_path / "captions.jsonl", 8)


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("synth", "--help") == 0
    said = capsys.readouterr().out
    assert "Examples:" in said
    assert "--api-key-file" in said
    assert "--api-key " not in said


def test_the_rulebook_writes_and_the_figures_add_up(
    captions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, report = tmp_path / "out.json", tmp_path / "report.html"
    command = (
        "synth",
        *KINDS,
        "--captions",
        captions,
        "--language",
        "both",
        "--out",
        out,
        "--report",
        report,
        "--json",
    )
    assert exit_code(*command) == 0
    found = json.loads(capsys.readouterr().out)
    records = json.loads(out.read_text("utf-8"))
    assert found["samples"] == 8 * 3 * 2 == found["accepted"] + sum(found["rejected"].values())
    assert len(records) == found["accepted"] > 40
    assert found["bill"]["answered"] == 48
    assert found["out"] == str(out)
    assert {record["meta"]["teacher"] for record in records} == {"rulebook-2"}
    assert {(r["meta"]["kind"], r["meta"]["language"]) for r in records} == {
        (k, la) for k in KINDS for la in ("en", "zh")
    }
    assert "<html" in report.read_text("utf-8").lower()
    before = out.read_bytes()
    assert exit_code(*command) == 0
    assert out.read_bytes() == before
    assert json.loads(capsys.readouterr().out) == found


def test_the_records_are_training_data(captions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    assert exit_code("synth", *KINDS, "--contexts", captions, "--out", out) == 0
    for record in json.loads(out.read_text("utf-8")):
        Image.new("RGB", (8, 6)).save(tmp_path / record["image"])
    capsys.readouterr()
    assert exit_code("data", "check", out, "--images", tmp_path, "--json") == 0
    checked = json.loads(capsys.readouterr().out)
    assert checked["num_usable"] == checked["num_samples"] > 20


def test_people_are_told_what_happened(captions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    captions.write_text(captions.read_text() + '{"image": "x.jpg", "captions": 3}\n')
    assert exit_code("synth", "detail", "--captions", captions, "--out", tmp_path / "out.json", "--num", 9) == 0
    said = capsys.readouterr()
    assert "8 samples of 8 pictures" in said.out
    assert "bill: 8 requests: 8 answered" in said.out
    assert "note: 1 records left out: 'captions' is not a list of strings (first: record 8)" in said.err


def test_benchmark_pictures_are_left_out(captions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark = tmp_path / "pope.json"
    benchmark.write_text('{"question_id": 1, "image": "COCO_val2014_000000000003.jpg", "text": "Is there a dog?"}\n')
    command = ("synth", "detail", "--captions", captions, "--out", tmp_path / "o.json", "--json")
    assert exit_code(*command, "--exclude-benchmark", benchmark) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rejected"]["benchmark_picture"] == 1
    assert told["bill"]["requests"] == told["samples"] - 1  # it was not asked about, so it costs nothing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--captions", "{captions}", "--api-key", KEY), "must not stand on the command line"),
        (("--captions", "{captions}", "--api-key-file", KEY), "must not stand on the command line"),
        (("--captions", "{captions}", "--contexts", "{captions}"), "both were given"),
        ((), "none was given"),
        (("--captions", "{captions}", "--language", "fr"), "'fr' is none of en, zh, both"),
        (("--captions", "{captions}", "--price-in", "1"), "go together"),
    ],
)
def test_wrong_usage(
    arguments: tuple[str, ...], message: str, captions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [argument.replace("{captions}", str(captions)) for argument in arguments]
    assert exit_code("synth", "detail", "--out", tmp_path / "o.json", *given) == 2
    said = capsys.readouterr().err
    assert message in " ".join(said.replace("│", " ").split())
    assert KEY not in said
    assert not (tmp_path / "o.json.job").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--teacher", "openai:gpt", "--base-url", "https://api.example.com/v1"), "OPENAI_API_KEY is not set"),
        (("--teacher", "openai:gpt", "--base-url", "http://127.0.0.1:9/v1", "--budget", "5"), "--price-in"),
        (("--teacher", "rulebook", "--base-url", "http://127.0.0.1:9/v1"), "--base-url"),
        (("--teacher", "opnai:gpt"), "opnai"),
        (("--images", "nowhere"), "nowhere does not exist"),
        (("--num", "1", "--captions", "absent.json"), "cannot read absent.json"),
        (("--image-format", "a.jpg"), "does not make a file name"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_asked(
    arguments: tuple[str, ...], message: str, captions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["synth", "detail", "--captions", captions, "--out", tmp_path / "o.json", *arguments]
    assert exit_code(*command) == 1
    said = capsys.readouterr()
    assert message in said.err
    assert not said.out
    assert said.err.count("\n") <= 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--out", "{captions}"),
        ("--out", "{folder}/o.json", "--report", "{captions}"),
        ("--out", "{folder}/o.json", "--report", "{folder}/./o.json"),
        ("--out", "{folder}/o.json", "--report", "{folder}/b.json", "--exclude-benchmark", "{folder}/b.json"),
        ("--out", "{folder}"),
        ("--out", "."),
    ],
)
def test_nothing_is_written_over_what_is_read(
    arguments: tuple[str, ...], captions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b.json").write_text('{"image": "a.jpg"}\n')
    before = captions.read_bytes()
    given = [argument.format(captions=captions, folder=tmp_path) for argument in arguments]
    assert exit_code("synth", "detail", "--captions", captions, *given) == 1
    said = capsys.readouterr().err
    assert "a fault of chiasm" not in said
    assert "ame" in said  # "Name another file", "--out names the file"
    assert captions.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({captions.name, "b.json"})


def test_an_unknown_kind(captions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("synth", "details", "--captions", captions, "--out", tmp_path / "o.json") == 1
    assert "no kind called 'details': did you mean 'detail'?" in capsys.readouterr().err


def test_a_teacher_over_http_with_a_key_and_a_bill(
    captions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, key_file = tmp_path / "out.json", tmp_path / "key"
    key_file.write_text(f"{KEY}\n")
    with HostileTeacher(share=0.0, answers=rulebook) as teacher:
        command = ["synth", "detail", "--captions", captions, "--out", out, "--json", "--teacher", "openai:gpt"]
        command += ["--base-url", teacher.base_url, "--api-key-file", key_file]
        command += ["--price-in", 2, "--price-out", 8, "--budget", 5]
        assert exit_code(*command) == 0
        ledger = teacher.ledger()
        headers = [headers for headers, _ in teacher.requests]
    bill = json.loads(capsys.readouterr().out)["bill"]
    assert (bill["tokens_in"], bill["tokens_out"]) == (ledger.num_prompt, ledger.num_answer)
    assert bill["total"] == pytest.approx((2 * ledger.num_prompt + 8 * ledger.num_answer) / 1e6)
    assert all(one["authorization"] == f"Bearer {KEY}" for one in headers)
    for path in (tmp_path / "out.json.job").rglob("*"):
        assert KEY not in path.read_text("utf-8")


def test_a_permanent_error_stops_with_the_providers_message(
    captions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    refusal = error_reply(401, "the key was revoked on Monday", "invalid_api_key")
    with HostileTeacher(
        share=0.0, answers=rulebook, script=[answer_reply("A cat is in a kitchen."), refusal]
    ) as teacher:
        command = ["synth", "detail", "--captions", captions, "--out", out, "--teacher", "openai:gpt", "--workers", 1]
        assert exit_code(*command, "--base-url", teacher.base_url) == 1
        said = capsys.readouterr()
        assert "the key was revoked on Monday" in said.err.splitlines()[-1]
        assert "7 without a reply: not asked" in said.out
        assert len(json.loads(out.read_text())) == 1
        assert teacher.ledger().num_received == 2
        assert exit_code(*command, "--base-url", teacher.base_url) == 0
        assert teacher.ledger().num_received == 2 + 7
    assert len(json.loads(out.read_text())) == 8


def test_batch_files_go_into_the_job(captions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = (
        "synth",
        "detail",
        "--captions",
        captions,
        "--out",
        tmp_path / "out.json",
        "--teacher",
        "batchfile:gpt-4o",
    )
    assert exit_code(*command) == 1
    said = capsys.readouterr()
    assert said.err.splitlines()[-1].startswith("waiting: 8 of 8 answers are not there yet. Submit requests-0001.jsonl")
    requests = (tmp_path / "out.json.job" / "batches" / "requests-0001.jsonl").read_text().splitlines()
    assert json.loads(requests[0])["body"]["model"] == "gpt-4o"
    assert "8 without a reply" in said.out
    expired = {"custom_id": json.loads(requests[2])["custom_id"], "response": None, "error": {"code": "batch_expired"}}
    results = [expired]
    for line in requests[:2] + requests[3:]:
        request = json.loads(line)
        message = {"role": "assistant", "content": rulebook(request["body"]["messages"])}
        body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        results.append({"custom_id": request["custom_id"], "response": {"status_code": 200, "body": body}})
    batches = tmp_path / "out.json.job" / "batches"
    (batches / "results.jsonl").write_text("".join(json.dumps(result) + "\n" for result in results))
    assert exit_code(*command) == 1
    assert f"empty {batches} and run the same command again" in capsys.readouterr().err
    for path in batches.iterdir():
        path.unlink()
    assert exit_code(*command) == 1
    assert (batches / "requests-0001.jsonl").read_text().splitlines() == [requests[2]]
