"""Pictures with captions, and boxes with phrases, from COCO's files: what contrastive learning reads.

Captions files of several languages may be about the same pictures. An instances file beside them gives boxes; what is
said of a box are its `phrases` (`{"en": [...], "zh": [...]}`, ours beside COCO's keys), else the name of its category;
`wrong_phrases` are close to what is true and say nothing that is in the picture. It knows neither pixels nor models.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chiasm.conversation import RecordError
from chiasm.errors import UserError

_TRUE, _WRONG = "phrases", "wrong_phrases"


@dataclass(slots=True)
class CaptionedPicture:
    """A picture, all its captions, and the annotations of its boxes as the file has them.

    `width` and `height` are 0 where the file does not say them.
    """

    file: str
    width: int
    height: int
    captions: list[str] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)


class CaptionedPictures:
    """Those pictures of the first captions file that have captions, in its order, and the digest of all files."""

    def __init__(self, captions: Sequence[Path], instances: Path | None = None) -> None:
        digest = hashlib.sha256()
        by_id: dict[int, CaptionedPicture] = {}
        for number, path in enumerate(captions):
            coco = _read(path, digest, "captions", ("image_id", "caption"))
            if not number:
                by_id = {image["id"]: _picture(image) for image in coco["images"]}
            for annotation in coco["annotations"]:
                _of(by_id, annotation, path).captions.append(sys.intern(str(annotation["caption"])))
        self.categories: dict[int | str, str] = {}
        if instances is not None:
            coco = _read(instances, digest, "instances", ("image_id", "bbox"))
            self.categories = {entry["id"]: str(entry["name"]) for entry in _named(coco.get("categories", []))}
            for annotation in coco["annotations"]:
                _of(by_id, annotation, instances).annotations.append(_shared(annotation))
        self.pictures = [picture for picture in by_id.values() if picture.captions]
        self.digest = digest.hexdigest()
        self.num_without = len(by_id) - len(self.pictures)
        if not self.pictures:
            raise UserError(f"{captions[0]} has {len(by_id)} pictures and no caption of any: it is no captions file")

    def phrases(self, annotation: dict[str, Any]) -> tuple[str, ...]:
        """What is said of a box; empty where nothing is. Raises `RecordError` where phrases are no lists of texts."""
        if annotation.get(_TRUE) is None:
            category = annotation.get("category_id")
            name = self.categories.get(category) if isinstance(category, int | str) else None
            return () if name is None else (name,)
        return _texts(annotation, _TRUE)

    def wrong_phrases(self, annotation: dict[str, Any]) -> tuple[str, ...]:
        """What is nearly true of a box, and of nothing in its picture. Raises as `phrases` does."""
        return _texts(annotation, _WRONG) if annotation.get(_WRONG) is not None else ()


def _texts(annotation: dict[str, Any], key: str) -> tuple[str, ...]:
    by_language = annotation[key]
    if not isinstance(by_language, dict) or not all(isinstance(each, list) for each in by_language.values()):
        raise RecordError("bad phrases", f"'{key}' of a box must be lists of texts by language")
    found = [phrase for each in by_language.values() for phrase in each]
    if not all(isinstance(phrase, str) for phrase in found):
        raise RecordError("bad phrases", f"'{key}' of a box must be lists of texts by language")
    return tuple(dict.fromkeys(phrase for phrase in found if phrase.strip()))


def _read(path: Path, digest: Any, kind: str, needed: tuple[str, str]) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
        coco = json.loads(raw)
        if not isinstance(coco["images"], list) or not isinstance(coco["annotations"], list):
            raise TypeError
        for entries, keys in ((coco["images"], ("id", "file_name")), (coco["annotations"], needed)):
            for number, entry in enumerate(entries):
                if lacking := [key for key in keys if key not in entry]:
                    what = "images" if entries is coco["images"] else "annotations"
                    raise UserError(f"{path}: number {number} of '{what}' lacks {', '.join(lacking)}")
        if not all(isinstance(image["id"], int | str) for image in coco["images"]):
            raise TypeError
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"cannot read the COCO {kind} {path}: {error}") from None
    except (KeyError, TypeError):
        raise UserError(
            f"{path} is not a COCO {kind} file: expected an object with 'images' and 'annotations'"
        ) from None
    digest.update(raw)
    return dict(coco)


def _named(categories: Any) -> Iterator[dict[str, Any]]:
    for entry in categories if isinstance(categories, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("id"), int | str) and "name" in entry:
            yield entry


def _picture(image: dict[str, Any]) -> CaptionedPicture:
    sides = (image.get("width"), image.get("height"))
    width, height = (side if isinstance(side, int) else 0 for side in sides)
    return CaptionedPicture(str(image["file_name"]), width, height)


def _of(pictures: dict[int, CaptionedPicture], annotation: dict[str, Any], path: Path) -> CaptionedPicture:
    try:
        return pictures[annotation["image_id"]]
    except (KeyError, TypeError):
        raise UserError(
            f"{path} is about image {annotation['image_id']!r}, which is not among those of the captions"
        ) from None


def _shared(annotation: dict[str, Any]) -> dict[str, Any]:
    """What is used of an annotation, with one copy of every phrase: the same few thousand are said again and again."""
    kept: dict[str, Any] = {
        key: annotation[key] for key in ("bbox", "area", "category_id", _TRUE, _WRONG) if key in annotation
    }
    for key in (_TRUE, _WRONG):
        if isinstance(phrases := kept.get(key), dict):
            kept[key] = {
                language: [sys.intern(each) if isinstance(each, str) else each for each in said]
                if isinstance(said, list)
                else said
                for language, said in phrases.items()
            }
    return kept
