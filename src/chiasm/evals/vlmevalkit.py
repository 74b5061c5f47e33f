"""VLMEvalKit's tables of questions (github.com/open-compass/VLMEvalKit): TSV with pictures inside or beside.

Columns: `index`, `question`, and as the set has them `image` (base64, a list of them, or the index of another row that
has the same picture), `image_path` (a file, or a list), `hint`, `A`, `B`, ..., `answer`, `category`, `split`. MMBench
is published in this form. Also its two rules for reading answers without a judge. Knows nothing about one benchmark.
"""

from __future__ import annotations

import ast
import base64
import binascii
import csv
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chiasm.errors import UserError
from chiasm.evals.choices import LETTERS
from chiasm.evals.vqa_normalise import without_punctuation

_LARGEST_FIELD = 256 << 20  # characters; a picture in base64 is some 100,000. Ours
_LONGEST_INDEX = 64  # characters: a shorter `image` is the index of another row (VLMEvalKit, image_base.py)
# What pandas.read_table, which both LLaVA and VLMEvalKit read these files with, takes for an empty cell. An option that
# reads "None" or "NA" is lost to it, and so the published prompts do not have it.
_EMPTY = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
        *("N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
_NEEDED = ("index", "question")


@dataclass(frozen=True, slots=True)
class Row:
    """One question: cells by column without empty ones, the pictures taken out. `number` counts rows from 1."""

    number: int
    cells: Mapping[str, str]
    pictures: tuple[bytes | Path, ...]

    @property
    def index(self) -> int | str:
        """The row's id, a number where it is written as one."""
        index = self.cells["index"]
        return int(index) if re.fullmatch(r"\d{1,18}", index) else index


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file in order, and its columns as they stand there."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(path: Path) -> Table:
    """The whole table. A picture that several rows share is held once.

    Raises `UserError` with counts where a row has another number of fields than the header, as the last one of a file
    that is cut off does, where an index stands twice, and where a picture is no base64 or its row does not exist.
    """
    columns: tuple[str, ...] = ()
    cells: list[dict[str, str]] = []
    shown: dict[str, _Shown] = {}
    decoded: dict[bytes, bytes] = {}
    for number, fields in enumerate(_fields(path)):
        if not columns:
            columns = _checked_columns(path, fields)
            continue
        if len(fields) != len(columns):
            raise UserError(
                f"{path}: row {number} has {len(fields)} fields, the header {len(columns)}, after {len(cells):,} whole "
                "rows. The file is cut off, or no TSV: fetch it again"
            )
        row = {name: field for name, field in zip(columns, fields, strict=True) if field not in _EMPTY}
        if absent := [name for name in _NEEDED if name not in row]:
            raise UserError(f"{path}: row {number} has no {absent[0]}. Fetch the file again")
        if row["index"] in shown:
            raise UserError(f"{path}: row {number}: the index {row['index']} stands there twice. Fetch the file again")
        shown[row["index"]] = _shown(row, f"{path}: row {number}", decoded)
        cells.append(row)
    if not cells:
        raise UserError(f"{path} holds no rows. Expected VLMEvalKit's TSV: index, question, image, A, B, ..., answer")
    rows = []
    for number, row in enumerate(cells, start=1):
        rows.append(Row(number, row, _pictures(row, shown, path, number)))
    return Table(path, columns, tuple(rows))


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a row says about its pictures: bytes, or the index of a row that has them."""

    pictures: tuple[bytes, ...] = ()
    same_as: str = ""


@contextmanager
def _large_fields() -> Iterator[None]:
    """The csv module's limit is one for the whole process; it is put back."""
    before = csv.field_size_limit(_LARGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _fields(path: Path) -> Iterator[list[str]]:
    try:
        with _large_fields(), path.open(encoding="utf-8-sig", newline="") as file:
            for fields in csv.reader(file, delimiter="\t"):
                if fields:
                    yield fields
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no TSV: {error}. Fetch the file again") from None


def _checked_columns(path: Path, fields: Sequence[str]) -> tuple[str, ...]:
    absent = [name for name in _NEEDED if name not in fields]
    if absent or len(set(fields)) != len(fields):
        shown = ", ".join(field[:20] for field in fields[:12])
        raise UserError(
            f"{path}: the first line must name each column once, {' and '.join(_NEEDED)} among them; it has {shown}"
        )
    return tuple(fields)


def _shown(row: dict[str, str], where: str, decoded: dict[bytes, bytes]) -> _Shown:
    """The pictures of a row's `image`, which is taken out of the row."""
    image = row.pop("image", "")
    if not image:
        return _Shown()
    if image.startswith("["):
        return _Shown(tuple(_decoded(each, where, decoded) for each in _listed(image, where)))
    return _Shown(same_as=image) if len(image) <= _LONGEST_INDEX else _Shown((_decoded(image, where, decoded),))


def _decoded(text: str, where: str, decoded: dict[bytes, bytes]) -> bytes:
    try:
        picture = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError(f"{where}: the picture is no base64 ({error}). Is the file cut off? Fetch it again") from None
    return decoded.setdefault(hashlib.sha256(picture).digest(), picture)


def _listed(text: str, where: str) -> list[str]:
    try:
        values = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        values = None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise UserError(f"{where}: a list of pictures is expected behind '['. Fetch the file again")
    return values


def _pictures(row: Mapping[str, str], shown: Mapping[str, _Shown], path: Path, number: int) -> tuple[bytes | Path, ...]:
    mine = shown[row["index"]]
    if mine.same_as:
        other = shown.get(mine.same_as)
        if other is None or not other.pictures:
            raise UserError(
                f"{path}: row {number} shows the picture of row index {mine.same_as}, which "
                f"{'is not there' if other is None else 'has none'}. Is the file cut off? Fetch it again"
            )
        return other.pictures
    if mine.pictures:
        return mine.pictures
    named = row.get("image_path", "")
    names = _listed(named, f"{path}: row {number}") if named.startswith("[") else [named] if named else []
    return tuple(_beside(path, name) for name in names)


def _beside(path: Path, name: str) -> Path:
    """A picture by name: beside the table, or below `images/<table>` as VLMEvalKit unpacks them."""
    places = [path.parent / name, path.parent / "images" / name, path.parent / "images" / path.stem / name]
    return next((place for place in places if place.is_file()), places[0])


def options_of(cells: Mapping[str, str]) -> dict[str, str]:
    """The options from A on, up to the first that is missing, by letter."""
    options: dict[str, str] = {}
    for letter in LETTERS:
        if letter not in cells:
            break
        options[letter] = cells[letter]
    return options


# ---- reading answers as VLMEvalKit does when no judge is asked ("exact matching") ------------------------------------

_APART = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_LAST_WORDS = 5  # a letter further from the end is not taken for the answer
# What models of a provider answer instead; such an answer is option Z, which no question has.
_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)


def matched_option(answer: str, options: Mapping[str, str]) -> str | None:
    """The option VLMEvalKit's `can_infer` (vlmeval/utils/matching_util.py) finds in an answer, None when it finds none.

    A single option's letter among the last five words, else the single option whose text occurs in the answer, unless
    the answer is more than twice as long as all options together.
    """
    if any(refusal in answer for refusal in _REFUSALS):
        return None
    words = answer.translate(_APART).split()
    letters = [letter for letter in options if letter in words]
    if len(letters) == 1 and words.index(letters[0]) > len(words) - _LAST_WORDS:
        return letters[0]
    if not letters and "Z" in words:
        return None
    text = answer.lower()
    if len(text) > 2 * sum(len(option) for option in options.values()):
        return None
    found = [letter for letter, option in options.items() if option.lower() in text]
    return found[0] if len(found) == 1 else None


def matched_yes_no(answer: str) -> str | None:
    """What VLMEvalKit's `YOrN_Extraction` (vlmeval/dataset/utils/yorn.py) reads: "yes" or "no" as a word, not both.

    Punctuation goes as in VQA's evaluation (`vqa_normalise`).
    """
    words = without_punctuation(answer.lower()).split()
    yes, no = "yes" in words, "no" in words
    return None if yes == no else "yes" if yes else "no"
