"""MME (Fu et al., arXiv 2306.13394): 14 tasks of yes-or-no questions, two to a picture, one right answer each.

Read from the release's own folders (a text file beside each picture) or from its result template
`eval_tool/Your_Results`. Answers are LLaVA's JSON lines, or a folder of `<task>.txt` as MME's calculation takes them.
LLaVA asks without MME's " Please answer yes or no.", under an id that both questions of a picture share, so an answer
is matched by its id and its prompt.

A task scores 100 * (share of right answers) + 100 * (share of pictures with both right), at most 200; perception is the
sum of ten tasks, cognition of four. Published rule: MME's `calculation.py`, which looks for yes, then no, in the first
four characters ("Not sure" is a no). Strict rule: yes or no wherever the answer says it (`chiasm.evals.yes_no`).
The published script pairs the lines of a file two by two, here pairs are the questions of one picture: the same in the
release's order, and right in any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from chiasm.errors import UserError
from chiasm.evals.files import find_path
from chiasm.evals.journal import write_whole
from chiasm.evals.prompts import SHORT_ANSWER, short_question
from chiasm.evals.task import Mark, Question, Rule, Task, one_by_one
from chiasm.evals.tasks._pictures import picture_folder
from chiasm.evals.yes_no import YES_NO, read_yes_no

# Section 2.1 of the paper, in the order of its tables and of calculation.py.
PERCEPTION = (
    "existence",
    "count",
    "position",
    "color",
    "posters",
    "celebrity",
    "scene",
    "landmark",
    "artwork",
    "OCR",
)
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
_TASKS = (*PERCEPTION, *COGNITION)
# In the release these keep pictures and questions in two subfolders, and LLaVA's ids follow it: artwork/images/x.jpg.
_NESTED = ("artwork", "celebrity", "landmark", "posters", "scene")
_FOLDERS = ("MME", "mme")
_RELEASES = (
    "MME_Benchmark_release_version",
    "MME_Benchmark_release_version/MME_Benchmark",
    "MME_Benchmark_release",
    "",
)
_TEMPLATES = ("eval_tool/Your_Results", "Your_Results", "MME_Benchmark_release_version/eval_tool/Your_Results", "")
_SUFFIXES = (".jpg", ".png", ".jpeg")
_ENDING = re.compile(r"\s*Please answer yes or no\.?\s*$", re.IGNORECASE)


def _questions(data: Path) -> list[Question]:
    roots = [root for root in (data, *(data / name for name in _FOLDERS)) if root.is_dir()]
    releases = [root / place for root in roots for place in _RELEASES if (root / place).is_dir()]
    rows = _from_template(data) or _from_release(releases)
    if not rows:
        raise UserError(
            f"mme: neither eval_tool/Your_Results nor MME_Benchmark_release_version/<task> is in {data} or its MME. "
            "Name with --data the folder of MME's release, or of LLaVA's evaluation bundle"
        )
    there = {row.task for row in rows}
    if absent := [task for task in _TASKS if task not in there]:
        raise UserError(f"mme: {len(there)} of 14 tasks are in {data}, missing: {', '.join(absent)}. Fetch the release")
    names = [f"{row.folder}/{row.file}" for row in rows] + [f"{row.task}/{row.file}" for row in rows]
    pictures = picture_folder(releases or roots, ("",), names[:: max(1, len(names) // 20)])
    questions = [_question(row, pictures) for row in rows]
    _check_pairs(questions, data)
    return questions


class _Row:
    """One question of the release: its task, picture, wording and truth."""

    __slots__ = ("file", "task", "text", "truth")

    def __init__(self, task: str, file: str, text: str, truth: str, where: str) -> None:
        self.task, self.file, self.text, self.truth = task, file, text.strip(), truth.strip()
        if self.truth.lower() not in ("yes", "no"):
            raise UserError(f"{where}: the truth must be Yes or No, not {truth!r}. Fetch the file again")

    @property
    def folder(self) -> str:
        """Where the release keeps the picture, which is also how LLaVA's ids begin."""
        return f"{self.task}/images" if self.task in _NESTED else self.task


def _question(row: _Row, pictures: Path) -> Question:
    # Where a copy of the release has no images/ inside, the picture lies in the task's own folder.
    flat = pictures / row.task / row.file
    picture = flat if flat.is_file() else pictures / row.folder / row.file
    return Question(
        id=f"{row.folder}/{row.file}",
        key=_key(row.task, row.file, row.text),
        text=short_question(_bare(row.text)),
        images=(picture,),
        reference=(row.truth, row.text),
        category=row.task,
        group=f"{row.task}/{row.file}",
        options=YES_NO,
    )


def _bare(question: str) -> str:
    """The question without MME's request to answer yes or no; it is preceded by one space, or by two."""
    return _ENDING.sub("", question)


def _key(task: str, file: str, question: str) -> str:
    return f"{task}/{file} {' '.join(_bare(question).split())}"


def _from_template(data: Path) -> list[_Row]:
    """The questions of `Your_Results`: picture, question and truth, parted by tabs, one file a task."""
    found = find_path(data, [f"{place}/existence.txt".lstrip("/") for place in _TEMPLATES], folders=_FOLDERS)
    if found is None:
        return []
    paths = [found.parent / f"{task}.txt" for task in _TASKS]
    return [
        _Row(path.stem, fields[0], fields[1], fields[2], f"{path} line {number}")
        for path in paths
        if path.is_file()
        for number, fields in _lines(path, 3, 4)
    ]


def _from_release(releases: Sequence[Path]) -> list[_Row]:
    """The questions of the release: beside each picture a text file of two lines, question, tab, truth."""
    rows: list[_Row] = []
    for task in _TASKS:
        folder = next((root / task for root in releases if (root / task).is_dir()), None)
        if folder is None:
            continue
        texts = folder / "questions_answers_YN"
        for path in sorted((texts if texts.is_dir() else folder).glob("*.txt")):
            file = _picture_name(folder, path.stem)
            for number, (text, truth) in _lines(path, 2, 2):
                rows.append(_Row(task, file, text, truth, f"{path} line {number}"))
    return rows


def _picture_name(folder: Path, stem: str) -> str:
    for place in (folder / "images", folder):
        for suffix in _SUFFIXES:
            if (place / f"{stem}{suffix}").is_file():
                return f"{stem}{suffix}"
    raise UserError(f"mme: {folder} has no picture {stem} (.jpg or .png) beside its questions. Fetch the release again")


def _lines(path: Path, fewest: int, most: int) -> Iterator[tuple[int, list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}. Fetch the file again") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        fields = line.rstrip("\r").split("\t", most - 1)
        if len(fields) < fewest:
            raise UserError(
                f"{path}: line {number} has {len(fields)} fields between tabs, expected {fewest} or more. "
                "Is the file cut off? Fetch it again"
            )
        yield number, fields


def _check_pairs(questions: Iterable[Question], data: Path) -> None:
    counts: dict[str, int] = {}
    keys: set[str] = set()
    num = 0
    for question in questions:
        num += 1
        counts[question.group] = counts.get(question.group, 0) + 1
        keys.add(question.key)
    odd = [group for group, count in counts.items() if count != 2]
    if odd or len(keys) != num:
        raise UserError(
            f"mme: {len(odd):,} of {len(counts):,} pictures in {data} do not have two different questions "
            f"(first: {odd[0] if odd else 'the same question twice'}). Is a file cut off? Fetch the release again"
        )


def _answer_key(record: Mapping[str, object]) -> str | None:
    identity, prompt = record.get("question_id"), record.get("prompt")
    if not isinstance(identity, str) or not isinstance(prompt, str) or "/" not in identity:
        return None
    question = prompt.replace("<image>", " ").strip().partition(f"\n{SHORT_ANSWER}")[0]
    return _key(identity.partition("/")[0], identity.rpartition("/")[2], question)


def _read_answers(path: Path, questions: Sequence[Question]) -> dict[str, str] | None:
    """Answers in MME's own form: a folder of `<task>.txt`, or one of them, with the answer in a fourth field."""
    if path.is_dir():
        paths = [found for task in _TASKS if (found := path / f"{task}.txt").is_file()]
    else:
        paths = [path] if path.suffix == ".txt" else []
    if not paths:
        return None
    texts: dict[str, str] = {}
    truths = {question.key: question.reference for question in questions}
    for each in paths:
        if each.stem not in _TASKS:
            raise UserError(f"{each} is named after none of MME's tasks: {', '.join(_TASKS)}")
        for number, (file, text, truth, answer) in _lines(each, 4, 4):
            row = _Row(each.stem, file, text, truth, f"{each} line {number}")
            key = _key(row.task, row.file, row.text)
            known = truths.get(key)
            if key in texts or (isinstance(known, tuple) and str(known[0]).lower() != row.truth.lower()):
                what = "is answered twice" if key in texts else f"has another truth ({row.truth}) than the release"
                raise UserError(f"{each}: line {number}: the question '{key}' {what}. Write the results again")
            texts[key] = answer
    return texts


def said(answer: str) -> str:
    """Yes, no or other as MME's `calculation.py` reads it."""
    text = answer.lower()
    if text in ("yes", "no"):
        return text
    return "yes" if "yes" in text[:4] else "no" if "no" in text[:4] else "other"


def _mark(question: Question, text: str, rule: Rule) -> Mark:
    assert isinstance(question.reference, tuple)
    read = said(text) if rule == "published" else read_yes_no(text) or "other"
    truth = str(question.reference[0])
    right = read == truth.lower()
    return Mark(question, text, float(right), read, invalid=read == "other", detail={"expected": truth})


def _metrics(marks: Sequence[Mark]) -> dict[str, float]:
    """Of a part of the questions only the tasks it has; `perception` and `cognition` are the sums of those."""
    # A picture drawn twice by a resample is there twice with both its questions: its copies are counted by the first.
    pictures: dict[str, _Picture] = {}
    for mark in marks:
        picture = pictures.get(mark.question.group)
        if picture is None:
            picture = pictures[mark.question.group] = _Picture(mark.question.category, mark.question.key)
        picture.num += 1
        picture.num_right += mark.value == 1
        picture.copies += mark.question.key == picture.first
    sums = {task: [0, 0, 0, 0] for task in _TASKS}
    for picture in pictures.values():
        num_right = picture.copies if picture.num == picture.num_right else 0
        parts = (picture.num, picture.num_right, picture.copies, num_right)
        sums[picture.task] = [old + new for old, new in zip(sums[picture.task], parts, strict=True)]
    scores = {
        task: 100 * right / num + 100 * both / num_pictures
        for task, (num, right, num_pictures, both) in sums.items()
        if num
    }
    perception, cognition = ([scores[task] for task in tasks if task in scores] for tasks in (PERCEPTION, COGNITION))
    return {"perception": sum(perception), **({"cognition": sum(cognition)} if cognition else {}), **scores}


class _Picture:
    """What became of the questions about one picture."""

    __slots__ = ("copies", "first", "num", "num_right", "task")

    def __init__(self, task: str, first: str) -> None:
        self.task, self.first = task, first
        self.num = self.num_right = self.copies = 0


def _submit(questions: Sequence[Question], texts: Mapping[str, str], folder: Path) -> Path:
    """A folder of `<task>.txt` for MME's calculation: picture, question, truth, answer."""
    lines: dict[str, list[str]] = {task: [] for task in _TASKS}
    for question in questions:
        assert isinstance(question.reference, tuple)
        truth, text = question.reference
        file = str(question.id).rpartition("/")[2]
        answer = " ".join(texts[question.key].split())  # a tab or a new line would be read as another field or question
        lines[question.category].append(f"{file}\t{text}\t{truth}\t{answer}\n")
    for task, written in lines.items():
        write_whole(folder / f"{task}.txt", "".join(written))
    return folder


TASK = Task(
    about="MME: 2,374 yes-or-no questions, two a picture, in ten perception and four cognition tasks",
    questions=_questions,
    mark=one_by_one(_mark),
    metrics=_metrics,
    headline="perception",
    rules=("published", "strict"),
    answer_key=_answer_key,
    submit=_submit,
    read_answers=_read_answers,
)
