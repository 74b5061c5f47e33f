"""What a world's folder holds, for whoever finds it."""

from __future__ import annotations

from collections.abc import Mapping

# One row a kind of file: the names, matched by their beginning or end, and what is in them.
_ROWS = (
    ("annotations/captions_", "COCO captions, five a picture; `_zh` in Chinese"),
    ("annotations/instances_", "COCO instances; `attributes`, `phrases` and `wrong_phrases` are ours"),
    ("annotations/written_instances_", "the same of all pictures with writing and of some others"),
    ("align_train.json", "stage 1 of LLaVA: a request and one description"),
    ("instruct_train.json", "LLaVA-Instruct's three kinds: conversation, detail, complex reasoning"),
    ("mixture_train.json", "LLaVA-1.5's mixture in small: short answers, options, boxes, reading, two pictures, talk"),
    ("practice_train.json", "many short questions that do not give each other away, two pictures, longer answers"),
    ("drills/", "questions of one skill a picture; `together` asks all; `everything`, `hardest` each question apart"),
    ("text_train.json", "no pictures: a few things or whole scenes told in words, questions about them, small talk"),
    ("questions_", "one question of each kind about held-out pictures, with the answer; `chiasm eval scenes`"),
    ("pope_", "POPE's files; `chiasm eval pope --data pope_test`"),
    ("vqav2_", "VQA v2's files; `chiasm eval vqav2 --data vqav2_test`"),
    ("caption_", "captions to compare with; `chiasm eval caption caption_zh --data caption_test`"),
)
_HEAD = """\
# A drawn world

Pictures that chiasm drew, with everything it knows about them, in English and Chinese.
Nobody's photograph is in here and nobody's text: use it for whatever you like.

    chiasm data scenes --out FOLDER --num {train} --num-val {val} --num-test {test} --num-text {text} \\
        --seed {seed} --size {size}

writes the same files again. {train} pictures to train on, {val} for validation, {test} for the last test; they share
no scene. Paths of pictures are relative to `images`. Boxes in LLaVA's files are in parts of the picture padded to a
square.

| file | records | what |
|---|---|---|
"""


def readme(world: Mapping[str, int], counts: Mapping[str, int]) -> str:
    """The text; `counts` are records by file."""
    rows = []
    for beginning, what in _ROWS:
        for name, count in counts.items():
            if name.startswith(beginning):
                rows.append(f"| `{name}` | {count} | {what} |\n")
    return _HEAD.format(**world) + "".join(rows)
