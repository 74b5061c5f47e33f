"""The lines of all shards brought into the world's files, each under its name only when it is whole.

Lines are sorted into one spool a section, then files are put together from spools: memory does not grow with what there
is to train on.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from chiasm.atomic import new_file
from chiasm.scenes.formats import coco, vqa
from chiasm.scenes.formats.drills import DRILLS
from chiasm.scenes.formats.picture import LANGUAGES, Record
from chiasm.scenes.formats.pope import POPE_SPLITS, Content, pope
from chiasm.scenes.layout import WrittenWorld
from chiasm.scenes.shards import DRAWN, HELD_OUT, Shard, read_lines, shard_folder

_COPIED = 1 << 20  # bytes at a time


def merge(files: WrittenWorld, seed: int, shards: Sequence[Shard]) -> dict[str, int]:
    """Write every file of the world but its pictures; how many records each has, by its path in the world's folder."""
    merger = _Merger(files, seed, shard_folder(files.folder) / "merging")
    merger.sort(shards)
    for split in DRAWN:
        merger.coco(split)
    merger.put(files.align_train, _whole(merger.array("train", "align")), merger.num["train", "align"])
    merger.put(files.instruct_train, _whole(merger.array("train", "instruct")), merger.num["train", "instruct"])
    merger.put(files.mixture_train, _whole(merger.array("train", "mixture")), merger.num["train", "mixture"])
    merger.put(files.practice_train, _whole(merger.array("train", "practice")), merger.num["train", "practice"])
    for name in DRILLS:
        merger.put(files.drill_train(name), _whole(merger.array("train", name)), merger.num["train", name])
    merger.put(files.text_train, _whole(merger.array("text", "text")), merger.num["text", "text"])
    for split in HELD_OUT:
        merger.benchmarks(split)
    return merger.written


class _Merger:
    """`num` counts the records by (split, section) when they are sorted, `written` those of the files put so far."""

    def __init__(self, files: WrittenWorld, seed: int, folder: Path) -> None:
        self._files, self._seed, self._folder = files, seed, folder
        self.num: Counter[tuple[str, str]] = Counter()
        self.written: dict[str, int] = {}

    def sort(self, shards: Sequence[Shard]) -> None:
        """Bring the shards' lines into spools: records with a comma and a newline between them."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        spools: dict[tuple[str, str], IO[bytes]] = {}
        with ExitStack() as opened:
            for shard in shards:
                for section, record in read_lines(shard.path):
                    key = shard.split, section
                    if key not in spools:
                        spools[key] = opened.enter_context(self._spool(*key).open("wb"))
                    spools[key].write(b",\n" + record if self.num[key] else record)
                    self.num[key] += 1

    def array(self, split: str, section: str) -> Iterator[bytes]:
        """The JSON array of a section, one record a line; empty where there is none."""
        yield b"["
        if self.num[split, section]:
            yield b"\n"
            with self._spool(split, section).open("rb") as file:
                while piece := file.read(_COPIED):
                    yield piece
            yield b"\n"
        yield b"]"

    def put(self, path: Path, pieces: Iterable[bytes], num: int) -> None:
        """Write a file of `num` records."""
        with new_file(path) as partial, partial.open("wb") as file:
            file.writelines(pieces)
        self.written[path.relative_to(self._files.folder).as_posix()] = num

    def coco(self, split: str) -> None:
        """COCO's files of a split."""
        head: dict[str, object] = {
            "info": {"description": "chiasm drawn world", "seed": self._seed, "split": split},
            "licenses": [],
        }
        for language in LANGUAGES:
            section = f"captions_{language.code}"
            lists = {"images": self.array(split, "images"), "annotations": self.array(split, section)}
            self.put(self._files.captions(split, language.code), _object({**head, **lists}), self.num[split, section])
        instances = {self._files.instances(split): ""}
        if split == "train":
            instances[self._files.written_instances] = "written_"
        for path, of in instances.items():
            section = f"{of}instances"
            lists = {"images": self.array(split, f"{of}images"), "annotations": self.array(split, section)}
            content = {**head, **lists, "categories": coco.categories()}
            self.put(path, _object(content), self.num[split, section])

    def benchmarks(self, split: str) -> None:
        """Questions, VQA v2's files, POPE's, and captions to be scored, of held-out pictures."""
        files = self._files
        for language in LANGUAGES:
            section = f"questions_{language.code}"
            path = files.questions(split, language.code)
            self.put(path, _whole(self.array(split, section)), self.num[split, section])
        for path, name in ((files.vqa_questions(split), "questions"), (files.vqa_annotations(split), "annotations")):
            about = vqa.about(self._seed, split, asks=name == "questions")
            content = {**about, name: self.array(split, f"vqa_{name}")}
            self.put(path, _object(content), self.num[split, f"vqa_{name}"])
        contents = [Content.read(record) for record in self._records(split, "pope")]
        for subset in POPE_SPLITS:
            records = list(pope(contents, subset, self._seed))
            lines = (f"{json.dumps(record)}\n".encode() for record in records)
            self.put(files.pope(split) / f"coco_pope_{subset}.json", lines, len(records))
        captioned = list(self._records(split, "captioned"))
        english = [{"file": each["file"], "split": split, "captions": each["en"]} for each in captioned]
        chinese = {each["file"]: each["zh"] for each in captioned}
        self.put(files.caption(split) / "captions.json", [_json(english), b"\n"], len(english))
        self.put(files.caption(split) / "captions_zh.json", [_json(chinese), b"\n"], len(chinese))

    def _records(self, split: str, section: str) -> Iterator[Record]:
        if self.num[split, section]:
            with self._spool(split, section).open("rb") as file:
                for line in file:
                    yield json.loads(line.rstrip(b",\n"))

    def _spool(self, split: str, section: str) -> Path:
        return self._folder / f"{split}_{section}"


def _whole(array: Iterator[bytes]) -> Iterator[bytes]:
    yield from array
    yield b"\n"


def _object(content: Mapping[str, object]) -> Iterator[bytes]:
    """A JSON object; values that are iterators are pieces of JSON already."""
    yield b"{"
    for number, (key, value) in enumerate(content.items()):
        yield f"{',' if number else ''}\n{json.dumps(key)}: ".encode()
        if isinstance(value, Iterator):
            yield from value
        else:
            yield _json(value)
    yield b"\n}\n"


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
