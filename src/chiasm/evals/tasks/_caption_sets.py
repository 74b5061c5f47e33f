"""Pictures with the captions people wrote, from the files they are published in.

COCO's `captions_*.json`; Karpathy's `dataset_*.json` (its test split); `captions.json`, a list of pictures each with
`file`, `split` and `captions` (its test split, or val when there is none), and Chinese captions beside it in
`captions_zh.json`. Pictures are named, not opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chiasm.errors import UserError
from chiasm.evals.files import find_file, find_path, read_json
from chiasm.evals.large_json import list_of, read_large_json
from chiasm.evals.tasks._pictures import picture_folder

COCO_FOLDERS = ("coco", "annotations", "coco/annotations")
_FOLDERS = (*COCO_FOLDERS, "caption", "flickr8k", "flickr30k")
COCO = ("captions_val*.json", "annotations/captions_val*.json")
_KARPATHY = ("dataset_*.json",)
_LIST = ("captions.json",)
_CHINESE = ("captions_zh.json",)
# Below the folder of the file, the folder above it, and that of --data; COCO's subsets, and one folder for all.
_PICTURES = ("val2014", "val2017", "images/val2014", "images/val2017", "images", "Images", "flickr30k-images", "")


@dataclass(frozen=True, slots=True)
class Captioned:
    """A picture and its captions. `id` is COCO's number of it, or its file's name."""

    id: int | str
    picture: Path
    captions: tuple[str, ...]


def english_set(data: Path, task: str) -> list[Captioned]:
    """The set below `data`: Karpathy's splits before COCO's own, since who has both means the former."""
    path = find_file(data, task, (*_KARPATHY, *COCO, *_LIST), folders=_FOLDERS)
    if path.name.startswith("dataset_"):
        return _placed(_of_karpathy(path), data, path)
    if path.name in _LIST:
        return _placed(_of_list(path), data, path)
    return coco_set(data, path)


def coco_set(data: Path, path: Path) -> list[Captioned]:
    """One file of COCO's form, in the order of its pictures."""
    whole = read_large_json(path)
    captions: dict[object, list[str]] = {}
    for annotation in list_of(whole, "annotations", path):
        if not isinstance(annotation.get("caption"), str):
            raise UserError(f"{path}: an annotation has no caption. Expected captions_*.json, not instances")
        captions.setdefault(annotation.get("image_id"), []).append(annotation["caption"])
    names = {
        image["id"]: str(image["file_name"])
        for image in list_of(whole, "images", path)
        if isinstance(image.get("id"), int | str) and "file_name" in image
    }
    nameless = [identity for identity in captions if identity not in names]
    bare = [identity for identity in names if identity not in captions]
    if nameless or bare or not names:
        raise UserError(
            f"{path}: {len(bare):,} of {len(names):,} pictures have no caption, and captions of {len(nameless):,} "
            "pictures it does not list. The file is cut or mixed up: fetch it again"
        )
    return _placed([(each, name, captions[each]) for each, name in names.items()], data, path)


def chinese_set(data: Path, task: str) -> list[Captioned]:
    """The pictures of `captions_zh.json`; only the split to be scored where `captions.json` beside it has splits."""
    path = find_file(data, task, _CHINESE, folders=_FOLDERS)
    whole = read_json(path)
    if not isinstance(whole, dict) or not all(_are_texts(each) for each in whole.values()):
        raise UserError(f"{path}: expected an object of lists of captions by picture. Fetch it again")
    beside = find_path(path.parent, _LIST)
    chosen = [str(name) for _, name, _ in _of_list(beside)] if beside else list(whole)
    found = [(name, name, whole[name]) for name in chosen if name in whole]
    if not found:
        raise UserError(f"{path}: none of its {len(whole):,} pictures is in the split of {beside} to be scored")
    return _placed(found, data, path)


_Found = list[tuple[int | str, str, list[str]]]


def _of_karpathy(path: Path) -> _Found:
    images = list_of(read_large_json(path), "images", path)
    found: _Found = []
    for image in images:
        if image.get("split") == "test":
            sentences = [str(s.get("raw", "")) for s in image.get("sentences", []) if isinstance(s, dict)]
            name = "/".join(str(part) for part in (image.get("filepath"), image.get("filename")) if part)
            _check(path, name, sentences)
            found.append((image.get("cocoid", str(image.get("filename"))), name, sentences))
    if not found:
        raise UserError(f"{path}: none of its {len(images):,} pictures is in the split 'test'. Fetch Karpathy's file")
    return found


def _of_list(path: Path) -> _Found:
    records = read_json(path)
    if not isinstance(records, list) or not all(isinstance(each, dict) and "file" in each for each in records):
        raise UserError(f"{path}: expected a list of pictures, each with file, split and captions")
    splits = {record.get("split") for record in records}
    split = next((name for name in ("test", "val") if name in splits), None)
    found: _Found = []
    for record in records:
        if record.get("split") == split:
            _check(path, str(record["file"]), record.get("captions"))
            found.append((str(record["file"]), str(record["file"]), record["captions"]))
    if not found:
        raise UserError(f"{path}: none of its {len(records):,} pictures is in a split 'test' or 'val'")
    return found


def _check(path: Path, name: str, captions: object) -> None:
    if not _are_texts(captions):
        raise UserError(f"{path}: the picture {name} has no list of captions. Fetch the file again")


def _are_texts(captions: object) -> bool:
    return isinstance(captions, list) and bool(captions) and all(isinstance(each, str) and each for each in captions)


def _placed(found: _Found, data: Path, path: Path) -> list[Captioned]:
    roots = dict.fromkeys((path.parent, path.parent.parent, data))
    folder = picture_folder(roots, _PICTURES, (name for _, name, _ in found))
    ids = [str(identity) for identity, _, _ in found]
    if len(set(ids)) != len(ids):
        raise UserError(
            f"{path}: {len(ids) - len(set(ids)):,} of {len(ids):,} pictures are listed twice. Fetch it again"
        )
    return [Captioned(identity, folder / name, tuple(captions)) for identity, name, captions in found]
