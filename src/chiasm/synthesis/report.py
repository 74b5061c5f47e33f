"""The report of a synthesis job as one HTML file: what was accepted, what was rejected and why, and examples to read.

Replies are hostile text: in tables everything is escaped, in the gallery it is only ever set as text, and the page's
policy runs no script but ours and loads nothing from anywhere. Samples stream through; a bounded number is kept.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import random
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path, PurePosixPath
from string import Template
from typing import Any

from chiasm.errors import UserError
from chiasm.synthesis.checks import Examined
from chiasm.synthesis.sample import Context, Sample

# All ours. Twelve examples a reason at some 12 KB a picture keep a report below 3 MB.
_EXAMPLES = 12
_SIDE = 320  # pixels of a picture's longer side
_QUALITY = 78
_LONGEST = 4000  # characters of a text shown
_BOXES = 60
_LENGTHS = (0, 5, 10, 20, 40, 80, 160, 320, 640)  # lower ends of bins, words (characters in Chinese)
_TURNS = (1, 2, 3, 4, 5, 6, 8, 11)
_SHARES = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_HAN = re.compile(r"[\u3400-\u9fff]")


def write_report(
    path: Path,
    *,
    title: str,
    accepted: Iterable[tuple[Sample, Examined]],
    rejected: Iterable[tuple[Sample, Examined]],
    counts: Mapping[str, int] | None = None,
    bill: Mapping[str, object] | None = None,
    images: Path | None = None,
    seed: int = 0,
) -> None:
    """Write the report to `path`, whole or not at all.

    `counts` are further totals to show ("requests": 90), `bill` lines of money and tokens. `images` is the folder the
    pictures' names start from; a picture that is not there is drawn as its boxes alone. The same samples in the same
    order and the same `seed` make the same file. Raises `UserError` when it cannot be written.
    """
    tally = _Tally(random.Random(seed))
    for sample, examined in accepted:
        tally.add(sample, examined, "")
    for sample, examined in rejected:
        tally.add(sample, examined, examined.rejections[0].reason if examined.rejections else "unknown")
    _write(path, _page(title, tally, counts or {}, bill or {}, images))


@dataclass(slots=True)
class _Reservoir:
    """As many of a stream as fit, each with the same chance (Vitter 1985, algorithm R)."""

    kept: list[tuple[Sample, Examined]] = field(default_factory=list)
    num_seen: int = 0

    def add(self, item: tuple[Sample, Examined], chance: random.Random) -> None:
        self.num_seen += 1
        if len(self.kept) < _EXAMPLES:
            self.kept.append(item)
        elif (place := chance.randrange(self.num_seen)) < _EXAMPLES:
            self.kept[place] = item


@dataclass(slots=True)
class _Tally:
    """What is counted while samples stream by. An empty reason stands for accepted."""

    chance: random.Random
    by_reason: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)  # also behind the first reason
    by_kind: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    lengths: Counter[tuple[int, bool]] = field(default_factory=Counter)
    turns: Counter[tuple[int, bool]] = field(default_factory=Counter)
    shares: Counter[tuple[int, bool]] = field(default_factory=Counter)
    examples: dict[tuple[str, str, str], _Reservoir] = field(default_factory=dict)

    def add(self, sample: Sample, examined: Examined, reason: str) -> None:
        good = not reason
        self.by_reason[reason] += 1
        self.found.update({rejection.reason for rejection in examined.rejections})
        self.by_kind[sample.kind, sample.language, good] += 1
        for turn in sample.turns:
            self.lengths[_bin(_LENGTHS, _length(turn.answer)), good] += 1
        if sample.turns:
            self.turns[_bin(_TURNS, len(sample.turns)), good] += 1
        if (share := examined.scores.get("known_objects")) is not None:
            self.shares[_bin(_SHARES, share), good] += 1
        group = (reason, "", "") if reason else ("", sample.kind, sample.language)
        self.examples.setdefault(group, _Reservoir()).add((sample, examined), self.chance)


def _length(text: str) -> int:
    num_han = len(_HAN.findall(text)) if not text.isascii() else 0
    return num_han or len(text.split())


def _bin(lowest: Sequence[float], value: float) -> int:
    return max((i for i, low in enumerate(lowest) if value >= low), default=0)


def _page(title: str, tally: _Tally, counts: Mapping[str, int], bill: Mapping[str, object], images: Path | None) -> str:
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    num_accepted = tally.by_reason[""]
    total = tally.by_reason.total()
    examples = [
        _example(sample, examined, group[0], images)
        for group in sorted(tally.examples)
        for sample, examined in tally.examples[group].kept
    ]
    return Template(_asset("page.html")).substitute(
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        style=_asset("page.css"),
        script=script,
        title=escape(_whole(title)),
        share=f"{num_accepted / total:.1%}" if total else "–",
        accepted=f"{num_accepted:,}",
        total=f"{total:,}",
        facts="".join(f"<li>{escape(_whole(name))} <b>{value:,}</b>" for name, value in counts.items()),
        reasons=_reasons(tally),
        kinds=_kinds(tally),
        lengths=_histogram(
            "Length of answers, from so many words (Chinese: characters)", tally.lengths, _ends(_LENGTHS)
        ),
        turns=_histogram("Turns of a sample, from", tally.turns, _ends(_TURNS)),
        shares=_histogram(
            "Share of the objects spoken of that captions or boxes know",
            tally.shares,
            [f"{low:.0%}" if low == 1 else f"{low:.0%}+" for low in _SHARES],
        ),
        bill=_bill(bill),
        examples=_json(examples),
    )


def _reasons(tally: _Tally) -> str:
    rejected = {reason: count for reason, count in tally.by_reason.most_common() if reason}
    if not rejected:
        return "<p class=quiet>Nothing was rejected.</p>"
    most, total = max(rejected.values()), tally.by_reason.total()
    rows = []
    for reason, count in rejected.items():
        further = tally.found[reason] - count
        also = f" · found in {further:,} more" if further > 0 else ""
        rows.append(
            f"<tr><th scope=row>{escape(_whole(reason))}"
            f"<td class=bar><span style='width:{100 * count / most:.1f}%'></span><td>{count:,}"
            f"<td class=quiet>{count / total:.1%}{also}"
        )
    return f"<table class=bars><tbody>{''.join(rows)}</table>"


def _kinds(tally: _Tally) -> str:
    rows = []
    for kind, language in sorted({(kind, language) for kind, language, _ in tally.by_kind}):
        good, bad = tally.by_kind[kind, language, True], tally.by_kind[kind, language, False]
        rows.append(
            f"<tr><th scope=row>{escape(_whole(kind))} <small>{escape(language)}</small>"
            f"<td>{good:,}<td>{bad:,}<td>{good / (good + bad):.1%}"
        )
    head = "".join(f"<th scope=col>{name}" for name in ("kind", "accepted", "rejected", "share"))
    return f"<div class=scroll><table><thead><tr>{head}<tbody>{''.join(rows)}</table></div>"


def _ends(lowest: Sequence[int]) -> list[str]:
    """Names of bins by what they begin with: "1", "2", "5+" for 1, 2 to 4, 5 and more."""
    return [*map(str, lowest[:-1]), f"{lowest[-1]}+"]


def _histogram(title: str, counts: Counter[tuple[int, bool]], names: Sequence[str]) -> str:
    columns = [(name, counts[i, True], counts[i, False]) for i, name in enumerate(names)]
    most = max((good + bad for _, good, bad in columns), default=0) or 1
    drawn = []
    for name, good, bad in columns:
        heights = [
            f"<i class={kind} style='height:{100 * n / most:.1f}%'></i>" for kind, n in (("bad", bad), ("good", good))
        ]
        said = f"{name}: {good:,} accepted, {bad:,} rejected"
        drawn.append(
            f"<div class=column title='{said}'><div class=stack>{''.join(heights)}</div><small>{name}</small></div>"
        )
    caption = f"<figcaption>{escape(title)}</figcaption>"
    return f"<figure class=histogram>{caption}<div class=columns>{''.join(drawn)}</div></figure>"


def _bill(bill: Mapping[str, object]) -> str:
    if not bill:
        return ""
    rows = "".join(
        f"<tr><th scope=row>{escape(_whole(name))}<td>{escape(_whole(_amount(value)))}" for name, value in bill.items()
    )
    return f'<section><h2>Bill</h2><div class="scroll narrow"><table><tbody>{rows}</table></div></section>'


def _amount(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"


def _example(sample: Sample, examined: Examined, reason: str, images: Path | None) -> dict[str, Any]:
    context = sample.context
    return {
        "reason": _whole(reason),
        "kind": _whole(sample.kind),
        "language": sample.language,
        "key": _cut(sample.key)[:80],
        "found": [[_whole(rejection.reason), _cut(rejection.message)] for rejection in examined.rejections],
        "known": examined.scores.get("known_objects"),
        "image": _cut(context.image)[:200],
        "picture": _thumbnail(context, images) if images is not None else "",
        "shape": [context.width or 4, context.height or 3],
        "boxes": [[_cut(b.category)[:60], b.x1, b.y1, b.x2, b.y2] for b in context.boxes[:_BOXES]],
        "captions": [_cut(caption) for caption in context.captions],
        "turns": [[_cut(turn.question), _cut(turn.answer)] for turn in sample.turns],
    }


def _whole(text: str) -> str:
    """`text` without half surrogate pairs, which fit into no file."""
    return text.encode("utf-8", errors="replace").decode()


def _cut(text: str) -> str:
    text = _whole(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … ({len(text) - _LONGEST:,} more characters)"


def _thumbnail(context: Context, images: Path) -> str:
    """The picture as a small data URL; empty when it is not below `images` or cannot be opened."""
    from chiasm.processing.pictures import open_picture

    for place in _places(context, images):
        try:
            image = open_picture(place)
        except UserError:
            continue
        image.thumbnail((_SIDE, _SIDE))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
        return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
    return ""


def _places(context: Context, images: Path) -> Iterator[Path]:
    """Where the picture may lie: under its whole name, or under the last part of it. Never outside `images`."""
    root = images.resolve()
    for name in dict.fromkeys((context.image, PurePosixPath(context.image).name)):
        try:
            place = (root / name).resolve()
        except (OSError, ValueError):  # a name with NUL
            continue
        if place != root and place.is_relative_to(root) and place.is_file():
            yield place


def _asset(name: str) -> str:
    return (files("chiasm.synthesis") / "report_page" / name).read_text("utf-8")


def _json(value: object) -> str:
    """JSON that no HTML parser leaves: `</script>` and `<!--` cannot occur without a `<`."""
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UserError(f"cannot write the report {path}: {error.strerror or error}. Name another place") from None
