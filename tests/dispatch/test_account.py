"""Worst cases, prices, budgets: figures worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chiasm.chat import Sampling, Usage
from chiasm.conversation import Conversation, Message, Text, user
from chiasm.dispatch import Account, Prices
from chiasm.dispatch.account import Tally, counted, worst_case
from chiasm.errors import UserError

PRICES = Prices(0.15, 0.60, 0.075)
WORST = Usage(1000, 0, 500)


def test_a_worst_case_is_a_token_a_byte_and_the_longest_answer() -> None:
    conversation = Conversation((Message("system", (Text("ab"),)), user("猫")))
    # 2 bytes + 3 bytes, 16 around each of two turns, 256 around the request
    assert worst_case(conversation, Sampling(max_tokens=77)) == Usage(2 + 3 + 2 * 16 + 256, 0, 77)


def test_a_picture_counts_as_the_dearest_known() -> None:
    plain, seen = Conversation((user("x"),)), Conversation((user("x", ["a.png"]),))
    more = worst_case(seen, Sampling()).num_prompt - worst_case(plain, Sampling()).num_prompt
    assert more >= 2833 + 8 * 5667  # eight tiles of gpt-4o-mini


def test_text_no_utf8_can_hold_has_a_worst_case_too() -> None:
    assert worst_case(Conversation((Message("user", (Text("\ud800"),)),)), Sampling()).num_prompt >= 3


@pytest.mark.parametrize(
    ("usage", "pico"),
    [
        (Usage(1_000_000, 0, 0), 150_000_000_000),  # 0.15
        (Usage(0, 0, 1_000_000), 600_000_000_000),  # 0.60
        (Usage(1_000_000, 400_000, 0), 90_000_000_000 + 30_000_000_000),  # 0.6 M at 0.15 and 0.4 M at 0.075
        (Usage(1, 0, 0), 150_000),
    ],
)
def test_cost(usage: Usage, pico: int) -> None:
    assert PRICES.cost(usage) == pico


def test_cached_tokens_without_a_price_cost_what_others_do() -> None:
    assert Prices(2, 1).cost(Usage(10, 7, 0)) == Prices(2, 1).cost(Usage(10, 0, 0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 1), "--price-in"),
        ((1, math.nan), "--price-out"),
        ((1, math.inf), "--price-out"),
        ((1, 1, 2), "cached tokens cannot cost more"),
    ],
)
def test_what_is_no_price(arguments: tuple[float, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Prices(*arguments)


@pytest.mark.parametrize(
    ("account", "message"),
    [
        ({"budget": 20}, r"--price-in and --price-out"),  # TA14: no price, no start
        ({"budget": 0, "prices": PRICES}, "above 0"),
        ({"budget": math.nan, "prices": PRICES}, "above 0"),
        ({"budget": math.inf, "prices": PRICES}, "above 0"),
        ({"max_requests": 0}, "at least 1"),
    ],
)
def test_accounts_that_are_refused(account: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Account(**account)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("claimed", "billed", "odd"),
    [
        (Usage(900, 100, 400), Usage(900, 100, 400), False),
        (Usage(1000, 0, 0), Usage(1000, 0, 0), False),
        (Usage(0, 0, 0), WORST, True),  # nobody counted
        (Usage(-5, 0, 400), WORST, True),
        (Usage(900, 0, -400), WORST, True),
        (Usage(900, 901, 400), WORST, True),
        (Usage(10**12, 0, 400), WORST, True),
        (Usage(900, 0, 10**12), WORST, True),
        (Usage(1001, 0, 400), Usage(1001, 0, 400), True),  # above the worst case: the provider will bill it
        (Usage(900, 0, 501), Usage(900, 0, 501), True),
    ],
)
def test_what_a_claimed_usage_is_billed_as(claimed: Usage, billed: Usage, odd: bool) -> None:
    assert counted(claimed, WORST) == (billed, odd)


def test_a_request_is_sent_while_its_worst_case_fits_to_the_last_digit() -> None:
    # A worst case costs 1000 * 0.15 + 500 * 0.60 = 450 millionths; two fit in 900 and not in less.
    exact, short = Account(0.0009, PRICES), Account(0.000899999, PRICES)
    assert [exact.reserve(WORST) for _ in range(3)] == [None, None, "budget"]
    assert [short.reserve(WORST) for _ in range(2)] == [None, "budget"]


def test_a_reply_frees_what_it_did_not_use() -> None:
    account = Account(0.0009, PRICES)
    assert [account.reserve(WORST) for _ in range(3)] == [None, None, "budget"]
    account.replied(WORST, Usage(100, 0, 0))
    account.failed(WORST, billed=False)
    assert account.reserve(WORST) is None  # 15 millionths spent, 450 reserved
    account.failed(WORST, billed=True)  # kept at its worst
    assert account.reserve(WORST) == "budget"
    bill = account.bill()
    assert (bill.spent, bill.perhaps, bill.total) == (0.000015, 0.00045, pytest.approx(0.000465))
    assert (bill.tally.num_sent, bill.tally.num_replied, bill.tally.num_failed, bill.tally.num_lost) == (3, 1, 1, 1)


def test_requests_not_sent_after_all_do_not_count() -> None:
    account = Account(max_requests=1)
    assert account.reserve(WORST) is None
    account.take_back(WORST)
    assert account.bill().tally == Tally()
    assert [account.reserve(WORST), account.reserve(WORST)] == [None, "requests"]


def test_what_earlier_runs_spent_counts_once() -> None:
    account = Account(1.0, Prices(1_000_000, 0), max_requests=5)  # a token of prompt costs 1
    past = Tally(num_sent=4, num_replied=3, num_lost=1, used=Usage(0, 0, 50))
    account.carry_over("journal", past)
    account.carry_over("journal", past)
    assert account.bill().tally == past
    assert [account.reserve(Usage(1, 0, 0)), account.reserve(Usage(0, 0, 0))] == [None, "requests"]


def test_a_bill_says_what_it_knows() -> None:
    account = Account(2.0, Prices(1, 2))
    for _ in range(3):
        assert account.reserve(Usage(10_000, 0, 10_000)) is None
    account.replied(Usage(10_000, 0, 10_000), Usage(9_000, 1_000, 500))
    account.failed(Usage(10_000, 0, 10_000), billed=True)
    account.failed(Usage(10_000, 0, 10_000), billed=False)
    assert str(account.bill()) == (
        "3 requests: 1 answered, 1 failed, 1 perhaps billed; 9000 tokens in (1000 cached), 500 out; "
        "cost 0.0100 and perhaps 0.0300 more of 2"
    )
    assert Account().bill().spent is None


usages = st.builds(
    lambda prompt, share, answer: Usage(prompt, int(prompt * share), answer),
    st.integers(1, 200_000),
    st.floats(0, 1),
    st.integers(0, 5000),
)


@given(st.lists(usages, max_size=60))
def test_bills_add_up_in_any_order(used: list[Usage]) -> None:
    backwards = list(reversed(used))
    totals = []
    for order in (used, backwards):
        account = Account(prices=Prices(0.1, 0.3, 0.07))
        for usage in order:
            assert account.reserve(Usage(10**6, 0, 10**6)) is None
            account.replied(Usage(10**6, 0, 10**6), usage)
        totals.append(account.bill().spent)
    whole = sum((u.num_prompt - u.num_cached) * 100_000 + u.num_cached * 70_000 + u.num_answer * 300_000 for u in used)
    assert totals == [whole / 10**12] * 2
