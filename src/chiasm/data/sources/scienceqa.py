"""ScienceQA: school questions with choices, some with a picture, answered with a lecture and an explanation.

How question and answer are written is a code of letters around a hyphen, from ScienceQA's own scripts: Q question,
C context, M choices, L lecture, E explanation, A answer. LLaVA trains on QCM-LEA.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chiasm.conversation import IMAGE_MARKER, RecordError
from chiasm.data.sources._dialogue import first_question
from chiasm.data.sources._reading import members, number, texts, words
from chiasm.data.sources._source import Needed, Record, Release, Source
from chiasm.errors import UserError, suggest

_LETTERS = "ABCDE"
_INPUTS = ("CQM", "QCM", "QCML", "QCME", "QCMLE", "QCLM", "QCEM", "QCLEM")
# Each after the word it is written with. AL gives the explanation and AE the lecture: so the published scripts have it.
_OUTPUTS = {
    "A": "",
    "AL": "E",
    "AE": "L",
    "ALE": "LE",
    "AEL": "EL",
    "LA": "L",
    "EA": "E",
    "LEA": "LE",
    "ELA": "EL",
    "LEPA": "",
}


def _records(release: Release) -> Iterator[Record]:
    """One record a problem of `split`, in the file's order; those with a picture have it behind the question.

    Source: LLaVA, scripts/convert_sqa_to_llava.py.
    """
    asked, _, answered = str(release.options["format"]).partition("-")
    if asked not in _INPUTS or answered not in _OUTPUTS:
        known = [f"{i}-{o}" for i in _INPUTS for o in _OUTPUTS]
        raise UserError(f"no ScienceQA format '{release.options['format']}': {suggest(f'{asked}-{answered}', known)}")
    splits = dict(members(release.files["splits"]))
    split = release.options["split"]
    if not isinstance(splits.get(split), list):
        raise UserError(f"{release.files['splits']} has no split '{split}': {suggest(split, splits)}")
    wanted = {str(name) for name in splits[split]}

    def convert(named: tuple[str, Any]) -> list[Record]:
        name, problem = named
        picture = problem.get("image") if isinstance(problem, dict) else None
        if picture is None and release.options["only_pictures"]:
            release.left_out["without picture"] += 1
            return []
        question, answer = _question(problem, asked), _answer(problem, answered)
        if picture is None:
            turns = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
            return [{"id": name, "conversations": turns}]
        turns = [{"from": "human", "value": f"{question}\n{IMAGE_MARKER}"}, {"from": "gpt", "value": answer}]
        return [{"id": name, "image": f"{name}/{words(problem, 'image')}", "conversations": turns}]

    def of_split() -> Iterator[tuple[str, tuple[str, Any]]]:
        for name, problem in members(release.files["problems"]):
            if name in wanted:
                wanted.discard(name)
                yield f"problem {name}", (name, problem)
        for name in sorted(wanted):
            release.drop(f"problem {name}", "not there", f"split '{split}' names it, problems.json does not")

    yield from release.each(of_split(), convert)


def _text(problem: Any, key: str) -> str:
    value = problem.get(key, "") if isinstance(problem, dict) else ""
    return value if isinstance(value, str) else ""


def _question(problem: Any, code: str) -> str:
    choices = texts(problem, "choices")
    if not 2 <= len(choices) <= len(_LETTERS):
        raise RecordError("bad choices", f"{len(choices)} choices; expected 2 to {len(_LETTERS)}")
    options = " ".join(f"({letter}) {choice}" for letter, choice in zip(_LETTERS, choices, strict=False))
    lines = {
        "Q": f"Question: {words(problem, 'question')}",
        "C": f"Context: {_text(problem, 'hint').strip() or 'N/A'}",
        "M": f"Options: {options}",
    }
    told = " ".join(_text(problem, {"L": "lecture", "E": "solution"}[letter]) for letter in code if letter in "LE")
    written: list[str] = []
    for letter in code:
        if letter in lines:
            written.append(lines[letter])
        elif told:
            written.append(f"BECAUSE: {told}")
            told = ""
    text = _tidy("\n".join(written))
    return text.replace("Question: ", "") if text.startswith("Question: ") else text


def _answer(problem: Any, code: str) -> str:
    right, choices = number(problem, "answer"), texts(problem, "choices")
    if not 0 <= right < len(choices):
        raise RecordError("bad choices", f"choice {right} should be right, of {len(choices)}")
    parts = {"L": _text(problem, "lecture"), "E": _text(problem, "solution")}
    letter = _LETTERS[right]
    if code == "LEPA":
        told = f"LECTURE: {parts['L']}\n" if parts["L"].strip() else ""
        told += f"SOLUTION: {parts['E']}\n" if parts["E"].strip() else ""
        return _tidy(f"{told}###\nANSWER: {letter}.")
    told = " ".join(parts[part] for part in _OUTPUTS[code])
    said = f"The answer is {letter}."
    if not code.startswith("A"):
        return _tidy(f"{told} {said}")
    return _tidy(f"{said} BECAUSE: {told}" if told.strip() else said)


def _tidy(text: str) -> str:
    return text.replace("  ", " ").strip()


SOURCE = Source(
    about="school questions with choices, answered with lecture and explanation",
    files=(
        Needed("problems", ("problems.json", "data/scienceqa/problems.json")),
        Needed("splits", ("pid_splits.json", "data/scienceqa/pid_splits.json")),
    ),
    records=_records,
    images="scienceqa/images/train",
    folders=("scienceqa", "ScienceQA"),
    options={"format": "QCM-LEA", "split": "train", "only_pictures": False},
    recognises=lambda record: "\nOptions: (A) " in first_question(record),
)
