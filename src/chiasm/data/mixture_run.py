"""Mixing: read every source once, draw, shuffle, write, count. Knows no format of any set.

Records wait on the disk, one JSON line each, and in memory there are a few numbers for each: the 665K mixture takes
some 30 MB however long its conversations are. The same files, mixture and seed give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from chiasm.atomic import new_file
from chiasm.conversation import Conversation, RecordError, encodable
from chiasm.data import sources
from chiasm.data.card import IN_WORDS, Card, Measure
from chiasm.data.card_text import as_markdown
from chiasm.data.mixture import Mixture, Part
from chiasm.data.writers import Form, form_of, open_writer
from chiasm.errors import UserError, suggest
from chiasm.version import __version__

Advance = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are: `root` for the sets' files, `images` for the pictures (None: they are not looked for)."""

    root: Path
    images: Path | None = None


@dataclass(frozen=True, slots=True)
class Mixed:
    """What a run wrote: the records, the card's values and its two files, and the list of dropped records if any."""

    out: Path
    card: dict[str, Any]
    card_files: tuple[Path, Path]
    dropped: Path | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Planned:
    """A part whose source is known and whose files are found, or for which `absent` says what is not."""

    part: Part
    source_name: str
    source: sources.Source
    options: Mapping[str, Any]
    files: Mapping[str, Path]
    absent: str = ""


def mix(
    mixture: Mixture,
    out: Path,
    places: Places,
    *,
    form: Form | None = None,
    partial: bool = False,
    measure: Measure = IN_WORDS,
    advance: Advance = lambda stage, count: None,
) -> Mixed:
    """Write the mixture to `out`, and beside it NAME.card.md, NAME.card.json and, if any, NAME.dropped.jsonl.

    The last names every damaged record. Raises `UserError` when files of a source are missing, all in one message; with
    `partial` such sources are left out and the card says so. `advance("reading" or "writing", count)` is called as
    records go by. For the form `wds`, `out` is a folder, and records whose pictures cannot be packed are dropped.
    """
    form = form or form_of(out)
    if places.images is not None and not places.images.is_dir():
        raise UserError(f"the folder of pictures {places.images} does not exist")
    planned = _plan(mixture, places.root, partial)
    _refuse_overwriting(out, planned)
    beside = out if form == "wds" else out.with_suffix("")
    card = Card(measure, places.images)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryFile(dir=out.parent) as spooled,
            tempfile.TemporaryFile("w+", dir=out.parent, encoding="utf-8", errors="backslashreplace") as named,
        ):
            spool, drops = _Spool(spooled), _Drops(named, card)
            order = array("q")
            for name, plan in planned.items():
                order.extend(_read(name, plan, mixture, (spool, drops, card), advance))
            if mixture.order == "shuffled":
                random.Random(f"{mixture.seed}/order").shuffle(order)
            with open_writer(form, out, places.images) as add:
                for index in order:
                    part, record = spool[index]
                    try:
                        add(record)
                    except RecordError as error:
                        drops.add(part, str(record["id"]), error.reason, str(error))
                        continue
                    card.add(part, record, recognise=planned[part].source_name == "records")
                    advance("writing", 1)
                return _finish(mixture, out, beside, card, drops)
    except OSError as error:
        raise UserError(f"{out} could not be written: {error.strerror or error}. Free space or name another") from None


def _plan(mixture: Mixture, root: Path, partial: bool) -> dict[str, _Planned]:
    """What every part reads. Everything that is wrong or missing is said at once."""
    planned: dict[str, _Planned] = {}
    for name, part in mixture.sources.items():
        source_name = part.source or name
        source = sources.find(source_name)
        options = _options(name, source, part)
        try:
            files = sources.locate(source, root / part.root, _given(name, source, part))
            planned[name] = _Planned(part, source_name, source, options, files)
        except sources.Absent as error:
            planned[name] = _Planned(part, source_name, source, options, {}, str(error))
    absent = [f"{name}: {plan.absent}" for name, plan in planned.items() if plan.absent]
    if absent and not (partial and len(absent) < len(planned)):
        hint = "" if partial else ", or leave such sources out with --partial"
        raise UserError(f"{'; '.join(absent)}. Put them there, name them under 'files' in the mixture{hint}")
    return planned


def _refuse_overwriting(out: Path, planned: Mapping[str, _Planned]) -> None:
    """A mixture in the place of its own source would leave nothing to make it of again."""
    for name, plan in planned.items():
        if out.resolve() in (path.resolve() for path in plan.files.values()):
            raise UserError(f"{out} is read as source {name}. Write the mixture to another file")


def _given(name: str, source: sources.Source, part: Part) -> Mapping[str, str]:
    keys = [needed.key for needed in source.files]
    if isinstance(part.files, str):
        if len(keys) != 1:
            raise UserError(f"{name}: 'files' must say which file is which: {', '.join(keys)}")
        return {keys[0]: part.files}
    if unknown := [key for key in part.files if key not in keys]:
        raise UserError(f"{name}: its source has no file '{unknown[0]}': {suggest(unknown[0], keys)}")
    return part.files


def _options(name: str, source: sources.Source, part: Part) -> Mapping[str, Any]:
    """The source's options with the part's values; a value must be of the kind of the default, numbers at least 1."""
    for key, value in part.options.items():
        if key not in source.options:
            raise UserError(f"{name}: its source has no option '{key}': {suggest(key, source.options)}")
        kind = type(source.options[key])
        if type(value) is not kind or (kind is int and value < 1):
            expected = {bool: "true or false", int: "a whole number from 1 on", str: "text"}[kind]
            raise UserError(f"{name}: option '{key}' must be {expected}, not {value!r:.60}")
    return {**source.options, **part.options}


def _read(
    name: str, plan: _Planned, mixture: Mixture, kept: tuple[_Spool, _Drops, Card], advance: Advance
) -> Iterable[int]:
    """Take a part's records to the spool; the numbers of those that are chosen, in order."""
    spool, drops, card = kept
    counted = card.part(name)
    counted.source, counted.absent = plan.source_name, plan.absent
    counted.published = plan.source.published_count if mixture.published else None
    counted.wanted = mixture.wanted()[name]
    if plan.absent:
        return ()
    counted.files = [{"key": key, **_identity(path)} for key, path in plan.files.items()]

    def drop(piece: str, reason: str, message: str) -> None:
        drops.add(name, piece, reason, message)

    release = sources.Release(plan.files, plan.options, mixture.seed, drop, counted.left_out)
    prefix = "/".join(p.strip("/") for p in (mixture.images, _images(plan)) if p.strip("/"))
    prefix = f"/{prefix}" if (mixture.images or _images(plan)).startswith("/") else prefix
    first = len(spool)
    for number, record in enumerate(plan.source.records(release)):
        try:
            spool.add(name, _placed(record, prefix, plan.part.max_turns, name))
        except RecordError as error:
            drop(f"record {number} ({str(record.get('id'))[:80]})", error.reason, str(error))
        advance("reading", 1)
    counted.available = len(spool) - first
    draw = random.Random(f"{mixture.seed}/draw/{name}")
    return (first + place for place in _drawn(counted.available, counted.wanted, plan.part.repeat, draw))


def _images(plan: _Planned) -> str:
    return plan.source.images if plan.part.images is None else plan.part.images


def _placed(record: sources.Record, prefix: str, max_turns: int | None, name: str) -> sources.Record:
    """The record as it is written: pictures by their whole names, cut to `max_turns` answers, its part under `source`.

    Raises `RecordError` unless it is a conversation with an answer to learn from.
    """
    conversation = Conversation.from_llava(record)
    answers = [place for place, turn in enumerate(conversation.messages) if turn.role == "assistant"]
    if not answers:
        raise RecordError("nothing trained", "this record holds no answer to learn from")
    placed = {**record, "source": name}
    if max_turns is not None and len(answers) > max_turns:
        placed["conversations"] = record["conversations"][: answers[max_turns - 1] + 1]
        Conversation.from_llava(placed)  # a picture may have stood in what was cut off
    if prefix and "image" in record:
        image = record["image"]
        named = [f"{prefix}/{one}" for one in (image if isinstance(image, list) else [image])]
        placed["image"] = named if isinstance(image, list) else named[0]
    return placed


def _drawn(available: int, wanted: int | None, repeat: bool, draw: random.Random) -> Iterable[int]:
    """Which of `available` records are taken, in their order; with `repeat` rounds first and then a draw."""
    if wanted is None or (wanted >= available and not repeat) or not available:
        return range(available)
    rounds, rest = divmod(wanted, available)
    return [*(place for _ in range(rounds) for place in range(available)), *sorted(draw.sample(range(available), rest))]


def _identity(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {
            "name": path.name,
            "bytes": path.stat().st_size,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
        }


def _finish(mixture: Mixture, out: Path, beside: Path, card: Card, drops: _Drops) -> Mixed:
    """Write the card and the list of dropped records; the records themselves take their name after them."""
    if not card.all.num_records:
        why = ", ".join(f"{count} {reason}" for part in card.parts.values() for reason, count in part.dropped.items())
        raise UserError(f"{mixture.name}: no record is left to write{f': {why}' if why else ''}. Look at its sources")
    values = {
        "mixture": mixture.name,
        "chiasm": __version__,
        "seed": mixture.seed,
        **card.as_dict(),
        "settings": mixture.model_dump(mode="json", exclude_defaults=True),
    }
    files = beside.with_name(f"{beside.name}.card.md"), beside.with_name(f"{beside.name}.card.json")
    _write_text(files[0], as_markdown(values))
    _write_text(files[1], json.dumps(values, ensure_ascii=False, indent=1) + "\n")
    dropped = beside.with_name(f"{beside.name}.dropped.jsonl")
    if drops.num_dropped:
        drops.write_to(dropped)
    else:
        dropped.unlink(missing_ok=True)  # an older run's
    return Mixed(out, values, files, dropped if drops.num_dropped else None, tuple(_notes(mixture, card)))


def _write_text(path: Path, text: str) -> None:
    with new_file(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def _notes(mixture: Mixture, card: Card) -> Iterable[str]:
    """What a person should hear without opening the card: one line each."""
    for name, part in card.parts.items():
        if part.absent:
            yield f"{name} is left out: {part.absent}"
        elif part.wanted is not None and part.num_records < part.wanted and mixture.sources[name].asks_for_some:
            yield f"{name}: {part.wanted:,} records wanted, there are {part.available:,}"
        if part.dropped:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in part.dropped.most_common())
            yield f"{name}: dropped {reasons}"


class _Spool:
    """Records waiting in a temporary file, by number, with the part each is of."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._starts, self._parts = array("q", [0]), array("H")
        self._names: list[str] = []

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, part: str, record: sources.Record) -> None:
        """Keep a record of `part`; raises `RecordError` for one that UTF-8 cannot hold."""
        line = encodable(json.dumps(record, ensure_ascii=False, separators=(",", ":")), "the record").encode("utf-8")
        if not self._names or self._names[-1] != part:  # parts come one after another
            self._names.append(part)
        self._file.write(line)
        self._starts.append(self._starts[-1] + len(line))
        self._parts.append(len(self._names) - 1)

    def __getitem__(self, number: int) -> tuple[str, sources.Record]:
        self._file.seek(self._starts[number])
        line = self._file.read(self._starts[number + 1] - self._starts[number])
        return self._names[self._parts[number]], json.loads(line)


class _Drops:
    """Everything that was left out because it is damaged: counted on the card, named in a file."""

    def __init__(self, file: IO[str], card: Card) -> None:
        self._file, self._card = file, card
        self.num_dropped = 0

    def add(self, part: str, piece: str, reason: str, message: str) -> None:
        self.num_dropped += 1
        self._card.part(part).dropped[reason] += 1
        entry = {"part": part, "piece": piece, "reason": reason, "message": message}
        self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def write_to(self, path: Path) -> None:
        self._file.seek(0)
        with new_file(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
            for line in self._file:
                file.write(line)
