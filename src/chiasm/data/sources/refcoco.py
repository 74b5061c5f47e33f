"""RefCOCO, RefCOCO+ and RefCOCOg: expressions for things in COCO pictures, both ways between words and boxes.

Each of the three is read in either of two forms: REFER's own (`refs(unc).p` or `refs(umd).p` with `instances.json`
beside it; the pickle is read as data, never unpickled, see `_plain_pickle`), or MDETR's JSON
(`finetune_refcoco_train.json`), which holds the same sentences and boxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from chiasm.conversation import RecordError
from chiasm.data.sources._dialogue import (
    DESCRIBE_REGION,
    FIND_REGION,
    about_regions,
    coco_name,
    in_folder,
    merged,
    padded_box,
    region_pair,
)
from chiasm.data.sources._grouping import Groups
from chiasm.data.sources._plain_pickle import read_plain_pickle
from chiasm.data.sources._reading import number, numbers, sections, words
from chiasm.data.sources._source import Needed, Record, Release, Source
from chiasm.errors import UserError


def _records(release: Release) -> Iterator[Record]:
    """The expressions of all three sets by picture, in a random order, cut into records of at most `most_turns`.

    Longer pictures are cut into parts of nearly one size. The paper says fewer than 10 turns; the released records have
    1 to 10, gathered around 7, which is half of what a picture has in RefCOCO and RefCOCO+ together.
    """
    most = release.options["most_turns"]
    with Groups() as pictures:
        place = count()
        for path in release.files.values():
            read = _read_refer if path.name.split(".")[1:2] == ["p"] or path.suffix == ".p" else _read_mdetr
            read(path, release, lambda image, phrase, box: pictures.add(image, next(place), (phrase, box)))
        for image, regions in pictures:
            draw = release.random("refcoco", image)
            draw.shuffle(regions)
            pairs = [region_pair(phrase, box, draw.random() < 0.5) for phrase, box in regions]
            name, parts = coco_name(int(image)), -(-len(pairs) // most)
            for part in range(parts):
                cut = pairs[part * len(pairs) // parts : (part + 1) * len(pairs) // parts]
                yield merged(cut, name, f"{name}.jpg")


def _read_mdetr(path: Path, release: Release, add: Any) -> None:
    """MDETR's JSON is COCO's, with one "picture" a sentence: `images` of it hold the caption, `annotations` its box."""
    sentences: dict[int, tuple[int, int, int, str]] = {}

    def note(named: tuple[str, Any]) -> None:
        section, entry = named
        if section == "images":
            image = number(entry, "original_id"), number(entry, "width"), number(entry, "height")
            sentences[number(entry, "id")] = (*image, words(entry, "caption"))
            return
        sentence = sentences.pop(number(entry, "image_id"), None)
        if sentence is None:
            raise RecordError("no sentence", "a box whose sentence is missing, was damaged or has a box already")
        image_id, width, height, phrase = sentence
        box = padded_box(numbers(entry.get("bbox"), 4, "bbox"), width, height)
        region_pair(phrase, box, True)
        add(image_id, phrase, box)

    named = ((f"{path.name} {s} {n}", (s, e)) for n, (s, e) in enumerate(sections(path, "images", "annotations")))
    release.take_in(named, note)
    for identity in sentences:
        release.drop(f"{path.name} sentence {identity}", "bad box", "no usable box belongs to this sentence")


def _read_refer(path: Path, release: Release, add: Any) -> None:
    """REFER's form: references name a box of `instances.json`, each with a few sentences."""
    beside = path.parent / "instances.json"
    references = read_plain_pickle(path)
    if not isinstance(references, list):
        raise UserError(f"{path}: expected a list of references. Is it the file of another set?")
    if not beside.is_file():
        raise UserError(f"no {beside}: {path.name} names boxes that it holds. Fetch it with the references")
    train = [r for r in references if isinstance(r, dict) and r.get("split") == "train"]
    for place, reference in enumerate(references):
        if not isinstance(reference, dict) or not isinstance(reference.get("split"), str):
            release.drop(f"{path.name} reference {place}", "missing field", "expected an object with a 'split'")
    release.left_out["another split"] += sum(isinstance(r, dict) and "split" in r for r in references) - len(train)
    wanted = {r.get("ann_id") for r in train if isinstance(r.get("ann_id"), int)}
    boxes: dict[int, Any] = {}
    sizes: dict[int, tuple[int, int]] = {}

    def note(named: tuple[str, Any]) -> None:
        section, entry = named
        identity = number(entry, "id")
        if section == "images":
            sizes[identity] = number(entry, "width"), number(entry, "height")
        elif identity in wanted:
            boxes[identity] = entry.get("bbox")

    named = (
        (f"{path.parent.name} {s} {n}", (s, e)) for n, (s, e) in enumerate(sections(beside, "images", "annotations"))
    )
    release.take_in(named, note)

    def tell(reference: dict[str, Any]) -> None:
        image, annotation = number(reference, "image_id"), number(reference, "ann_id")
        if image not in sizes or annotation not in boxes:
            raise RecordError("bad box", f"instances.json has no box {annotation} in picture {image}")
        box = padded_box(numbers(boxes[annotation], 4, "bbox"), *sizes[image])
        sentences = reference.get("sentences")
        phrases = [words(sentence, "sent") for sentence in sentences] if isinstance(sentences, list) else []
        for phrase in phrases:
            region_pair(phrase, box, True)  # a phrase without words drops its reference here, not its picture later
        for phrase in phrases:
            add(image, phrase, box)

    release.take_in(((f"{path.name} reference {r.get('ref_id')}", r) for r in train), tell)


SOURCE = Source(
    about="expressions for things in COCO pictures, from words to box and back",
    files=(
        Needed("refcoco", ("finetune_refcoco_train.json", "refcoco/refs(unc).p")),
        Needed("refcoco+", ("finetune_refcoco+_train.json", "refcoco+/refs(unc).p")),
        Needed("refcocog", ("finetune_refcocog_train.json", "refcocog/refs(umd).p")),
    ),
    records=_records,
    images="coco/train2017",
    folders=("refcoco_family", "refer", "OpenSource", "mdetr_annotations"),
    published_count=48_447,
    format_prompts=(DESCRIBE_REGION, FIND_REGION),
    options={"most_turns": 10},
    recognises=lambda record: in_folder(record, "coco/train2017") and about_regions(record),
)
