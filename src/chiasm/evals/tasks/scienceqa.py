"""ScienceQA (Lu et al., arXiv 2209.09513): school questions with 2 to 5 choices, half of them with a picture.

Read from `problems.json` and `pid_splits.json` of the release, asked in the words of LLaVA's `llava_test_CQM-A.json`
where it is there and in the same words built by its rule where it is not. The split is test; where problems.json holds
none of it, as a file of the other splits does not, what it holds of val, else of train.

Published rule: LLaVA's `eval_science_qa.py`: a letter, a letter with ". " behind, or one "The answer is X."; anything
else failed, which is wrong. Strict rule: `chiasm.evals.choices`. Answers may also be a stored result of LLaVA or of
ScienceQA's own evaluation: one JSON object with `outputs` by problem.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chiasm.errors import UserError
from chiasm.evals.choices import LETTERS, lettered, option_lines, read_choice
from chiasm.evals.files import find_path, read_json, read_records
from chiasm.evals.prompts import OPTION_LETTER
from chiasm.evals.task import Mark, Question, Rule, Task, one_by_one, percent
from chiasm.evals.tasks._pictures import picture_folder

_FOLDERS = ("scienceqa", "ScienceQA", "data/scienceqa")
_PICTURES = ("images/{split}", "{split}", "images", "")
_LINE = re.compile(r"([A-E])\. (.*)", re.DOTALL)
_STATED = re.compile(r"The answer is ([A-Z]).")  # with the script's unescaped dot: any character behind the letter
_PUBLISHED_LETTERS = "ABCDE"
_SUBJECTS = {"natural science": "nat", "social science": "soc", "language science": "lan"}


@dataclass(frozen=True, slots=True)
class Reference:
    """The right letter, the choices, and the subsets of the paper's table 4 the question belongs to."""

    answer: str
    options: Mapping[str, str]
    subsets: tuple[str, ...]


def _questions(data: Path) -> list[Question]:
    found = find_path(data, ("problems.json", "problems_*.json"), folders=_FOLDERS)
    asked_path = find_path(data, ("llava_test_CQM-A.json",), folders=_FOLDERS)
    asked = _asked(asked_path) if asked_path else {}
    if found is None and asked_path is None:
        raise UserError(
            f"scienceqa: neither problems.json nor llava_test_CQM-A.json is in {data} or its scienceqa. "
            "Name with --data the folder of ScienceQA's release, or of LLaVA's evaluation bundle"
        )
    if found is None:
        split, problems = "test", {identity: _without_problem(record) for identity, record in asked.items()}
    else:
        split, problems = _split(found)
    if asked and split == "test" and asked.keys() != problems.keys():
        raise UserError(
            f"scienceqa: {asked_path} asks {len(asked):,} questions, the test split of {found} has {len(problems):,}, "
            f"{len(asked.keys() & problems.keys()):,} are in both. Put files of one release there"
        )
    names = [str(problem["image"]) for problem in problems.values() if problem.get("image")]
    roots = [path.parent for path in (found, asked_path) if path] + [data, *(data / name for name in _FOLDERS)]
    pictures = picture_folder(roots, [place.format(split=split) for place in _PICTURES], names)
    return [
        _question(identity, problem, asked.get(identity) if split == "test" else None, pictures)
        for identity, problem in problems.items()
    ]


def _split(path: Path) -> tuple[str, dict[str, dict[str, Any]]]:
    """The problems of the split that is there, by id in the order of the split."""
    problems, splits = read_json(path), read_json(_splits_path(path))
    if not isinstance(problems, dict) or not isinstance(splits, dict):
        raise UserError(f"{path} and pid_splits.json must hold objects. Fetch ScienceQA's release again")
    for split in ("test", "val", "train"):
        named = [str(identity) for identity in splits.get(split, ())]
        there = [identity for identity in named if identity in problems]
        if split == "test" and there and len(there) < len(named):
            raise UserError(
                f"{path} holds {len(there):,} of the {len(named):,} problems of the test split. Fetch the file again"
            )
        if there:
            return split, {identity: _problem(problems[identity], identity, path) for identity in there}
    raise UserError(
        f"{path}: none of its {len(problems):,} problems is in a split of pid_splits.json. Fetch both again"
    )


def _splits_path(problems: Path) -> Path:
    path = problems.parent / "pid_splits.json"
    if not path.is_file():
        raise UserError(f"scienceqa: {path} is missing: it says which problems are the test split. Fetch it")
    return path


def _problem(problem: Any, identity: str, path: Path) -> dict[str, Any]:
    """One problem with what is needed of it; `image` becomes the path below the pictures of its split."""
    problem = problem if isinstance(problem, dict) else {}
    choices, answer = problem.get("choices"), problem.get("answer")
    num_choices = len(choices) if isinstance(choices, list) else 0
    if not (
        isinstance(problem.get("question"), str)
        and 2 <= num_choices <= len(_PUBLISHED_LETTERS)
        and isinstance(answer, int)
        and 0 <= answer < num_choices
    ):
        raise UserError(f"{path}: problem {identity} needs a question, 2 to 5 choices and an answer. Fetch it again")
    return {**problem, "image": f"{identity}/{problem['image']}" if problem.get("image") else None}


def _asked(path: Path) -> dict[str, dict[str, Any]]:
    """LLaVA's question file by problem."""
    asked: dict[str, dict[str, Any]] = {}
    for number, record in enumerate(read_records(path)):
        turns = record.get("conversations")
        if not isinstance(turns, list) or not turns or not isinstance(turns[0].get("value"), str) or "id" not in record:
            raise UserError(f"{path}: record {number} needs an id and a conversation. Fetch the file again")
        asked[str(record["id"])] = record
    return asked


def _without_problem(record: Mapping[str, Any]) -> dict[str, Any]:
    """What LLaVA's question file alone says about a problem: the picture, the choices and the right letter."""
    turns = record["conversations"]
    lines = [match for line in turns[0]["value"].split("\n") if (match := _LINE.fullmatch(line))]
    options = lettered([match[2] for match in lines])
    answer = said(str(turns[1].get("value", "")).strip()) if len(turns) > 1 else None
    if answer is None or answer not in options:
        raise UserError(
            f"scienceqa: problem {record['id']} of llava_test_CQM-A.json has no readable answer, and there is no "
            "problems.json beside it. Put ScienceQA's problems.json and pid_splits.json there"
        )
    return {"choices": list(options.values()), "answer": LETTERS.index(answer), "image": record.get("image")}


def _question(identity: str, problem: Mapping[str, Any], asked: Mapping[str, Any] | None, pictures: Path) -> Question:
    options = lettered([str(choice) for choice in problem["choices"]])
    if asked is not None:
        text = str(asked["conversations"][0]["value"]).replace("<image>", "").strip()
    else:
        hint = f"Context: {problem['hint']}\n" if problem.get("hint") else ""
        text = f"{hint}{problem['question']}\n{option_lines(options)}"
    return Question(
        id=identity,
        key=identity,
        text=f"{text}\n{OPTION_LETTER}",
        images=(pictures / problem["image"],) if problem["image"] else (),
        reference=Reference(LETTERS[problem["answer"]], options, _subsets(problem)),
        category=str(problem.get("subject", "")),
        options=tuple(options),
    )


def _subsets(problem: Mapping[str, Any]) -> tuple[str, ...]:
    """Subject, context and grade, named as in the paper's table 4; only the picture is known without a subject."""
    image = ["accuracy_image"] if problem["image"] else []
    if "subject" not in problem:
        return tuple(image)
    hint = bool(problem.get("hint"))
    context = [name for name, there in (("txt", hint), ("img", bool(image)), ("no", not hint and not image)) if there]
    grade = str(problem.get("grade", "")).removeprefix("grade")
    grades = [("g1_6" if int(grade) <= 6 else "g7_12")] if grade.isdigit() else []
    subject = _SUBJECTS.get(str(problem["subject"]))
    return (*image, *([subject] if subject else []), *context, *grades)


def said(answer: str) -> str | None:
    """The letter LLaVA's `eval_science_qa.py` reads; None where it says FAILED."""
    if answer in tuple(_PUBLISHED_LETTERS):
        return answer
    if len(answer) >= 3 and answer[0] in _PUBLISHED_LETTERS and answer[1:3] == ". ":
        return answer[0]
    stated = _STATED.findall(answer)
    return stated[0] if len(stated) == 1 else None


def _mark(question: Question, text: str, rule: Rule) -> Mark:
    reference = question.reference
    assert isinstance(reference, Reference)
    read = said(text) if rule == "published" else read_choice(text, reference.options)
    known = read in reference.options  # a letter beyond the choices is no answer
    return Mark(question, text, float(read == reference.answer), read or "FAILED", invalid=not known)


def _metrics(marks: Sequence[Mark]) -> dict[str, float]:
    num: dict[str, int] = {}
    num_right: dict[str, float] = {}
    for mark in marks:
        assert isinstance(mark.question.reference, Reference)
        for name in ("accuracy", *mark.question.reference.subsets):
            num[name] = num.get(name, 0) + 1
            num_right[name] = num_right.get(name, 0) + mark.value
    order = ("accuracy", "accuracy_image", "nat", "soc", "lan", "txt", "img", "no", "g1_6", "g7_12")
    return {name: percent(num_right[name], num[name]) for name in order if name in num}


def _read_answers(path: Path, questions: Sequence[Question]) -> dict[str, str] | None:
    """Answers by problem from a stored result: `{"outputs": {"4": "The answer is A."}, ...}`."""
    if path.suffix != ".json" or not path.is_file():
        return None
    try:
        result = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None  # JSON lines under another name, perhaps: whoever reads those says what is wrong
    outputs = result.get("outputs") if isinstance(result, dict) else None
    if not isinstance(outputs, dict) or not all(isinstance(text, str) for text in outputs.values()):
        return None
    return outputs


TASK = Task(
    about="ScienceQA: school questions with 2 to 5 choices; published numbers are those with a picture",
    questions=_questions,
    mark=one_by_one(_mark),
    metrics=_metrics,
    headline="accuracy_image",
    max_tokens=1024,  # model_vqa_science.py's
    rules=("published", "strict"),
    read_answers=_read_answers,
)
