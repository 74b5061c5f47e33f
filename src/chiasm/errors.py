"""The one exception a user is meant to see. It knows nothing about terminals; `chiasm.cli` prints it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can put right: shown as one line, without traceback.

    The message says what came, what was expected and what to do next. Misuse of the Python API raises
    `ValueError` instead; broken invariants are assertions.
    """

    def __str__(self) -> str:
        # Third-party messages are often folded into ours; a person still gets one line.
        return " ".join(super().__str__().split())


def suggest(wrong: str, known: Iterable[str]) -> str:
    """`did you mean 'mlp'? known: identity, linear, mlp` for a misspelt `wrong`."""
    names = sorted(known)
    near = difflib.get_close_matches(wrong, names, n=1)
    question = f"did you mean '{near[0]}'? " if near else ""
    return f"{question}known: {', '.join(names) or 'none'}"
