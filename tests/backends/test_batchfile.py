"""Asking through files: what is written, what is read back, what is said while waiting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chiasm.backends.batchfile import BatchFileChatModel
from chiasm.chat import Answer, ChatModel, Delta, Sampling, Usage
from chiasm.conversation import Conversation, user
from chiasm.dispatch import Waiting
from chiasm.errors import UserError

SAMPLING = Sampling(max_tokens=50, temperature=0.7)


def questions(count: int) -> list[Conversation]:
    return [Conversation((user(f"question {i}"),), f"key-{i}") for i in range(count)]


def run(model: BatchFileChatModel, asked: list[Conversation]) -> tuple[dict[int, Answer], Waiting | None]:
    """The answers by index, and what was said when some were missing."""
    answers: dict[int, Answer] = {}
    try:
        for answer in model.answer_all(asked, SAMPLING):
            assert answer.index not in answers, "an answer came twice"
            answers[answer.index] = answer
    except Waiting as waiting:
        return answers, waiting
    return answers, None


def written(folder: Path) -> dict[str, list[dict[str, object]]]:
    files = sorted(folder.glob("requests-*.jsonl"))
    return {path.name: [json.loads(line) for line in path.read_bytes().splitlines()] for path in files}


def result(custom_id: object, text: object = "yes", status: object = 200, error: object = None) -> dict[str, object]:
    """A line of results as OpenAI's Batch API and `vllm run-batch` write it."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    body = {"choices": [choice], "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}}
    if status != 200:
        body = {"error": {"message": text}}
    response = {"status_code": status, "request_id": "r", "body": body}
    return {"id": "b", "custom_id": custom_id, "response": None if error else response, "error": error}


def answer_into(path: Path, *results: object) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in results))


def test_requests_are_written_in_the_form_both_readers_know(tmp_path: Path) -> None:
    model = BatchFileChatModel(tmp_path / "batch", "gpt-x")
    assert isinstance(model, ChatModel)
    answers, waiting = run(model, questions(2))
    assert not answers
    (line, other), *rest = written(tmp_path / "batch").values()
    assert not rest
    assert {**line, "custom_id": ""} == {
        "custom_id": "",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {
            "model": "gpt-x",
            "messages": [{"role": "user", "content": "question 0"}],
            "max_completion_tokens": 50,
            "temperature": 0.7,
        },
    }
    assert str(line["custom_id"]).startswith("key-0.")
    assert str(other["custom_id"]).startswith("key-1.")
    assert waiting is not None
    assert (waiting.num_missing, waiting.num_asked) == (2, 2)
    assert "2 of 2 answers are not there yet. Submit requests-0001.jsonl in" in str(waiting)
    assert "vllm run-batch -i FILE -o results.jsonl --model gpt-x" in str(waiting)


def test_results_are_read_in_any_order_from_any_files(tmp_path: Path) -> None:
    model, asked = BatchFileChatModel(tmp_path, "m"), questions(5)
    run(model, asked)
    ids = [model.custom_id(question, SAMPLING) for question in asked]
    answer_into(tmp_path / "z.jsonl", result(ids[3], "three"), result(ids[0], "zero"))
    answer_into(tmp_path / "a.jsonl", result(ids[4], "four"))
    answers, waiting = run(model, asked)
    assert {i: a.text for i, a in answers.items()} == {0: "zero", 3: "three", 4: "four"}
    assert answers[0] == Answer("zero", "stop", Usage(4, 0, 2), 0)
    assert waiting is not None
    assert waiting.num_missing == 2
    answer_into(tmp_path / "b.jsonl", result(ids[1], "one"), result(ids[2], "two"))
    answers, waiting = run(model, asked)
    assert ([answers[i].text for i in range(5)], waiting, model.notes) == (
        ["zero", "one", "two", "three", "four"],
        None,
        [],
    )


def test_nothing_is_asked_twice_until_its_file_is_removed(tmp_path: Path) -> None:
    model = BatchFileChatModel(tmp_path, "m")
    run(model, questions(2))
    run(model, questions(3))
    assert [len(lines) for lines in written(tmp_path).values()] == [2, 1]
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    run(model, questions(3))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    (tmp_path / "requests-0001.jsonl").unlink()
    run(model, questions(3))
    assert {name: len(lines) for name, lines in written(tmp_path).items()} == {
        "requests-0002.jsonl": 1,
        "requests-0003.jsonl": 2,
    }


def test_files_stay_within_the_providers_limits(tmp_path: Path) -> None:
    run(BatchFileChatModel(tmp_path / "many", "m", most_requests=4), questions(10))
    assert [len(lines) for lines in written(tmp_path / "many").values()] == [4, 4, 2]
    run(BatchFileChatModel(tmp_path / "large", "m", most_bytes=700), questions(10))
    sizes = [path.stat().st_size for path in (tmp_path / "large").glob("requests-*.jsonl")]
    assert len(sizes) > 1
    assert max(sizes) <= 700
    assert sum(len(lines) for lines in written(tmp_path / "large").values()) == 10
    with pytest.raises(UserError, match="larger than a file may be"):
        run(BatchFileChatModel(tmp_path / "small", "m", most_bytes=50), questions(1))
    assert not list((tmp_path / "small").iterdir())


def test_errors_are_unanswered_unless_another_file_answers(tmp_path: Path) -> None:
    model, asked = BatchFileChatModel(tmp_path, "m"), questions(5)
    ids = [model.custom_id(question, SAMPLING) for question in asked]
    answer_into(
        tmp_path / "errors.jsonl",
        result(ids[0], error={"code": "batch_expired", "message": "too late"}),
        result(ids[1], "oh", status=500),
        result(ids[2], error={"code": "content_filter", "message": "flagged"}),
        result(ids[3], error={"message": "too late"}),
        {"custom_id": ids[4], "response": {"status_code": 200, "body": {"choices": []}}, "error": None},
    )
    answer_into(tmp_path / "again.jsonl", result(ids[3], "three"))
    answers, waiting = run(model, asked)
    assert waiting is None
    assert [(answers[i].text, answers[i].finish_reason) for i in range(5)] == [
        ("", "unknown"),
        ("", "unknown"),
        ("", "content_filter"),
        ("three", "stop"),
        ("", "unknown"),
    ]
    assert model.notes[-1].startswith("4 requests were answered by an error, the last: ")


def test_what_is_odd_in_the_results_is_counted(tmp_path: Path) -> None:
    model, asked = BatchFileChatModel(tmp_path, "m"), questions(2)
    ids = [model.custom_id(question, SAMPLING) for question in asked]
    whole = json.dumps(result(ids[1], "one"))
    (tmp_path / "r.jsonl").write_bytes(
        b'\n[]\n{"custom_id": 3}\n\xff\n'
        + "".join(
            json.dumps(line) + "\n" for line in (result(ids[0], "first"), result(ids[0], "second"), result("other"))
        ).encode()
        + whole[:40].encode()
    )
    answers, waiting = run(model, asked)
    assert answers[0].text == "first"
    assert waiting is not None
    assert model.notes == [
        "4 lines are no results",
        "1 results answer nothing asked now",
        "1 came twice",
    ]


def test_a_result_never_passes_for_the_answer_to_something_else(tmp_path: Path) -> None:
    asked = questions(1)[0]
    ids = {
        BatchFileChatModel(tmp_path, "m").custom_id(asked, SAMPLING),
        BatchFileChatModel(tmp_path, "other").custom_id(asked, SAMPLING),
        BatchFileChatModel(tmp_path, "m").custom_id(asked, Sampling(max_tokens=51, temperature=0.7)),
        BatchFileChatModel(tmp_path, "m").custom_id(asked.said("assistant", "x"), SAMPLING),
        BatchFileChatModel(tmp_path, "m").custom_id(Conversation((user("question 0"),)), SAMPLING),
    }
    assert len(ids) == 5
    long = BatchFileChatModel(tmp_path, "m").custom_id(Conversation(asked.messages, "x" * 5000), SAMPLING)
    assert len(long) < 256


def test_the_same_question_twice_is_written_once_and_answered_twice(tmp_path: Path) -> None:
    model, asked = BatchFileChatModel(tmp_path, "m"), questions(1) * 3
    run(model, asked)
    assert [len(lines) for lines in written(tmp_path).values()] == [1]
    answer_into(tmp_path / "r.jsonl", result(model.custom_id(asked[0], SAMPLING)))
    answers, waiting = run(model, asked)
    assert ([answers[i].text for i in range(3)], waiting) == (["yes"] * 3, None)


def test_one_question_as_a_stream(tmp_path: Path) -> None:
    model, asked = BatchFileChatModel(tmp_path, "m"), questions(1)[0]
    with pytest.raises(Waiting):
        list(model.stream(asked, SAMPLING))
    answer_into(tmp_path / "r.jsonl", result(model.custom_id(asked, SAMPLING)))
    assert list(model.stream(asked, SAMPLING)) == [Delta("yes", "stop", Usage(4, 0, 2))]


def test_pictures_travel_inside_and_a_missing_one_leaves_nothing_half(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8picture")
    model = BatchFileChatModel(tmp_path / "batch", "m")
    seen = Conversation((user("what?", [tmp_path / "a.jpg"]),), "seen")
    run(model, [seen])
    (line,) = next(iter(written(tmp_path / "batch").values()))
    assert line["body"]["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/jpeg;base64,")  # type: ignore[index]
    with pytest.raises(UserError, match="cannot read the picture"):
        run(model, [Conversation((user("what?", [tmp_path / "b.jpg"]),), "absent")])
    assert [path.name for path in (tmp_path / "batch").iterdir()] == ["requests-0001.jsonl"]


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write requests into"):
        run(BatchFileChatModel(tmp_path / "file" / "batch", "m"), questions(1))
    with pytest.raises(UserError, match="batchfile:NAME"):
        BatchFileChatModel(tmp_path, "")
