"""Records as one HTML file: search, filter by source, pictures with the boxes of the text, what is trained.

The file needs no network and no other file. Records are untrusted: their text travels as JSON, is only ever put in as
text, and the page allows no script but its own. Knows nothing about mixtures.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from chiasm.atomic import new_file
from chiasm.conversation import Conversation, Image, Message, RecordError
from chiasm.data import sources
from chiasm.data.conversations import ConversationFile
from chiasm.processing.apart import each_alone
from chiasm.processing.pictures import PictureError, open_picture
from chiasm.processing.processor import Processor
from chiasm.templates import Written

# All ours: what makes a page of 200 records a few megabytes that a telephone opens.
THUMBNAIL = 384  # longer side in pixels
MOST_RECORDS = 2_000
_MOST_PICTURES = 8  # of one record
_MOST_TEXT = 20_000  # characters of one turn
PICTURE_HERE = "[picture]"  # where a picture stands in a turn

_NUMBER = r"\s*([01](?:\.\d{1,6})?|\.\d{1,6})\s*"
_BOX = re.compile(rf"\[{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\]")


@dataclass(frozen=True, slots=True)
class Shown:
    """What went onto a page: how many of how many records, and how many of these could not be used."""

    num_shown: int
    num_records: int
    num_broken: int


def write_page(
    out: Path,
    file: ConversationFile,
    *,
    processor: Processor | None = None,
    most: int = 200,
    advance: Callable[[int], None] = lambda _: None,
) -> Shown:
    """Write the page to `out`: all records, or `most` of them at even distances when there are more.

    Pictures are shown when `file` knows their folder. With a processor the page also shows the text its template makes
    of a record, and which of it is trained. `advance` is called with 1 after each record.
    """
    if not 1 <= most <= MOST_RECORDS:
        raise ValueError(f"a page holds 1 to {MOST_RECORDS} records, not {most}")
    total = len(file)
    places = [number * total // most for number in range(most)] if total > most else list(range(total))
    entries = []
    for place in places:
        entries.append(_entry(file, place, processor))
        advance(1)
    picked = f"{len(places):,} of {total:,} records" if total > most else f"{total:,} records"
    picked += f", every {total / most:.4g}th" if total > most else ""
    told = {
        "title": file.records.path.name,
        "picked": picked,
        "pictures": file.images is not None,
        "template": None if processor is None else processor.template_name,
        "torn": file.records.torn,
        "records": entries,
    }
    with new_file(out) as partial:
        partial.write_text(_html(told), encoding="utf-8", newline="\n")
    return Shown(len(entries), total, sum("problem" in entry for entry in entries))


def _html(told: Mapping[str, Any]) -> str:
    """The page around its data. Only the script whose digest stands in the policy can run."""
    here = Path(__file__)
    style = here.with_name("page.css").read_text("utf-8")
    script = here.with_name("page.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    # ASCII JSON has no lone surrogate, and without < & > nothing in it can end the element it stands in.
    data = json.dumps(told).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    title = html.escape(str(told["title"]).encode("utf-8", "backslashreplace").decode("utf-8"))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<noscript>This page needs JavaScript; "
        'it loads nothing.</noscript>\n<div id="page"></div>\n'
        f'<script type="application/json" id="data">{data}</script>\n<script>{script}</script>\n</body>\n</html>\n'
    )


def _entry(file: ConversationFile, place: int, processor: Processor | None) -> dict[str, Any]:
    """One record as the page's script takes it; for one that cannot be used, `problem` says why."""
    record = file.records[place]
    known: Mapping[str, Any] = record if isinstance(record, dict) else {}
    source = known.get("source")
    entry: dict[str, Any] = {
        "place": place,
        "id": file.name(place),
        "source": source if isinstance(source, str) and source else sources.recognise(known) or "unknown",
        "turns": [],
        "pictures": [],
    }
    try:
        conversation = file[place]
        entry["turns"] = [_turn(message) for message in conversation.messages]
        entry["pictures"] = [_picture(image, file.images) for image in conversation.images[:_MOST_PICTURES]]
        entry["more_pictures"] = max(0, len(conversation.images) - _MOST_PICTURES)
        if processor is not None:
            entry["template"] = _as_trained(conversation, processor)
    except RecordError as error:
        entry["problem"] = f"{error.reason}: {error}"
        entry["raw"] = json.dumps(record, ensure_ascii=False)[:_MOST_TEXT]
    return entry


def _turn(message: Message) -> dict[str, Any]:
    text = "".join(part.text if not isinstance(part, Image) else PICTURE_HERE for part in message.parts)
    shown = text[:_MOST_TEXT]
    return {"role": message.role, "text": shown, "cut": len(text) - len(shown), "boxes": list(boxes_in(shown))}


def boxes_in(text: str) -> Iterator[list[float]]:
    """Each [x1, y1, x2, y2] in 0-1 with an inside, as [start, end, x1, y1, x2, y2]: where it stands, and what it is."""
    for found in _BOX.finditer(text):
        x1, y1, x2, y2 = (float(number) for number in found.groups())
        if x1 <= x2 <= 1 and y1 <= y2 <= 1:
            yield [found.start(), found.end(), x1, y1, x2, y2]


def _picture(image: Image, images: Path | None) -> dict[str, Any]:
    """A picture's name and thumbnail, or what is wrong with it."""
    name = str(image.source)
    if images is None:
        return {"name": name}
    name = name.removeprefix(f"{images}/")
    try:
        picture = open_picture(image.source)
    except PictureError as error:
        return {"name": name, "problem": error.reason}
    width, height = picture.size
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Pillow.Resampling.LANCZOS)
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=80)
    data = base64.b64encode(packed.getvalue()).decode("ascii")
    return {"name": name, "width": width, "height": height, "data": f"data:image/jpeg;base64,{data}"}


def _as_trained(conversation: Conversation, processor: Processor) -> dict[str, Any]:
    """What the template writes, in runs of [text, trained], and how many tokens of it are trained.

    Questions asked apart come one after the other, each with the pictures.
    """
    written = [processor.template.render(each, train=True) for each in each_alone(conversation)]
    runs: list[tuple[str, bool]] = []
    for piece in chain.from_iterable(written):
        if isinstance(piece, Image):
            text, trained = PICTURE_HERE, False
        else:
            text, trained = (piece.text if isinstance(piece, Written) else piece.token), piece.trained
        if runs and runs[-1][1] == trained:
            text = runs.pop()[0] + text
        runs.append((text, trained))
    tokens = [processor.tokenizer.encode(pieces) for pieces in written]
    return {
        "runs": [[text[:_MOST_TEXT], trained] for text, trained in runs],
        "trained": sum(sum(each.trained) for each in tokens),
        "tokens": sum(len(each.ids) - len(conversation.images) for each in tokens),
    }
