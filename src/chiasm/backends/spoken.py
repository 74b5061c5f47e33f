"""One answer as it is spoken: ids in, text that may be shown out, with the tokens it was made of.

It knows the tokenizer and stop strings, and neither models nor torch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from chiasm.backends.stop_strings import StopStrings
from chiasm.chat import Delta, FinishReason, Token, Usage
from chiasm.processing.tokens import PieceTokenizer

if TYPE_CHECKING:
    from chiasm.generation.sampling import Likelihood


class Spoken:
    """Takes an answer id by id. Tokens are shown with the text they begin, so never those of a stop string."""

    def __init__(self, tokenizer: PieceTokenizer, stops: Iterable[str], bytes_of: Callable[[int], bytes]) -> None:
        self._text, self._stop, self._bytes_of = tokenizer.decode_stream(), StopStrings(stops), bytes_of
        self._num_read = 0
        self._waiting: deque[tuple[int, Token]] = deque()  # tokens by the place of their first character

    @property
    def stopped(self) -> bool:
        """Whether a stop string has ended the answer."""
        return self._stop.stopped

    def hear(self, token_id: int, likelihood: Likelihood | None = None) -> Delta:
        """What may be shown now that `token_id` has come; often nothing yet."""
        if likelihood is not None:
            self._waiting.append((self._num_read, self._token(token_id, likelihood)))
        text = self._text.feed(token_id)
        self._num_read += len(text)
        return Delta(self._stop.feed(text), tokens=self._shown())

    def end(self, finish_reason: FinishReason, usage: Usage) -> Delta:
        """The last piece, with all that was held back."""
        text = self._stop.feed(self._text.finish()) + self._stop.finish()
        tokens = self._shown() if self.stopped else tuple(token for _, token in self._waiting)
        return Delta(text, "stop" if self.stopped else finish_reason, usage, tokens)

    def _shown(self) -> tuple[Token, ...]:
        tokens = []
        while self._waiting and self._waiting[0][0] < self._stop.num_taken:
            tokens.append(self._waiting.popleft()[1])
        return tuple(tokens)

    def _token(self, token_id: int, likelihood: Likelihood) -> Token:
        likeliest = tuple(Token(self._bytes_of(other), value) for other, value in likelihood.likeliest)
        return Token(self._bytes_of(token_id), likelihood.log_probability, likeliest)
