"""Letting a model answer: what is saved, continued, refused, shared among processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from chiasm.backends.scripted import ScriptedChatModel
from chiasm.chat import Answer, Ranking, Sampling, Usage
from chiasm.conversation import Conversation
from chiasm.errors import UserError
from chiasm.evals.answers import read_answers
from chiasm.evals.journal import Journal, line_of, write_whole
from chiasm.evals.run import (
    Run,
    Shard,
    answer,
    check_keys,
    check_pictures,
    data_digest,
    likeliest,
    rank,
    read_run,
    unanswered,
    used,
)
from chiasm.evals.task import Question
from tests.evals.colours import COLOURS, TASK, knowing, questions, write_data

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def asked(tmp_path: Path) -> list[Question]:
    return questions(write_data(tmp_path / "data"))


def run_of(asked: Sequence[Question], **changes: object) -> Run:
    run = Run("colours", "scripted", "", data_digest(asked), len(asked), len(asked), 8)
    return replace(run, **changes)  # type: ignore[arg-type]


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_answers_are_llavas_lines_and_greedy(tmp_path: Path, asked: list[Question]) -> None:
    model, steps = ScriptedChatModel(knowing), Counter[str]()
    answer(TASK, asked, model, tmp_path / "out", run_of(asked), advance=lambda n: steps.update(steps=n))
    written = lines(tmp_path / "out" / "answers.jsonl")
    assert [line["question_id"] for line in written] == list(range(12))
    first = written[0]
    assert set(first) == {"question_id", "prompt", "text", "answer_id", "model_id", "metadata"}
    assert first["prompt"] == "Is 0 red?\nAnswer the question using a single word or phrase."
    assert (first["text"], first["model_id"]) == ("yes", "scripted")
    assert len({line["answer_id"] for line in written}) == 12
    assert {sampling for _, sampling in model.asked} == {Sampling(max_tokens=8, temperature=0)}
    assert [image.source for image in model.asked[0][0].images] == list(asked[0].images)
    assert steps["steps"] == 12


def test_what_answers_used_is_summed_from_the_answers(tmp_path: Path, asked: list[Question]) -> None:
    class Model(ScriptedChatModel):
        def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
            endings = ["stop", "length", "content_filter", *["stop"] * 9]
            for index in reversed(range(len(conversations))):
                time.sleep(0.002)
                yield Answer(f"a{index}", endings[index], Usage(100, 90, 3), index)  # type: ignore[arg-type]

    answer(TASK, asked, Model([]), tmp_path, run_of(asked))
    cost = used(tmp_path)
    assert (cost.num_prompt, cost.num_answer, cost.num_cut, cost.num_refused) == (1200, 36, 1, 1)
    assert 0.024 <= cost.seconds < 5
    assert read_answers(tmp_path, "colours", TASK, asked).texts == {str(n): f"a{n}" for n in range(12)}


def test_a_model_that_fails_keeps_its_answers_and_is_asked_only_the_rest(tmp_path: Path, asked: list[Question]) -> None:
    def failing(conversation: Conversation) -> str:
        if conversation.id == "7":
            raise UserError("the teacher is out of credit")
        return knowing(conversation)

    with pytest.raises(UserError, match="credit"):
        answer(TASK, asked, ScriptedChatModel(failing), tmp_path, run_of(asked))
    with (tmp_path / "answers.jsonl").open("ab") as file:
        file.write(b'{"question_id": 7, "text": "no')
    model, notes = ScriptedChatModel(knowing), list[str]()
    answer(TASK, asked, model, tmp_path, run_of(asked), note=notes.append)
    assert [conversation.id for conversation, _ in model.asked] == ["7", "8", "9", "10", "11"]
    assert len(notes) == 1
    assert "torn off" in notes[0]
    assert len(read_answers(tmp_path, "colours", TASK, asked).texts) == 12


_KILLED = """
import sys
from pathlib import Path
from tests.evals.colours import TASK, knowing, questions
from tests.evals.test_run import run_of
from chiasm.backends.scripted import ScriptedChatModel
from chiasm.evals.run import answer
import time
def slow(conversation):
    time.sleep(0.02)
    return knowing(conversation)
asked = questions(Path(sys.argv[1]))
answer(TASK, asked, ScriptedChatModel(slow), Path(sys.argv[2]), run_of(asked), advance=lambda n: print(n, flush=True))
"""


def test_killed_and_continued_gives_the_same_answers(tmp_path: Path) -> None:
    data, out = write_data(tmp_path / "data", 40), tmp_path / "out"
    asked = questions(data)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    for _ in range(2):
        command = [sys.executable, "-c", _KILLED, str(data), str(out)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            assert process.stdout is not None
            for _ in range(12):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
    left = len(unanswered(out, TASK, asked))
    assert 0 < left <= 80 - 24
    model = ScriptedChatModel(knowing)
    answer(TASK, asked, model, out, run_of(asked))
    assert len(model.asked) == left
    texts = read_answers(out, "colours", TASK, asked).texts
    assert texts == {question.key: knowing(question.conversation) for question in asked}


# ---- what belongs together -------------------------------------------------------------------------------------------


def test_answers_of_another_run_are_not_mixed_in(tmp_path: Path, asked: list[Question]) -> None:
    run = run_of(asked)
    run.enter(tmp_path)
    run.enter(tmp_path)
    assert read_run(tmp_path) == run
    for changes, said in (
        ({"model": "other"}, r"model was 'scripted', now 'other'"),
        ({"weights": "abc"}, "weights was '', now 'abc'"),
        ({"data": "f00"}, "data was"),
        ({"max_tokens": 9, "dtype": "bfloat16"}, "max_tokens was 8, now 9; dtype was None, now 'bfloat16'"),
        (
            {"num_questions": 3},
            r"answers to 12 questions, more than the 3 asked now. .* chiasm score colours .* --limit 3",
        ),
    ):
        with pytest.raises(UserError, match=said):
            replace(run, **changes).enter(tmp_path)  # type: ignore[arg-type]
    assert read_run(tmp_path) == run


def test_a_run_of_the_first_questions_may_grow(tmp_path: Path, asked: list[Question]) -> None:
    run_of(asked, num_questions=3).enter(tmp_path)
    run_of(asked).enter(tmp_path)
    assert read_run(tmp_path) == run_of(asked)


def test_answers_of_unknown_origin_are_not_continued(tmp_path: Path, asked: list[Question]) -> None:
    (tmp_path / "answers.jsonl").write_text("")
    with pytest.raises(UserError, match=r"answers but no run\.json"):
        run_of(asked).enter(tmp_path)
    (tmp_path / "run.json").write_text('{"colour": "red"}')
    with pytest.raises(UserError, match=r"not written by this version"):
        run_of(asked).enter(tmp_path)


def test_two_processes_do_not_write_one_file(tmp_path: Path, asked: list[Question]) -> None:
    with Journal(tmp_path / "answers.jsonl"), pytest.raises(UserError, match="written by another process"):
        answer(TASK, asked, ScriptedChatModel(["a"]), tmp_path, run_of(asked))
    answer(TASK, asked, ScriptedChatModel(["a"]), tmp_path, run_of(asked))


def test_the_digest_is_of_what_is_asked(asked: list[Question]) -> None:
    same = [replace(each, images=(Path("/elsewhere") / Path(str(each.images[0])).name,), reference=1) for each in asked]
    assert data_digest(asked) == data_digest(same)
    others = [
        asked[1:],
        [replace(asked[0], text="Else?"), *asked[1:]],
        [replace(asked[0], images=("other.png",)), *asked[1:]],
        [replace(asked[0], images=(b"bytes",)), *asked[1:]],
        [replace(asked[0], options=("a", "b")), *asked[1:]],
        [replace(asked[0], options=("ab",)), *asked[1:]],
    ]
    assert len({data_digest(each) for each in [asked, *others]}) == 7


def test_missing_pictures_are_told_before_anything_is_asked(asked: list[Question]) -> None:
    check_pictures("colours", asked)
    Path(str(asked[0].images[0])).unlink()
    Path(str(asked[4].images[0])).write_bytes(b"")
    with pytest.raises(UserError, match=r"colours: 2 of 6 pictures are missing or empty \(first: .*0\.png, .*2\.png\)"):
        check_pictures("colours", asked)
    check_pictures("colours", [replace(asked[0], images=(b"bytes",))])


def test_a_task_whose_answers_cannot_be_matched_again_is_told(asked: list[Question]) -> None:
    check_keys("colours", TASK, asked)
    with pytest.raises(ValueError, match="question 'x' is read back as one to '0'"):
        check_keys("colours", TASK, [replace(asked[0], key="x")])
    with pytest.raises(ValueError, match="'0'"):
        check_keys("colours", TASK, [asked[0], asked[0]])


# ---- shards ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 9])
def test_shards_share_out_all_questions_and_no_picture(asked: list[Question], count: int) -> None:
    parts = [Shard(index, count).of(asked) for index in range(count)]
    assert sorted((each for part in parts for each in part), key=lambda each: int(each.key)) == asked
    where = {(image, index) for index, part in enumerate(parts) for each in part for image in each.images}
    assert len(where) == 6
    if count in (1, 2, 3, 6):
        assert {len(part) for part in parts} == {12 // count}


def test_questions_of_a_picture_stay_together_wherever_they_stand(asked: list[Question]) -> None:
    split = asked[::2] + asked[1::2]
    first = Shard(0, 2).of(split)
    assert [each.key for each in first] == ["0", "1", "2", "3", "4", "5"]


def test_shards_write_files_of_their_own_and_others_go_on_with_them(tmp_path: Path, asked: list[Question]) -> None:
    out = tmp_path / "out"
    answer(TASK, asked, ScriptedChatModel(knowing), out, run_of(asked), shard=Shard(0, 2))
    assert [path.name for path in out.iterdir()] == ["answers.0-of-2.jsonl"]
    assert len(unanswered(out, TASK, asked)) == 6
    model = ScriptedChatModel(knowing)
    answer(TASK, asked, model, out, run_of(asked))  # one process takes over what the second shard was to do
    assert len(model.asked) == 6
    assert len(read_answers(out, "colours", TASK, asked).texts) == 12


@pytest.mark.parametrize(("index", "count"), [(4, 4), (-1, 2), (0, 0)])
def test_no_such_shard(index: int, count: int) -> None:
    with pytest.raises(ValueError, match="the first is 0/"):
        Shard(index, count)


# ---- ranking ---------------------------------------------------------------------------------------------------------


class Guesser:
    """Finds the last option likeliest, but "blue" for question 3."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []

    def rank_all(self, conversations: Sequence[Conversation], options: Sequence[Sequence[str]]) -> Iterator[Ranking]:
        for index in reversed(range(len(conversations))):
            self.asked.append(conversations[index].id)
            logs = [-5.0, -4.5, -4.0, -3.5]
            if conversations[index].id == "3":
                logs[1] = -0.1
            assert tuple(options[index]) == COLOURS
            yield Ranking(tuple(logs), (1, 1, 2, 1), index)


def test_the_likeliest_option_is_an_answer(tmp_path: Path, asked: list[Question]) -> None:
    assert likeliest(tmp_path, TASK, asked) is None
    naming = [each for each in asked if each.options]
    rank(TASK, asked[:4], Guesser(), tmp_path)
    assert likeliest(tmp_path, TASK, naming) is None
    guesser = Guesser()
    rank(TASK, asked, guesser, tmp_path)
    assert guesser.asked == ["11", "9", "7", "5"]
    best = likeliest(tmp_path, TASK, naming)
    assert best == {"1": "white", "3": "blue", "5": "white", "7": "white", "9": "white", "11": "white"}
    record = lines(tmp_path / "ranking.jsonl")[0]
    assert record["log_likelihoods"] == [-5.0, -0.1, -4.0, -3.5]
    assert record["num_tokens"] == [1, 1, 2, 1]
    assert TASK.mark(naming[1:2], best, "strict")[0].value == 1


# ---- files that survive ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "left"),
    [
        (b'{"a": 1}\n{"a": 2}\n', b'{"a": 1}\n{"a": 2}\n'),
        (b'{"a": 1}\n{"a":', b'{"a": 1}\n'),
        (b'{"a": 1', b""),
        (b'{"a": 1}\n{"a": 2}', b'{"a": 1}\n{"a": 2}\n'),
        (b'{"a": 1}\n{"a": "' + b"x" * 200_000, b'{"a": 1}\n'),
        (b"", b""),
    ],
)
def test_a_journal_begins_behind_its_last_whole_line(tmp_path: Path, content: bytes, left: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with Journal(path) as journal:
        journal.append({"a": "é\ud800"})
    assert path.read_bytes() == left + b'{"a": "\\u00e9\\ud800"}\n'
    assert (journal.note is not None) == (len(left) < len(content))


def test_lines_keep_their_letters() -> None:
    assert line_of({"text": "猫 </script>\n"}) == '{"text": "猫 </script>\\n"}\n'.encode()


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"What was saved before stays"), Journal(Path("/dev/full")) as journal:
        journal.append({"a": 1})
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/x"):
        write_whole(tmp_path / "file" / "x", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
