"""Reading a pickle as data: lists, dicts, tuples, texts, numbers, nothing else. Nothing is ever unpickled.

REFER ships its references only as Python 2 pickles (`refs(unc).p`), and a pickle is a program. Here that program is not
run: `pickletools` splits the file into its instructions, without importing or calling anything, and this module follows
the few that build plain values. Any other instruction, above all those that name or call a Python object (GLOBAL,
REDUCE, BUILD, NEWOBJ, EXT, PERSID, ...), is refused by name before anything is done about it.
"""

from __future__ import annotations

import pickletools
from pathlib import Path
from typing import Any

from chiasm.errors import UserError

_MOST_BYTES = 512 << 20  # the largest of REFER's files has 40 MB; ours
_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE",
}  # fmt: skip
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


def read_plain_pickle(path: Path) -> Any:
    """The plain value a pickle describes; raises `UserError` for one that is damaged, too big or describes more."""
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise UserError(f"{path} has {size:,} bytes; expected a file of references, at most {_MOST_BYTES:,}")
        # From memory, where a length that lies reads what there is; from a file it would be allocated first.
        return _Builder().build(pickletools.genops(path.read_bytes()))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except _NotPlain as error:
        raise UserError(
            f"{path} is refused: it holds the pickle instruction {error}, and only lists, dicts, texts and numbers are "
            "read. Fetch the file again, or use the JSON form of the references"
        ) from None
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise UserError(f"{path} is not a whole pickle: {error}. Fetch it again") from None


class _NotPlain(Exception):
    """An instruction that could do more than build a plain value."""


class _Builder:
    """A stack and a memo, as the pickle machine has them. Values are shared, never copied: no file can grow in here."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []  # how high the stack was at each MARK
        self._memo: dict[int, Any] = {}

    def build(self, instructions: Any) -> Any:
        for instruction, argument, _ in instructions:
            name = instruction.name
            if name in _VALUES:
                self._stack.append(_text(argument) if isinstance(argument, bytes) else argument)
            elif name in _CONSTANTS:
                self._stack.append(_CONSTANTS[name])
            elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
                self._memo[int(argument)] = self._stack[-1]
            elif name in ("BINGET", "LONG_BINGET", "GET"):
                self._stack.append(self._memo[int(argument)])
            elif name == "STOP":
                return self._stack.pop()
            elif name not in ("PROTO", "FRAME"):
                self._compose(name)
        raise ValueError("it ends before its value does")

    def _compose(self, name: str) -> None:
        """The instructions that make or fill lists, dicts and tuples."""
        stack = self._stack
        if name == "MARK":
            self._marks.append(len(stack))
        elif name in ("EMPTY_LIST", "EMPTY_DICT", "EMPTY_TUPLE"):
            stack.append({"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}[name]())
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name in ("LIST", "TUPLE", "DICT"):
            items = self._since_mark()
            stack.append(_pairs(items) if name == "DICT" else items if name == "LIST" else tuple(items))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name in ("APPEND", "APPENDS"):
            items = self._since_mark() if name == "APPENDS" else [stack.pop()]
            _expect(stack[-1], list).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = self._since_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            _expect(stack[-1], dict).update(_pairs(items))
        else:
            raise _NotPlain(name)

    def _since_mark(self) -> list[Any]:
        at = self._marks.pop()
        items = self._stack[at:]
        del self._stack[at:]
        return items


def _expect(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{kind.__name__} expected, {type(value).__name__} found")
    return value


def _pairs(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
