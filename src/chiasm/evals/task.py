"""What a benchmark is: questions read from its own files, and two pure functions that score answers to them.

A task never knows which model answers. `mark` reads each answer by a rule; `metrics` sums marks up, and is called again
on resampled marks for intervals. Everything a scorer needs to know travels in `Question.reference`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from chiasm.conversation import IMAGE_MARKER, Conversation, Image, Message, Text, user
from chiasm.errors import UserError

if TYPE_CHECKING:
    from chiasm.evals.judging import Judging

Rule = Literal["published", "strict"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a benchmark.

    `id` is the `question_id` of answers files, which need not be unique (MME asks twice under one); `key` is unique in
    the task and is what answers are matched by. `text` is exactly what the user says, format prompt included, without
    picture markers. `images` are paths or bytes in order, not opened here. The model never sees `reference`.
    Questions of one `group` stand or fall together, so intervals resample them together; empty means on its own.
    `options` are the answers to rank by likelihood; empty when the question is not multiple choice.
    `in_place`: the pictures stand where the text says `<image>`, one for each, and not before it.
    """

    id: int | str
    key: str
    text: str
    images: tuple[object, ...] = ()
    reference: object = None
    category: str = ""
    group: str = ""
    options: tuple[str, ...] = ()
    in_place: bool = False

    @property
    def conversation(self) -> Conversation:
        """The question as a conversation: the pictures first, each on a line of its own, or where the text has them.

        Raises `UserError` for one without text: of some files of answers only the truths are known.
        """
        if not self.text:
            raise UserError(f"the question {self.key} has no text: such answers can be scored, but nobody can be asked")
        if self.in_place:
            first, *rest = map(Text, self.text.split(IMAGE_MARKER))
            parts = [first, *(part for pair in zip(map(Image, self.images), rest, strict=True) for part in pair)]
            said = tuple(part for part in parts if isinstance(part, Image) or part.text)
            return Conversation((Message("user", said),), self.key)
        return Conversation((user(self.text, self.images),), self.key)


@dataclass(frozen=True, slots=True)
class Mark:
    """What one answer is worth under a rule.

    `value` from 0 to 1; `read_as` is what the scorer understood ("yes", "B", the normalised answer) and is shown in
    reports. `invalid`: the answer could not be read as one at all; it is counted, shown and worth 0, never dropped.
    `detail` carries what `metrics` needs beyond that. `detail["expected"]` is the truth as reports show it; without it
    they show `Question.reference`.
    """

    question: Question
    text: str
    value: float
    read_as: str
    invalid: bool = False
    detail: Mapping[str, object] = field(default_factory=dict)


def id_key(record: Mapping[str, object]) -> str | None:
    """The key of most tasks: the `question_id` as text, so that 17 and "17" are one; None without one."""
    identity = record.get("question_id")
    return str(identity) if isinstance(identity, int | str) and not isinstance(identity, bool) else None


def numbered(keys: Iterable[str]) -> Iterator[str]:
    """The keys, with a number behind one that came before: "a", "b", "a#2".

    So a question that a benchmark asks again, in the same words under the same id, has a key of its own, and so have
    the answers to it.
    """
    times: dict[str, int] = {}
    for key in keys:
        times[key] = times.get(key, 0) + 1
        yield numbered_key(key, times[key])


def numbered_key(key: str, times: int) -> str:
    """A key that comes for the `times`-th time, counted from 1."""
    return key if times == 1 else f"{key}#{times}"


Marker = Callable[[Sequence[Question], Mapping[str, str], Rule], list[Mark]]


@dataclass(frozen=True, slots=True)
class Task:
    """A benchmark. All callables are pure but for `questions`, `submit` and `read_answers`, which touch files.

    `questions(data)` reads the benchmark's own files below the folder `data` (see `chiasm.evals.files`); pictures are
    named, not opened, and need not be there. Raises `UserError` naming the file.
    `mark(questions, texts by key, rule)` returns one mark a question, in order; every key is there.
    `metrics(marks)` returns names to numbers, percentages from 0 to 100; never raises on an empty class.
    `headline` is the metric to print alone. `max_tokens` is what the published runs allowed.
    `answer_key(record)` is the key of the question that a line of an answers file answers; None when the line cannot be
    one (its `question_id` is missing); of lines with one key the second answers "KEY#2" (`numbered`), where a benchmark
    asks it twice. `submit(questions, texts, folder)` writes the file a scoring server takes.
    `read_answers(path, questions)` reads answers in another form than LLaVA's JSONL and returns texts by key, None when
    `path` is not of that form. `judging` says how a judge model is asked, for tasks no rule can score.
    """

    about: str
    questions: Callable[[Path], list[Question]]
    mark: Marker
    metrics: Callable[[Sequence[Mark]], dict[str, float]]
    headline: str
    max_tokens: int = 128
    rules: tuple[Rule, ...] = ("published",)
    answer_key: Callable[[Mapping[str, object]], str | None] = id_key
    submit: Callable[[Sequence[Question], Mapping[str, str], Path], Path] | None = None
    read_answers: Callable[[Path, Sequence[Question]], Mapping[str, str] | None] | None = None
    judging: Judging | None = None


def one_by_one(mark_one: Callable[[Question, str, Rule], Mark]) -> Marker:
    """A `Task.mark` for rules that look at one answer at a time."""

    def mark(questions: Sequence[Question], texts: Mapping[str, str], rule: Rule) -> list[Mark]:
        return [mark_one(question, texts[question.key], rule) for question in questions]

    return mark


def percent(part: float, whole: float) -> float:
    """100 * part / whole; 0 when there is nothing to share, as in an empty subset."""
    return 100 * part / whole if whole else 0.0
