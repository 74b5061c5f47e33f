"""A run of pictures of one split: drawn, written, and everything said of them as lines of one file.

A shard is finished when its file is there: it is written last, and whole or not at all. Shards need nothing of each
other, so any number of processes may write them in any order. Importable without torch, and by a spawned process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chiasm.atomic import new_file
from chiasm.scenes.drawing.compose import draw
from chiasm.scenes.formats import coco, drills, mixture, pope, practice, stages, vqa
from chiasm.scenes.formats.picture import LANGUAGES, Picture, Record
from chiasm.scenes.formats.png import png
from chiasm.scenes.formats.questions import Examiner
from chiasm.scenes.placing import sample_scene

# Even, so that a picture and its partner are in one shard; some two seconds of work, so that little is lost. Ours.
PICTURES_A_SHARD = 200
_OTHERS = 3  # of pictures without writing one of so many is among those with; ours
_JSON = json.JSONEncoder(ensure_ascii=False)
# Scenes are numbered once for all splits: what is held out never depends on how much there is to train on.
FIRST_INDEX = {"train": 0, "val": 10_000_000, "test": 20_000_000, "text": 30_000_000}
MOST_OF_A_SPLIT = 10_000_000
HELD_OUT = ("val", "test")
DRAWN = ("train", *HELD_OUT)  # "text" is told in words only

Line = tuple[str, Record]
"""A section of the world's files, and a record of it."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Pictures `first` to `first + num` of the `total` of a split, in the world of `seed` in the folder `world`."""

    world: Path
    seed: int
    size: int
    split: str
    first: int
    num: int
    total: int

    @property
    def path(self) -> Path:
        """Where its lines are."""
        return shard_folder(self.world) / f"{self.split}_{self.first:08d}.jsonl"

    def finished(self) -> bool:
        """Whether its lines are there, and every picture as long as they say."""
        if not self.path.is_file():
            return False
        written = [json.loads(record) for section, record in read_lines(self.path) if section == "written"]
        return all(_length(self.world / "images" / record["file"]) == record["bytes"] for record in written)


def shard_folder(world: Path) -> Path:
    """Where shards wait until all are there."""
    return world / ".shards"


def shards_of(world: Path, seed: int, size: int, numbers: dict[str, int]) -> list[Shard]:
    """The shards of a world with so many pictures a split, in the order of its files."""
    return [
        Shard(world, seed, size, split, first, min(PICTURES_A_SHARD, total - first), total)
        for split, total in numbers.items()
        for first in range(0, total, PICTURES_A_SHARD)
    ]


def write_shard(shard: Shard) -> int:
    """Write a shard's pictures, then its lines; the number of pictures."""
    if shard.split in DRAWN:
        (shard.world / "images" / shard.split).mkdir(parents=True, exist_ok=True)
    with new_file(shard.path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        for section, record in _lines(shard):
            file.write(f"{section}\t{_JSON.encode(record)}\n")
    return shard.num if shard.split in DRAWN else 0


def read_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """A shard's lines: the section, and the record as JSON."""
    with path.open("rb") as file:
        for line in file:
            section, _, record = line.rstrip(b"\n").partition(b"\t")
            yield section.decode(), record


def _lines(shard: Shard) -> Iterator[Line]:
    examiners = [Examiner(language) for language in LANGUAGES]
    for picture, partner in _pairs(shard):
        if shard.split == "text":
            yield from (("text", record) for record in stages.text(picture))
            continue
        areas, num_bytes = _draw(shard.world, picture)
        yield "written", {"file": picture.file, "bytes": num_bytes}
        yield "images", coco.image(picture)
        for language in LANGUAGES:
            yield from ((f"captions_{language.code}", record) for record in coco.captions(picture, language))
        instances = list(coco.instances(picture, areas))
        yield from (("instances", record) for record in instances)
        if shard.split == "train":
            if picture.is_written_or_one_of(_OTHERS):
                yield "written_images", coco.image(picture)
                yield from (("written_instances", record) for record in instances)
            yield from _lessons(picture, partner)
        else:
            yield from _examination(shard.split, picture, partner, examiners)


def _lessons(picture: Picture, partner: Picture | None) -> Iterator[Line]:
    yield from (("align", record) for record in stages.align(picture))
    yield from (("instruct", record) for record in stages.instruct(picture))
    yield from (("mixture", record) for record in mixture.mixture(picture, partner))
    yield from (("practice", record) for record in practice.practice(picture, partner))
    for name in drills.DRILLS:
        yield from ((name, record) for record in drills.drill(name, picture, partner))


def _examination(split: str, picture: Picture, partner: Picture | None, examiners: list[Examiner]) -> Iterator[Line]:
    yield "pope", pope.Content.of(picture).record()
    said = {language.code: picture.captions(language) for language in LANGUAGES}
    yield "captioned", {"file": picture.file, "split": split, **said}
    for examiner in examiners:
        for asked in examiner.ask(picture, partner):
            code = examiner.language.code
            yield f"questions_{code}", asked.record(split)
            if code == "en" and asked.question.style == "short" and asked.partner is None:
                yield "vqa_questions", vqa.question(asked)
                yield "vqa_annotations", vqa.annotation(asked)


def _pairs(shard: Shard) -> Iterator[tuple[Picture, Picture | None]]:
    """Each picture with the one it is compared with: its neighbour, whose neighbour it is; none for one left over."""
    for number in range(shard.first, shard.first + shard.num, 2):
        one = _picture(shard, number)
        if number + 1 == shard.total:
            yield one, None
            return
        other = _picture(shard, number + 1)
        yield one, other
        yield other, one


def _picture(shard: Shard, number: int) -> Picture:
    scene = sample_scene(shard.seed, FIRST_INDEX[shard.split] + number, shard.size)
    return Picture(shard.seed, shard.split, number, scene)


def _draw(world: Path, picture: Picture) -> tuple[tuple[int, ...], int]:
    """Write the picture; the pixels of each of its things that can be seen, and the length of the file."""
    drawn = draw(picture.scene)
    content = png(drawn.image)
    path = world / "images" / picture.file
    # Not flushed one by one: that would cost half of the time. `finished` compares lengths instead.
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)
    return drawn.areas, len(content)


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
