"""Ways in which a job of many requests ends early, and failures of single requests that are not all alike."""

from __future__ import annotations

from chiasm.chat import AnswerError
from chiasm.errors import UserError


class Overloaded(AnswerError):
    """The provider asks for fewer requests (429, 503): worth asking again later, and fewer at once."""


class Unanswerable(AnswerError):
    """This one request will never be answered (too long, filtered); others may. Not asked again, not billed.

    `reason` is the short word under which it is counted.
    """

    def __init__(self, message: str, *, reason: str = "refused") -> None:
        super().__init__(message, permanent=True)
        self.reason = reason


class GaveUp(AnswerError):
    """So many requests failed one after the other that the rest need not be tried now."""


class JournalError(UserError):
    """The journal cannot be written (or read) any more, so nothing more may be sent."""


class BudgetReached(UserError):
    """The next request no longer fits the budget, or the number of requests allowed. The rest was not sent."""


class Waiting(UserError):
    """The answers are somebody else's to bring: requests lie in files, and results are not all there yet.

    No fault: the message says what to submit and where to put what comes back. `num_missing` of `num_asked` are open.
    """

    def __init__(self, message: str, *, num_missing: int, num_asked: int) -> None:
        super().__init__(message)
        self.num_missing, self.num_asked = num_missing, num_asked
