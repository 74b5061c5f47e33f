"""Letting a model answer a task's questions: saved as they come, continued after a kill, shared among processes.

Whoever answers is a `chiasm.chat.ChatModel`, who groups questions by picture as it likes. Nothing is scored here.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from chiasm.chat import Answer, ChatModel, Ranker, Sampling
from chiasm.errors import UserError
from chiasm.evals.answers import answer_record
from chiasm.evals.files import read_json
from chiasm.evals.journal import Journal, read_journal, write_json
from chiasm.evals.task import Question, Task, numbered, numbered_key

RUN_FILE = "run.json"
_GROWS = "num_questions"  # the one thing that may change: a run of the first 100 questions goes on to all


@dataclass(frozen=True, slots=True)
class Run:
    """What makes answers belong together, kept as run.json beside them.

    `model` is its name, `weights` whatever tells one state of it from another, `data` the digest of all `num_total`
    questions of the task (`data_digest`), of which the first `num_questions` are asked.
    """

    task: str
    model: str
    weights: str
    data: str
    num_total: int
    num_questions: int
    max_tokens: int
    dtype: str | None = None

    def enter(self, folder: Path) -> None:
        """Make `folder` this run's; raises `UserError` naming what differs when it holds another's answers."""
        path = folder / RUN_FILE
        old = read_run(folder)
        if old is None and any(folder.glob("answers*.jsonl")):
            raise UserError(f"{folder} holds answers but no {RUN_FILE} to say whose. Name another folder with --out")
        differ = [each.name for each in fields(self) if old and getattr(old, each.name) != getattr(self, each.name)]
        if old and differ == [_GROWS] and old.num_questions < self.num_questions:
            differ = []
        elif not differ and old:
            return
        if old and differ == [_GROWS]:
            raise UserError(
                f"{folder} holds the answers to {old.num_questions:,} questions, more than the {self.num_questions:,} "
                f"asked now. Score those with chiasm score {self.task} {folder} --limit {self.num_questions}, or name "
                "another folder with --out"
            )
        if differ:
            what = "; ".join(f"{name} was {getattr(old, name)!r}, now {getattr(self, name)!r}" for name in differ)
            raise UserError(f"{folder} holds answers of another run: {what}. Name another folder with --out")
        write_json(path, asdict(self))


def read_run(folder: Path) -> Run | None:
    """The run whose answers `folder` holds; None where there is no run.json."""
    path = folder / RUN_FILE
    if not path.is_file():
        return None
    try:
        return Run(**read_json(path))
    except TypeError:
        raise UserError(f"{path} was not written by this version of chiasm. Name another folder with --out") from None


@dataclass(frozen=True, slots=True)
class Shard:
    """The `index`-th of `count` parts of a run, counted from 0: one process each."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(f"shard {self.index}/{self.count}: the first is 0/{self.count}")

    def of(self, questions: Sequence[Question]) -> list[Question]:
        """This shard's questions, a contiguous part; those about the same pictures are all in one shard."""
        if self.count == 1:
            return list(questions)
        by_pictures: dict[object, list[Question]] = {}
        for question in questions:
            by_pictures.setdefault(question.images or question.key, []).append(question)
        mine, before = [], 0
        for group in by_pictures.values():
            if before * self.count // len(questions) == self.index:
                mine += group
            before += len(group)
        return mine

    def file(self, folder: Path, stem: str) -> Path:
        """Where this shard writes: answers.jsonl, or answers.0-of-4.jsonl."""
        part = "" if self.count == 1 else f".{self.index}-of-{self.count}"
        return folder / f"{stem}{part}.jsonl"


def check_pictures(name: str, questions: Sequence[Question]) -> None:
    """Raise `UserError` with counts and names unless every picture is a file with something in it."""
    paths = {str(image) for question in questions for image in question.images if isinstance(image, str | Path)}
    missing = sorted(path for path in paths if not _is_there(path))
    if missing:
        first = ", ".join(missing[:3])
        raise UserError(
            f"{name}: {len(missing):,} of {len(paths):,} pictures are missing or empty (first: {first}). "
            "Put them there, or name another folder with --data"
        )


def _is_there(path: str) -> bool:
    file = Path(path)
    return file.is_file() and file.stat().st_size > 0


def check_keys(name: str, task: Task, questions: Sequence[Question]) -> None:
    """Raise `ValueError` where a task's answers could not be matched to its questions again: a fault of its file."""
    keys = (task.answer_key(answer_record(question, "", "", {})) for question in questions)
    for question, key in zip(questions, numbered(map(str, keys)), strict=True):
        if key != question.key:
            raise ValueError(f"{name}: the answer to question {question.key!r} is read back as one to {key!r}")


def data_digest(questions: Sequence[Question]) -> str:
    """A digest of what a model is asked: keys, texts, options, and pictures by name or bytes."""
    digest = hashlib.sha256()
    for question in questions:
        images = [image if isinstance(image, bytes) else Path(str(image)).name for image in question.images]
        for part in (question.key, question.text, str(question.in_place), *question.options, *images):
            data = part if isinstance(part, bytes) else part.encode("utf-8", errors="surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)  # its length first, so that no two lists look alike
    return digest.hexdigest()


def unanswered(folder: Path, task: Task, questions: Sequence[Question], stem: str = "answers") -> list[Question]:
    """The questions no process has answered yet (`stem` "ranking": ranked)."""
    files = sorted(folder.glob(f"{stem}*.jsonl"))
    keys = (task.answer_key(record) for path in files for record in read_journal(path))
    done = set(numbered(key for key in keys if key is not None))
    return [question for question in questions if question.key not in done]


Advance = Callable[[int], None]


def answer(
    task: Task,
    questions: Sequence[Question],
    model: ChatModel,
    folder: Path,
    run: Run,
    *,
    shard: Shard = Shard(),
    advance: Advance = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
) -> None:
    """Ask a shard's unanswered questions, greedily; each answer is on the disk soon after it is given.

    What an answer used stands in its `metadata`: tokens, why it ended, and the seconds since the one before. A question
    to which a server gave no answer at all stays unanswered.
    """
    with Journal(shard.file(folder, "answers")) as journal:
        if journal.note:
            note(journal.note)
        asked = unanswered(folder, task, shard.of(questions))
        sampling, before = Sampling(max_tokens=run.max_tokens), time.monotonic()
        with _closing(model.answer_all([question.conversation for question in asked], sampling)) as answers:
            for given in answers:
                if not given.text and given.finish_reason == "unknown":
                    continue  # a server that gave no answer; the next run asks again
                now = time.monotonic()
                about = {"finish_reason": given.finish_reason, **asdict(given.usage), "seconds": round(now - before, 6)}
                journal.append(answer_record(asked[given.index], given.text, run.model, about))
                before = now
                advance(1)


@contextlib.contextmanager
def _closing(answers: Iterator[Answer]) -> Iterator[Iterator[Answer]]:
    """Interrupted, whoever answers ends its work at once and in order."""
    try:
        yield answers
    finally:
        if isinstance(answers, Generator):
            answers.close()


def rank(
    task: Task,
    questions: Sequence[Question],
    model: Ranker,
    folder: Path,
    *,
    shard: Shard = Shard(),
    advance: Advance = lambda _: None,
) -> None:
    """Let a model say how likely each of a question's `options` is, for all questions of a shard that have some."""
    with Journal(shard.file(folder, "ranking")) as journal:
        having = [question for question in shard.of(questions) if question.options]
        asked = unanswered(folder, task, having, "ranking")
        rankings = model.rank_all([question.conversation for question in asked], [each.options for each in asked])
        for ranking in rankings:
            question = asked[ranking.index]
            about: dict[str, object] = {"options": question.options, **asdict(ranking)}
            del about["index"]
            journal.append({"question_id": question.id, "prompt": question.text, **about})
            advance(1)


def likeliest(folder: Path, task: Task, questions: Sequence[Question]) -> dict[str, str] | None:
    """The likeliest option of every question, by key; None unless all were ranked.

    Likelihoods are of the whole option, summed over its tokens; of equals the first.
    """
    best: dict[str, str] = {}
    times: dict[str, int] = {}
    for path in sorted(folder.glob("ranking*.jsonl")):
        for record in read_journal(path):
            key = task.answer_key(record)
            logs, options = record.get("log_likelihoods"), record.get("options")
            if key is None or not isinstance(logs, list) or not isinstance(options, list) or not logs:
                raise UserError(
                    f"{path} holds a record that is no ranking. Remove the file; its questions are asked again"
                )
            times[key] = times.get(key, 0) + 1
            best[numbered_key(key, times[key])] = options[max(range(len(logs)), key=lambda each: float(logs[each]))]
    return best if questions and all(question.key in best for question in questions) else None


@dataclass(frozen=True, slots=True)
class Used:
    """What answers cost: tokens, and seconds summed over all processes. `num_cut` ended at `max_tokens`.

    `num_refused` are those a provider withheld; their text is what came all the same.
    """

    seconds: float = 0.0
    num_prompt: int = 0
    num_answer: int = 0
    num_cut: int = 0
    num_refused: int = 0


def used(folder: Path) -> Used:
    """What the answers in a run's folder cost."""
    about = list(_metadata(folder))
    return Used(
        seconds=sum(_number(each, "seconds") for each in about),
        num_prompt=int(sum(_number(each, "num_prompt") for each in about)),
        num_answer=int(sum(_number(each, "num_answer") for each in about)),
        num_cut=sum(each.get("finish_reason") == "length" for each in about),
        num_refused=sum(each.get("finish_reason") in ("content_filter", "refusal") for each in about),
    )


def _metadata(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("answers*.jsonl")):
        for record in read_journal(path):
            metadata = record.get("metadata")
            if isinstance(metadata, dict):
                yield metadata


def _number(about: dict[str, Any], name: str) -> float:
    value = about.get(name)
    return float(value) if isinstance(value, int | float) else 0.0
