"""Captions of the first stage: one picture, one brief instruction, one caption (CC3M, LCS-558K, your own)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chiasm.conversation import IMAGE_MARKER, RecordError
from chiasm.data.records import RecordFile
from chiasm.data.sources._dialogue import first_question
from chiasm.data.sources._phrases import chosen_by_phrases
from chiasm.data.sources._reading import words
from chiasm.data.sources._source import Needed, Record, Release, Source

# The brief instructions of the LLaVA paper's appendix, as they stand in the released blip_laion_cc_sbu_558k.json.
INSTRUCTIONS = (
    "Describe the image concisely.",
    "Give a brief description of the image.",
    "Give a short and clear explanation of the subsequent image.",
    "Present a compact description of the photo's key features.",
    "Provide a brief description of the given image.",
    "Render a clear and concise summary of the photo.",
    "Share a concise interpretation of the image provided.",
    "Summarize the visual content of the image.",
    "What is in the photo?",
    "What is this?",
    "Write a terse but informative summary of the picture.",
)
_TEXT_KEYS = ("blip_caption", "caption", "text")


def _records(release: Release) -> Iterator[Record]:
    """One record a caption; the instruction and whether the picture stands before or behind it drawn by the seed.

    With `noun_phrase_filter` the file is read twice and captions are kept by the frequency of their phrases.
    """
    path, options = release.files["captions"], release.options
    kept: bytearray | None = None
    if options["noun_phrase_filter"]:
        least, most = options["least_frequent"], options["most_captions"]
        texts = (_caption_or_nothing(entry) for _, entry in _entries(path))
        kept = chosen_by_phrases(texts, least, most, release.random("phrases"))

    def convert(numbered: tuple[int, Any]) -> list[Record]:
        number, entry = numbered
        caption, image = _caption(entry), words(entry, "image")
        if kept is not None and not kept[number]:
            release.left_out["not chosen by its noun phrases"] += 1
            return []
        draw = release.random("captions", number)
        instruction = draw.choice(INSTRUCTIONS)
        said = f"{IMAGE_MARKER}\n{instruction}" if draw.random() < 0.5 else f"{instruction}\n{IMAGE_MARKER}"
        turns = [{"from": "human", "value": said}, {"from": "gpt", "value": caption}]
        return [{"id": str(entry.get("id", Path(image).stem)), "image": image, "conversations": turns}]

    yield from release.each(((f"caption {n}", (n, entry)) for n, entry in _entries(path)), convert)


def _entries(path: Path) -> Iterator[tuple[int, Any]]:
    """The entries of a JSON list, of JSON lines, or of lines "caption, tab, picture" (CC3M's own form)."""
    if path.suffix != ".tsv":
        yield from enumerate(RecordFile(path))
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file):
            caption, _, image = line.rstrip("\n").partition("\t")
            yield number, {"caption": caption, "image": image.strip()}


def _caption(entry: Any) -> str:
    """The caption of an entry: under one of a few names, or the answer of a LLaVA record."""
    turns = entry.get("conversations") if isinstance(entry, dict) else None
    if isinstance(turns, list) and turns:
        return words(turns[-1], "value")
    key = next((key for key in _TEXT_KEYS if isinstance(entry, dict) and entry.get(key)), _TEXT_KEYS[1])
    return " ".join(words(entry, key).split())


def _caption_or_nothing(entry: Any) -> str:
    try:
        return _caption(entry)
    except RecordError:
        return ""  # keeps its number; the second reading drops it by name


def _recognises(record: Any) -> bool:
    said = first_question(record)
    return IMAGE_MARKER in said and said.replace(IMAGE_MARKER, "").strip() in INSTRUCTIONS and _is_chunk(record)


def _is_chunk(record: Any) -> bool:
    """LCS-558K and CC3M lie in numbered folders, 00001/000019465.jpg; COCO's captions share their instructions."""
    image = record.get("image")
    return isinstance(image, str) and not image.startswith(("coco/", "gqa/", "vg/", "ocr_vqa/", "textvqa/"))


SOURCE = Source(
    about="captions for the first stage, with a brief instruction each",
    files=(
        Needed(
            "captions",
            ("blip_laion_cc_sbu_558k_meta.json", "blip_laion_cc_sbu_558k.json", "metadata.json", "chat.json", "*.tsv"),
        ),
    ),
    records=_records,
    folders=("LLaVA-Pretrain", "LLaVA-CC3M-Pretrain-595K", "cc3m"),
    format_prompts=INSTRUCTIONS,
    options={"noun_phrase_filter": False, "least_frequent": 3, "most_captions": 100},
    recognises=_recognises,
)
