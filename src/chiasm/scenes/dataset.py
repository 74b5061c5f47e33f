"""A drawn world on disk: pictures, COCO annotations and LLaVA conversations, in the field's own file formats.

The same (seed, size, numbers) give the same bytes. Files appear under their names only when complete, so an
interrupted run goes on where it stopped. Knows files; what is in them comes from the other modules of the package.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from chiasm.errors import UserError
from chiasm.scenes import benchmarks
from chiasm.scenes.benchmarks import Asked
from chiasm.scenes.draw import draw_scene, silhouette
from chiasm.scenes.questions import Question, ask, conversation
from chiasm.scenes.words import captions, full_caption, in_words
from chiasm.scenes.world import KINDS, SMALLEST_PICTURE, Scene, random_stream, sample_scene

WORLD_FORMAT = 1  # raised whenever the same seed would give other bytes
# Scenes are numbered once for all splits: validation never depends on how much there is to train on.
_FIRST_INDEX = {"train": 0, "val": 10_000_000, "text": 20_000_000}
_MOST_OF_A_SPLIT = 10_000_000
_VAL_KINDS = ("colour", "existence", "count", "kind", "relation")
_MANIFEST = "world.json"

# Requests for a brief description, in the spirit of the list in the LLaVA paper (arXiv:2304.08485, table 11).
_BRIEFLY = (
    "Describe the image concisely.",
    "Give a short description of the picture.",
    "What is in this picture, in a few words?",
    "Write a caption for this image.",
)


@dataclass(frozen=True)
class WrittenWorld:
    """Where everything is. Image paths inside the files are relative to `images`."""

    folder: Path
    images: Path
    captions_train: Path
    captions_val: Path
    instances_train: Path
    instances_val: Path
    align_train: Path
    instruct_train: Path
    text_train: Path
    questions_val: Path
    pope_val: Path  # a folder: coco_pope_{random,popular,adversarial}.json
    vqa_questions_val: Path
    vqa_annotations_val: Path


def paths(out: Path) -> WrittenWorld:
    """The layout of a drawn world in the folder `out`, whether it is written yet or not."""
    annotations = out / "annotations"
    return WrittenWorld(
        folder=out,
        images=out / "images",
        captions_train=annotations / "captions_train.json",
        captions_val=annotations / "captions_val.json",
        instances_train=annotations / "instances_train.json",
        instances_val=annotations / "instances_val.json",
        align_train=out / "align_train.json",
        instruct_train=out / "instruct_train.json",
        text_train=out / "text_train.json",
        questions_val=out / "questions_val.json",
        pope_val=out / "pope",
        vqa_questions_val=out / "vqav2" / "v2_OpenEnded_drawn_val_questions.json",
        vqa_annotations_val=out / "vqav2" / "v2_drawn_val_annotations.json",
    )


def write(
    out: Path, *, num_train: int, num_val: int, seed: int = 0, size: int = 64, num_text: int | None = None
) -> WrittenWorld:
    """Write a drawn world of `num_train` + `num_val` pictures of `size` x `size` pixels to the folder `out`.

    `num_text` conversations without a picture are written beside them, as many as training pictures unless said.
    A folder that holds a part of the same world (seed and size) is completed, and may grow; pictures it already has are
    kept (also those beyond smaller numbers, which the other files then do not mention). Progress is shown on a
    terminal only. Raises `UserError` on numbers that make no world, on a folder that holds something else and where
    writing fails.
    """
    num_text = num_train if num_text is None else num_text
    _check_numbers(num_train=num_train, num_val=num_val, num_text=num_text, size=size)
    files = paths(out)
    asked = {"format": WORLD_FORMAT, "seed": seed, "size": size}
    numbers = {"num_train": num_train, "num_val": num_val, "num_text": num_text}
    finished = _read_manifest(out, asked) == {**asked, **numbers}
    try:
        if not finished:
            # Without numbers until the end: whoever finds the folder knows whose it is and that it is not complete.
            _write_json(out / _MANIFEST, asked)
        _Writer(files, seed=seed, size=size, keep=finished).write_all(num_train, num_val, num_text)
        if not finished:
            _write_json(out / _MANIFEST, {**asked, **numbers})
    except OSError as error:
        raise UserError(
            f"writing to {out} stopped: {error.strerror or error}; the same call goes on from there"
        ) from error
    return files


def _check_numbers(*, num_train: int, num_val: int, num_text: int, size: int) -> None:
    for name, number in (("training pictures", num_train), ("validation pictures", num_val), ("texts", num_text)):
        if not 1 <= number <= _MOST_OF_A_SPLIT:
            raise UserError(f"{number} {name} asked for: give a number from 1 to {_MOST_OF_A_SPLIT}")
    if size < SMALLEST_PICTURE:
        raise UserError(f"pictures of {size} pixels asked for: give {SMALLEST_PICTURE} or more")


def _read_manifest(out: Path, asked: Mapping[str, int]) -> dict[str, object] | None:
    """What `out` says it holds, None for a new folder. Refuses to write into anything but the same world."""
    manifest = out / _MANIFEST
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not manifest.exists():
            if any(found.name != f"{_MANIFEST}.part" for found in out.iterdir()):
                raise UserError(f"{out} is not empty and no drawn world ({_MANIFEST} is missing): give a new folder")
            return None
        found = json.loads(manifest.read_bytes())
    except OSError as error:
        raise UserError(f"{out} cannot be used as a folder: {error.strerror or error}") from error
    except ValueError as error:
        raise UserError(f"{manifest} is not JSON ({error}): delete the folder or give a new one") from error
    if not isinstance(found, dict) or any(found.get(key) != value for key, value in asked.items()):
        holds = ", ".join(f"{key} {found.get(key)!r}" for key in asked) if isinstance(found, dict) else repr(found)
        wanted = ", ".join(f"{key} {value}" for key, value in asked.items())
        raise UserError(f"{out} holds another drawn world ({holds}; asked for {wanted}): give a new folder")
    return found


class _Writer:
    """Writes the files of one world; with `keep`, json files that are there stay."""

    def __init__(self, files: WrittenWorld, *, seed: int, size: int, keep: bool) -> None:
        self._files, self._seed, self._size, self._keep = files, seed, size, keep

    def write_all(self, num_train: int, num_val: int, num_text: int) -> None:
        files = self._files
        self._write_pictures("train", num_train)
        self._write_pictures("val", num_val)
        for split, num, captions_file, instances_file in (
            ("train", num_train, files.captions_train, files.instances_train),
            ("val", num_val, files.captions_val, files.instances_val),
        ):
            self._write(captions_file, self._coco(split, num, self._caption_annotations(split, num)))
            instances = self._coco(split, num, self._instance_annotations(split, num))
            self._write(instances_file, {**instances, "categories": _categories()})
        self._write(files.align_train, self._align(num_train))
        self._write(files.instruct_train, self._instruct(num_train))
        self._write(files.text_train, self._text(num_text))
        self._write(files.questions_val, self._questions(num_val))
        self._write_benchmarks(num_val)

    def _write_benchmarks(self, num_val: int) -> None:
        files = self._files
        shown = [(f"val/{digits}.png", scene) for digits, scene in self._scenes("val", num_val, "POPE")]
        for split in benchmarks.POPE_SPLITS:
            path = files.pope_val / f"coco_pope_{split}.json"
            self._write_lines(path, benchmarks.pope(shown, split, self._seed))
        about = {
            "info": {"description": "chiasm drawn world", "version": str(WORLD_FORMAT), "seed": self._seed},
            "license": {},
            "data_type": "drawn",
            "data_subtype": "val",
        }
        questions = benchmarks.vqa_questions(self._asked(num_val))
        self._write(files.vqa_questions_val, {**about, "task_type": "Open-Ended", "questions": questions})
        annotations = benchmarks.vqa_annotations(self._asked(num_val))
        self._write(files.vqa_annotations_val, {**about, "annotations": annotations})

    def _write(self, path: Path, content: Mapping[str, object] | Iterable[Mapping[str, object]]) -> None:
        if not (self._keep and path.is_file()):
            path.parent.mkdir(exist_ok=True)
            _write_json(path, content)

    def _write_lines(self, path: Path, records: Iterable[Mapping[str, object]]) -> None:
        if not (self._keep and path.is_file()):
            path.parent.mkdir(exist_ok=True)
            _write_whole(path, (f"{json.dumps(record)}\n" for record in records))

    def _scenes(self, split: str, num: int, what: str) -> Iterator[tuple[str, Scene]]:
        """Each scene with its six digits, while a progress bar says what they are used for."""
        first = _FIRST_INDEX[split]
        for number in _with_progress(range(num), f"{what} ({split})"):
            yield f"{number:06d}", sample_scene(self._seed, first + number, self._size)

    def _write_pictures(self, split: str, num: int) -> None:
        folder = self._files.images / split
        folder.mkdir(parents=True, exist_ok=True)
        there = {file.name for file in folder.iterdir() if file.stat().st_size}
        missing = [number for number in range(num) if f"{number:06d}.png" not in there]
        for number in _with_progress(missing, f"pictures ({split})"):
            scene = sample_scene(self._seed, _FIRST_INDEX[split] + number, self._size)
            part = folder / f"{number:06d}.png.part"
            draw_scene(scene).save(part, format="PNG")
            part.replace(folder / f"{number:06d}.png")

    def _coco(self, split: str, num: int, annotations: Iterator[dict[str, object]]) -> dict[str, object]:
        info = {"description": "chiasm drawn world", "version": str(WORLD_FORMAT), "seed": self._seed, "split": split}
        images = (
            {"id": scene.id, "file_name": f"{split}/{digits}.png", "width": scene.width, "height": scene.height}
            for digits, scene in self._scenes(split, num, "image list")
        )
        return {"info": info, "licenses": [], "images": images, "annotations": annotations}

    def _caption_annotations(self, split: str, num: int) -> Iterator[dict[str, object]]:
        annotation_id = 0
        for _, scene in self._scenes(split, num, "captions"):
            for caption in captions(scene, random_stream(self._seed, scene.id, "captions")):
                annotation_id += 1
                yield {"id": annotation_id, "image_id": scene.id, "caption": caption}

    def _instance_annotations(self, split: str, num: int) -> Iterator[dict[str, object]]:
        annotation_id = 0
        for _, scene in self._scenes(split, num, "instances"):
            for thing in scene.things:
                annotation_id += 1
                yield {
                    "id": annotation_id,
                    "image_id": scene.id,
                    "category_id": 1 + KINDS.index(thing.kind),
                    "bbox": [thing.box.x, thing.box.y, thing.box.w, thing.box.h],
                    "area": round(float(silhouette(thing).sum()), 2),
                    "iscrowd": 0,
                    "attributes": {"colour": thing.colour, "size": thing.size},
                }

    def _align(self, num: int) -> Iterator[dict[str, object]]:
        for digits, scene in self._scenes("train", num, "alignment"):
            rng = random_stream(self._seed, scene.id, "align")
            turns = [_human(f"<image>\n{rng.choice(_BRIEFLY)}"), _gpt(full_caption(scene, rng))]
            yield {"id": f"align_{digits}", "image": f"train/{digits}.png", "conversations": turns}

    def _instruct(self, num: int) -> Iterator[dict[str, object]]:
        for digits, scene in self._scenes("train", num, "instructions"):
            asked = conversation(scene, random_stream(self._seed, scene.id, "instruct"))
            turns = _turns(asked, before="<image>")
            yield {"id": f"instruct_{digits}", "image": f"train/{digits}.png", "conversations": turns}

    def _text(self, num: int) -> Iterator[dict[str, object]]:
        for digits, scene in self._scenes("text", num, "text"):
            rng = random_stream(self._seed, scene.id, "text")
            turns = _turns(conversation(scene, rng), before=in_words(scene, rng))
            yield {"id": f"text_{digits}", "conversations": turns}

    def _asked(self, num: int) -> Iterator[Asked]:
        """The questions about the held-out pictures: one of each kind that can be asked, yes and no in balance."""
        answers: Counter[tuple[str, str]] = Counter()
        for digits, scene in self._scenes("val", num, "questions"):
            rng = random_stream(self._seed, scene.id, "questions")
            for number, kind in enumerate(_VAL_KINDS):
                # Whichever of yes and no is behind comes next: in a few hundred questions coins alone are not even.
                question = ask(scene, kind, rng, yes=answers[kind, "yes"] <= answers[kind, "no"])
                if question is not None:
                    answers[kind, question.answer] += 1
                    yield Asked(scene, f"val/{digits}.png", number, question)

    def _questions(self, num: int) -> Iterator[dict[str, object]]:
        for asked in self._asked(num):
            kind = asked.question.kind
            yield {
                "id": f"{Path(asked.image).stem}_{kind}",
                "image": asked.image,
                "kind": kind,
                "question": asked.question.prompt,
                "answer": asked.question.answer,
            }


def _categories() -> list[dict[str, object]]:
    return [{"id": 1 + i, "name": kind, "supercategory": "thing"} for i, kind in enumerate(KINDS)]


def _human(value: str) -> dict[str, str]:
    return {"from": "human", "value": value}


def _gpt(value: str) -> dict[str, str]:
    return {"from": "gpt", "value": value}


def _turns(questions: Sequence[Question], before: str) -> list[dict[str, str]]:
    """The conversation as LLaVA writes it, with a line `before` the first question.

    Like the 665K mixture, it says only once that answers should be short.
    """
    first = next((i for i, question in enumerate(questions) if question.prompt != question.question), None)
    prompts = [question.prompt if i == first else question.question for i, question in enumerate(questions)]
    prompts[0] = f"{before}\n{prompts[0]}"
    answers = [question.answer for question in questions]
    return [turn for pair in zip(map(_human, prompts), map(_gpt, answers), strict=True) for turn in pair]


def _with_progress(items: Sequence[int], label: str) -> Iterator[int]:
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description=label, console=Console(stderr=True), transient=True)


def _write_json(path: Path, content: Mapping[str, object] | Iterable[Mapping[str, object]]) -> None:
    """One record a line, written as they come, under the file's own name only when the last one is there."""
    if isinstance(content, Mapping):
        _write_whole(path, _object(content))
    else:
        _write_whole(path, chain(_array(content), "\n"))


def _write_whole(path: Path, pieces: Iterable[str]) -> None:
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())  # a rename may reach the disk before what it names
    part.replace(path)


def _object(content: Mapping[str, object]) -> Iterator[str]:
    yield "{"
    for i, (key, value) in enumerate(content.items()):
        yield f"{',' if i else ''}\n{json.dumps(key)}: "
        yield from _array(value) if isinstance(value, Iterator) else [json.dumps(value)]
    yield "\n}\n"


def _array(records: Iterable[object]) -> Iterator[str]:
    yield "["
    for i, record in enumerate(records):
        yield f"{',' if i else ''}\n{json.dumps(record, ensure_ascii=False)}"
    yield "\n]"
