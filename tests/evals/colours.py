"""A small benchmark from outside the package, named `tests.evals.colours`: questions about pictures of one colour."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from chiasm.conversation import Conversation
from chiasm.evals.files import find_file, read_records
from chiasm.evals.task import Mark, Question, Rule, Task, one_by_one, percent

COLOURS = ("red", "blue", "green", "white")
SHORTLY = "\nAnswer the question using a single word or phrase."


def write_data(folder: Path, num_pictures: int = 6) -> Path:
    """The benchmark's files: two questions a picture, `is` and `name`."""
    (folder / "images").mkdir(parents=True)
    lines = []
    for number in range(num_pictures):
        colour = COLOURS[number % len(COLOURS)]
        Image.new("RGB", (40, 30), colour).save(folder / "images" / f"{number}.png")
        about = {"image": f"{number}.png", "colour": colour}
        lines.append({"question_id": 2 * number, "text": f"Is {number} {COLOURS[number % 3]}?", "kind": "is", **about})
        lines.append({"question_id": 2 * number + 1, "text": f"What colour is {number}?", "kind": "name", **about})
    (folder / "colours.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def questions(data: Path) -> list[Question]:
    found = []
    for number, line in enumerate(read_records(find_file(data, "colours", ["colours.jsonl"]))):
        truth = ("yes" if line["colour"] in line["text"] else "no") if line["kind"] == "is" else line["colour"]
        found.append(
            Question(
                line["question_id"],
                str(line["question_id"]),
                line["text"] + SHORTLY,
                (str(data / "images" / line["image"]),),
                truth,
                line["kind"],
                line["image"],
                () if line["kind"] == "is" else COLOURS,
            )
        )
        assert number == line["question_id"]
    return found


def mark_one(question: Question, text: str, rule: Rule) -> Mark:
    """Published: the answer holds the truth. Strict: it is the truth."""
    plain = text.strip().lower()
    right = plain == question.reference if rule == "strict" else str(question.reference) in plain
    return Mark(question, text, float(right), plain, not plain)


def metrics(marks: Sequence[Mark]) -> dict[str, float]:
    def accuracy(kind: str) -> float:
        some = [mark.value for mark in marks if kind in ("", mark.question.category)]
        return percent(sum(some), len(some))

    return {"accuracy": accuracy(""), "accuracy_is": accuracy("is"), "accuracy_name": accuracy("name")}


def submit(questions: Sequence[Question], texts: Mapping[str, str], folder: Path) -> Path:
    path = folder / "colours_upload.json"
    path.write_text(json.dumps([{"id": question.id, "answer": texts[question.key]} for question in questions]))
    return path


def knowing(conversation: Conversation) -> str:
    """What somebody answers who sees the pictures, and says too much about every third one."""
    assert conversation.id is not None
    number = int(conversation.id) // 2
    colour = COLOURS[number % len(COLOURS)]
    answer = colour if int(conversation.id) % 2 else ("yes" if COLOURS[number % 3] == colour else "no")
    return f"It is {answer}, I think." if number % 3 == 2 else answer


TASK = Task(
    about="Colours: what a picture of one colour shows",
    questions=questions,
    mark=one_by_one(mark_one),
    metrics=metrics,
    headline="accuracy",
    max_tokens=8,
    rules=("published", "strict"),
    submit=submit,
)
