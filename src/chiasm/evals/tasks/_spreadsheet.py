"""A table as an .xlsx file, the one form MMBench's server takes. Text and whole numbers, nothing else.

Office Open XML (ECMA-376): a zip of five small XML files, with every text inside its cell ("inlineStr").
"""

from __future__ import annotations

import os
import re
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from chiasm.errors import UserError

_LONGEST_CELL = 32_767  # characters: Excel's limit (ECMA-376 part 1, section 18.3.1.4 and Excel's specification)
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}


def write_spreadsheet(path: Path, rows: Sequence[Sequence[str | int]]) -> Path:
    """Write `rows`, the first being the names of the columns, to `path` in one move; empty strings are empty cells.

    Raises `UserError` for a cell longer than a spreadsheet may hold, and where the disk takes no more.
    """
    for number, row in enumerate(rows):
        longest = max((len(cell) for cell in row if isinstance(cell, str)), default=0)
        if longest > _LONGEST_CELL:
            raise UserError(
                f"{path}: row {number} has a cell of {longest:,} characters, a spreadsheet takes {_LONGEST_CELL:,}. "
                "Ask with fewer new tokens"
            )
    lines = (f'<row r="{number}">{_cells(number, row)}</row>' for number, row in enumerate(rows, start=1))
    sheet = f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in {**_PARTS, "xl/worksheets/sheet1.xml": sheet}.items():
                    archive.writestr(name, (_HEAD + content).encode("utf-8", errors="replace"))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise UserError(
            f"{path} could not be written: {error.strerror or error}. Free space, or name another place"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def _cells(number: int, row: Sequence[str | int]) -> str:
    return "".join(_cell(f"{_column(place)}{number}", value) for place, value in enumerate(row) if value != "")


def _cell(name: str, value: str | int) -> str:
    if isinstance(value, int):
        return f'<c r="{name}"><v>{value}</v></c>'
    return f'<c r="{name}" t="inlineStr"><is><t xml:space="preserve">{_text(value)}</t></is></c>'


def _text(value: str) -> str:
    """`value` as XML holds it; characters XML has no place for become spaces, since readers decode no escapes."""
    return escape(re.sub(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]", " ", value))


def _column(place: int) -> str:
    """A, B, ..., Z, AA, ... for 0, 1, ..."""
    name = ""
    place += 1
    while place:
        place, letter = divmod(place - 1, 26)
        name = chr(ord("A") + letter) + name
    return name
