"""COCO's records: pictures, captions, instances. Ids depend on the scene alone, never on what was written before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chiasm.scenes.formats.picture import LANGUAGES, Picture, Record
from chiasm.scenes.kinds import KINDS
from chiasm.scenes.scene import Thing
from chiasm.scenes.telling.language import Language
from chiasm.scenes.telling.phrases import phrases, wrong_phrases

_CATEGORY = {kind.name: number for number, kind in enumerate(KINDS, start=1)}
# Ids are made of the scene's: more than any scene has captions or things. From 1, since pycocotools takes 0 for none.
_IDS_A_SCENE = 100


def image(picture: Picture) -> Record:
    """An entry of `images`."""
    scene = picture.scene
    return {"id": scene.id, "file_name": picture.file, "width": scene.width, "height": scene.height}


def captions(picture: Picture, language: Language) -> Iterator[Record]:
    """The `annotations` of a captions file."""
    for number, caption in enumerate(picture.captions(language), start=1):
        identity = picture.scene.id * _IDS_A_SCENE + number
        yield {"id": identity, "image_id": picture.scene.id, "caption": caption}


def instances(picture: Picture, areas: Sequence[int]) -> Iterator[Record]:
    """The `annotations` of an instances file; `areas` are the pixels of each thing that can be seen.

    `bbox` holds the whole thing, also what is hidden. No `segmentation`: a box is no outline. `attributes`, and
    by language `phrases` and `wrong_phrases`, are ours beside COCO's keys.
    """
    scene = picture.scene
    for thing, area in zip(scene.things, areas, strict=True):
        x0, x1 = thing.box.x0 * scene.width, thing.box.x1 * scene.width
        y0, y1 = thing.box.y0 * scene.height, thing.box.y1 * scene.height
        said, not_said = {}, {}
        for language in LANGUAGES:
            rng = picture.stream(f"phrases {language.code} {thing.number}")
            said[language.code] = list(phrases(scene, thing, language, rng))
            not_said[language.code] = list(wrong_phrases(scene, thing, language, rng))
        yield {
            "id": scene.id * _IDS_A_SCENE + thing.number + 1,
            "image_id": scene.id,
            "category_id": _CATEGORY[thing.kind],
            "bbox": [round(x0, 2), round(y0, 2), round(x1 - x0, 2), round(y1 - y0, 2)],
            "area": area,
            "iscrowd": 0,
            "segmentation": [],
            "attributes": _attributes(thing),
            "phrases": said,
            "wrong_phrases": not_said,
        }


def categories() -> list[Record]:
    """The kinds of things, in an order that never changes."""
    return [{"id": _CATEGORY[kind.name], "name": kind.name, "supercategory": kind.supercategory} for kind in KINDS]


def _attributes(thing: Thing) -> Record:
    """What is true of a thing and can be seen; what it does not have is left out.

    What is written on it comes as a whole and letter by letter: many words have the same letters.
    """
    clothes = thing.clothes
    known = {
        "colour": thing.colour,
        "size": thing.size,
        "facing": thing.facing,
        "state": thing.state,
        "action": thing.action,
        "trousers": clothes and clothes.trousers,
        "hat": clothes and clothes.hat,
        "text": thing.text,
        **{f"letter_{number}": letter for number, letter in enumerate(thing.text or "", start=1)},
    }
    return {name: value for name, value in known.items() if value is not None}
