"""Answers that keep to a JSON schema: which tokens may come next, by llguidance (the extra `json`).

It knows tokenizers and schemas, and neither models nor HTTP. An answer cut short by its length is not whole JSON.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import torch

from chiasm.errors import UserError
from chiasm.generation.sampling import Constraint
from chiasm.processing.tokens import PieceTokenizer

# All ours; llguidance's own bounds are five to ten times as high.
_LARGEST = 64 << 10
_LONGEST_WORD = 1000  # of a pattern, a constant, a name: a constant of 60,000 letters takes 40 ms a token
_LARGEST_MULTIPLE = 10_000  # of all `multipleOf` together: 999,983 alone takes llguidance ten seconds and 400 MB
_LIMITS = {
    "initial_lexer_fuel": 200_000,
    "step_lexer_fuel": 50_000,
    "step_max_items": 10_000,
    "max_lexer_states": 25_000,
}
_REMEMBERED = 64
# One way to write a value, without blanks to choose: small models would write nothing but these.
_LAYOUT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ", "lenient": False}
_FAILED = "the schema is too complex to be followed"


class JsonAnswers:
    """Makes constraints for one tokenizer, whose answers end with one of `end_ids`. Used by several threads."""

    def __init__(self, tokenizer: PieceTokenizer, end_ids: frozenset[int]) -> None:
        self._tokenizer, self._end_ids = tokenizer, sorted(end_ids)
        self._lock = threading.Lock()
        self._words: Any = None
        self._grammars: OrderedDict[str, Any] = OrderedDict()  # matchers at their beginnings

    def constraint(self, schema: str) -> Callable[[], Constraint]:
        """What makes constraints to answers that are JSON by `schema`, which is written as JSON.

        Raises `UserError` for a schema that cannot be kept to, and where llguidance is not installed.
        """
        matcher = self._matcher(schema)
        return lambda: _Following(matcher.deep_copy(), self._end_ids)

    def _matcher(self, schema: str) -> Any:
        try:
            import llguidance
        except ImportError:
            raise UserError("answers by a JSON schema need llguidance: pip install 'chiasm[json]'") from None
        if len(schema) > _LARGEST:
            raise UserError(f"the schema has {len(schema):,} characters, at most {_LARGEST:,} are taken")
        with self._lock:
            if (known := self._grammars.get(schema)) is not None:
                self._grammars.move_to_end(schema)
                return known
            if self._words is None:
                written = self._tokenizer.tokenizer.to_str()
                self._words = llguidance.LLTokenizer(written, eos_token=self._end_ids)
            words = self._words
        matcher = _compiled(llguidance, words, schema)
        with self._lock:
            self._grammars[schema] = matcher
            while len(self._grammars) > _REMEMBERED:
                self._grammars.popitem(last=False)
        return matcher


def _compiled(llguidance: Any, words: Any, schema: str) -> Any:
    try:
        value = json.loads(schema)
    except (ValueError, RecursionError):
        raise UserError("the schema is not JSON") from None
    if not isinstance(value, dict):
        raise UserError(f"the schema is {json.dumps(value)[:40]}: expected a JSON object")
    # The library's own key for its options, which are not the asker's to choose.
    value.pop("x-guidance", None)
    _check_cost(value)
    try:
        grammar = llguidance.LLMatcher.grammar_from_json_schema(value, overrides=_LAYOUT)
    except (ValueError, RecursionError) as error:
        raise UserError(f"the schema cannot be followed: {error}") from None
    limits = llguidance.LLParserLimits(**_LIMITS, verbose_errors=False)
    matcher = llguidance.LLMatcher(words, grammar, log_level=0, limits=limits)
    if matcher.is_error():
        raise UserError(f"the schema cannot be followed: {matcher.get_error()[:300]}")
    matcher.compute_bitmask()
    if matcher.is_error():
        raise UserError(_FAILED)
    return matcher


def _check_cost(schema: dict[str, Any]) -> None:
    """Raise `UserError` for what llguidance itself does not bound."""
    waiting: list[object] = [schema]
    multiple = 1
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            multiple *= max(1, _multiple(value.get("multipleOf")))
            # What only describes may be long.
            words = [*value, *(word for key, word in value.items() if key not in ("title", "description", "$comment"))]
            waiting.extend(words)
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, str) and len(value) > _LONGEST_WORD:
            raise UserError(
                f"the schema has a string of {len(value):,} characters, at most {_LONGEST_WORD:,} are taken"
            )
    if multiple > _LARGEST_MULTIPLE:
        raise UserError(
            f"the schema asks for multiples of numbers too large to be followed: {_LARGEST_MULTIPLE:,} at most"
        )


def _multiple(value: object) -> int:
    """What the multiples of a number cost: itself, without its point."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 1
    if value == int(value):
        return abs(int(value))
    return int("".join(map(str, Decimal(repr(value)).as_tuple().digits)))


class _Following:
    """One answer on its way through a schema. Where llguidance gives up, the answer may only end."""

    def __init__(self, matcher: Any, end_ids: list[int]) -> None:
        self._matcher, self._end_ids = matcher, end_ids

    @property
    def is_lost(self) -> bool:
        """Whether llguidance has given up."""
        return bool(self._matcher.is_error())

    def allowed(self, num_ids: int) -> torch.Tensor:
        """bool (V): what may come next."""
        allowed = torch.zeros(num_ids, dtype=torch.bool)
        bits = np.unpackbits(np.frombuffer(self._matcher.compute_bitmask(), np.uint8), bitorder="little")[:num_ids]
        if self.is_lost or not bits.any():
            allowed[self._end_ids] = True
        else:
            allowed[: len(bits)] = torch.from_numpy(bits.astype(bool))
        return allowed

    def take(self, token_id: int) -> None:
        """Go on."""
        self._matcher.consume_token(token_id)
