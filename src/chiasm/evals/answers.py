"""Reading answers files: every question answered once, matched by key and never by line.

LLaVA's JSON lines (`question_id`, `prompt`, `text`, ...) of any script, several files of one run, or what a task reads
by itself. Knows nothing about scoring.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from chiasm.conversation import IMAGE_MARKER
from chiasm.data.records import RecordFile
from chiasm.errors import UserError
from chiasm.evals.journal import read_journal
from chiasm.evals.task import Question, Task, numbered_key

_EXAMPLES = 3  # named in a message; ours
_ANSWERS = "answers*.jsonl"  # one file a process of ours writes


@dataclass(frozen=True, slots=True)
class Answers:
    """`texts` by `Question.key`, one for every question that was wanted; `notes` are for a person to read."""

    texts: dict[str, str]
    notes: tuple[str, ...] = ()


def answer_files(path: Path, name: str) -> list[Path]:
    """The answers files of the task `name` in a folder of our runs, or of one of its tasks; empty for other paths."""
    for folder in (path / name, path):
        if folder.is_dir() and (files := sorted(folder.glob(_ANSWERS))):
            return files
    return []


def read_answers(
    path: Path, name: str, task: Task, questions: Sequence[Question], wanted: int | None = None
) -> Answers:
    """The answers to the first `wanted` (all by default) of a task's `questions`; those to later ones may be there.

    Raises `UserError` in one line with counts and examples: questions without an answer, answered twice (also with
    equal answers), answers to questions the benchmark does not have or under the id of another question, lines that
    are no answers, a file that is cut off.
    """
    asked = questions if wanted is None else questions[:wanted]
    files = answer_files(path, name)
    if not files and not path.exists():
        raise UserError(f"{path} does not exist. Expected answers in LLaVA's JSON lines, or the folder of a run")
    match = _Match({question.key for question in questions})
    own = task.read_answers(path, questions) if task.read_answers is not None and not files else None
    if own is not None:
        match.texts.update(own)
    elif not files and path.is_dir():
        raise UserError(f"{path} holds no {_ANSWERS} of {name}. Name a file of answers, or the folder of a run")
    else:
        for record in _of_run(files) if files else _of_file(path):
            match.add(record, task)
    return Answers(match.texts, _checked(path, name, match, questions, asked))


def answer_record(question: Question, text: str, model: str, metadata: Mapping[str, object]) -> dict[str, object]:
    """A line of an answers file, as LLaVA's scripts write it."""
    return {
        "question_id": question.id,
        "prompt": question.text,
        "text": text,
        "answer_id": uuid.uuid4().hex[:22],  # as long as LLaVA's short ids
        "model_id": model,
        "metadata": dict(metadata),
    }


def _of_run(files: Iterable[Path]) -> Iterator[object]:
    """Whole lines only: what a kill tore off counts as not answered."""
    for path in files:
        yield from read_journal(path)


def _of_file(path: Path) -> Iterator[object]:
    file = RecordFile(path)
    if file.torn:
        raise UserError(f"{path} is cut off: {len(file):,} whole answers, then a torn line. Fetch it again, whole")
    yield from file


@dataclass(slots=True)
class _Match:
    """Answers met so far, and everything that does not fit, by example."""

    known: AbstractSet[str]
    texts: dict[str, str] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)
    no_answers: int = 0  # lines that are no objects, or without an id
    no_text: list[str] = field(default_factory=list)
    times: dict[str, int] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def add(self, record: object, task: Task) -> None:
        """Take one line of a file."""
        key = task.answer_key(record) if isinstance(record, dict) else None
        if key is None or not isinstance(record, dict):
            self.no_answers += 1
            return
        text, prompt = record.get("text"), record.get("prompt")
        self.times[key] = self.times.get(key, 0) + 1
        once, key = key, numbered_key(key, self.times[key])
        if once not in self.known:
            self.unknown.append(once)
        elif not isinstance(text, str):
            self.no_text.append(key)
        elif key not in self.known:
            self.twice.append(once)
        else:
            self.texts[key] = text
            if isinstance(prompt, str):
                self.prompts[key] = prompt


def _checked(
    path: Path, name: str, match: _Match, questions: Sequence[Question], asked: Sequence[Question]
) -> tuple[str, ...]:
    """Notes about answers that fit; raises `UserError` for those that do not."""
    missing = [question.key for question in asked if question.key not in match.texts]
    unknown = [*match.unknown, *(key for key in match.texts if key not in match.known)]
    foreign, reworded = _wordings(match.prompts, questions)
    wrong = []
    if match.no_answers:
        wrong.append(f"{match.no_answers:,} records are no objects with a question_id")
    if match.no_text:
        wrong.append(f"{len(match.no_text):,} answers hold no 'text' {_first(match.no_text)}")
        missing = [key for key in missing if key not in set(match.no_text)]
    if missing:
        wrong.append(f"{len(missing):,} of {len(asked):,} questions have no answer {_first(missing)}")
    if match.twice:
        wrong.append(f"{len(set(match.twice)):,} questions are answered twice or more {_first(match.twice)}")
    if unknown:
        wrong.append(
            f"{len(unknown):,} answers are to questions the benchmark does not have {_first(unknown)}; "
            "are they of another version of it?"
        )
    if foreign:
        wrong.append(f"{len(foreign):,} answers stand under the id of another question {_first(foreign)}")
    if wrong:
        raise UserError(f"{path} does not answer {name}: {'; '.join(wrong)}.{_hint(match, missing, asked)}")
    if reworded:
        return (f"{len(reworded):,} answers were given to another wording than the benchmark's {_first(reworded)}",)
    return ()


def _wordings(prompts: Mapping[str, str], questions: Sequence[Question]) -> tuple[list[str], list[str]]:
    """Keys whose prompt is another question's, and keys whose prompt is nobody's."""
    foreign: list[str] = []
    reworded: list[str] = []
    texts: set[str] | None = None
    for question in questions:
        prompt = _plain(prompts.get(question.key, question.text))
        if prompt == _plain(question.text):
            continue
        if texts is None:
            texts = {_plain(each.text) for each in questions}
        if prompt in texts:
            foreign.append(question.key)
        elif _plain(question.text.strip().partition("\n")[0]) not in prompt:  # else only the format's wording differs
            reworded.append(question.key)
    return foreign, reworded


def _plain(text: str) -> str:
    return " ".join(text.replace(IMAGE_MARKER, " ").split()).casefold()


def _first(keys: Sequence[str]) -> str:
    shown = [key if len(key) <= 60 else f"{key[:57]}..." for key in dict.fromkeys(keys)][:_EXAMPLES]
    return f"(first: {', '.join(shown)})" if len(set(keys)) > 1 else f"({shown[0]})"


def _hint(match: _Match, missing: Sequence[str], asked: Sequence[Question]) -> str:
    """What to do about answers to the first questions only, as an evaluation with a limit leaves them."""
    whole = not (match.no_answers or match.no_text or match.twice or match.unknown)
    answered = len(asked) - len(missing)
    if whole and missing and answered and all(question.key in match.texts for question in asked[:answered]):
        return f" They are the first {answered:,}: --limit {answered} scores those"
    return ""
