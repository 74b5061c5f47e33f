"""Asking a metered model many things: within a budget, as fast as the provider allows, with every reply kept.

`dispatch` asks; `Account` says whether the next request still fits; `Journal` keeps what was sent and what came back,
so that a job killed anywhere goes on where it stopped. None of it knows HTTP, tokens or what the answers are for: it is
handed a function that asks once.
"""

from __future__ import annotations

from chiasm.dispatch.account import Account, Bill, Prices
from chiasm.dispatch.asking import Patience, dispatch
from chiasm.dispatch.failures import BudgetReached, GaveUp, JournalError, Overloaded, Unanswerable, Waiting
from chiasm.dispatch.journal import Journal
from chiasm.dispatch.request import Outcome, Request, content_key

__all__ = [
    "Account",
    "Bill",
    "BudgetReached",
    "GaveUp",
    "Journal",
    "JournalError",
    "Outcome",
    "Overloaded",
    "Patience",
    "Prices",
    "Request",
    "Unanswerable",
    "Waiting",
    "content_key",
    "dispatch",
]
