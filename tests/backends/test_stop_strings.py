"""A stop string is never shown, however it is cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chiasm.backends.stop_strings import StopStrings


def fed(pieces: list[str], stops: list[str]) -> tuple[list[str], bool]:
    stop = StopStrings(stops)
    shown = [stop.feed(piece) for piece in pieces]
    return [*shown, stop.finish()], stop.stopped


def test_text_that_may_begin_a_stop_string_waits() -> None:
    assert fed(["Hi #", "#", "#more"], ["###"]) == (["Hi", "", "", ""], True)
    assert fed(["Hi #", "#", " no"], ["###"]) == (["Hi", "", " ## no", ""], False)


def test_an_unfinished_stop_string_is_shown_at_the_end() -> None:
    assert fed(["2 ", "#"], ["##"]) == (["2", "", " #"], False)


def test_white_space_at_both_ends_is_left_out_and_inside_kept() -> None:
    assert fed([" ", " A", "\n\n", "B ", "\n"], []) == (["", "A", "", "\n\nB", "", ""], False)


@given(
    st.text("ab# ", max_size=20),
    st.lists(st.text("ab#", min_size=1, max_size=4), max_size=3),
    st.lists(st.integers(1, 4), min_size=20, max_size=20),
)
def test_pieces_give_what_the_whole_gives(text: str, stops: list[str], sizes: list[int]) -> None:
    pieces, position = [], 0
    for size in sizes:
        pieces.append(text[position : position + size])
        position += size
    shown, stopped = fed(pieces, stops)
    places = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text]
    expected = text[: min(places)[1]] if places else text
    assert "".join(shown) == expected.strip()
    assert stopped == bool(places)


def test_nothing_waits_that_could_be_shown() -> None:
    stop = StopStrings(["</s>"])
    assert stop.feed("a < b") == "a < b"
    assert stop.feed("<") == ""
    assert stop.feed("b>") == "<b>"


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        StopStrings([""])
