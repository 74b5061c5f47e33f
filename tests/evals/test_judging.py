"""A judge is asked within bounds, in both orders, never twice; what it did not say is counted and never averaged."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chiasm.backends.scripted import ScriptedChatModel
from chiasm.chat import Answer, Sampling, Usage
from chiasm.conversation import Conversation
from chiasm.dispatch import Prices
from chiasm.errors import UserError
from chiasm.evals.judging import Watch, are_reviews, judge_answers, marks_from_reviews
from chiasm.evals.task import Question
from chiasm.evals.tasks import _llava_bench as pairs

TASK = pairs.bench("a bench of two answers", lambda _: [])
KINDS = ("conv", "detail", "complex")


def questions(num: int = 6) -> list[Question]:
    return [
        Question(
            number,
            str(number),
            f"What is in picture {number}?",
            (f"{number}.jpg",),
            pairs.Reference(f"Thing {number} by the book.", (("Sentences", (f"A picture of {number}.",)),)),
            KINDS[number % 3],
            f"{number}.jpg",
        )
        for number in range(num)
    ]


def texts(some: Sequence[Question]) -> dict[str, str]:
    return {question.key: f"Thing {question.key}, I think." for question in some}


def reference_first(conversation: Conversation) -> bool:
    said = conversation.turns[0].text
    return said.index("by the book.") < said.index(", I think.")


def fair(conversation: Conversation) -> str:
    """The reference is worth 8, the answer 6."""
    return "8 6\nBecause." if reference_first(conversation) else "6 8\nBecause."


class Judge:
    """Answers by a function of the conversation and of how often it was asked this; `asked` counts requests."""

    def __init__(self, say: Any) -> None:
        self.say, self.times, self.asked = say, {}, []  # type: ignore[var-annotated]

    def stream(self, conversation: Conversation, sampling: Sampling) -> Iterator[Any]:
        raise NotImplementedError

    def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
        for index, conversation in reversed(list(enumerate(conversations))):  # in any order
            self.asked.append((conversation, sampling))
            time = self.times[conversation] = self.times.get(conversation, 0) + 1
            said = self.say(conversation, time)
            text, reason = said if isinstance(said, tuple) else (said, "stop")
            yield Answer(text, reason, Usage(100, 10, 5), index)


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_both_orders_are_asked_and_summed_up(tmp_path: Path) -> None:
    some, judge, path = questions(), ScriptedChatModel(fair), tmp_path / "reviews.jsonl"
    settled: list[int] = []
    watch = Watch(advance=settled.append)
    judge_answers(TASK, some, texts(some), judge, path, "openai:j", prices=Prices(1.0, 2.0), watch=watch)
    assert len(judge.asked) == 12
    assert sum(settled) == 12
    assert sum(reference_first(conversation) for conversation, _ in judge.asked) == 6
    assert {sampling for _, sampling in judge.asked} == {Sampling(max_tokens=1024, temperature=0.0)}
    marks = marks_from_reviews(TASK, some, texts(some), path)
    assert [mark.value for mark in marks] == [0.6] * 6
    found = TASK.metrics(marks)
    assert found == pytest.approx(
        {f"relative_{name}{order}": 75.0 for name in (*KINDS, "all") for order in ("", "_reference_first")}
        | {"position_effect": 0.0}
    )
    assert marks[0].read_as == "6 of 10, the reference 8"
    line = records(path)[1]
    assert line["judge"] == "openai:j"
    assert line["read"] == [8, 6] if line["order"] == "reference_first" else [6, 8]
    assert line["reply"].endswith("Because.")
    num_prompt, num_answer = line["usage"]["num_prompt"], line["usage"]["num_answer"]
    assert line["cost"] == pytest.approx((num_prompt * 1.0 + num_answer * 2.0) / 1e6)
    assert len(line["prompt_digest"]) == len(line["answer_digest"]) == 32


def test_a_judge_that_favours_a_place_is_found_out(tmp_path: Path) -> None:
    some, path = questions(), tmp_path / "reviews.jsonl"
    judge_answers(TASK, some, texts(some), ScriptedChatModel(["9 5"]), path, "j")
    found = TASK.metrics(marks_from_reviews(TASK, some, None, path))
    assert found["position_effect"] == 4  # whoever stands first is rated four points higher
    assert found["relative_all"] == 100  # (5 + 9) / (9 + 5)
    assert found["relative_all_reference_first"] == pytest.approx(100 * 5 / 9)


def test_means_are_of_scores_and_not_of_ratios(tmp_path: Path) -> None:
    some, path = questions(2), tmp_path / "reviews.jsonl"

    def say(conversation: Conversation) -> str:
        scores = (10, 2) if "picture 0?" in conversation.turns[0].text else (4, 4)
        return "{} {}".format(*(scores if reference_first(conversation) else scores[::-1]))

    judge_answers(TASK, some, texts(some), ScriptedChatModel(say), path, "j")
    found = TASK.metrics(marks_from_reviews(TASK, some, None, path))
    assert found["relative_all"] == pytest.approx(100 * 6 / 14)
    assert (found["relative_conv"], found["relative_detail"]) == (20, 100)
    assert "relative_complex" not in found


@pytest.mark.parametrize("bad", ["I cannot judge this.", ("8 6", "refusal"), ("", "content_filter"), "80 60"])
def test_replies_that_cannot_be_read_are_asked_again(tmp_path: Path, bad: object) -> None:
    some, path = questions(), tmp_path / "reviews.jsonl"
    judge = Judge(lambda conversation, time: bad if time < 3 else fair(conversation))
    judge_answers(TASK, some, texts(some), judge, path, "j")
    assert len(judge.asked) == 36
    assert [sampling.temperature for _, sampling in judge.asked] == [0.0] * 12 + [0.5] * 24
    assert not any(mark.invalid for mark in marks_from_reviews(TASK, some, texts(some), path))


def test_some_invalid_reviews_are_counted_and_left_out(tmp_path: Path) -> None:
    some, path = questions(100), tmp_path / "reviews.jsonl"

    def say(conversation: Conversation, time: int) -> object:
        said = conversation.turns[0].text
        return ("No.", "refusal") if "picture 7?" in said or "picture 8?" in said else fair(conversation)

    judge = Judge(say)
    judge_answers(TASK, some, texts(some), judge, path, "j")
    assert len(judge.asked) == 200 + 2 * 2 * 2  # two more tries, in two orders, for two questions
    marks = marks_from_reviews(TASK, some, texts(some), path)
    assert [mark.question.key for mark in marks if mark.invalid] == ["7", "8"]
    assert marks[7].read_as == "no valid review (refused)"
    assert TASK.metrics(marks)["relative_all"] == 75  # 6 to 8, as if those two were not there
    judge_answers(TASK, some, texts(some), judge, path, "j")
    assert len(judge.asked) == 208  # bounds hold over all runs


def test_above_two_percent_there_is_no_score(tmp_path: Path) -> None:
    some, path = questions(100), tmp_path / "reviews.jsonl"
    silent = ("picture 7?", "picture 8?", "picture 9?")

    def say(conversation: Conversation) -> str:
        bad = any(each in conversation.turns[0].text for each in silent) and not reference_first(conversation)
        return "Both are nice." if bad else fair(conversation)

    judge_answers(TASK, some, texts(some), ScriptedChatModel(say), path, "j")
    with pytest.raises(UserError, match=r"97 of 100 answers have a valid review, 3 have none \(unreadable 3\)"):
        marks_from_reviews(TASK, some, texts(some), path)


def test_killed_anywhere_nothing_is_asked_twice(tmp_path: Path) -> None:
    some, path = questions(), tmp_path / "reviews.jsonl"

    class KilledError(BaseException):
        pass

    count = 0

    def say(conversation: Conversation, time: int) -> str:
        nonlocal count
        count += 1
        if count in (5, 9):
            raise KilledError
        return "what?" if count == 3 else fair(conversation)

    judge, notes = Judge(say), list[str]()
    for _ in range(2):
        with pytest.raises(KilledError):
            judge_answers(TASK, some, texts(some), judge, path, "j")
        with pytest.raises(UserError, match="of 6 questions have no review of their answer"):
            marks_from_reviews(TASK, some, texts(some), path)
        with path.open("a") as file:
            file.write('{"question_id": 3, "key": "3", "ord')  # torn
    judge_answers(TASK, some, texts(some), judge, path, "j", watch=Watch(note=notes.append))
    assert "the last line was torn off and is asked again" in notes[0]
    assert count == 12 + 2 + 1  # every review, two that were killed, one that could not be read
    assert len(records(path)) == 1 + 12 + 1
    judge_answers(TASK, some, texts(some), judge, path, "j")
    assert count == 15
    assert TASK.metrics(marks_from_reviews(TASK, some, texts(some), path))["relative_all"] == 75


def test_other_answers_and_other_judges_are_asked_about_anew(tmp_path: Path) -> None:
    some, path = questions(), tmp_path / "reviews.jsonl"
    judge_answers(TASK, some, texts(some), ScriptedChatModel(fair), path, "j")
    changed = texts(some) | {"2": "Nothing at all, I think."}
    second = ScriptedChatModel(fair)
    judge_answers(TASK, some, changed, second, path, "j")
    assert len(second.asked) == 2
    assert marks_from_reviews(TASK, some, None, path)[2].text == "Nothing at all, I think."
    third = ScriptedChatModel(lambda each: "10 1" if reference_first(each) else "1 10")
    judge_answers(TASK, some, changed, third, path, "other")
    assert len(third.asked) == 12
    assert TASK.metrics(marks_from_reviews(TASK, some, changed, path))["relative_all"] == 10
    judge_answers(TASK, some, changed, ScriptedChatModel([]), path, "j")  # back again: nothing left to ask
    assert TASK.metrics(marks_from_reviews(TASK, some, changed, path))["relative_all"] == 75
    with pytest.raises(UserError, match="1 of 6 questions have no review"):
        marks_from_reviews(TASK, some, changed | {"1": "new, I think."}, path)


def test_a_server_that_says_nothing_is_asked_again_later(tmp_path: Path) -> None:
    some, path = questions(), tmp_path / "reviews.jsonl"
    dead = Judge(lambda conversation, _: ("", "unknown") if "picture 4?" in conversation.turns[0].text else "7 7")
    with pytest.raises(UserError, match="gave no reply to 2 of 12 requests; the others are kept"):
        judge_answers(TASK, some, texts(some), dead, path, "j")
    assert len(dead.asked) == 12
    alive = ScriptedChatModel(["7 7"])
    judge_answers(TASK, some, texts(some), alive, path, "j")
    assert len(alive.asked) == 2


def test_what_the_judge_is_not_told_is_said(tmp_path: Path) -> None:
    some, notes = questions(), list[str]()
    some[0] = replace(some[0], reference=pairs.Reference("Thing 0 by the book.", ()))
    judge = ScriptedChatModel(fair)
    watch = Watch(note=notes.append)
    judge_answers(TASK, some, texts(some), judge, tmp_path / "reviews.jsonl", "j", watch=watch)
    assert notes == [
        "of 1 pictures nothing is written down (first: 0.jpg): the judge goes by the question alone in 1 of 6 cases"
    ]


def test_half_a_character_in_an_answer_is_judged_all_the_same(tmp_path: Path) -> None:
    some, path = questions(1), tmp_path / "reviews.jsonl"
    judge = ScriptedChatModel(fair)
    judge_answers(TASK, some, {"0": "\ud83d, I think."}, judge, path, "j")
    for conversation, _ in judge.asked:
        conversation.turns[0].text.encode()
    assert marks_from_reviews(TASK, some, {"0": "\ud83d, I think."}, path)[0].value == 0.6


def test_files_that_are_no_reviews(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    assert not are_reviews(path)
    for text in ("", '{"question_id": 0, "text": "a"}\n', "{\n", "[1, 2]\n", "\x00\xff"):
        path.write_text(text)
        assert not are_reviews(path)
    some = questions()
    judge_answers(TASK, some, texts(some), ScriptedChatModel(fair), tmp_path / "ours.jsonl", "j")
    assert are_reviews(tmp_path / "ours.jsonl")
    lines = records(tmp_path / "ours.jsonl")
    del lines[3]["answer"]
    (tmp_path / "ours.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(UserError, match="not as it was written"):
        marks_from_reviews(TASK, some, texts(some), tmp_path / "ours.jsonl")


# ---- LLaVA's own reviews ---------------------------------------------------------------------------------------------


def llava_review(question: Question, pair: list[float], **other: object) -> dict[str, object]:
    return {
        "id": 1,
        "question_id": question.id,
        "answer1_id": "a",
        "answer2_id": "b",
        "category": f"llava_bench_{question.category}",
        "content": "8 6\nBecause.",
        "tuple": pair,
        **other,
    }


def write(path: Path, lines: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_llavas_reviews_are_summed_up_as_published(tmp_path: Path) -> None:
    some = questions(60)
    lines = [llava_review(question, [8.0, 4.0 + question.id % 3]) for question in some]  # type: ignore[operator]
    path = write(tmp_path / "reviews.jsonl", [*reversed(lines)])  # by id, not by line
    assert are_reviews(path)
    found = TASK.metrics(marks_from_reviews(TASK, some, None, path))
    assert found == {"relative_conv": 50, "relative_detail": 62.5, "relative_complex": 75, "relative_all": 62.5}
    lines[0]["tuple"] = [-1, -1]
    marks = marks_from_reviews(TASK, some, None, write(path, lines))
    assert [mark.question.key for mark in marks if mark.invalid] == ["0"]
    # 19 answers of 4, 20 of 5, 20 of 6 beside 59 references of 8; averaging -1 in would give 62.8.
    assert TASK.metrics(marks)["relative_all"] == pytest.approx(100 * 296 / 472)
    lines[1]["tuple"] = [8.0]
    with pytest.raises(UserError, match="58 of 60 answers have a valid review"):
        marks_from_reviews(TASK, some, None, write(path, lines))


def test_llavas_reviews_that_do_not_fit_are_refused_with_counts(tmp_path: Path) -> None:
    some, path = questions(6), tmp_path / "reviews.jsonl"
    lines = [llava_review(question, [8, 6]) for question in some]
    for changed, message in (
        (lines[:4], r"2 of 6 questions have no review \(first: 4, 5\)"),
        ([*lines, lines[2]], r"1 reviews are of questions reviewed before \(first: 2\)"),
        ([*lines, {**lines[2], "question_id": 99}], r"1 reviews are of questions that are not asked \(first: 99\)"),
        ([*lines[:5], {**lines[5], "category": "llava_bench_conv"}], r"1 reviews are of another category"),
        ([*lines, {"question_id": 1}], r"1 records are no reviews \(first: line 7\)"),
    ):
        with pytest.raises(UserError, match=message):
            marks_from_reviews(TASK, some, None, write(path, changed))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines)[:-20])
    with pytest.raises(UserError, match="must be whole"):
        marks_from_reviews(TASK, some, None, path)
