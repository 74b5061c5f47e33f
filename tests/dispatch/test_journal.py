"""What a journal says after whatever happened to it: torn, doubled, foreign, full, locked."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from chiasm.chat import Answer, Sampling, Usage
from chiasm.conversation import Conversation, Message, Text, user
from chiasm.dispatch import Journal, JournalError, Request
from chiasm.dispatch.account import Tally
from tests.dispatch.fakes import answer, request

WORST = Usage(300, 0, 10)
NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def ask(journal: Journal, name: int | str, reply: Answer | None) -> None:
    """One request and, unless `reply` is None, its reply."""
    number = journal.sent(request(name), WORST)
    if reply is not None:
        journal.replied(number, f"key-{name}", reply, reply.usage, odd=False)


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_bytes().splitlines()]


def test_answers_come_back_as_they_were(tmp_path: Path) -> None:
    hard = "\x00 \ud800 </s> <image> \u2028 猫\n" + "x" * 200_000
    with Journal(tmp_path) as journal:
        ask(journal, 1, Answer("yes", "length", Usage(7, 2, 3)))
        ask(journal, 2, answer(hard))
        assert journal.answer("key-2") == answer(hard)
    with Journal(tmp_path) as journal:
        assert journal.answer("key-1") == Answer("yes", "length", Usage(7, 2, 3))
        assert journal.answer("key-2") == answer(hard)
        assert journal.answer("key-3") is None
        assert ("key-1" in journal, "key-3" in journal, journal.num_answered) == (True, False, 2)
        assert journal.past == Tally(num_sent=2, num_replied=2, used=Usage(12, 2, 6))
        assert journal.notes == []


def test_the_request_is_kept_whole_and_a_repeated_turn_once(tmp_path: Path) -> None:
    rules = Message("system", (Text("the rules"),))
    with Journal(tmp_path) as journal:
        for name in "ab":
            turns = Conversation((rules, user(f"what is {name}?", ["photo.jpg", b"\x89PNG"])))
            journal.sent(Request(name, turns, Sampling(max_tokens=9, temperature=0.5, stop=("###",))), WORST)
    found = lines(tmp_path)
    assert [line["type"] for line in found] == ["said", "said", "sent", "said", "sent"]
    assert found[0]["parts"] == [{"text": "the rules"}]
    pictures = [part["image"] for part in found[1]["parts"] if "image" in part]  # type: ignore[attr-defined]
    assert pictures[0] == "photo.jpg"
    assert pictures[1].startswith("sha256:")
    assert found[4]["said"] == [found[0]["digest"], found[3]["digest"]]
    assert found[4]["sampling"] == {"max_tokens": 9, "temperature": 0.5, "top_p": 1.0, "stop": ["###"]}
    with Journal(tmp_path) as journal:  # known turns are known to the next run as well
        journal.sent(Request("c", Conversation((rules,)), Sampling()), WORST)
    assert len(lines(tmp_path)) == 6


def test_a_request_that_never_ended_may_have_been_billed(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        ask(journal, 1, None)
        ask(journal, 2, answer())
    with Journal(tmp_path) as journal:
        assert journal.past == Tally(num_sent=2, num_replied=1, num_lost=1, used=Usage(5, 0, 3), lost=WORST)
        assert "1 requests were under way" in journal.notes[0]
        ask(journal, 1, answer())
    with Journal(tmp_path) as journal:
        assert (journal.past.num_sent, journal.past.num_replied, journal.past.num_lost) == (3, 2, 1)


def test_failures(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for name, billed, final in (("a", False, False), ("b", True, False), ("c", False, True)):
            number = journal.sent(request(name), WORST)
            journal.failed(number, f"key-{name}", "refused", "too long", billed=billed, final=final)
        assert journal.refusal("key-c") == ("refused", "too long")
    with Journal(tmp_path) as journal:
        assert journal.past == Tally(num_sent=3, num_failed=2, num_lost=1, lost=WORST)
        refusals = [journal.refusal(f"key-{name}") for name in "abc"]
        assert refusals == [None, None, ("refused", "too long")]


def test_an_odd_usage_is_billed_as_told(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        number = journal.sent(request(1), WORST)
        journal.replied(number, "key-1", Answer("x", "stop", Usage(-1, 0, 3)), WORST, odd=True)
    with Journal(tmp_path) as journal:
        assert journal.past == Tally(num_sent=1, num_replied=1, num_odd=1, used=WORST)
        assert journal.answer("key-1") == Answer("x", "stop", Usage(-1, 0, 3))


def test_two_replies_to_one_key_are_both_billed_and_the_first_is_the_answer(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:  # TA13
        ask(journal, 1, answer("first"))
        ask(journal, 1, answer("second"))
        assert journal.answer("key-1") == answer("first")
    with Journal(tmp_path) as journal:
        assert journal.answer("key-1") == answer("first")
        assert (journal.num_answered, journal.past.num_replied, journal.past.used.num_prompt) == (1, 2, 10)


# ---- TA17: what may have happened to the file --------------------------------------------------------------------

TORN_TAILS = [b'{"type":"replied","number":2', b'{"type": "repl\xe4', b"\0" * 50, b"[1", b"7"]


@pytest.mark.parametrize("tail", TORN_TAILS)
def test_a_torn_last_line_is_dropped_and_said(tmp_path: Path, tail: bytes) -> None:
    with Journal(tmp_path) as journal:
        ask(journal, 1, answer())
    with journal.path.open("ab") as file:
        file.write(tail)
    with Journal(tmp_path) as journal:
        assert f"torn last line of {len(tail)} bytes" in journal.notes[0]
        ask(journal, 2, answer())
    with Journal(tmp_path) as journal:
        assert journal.notes == []
        assert (journal.num_answered, journal.past.num_sent) == (2, 2)


def test_a_last_line_that_only_lacks_its_end_is_kept(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        ask(journal, 1, answer())
    journal.path.write_bytes(journal.path.read_bytes()[:-1])
    with Journal(tmp_path) as journal:
        assert (journal.num_answered, journal.notes) == (1, [])
        ask(journal, 2, answer())
    assert [line["type"] for line in lines(tmp_path)].count("replied") == 2


def test_cut_at_every_byte_nothing_is_doubled_or_made_up(tmp_path: Path) -> None:
    with Journal(tmp_path / "whole") as journal:
        for name in range(2):
            ask(journal, name, answer(f"answer {name}"))
    whole = journal.path.read_bytes()
    for length in range(len(whole) + 1):
        folder = tmp_path / "cut"
        folder.mkdir(exist_ok=True)
        (folder / "journal.jsonl").write_bytes(whole[:length])
        with Journal(folder, durable=False) as journal:
            for name in range(2):
                assert journal.answer(f"key-{name}") in (None, answer(f"answer {name}"))
            past = journal.past
            assert past.num_sent == past.num_replied + past.num_lost
            assert past.used.num_prompt == 5 * journal.num_answered


def double_all(data: bytes) -> bytes:
    return b"".join(line + line for line in data.splitlines(keepends=True))


def double_file(data: bytes) -> bytes:
    return data + data


@pytest.mark.parametrize("doubled", [double_all, double_file])
def test_lines_that_stand_there_twice_count_once(tmp_path: Path, doubled: Callable[[bytes], bytes]) -> None:
    with Journal(tmp_path) as journal:
        ask(journal, 1, answer())
        ask(journal, 2, None)
        journal.failed(journal.sent(request(3), WORST), "key-3", "no answer", "500", billed=True, final=False)
    with Journal(tmp_path) as journal:
        before = journal.past
    journal.path.write_bytes(doubled(journal.path.read_bytes()))
    with Journal(tmp_path) as journal:
        assert journal.past == before
        assert any("twice and count once" in note for note in journal.notes)


FOREIGN = [
    b"hello",
    b"null",
    b"[]",
    b"{}",
    b'{"type": "other"}',
    b'{"type": ["sent"]}',
    b'{"type": "sent", "number": "7", "worst": [1, 1]}',
    b'{"type": "sent", "number": -7, "worst": [1, 1]}',
    b'{"type": "sent", "number": 7, "worst": [1]}',
    b'{"type": "replied", "number": 7, "key": "k", "text": null, "finish_reason": "stop", "usage": [1, 0, 1]}',
    b'{"type": "replied", "number": 7, "key": "k", "text": "x", "finish_reason": [], "usage": [1, 0, 1]}',
    b'{"type": "replied", "number": 7, "key": "k", "text": "x", "finish_reason": "stop", "usage": [-1, 0, 1]}',
    b'{"type": "replied", "number": 7, "key": "k", "text": "x", "finish_reason": "stop", "usage": 3}',
    b'{"type": "failed", "number": 7, "key": "k", "reason": 1, "message": "", "billed": false, "final": true}',
    b"\xff\xfe",
    b"[" * 100_000,
    b"\0" * 4096,
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda line: line[:40].decode("latin-1").replace("\0", "0"))
def test_foreign_lines_are_counted_and_ignored(tmp_path: Path, foreign: bytes) -> None:
    with Journal(tmp_path) as journal:
        ask(journal, 1, answer())
    journal.path.write_bytes(foreign + b"\n" + journal.path.read_bytes())
    with Journal(tmp_path) as journal:
        assert (journal.num_answered, journal.past.num_sent, journal.refusal("k")) == (1, 1, None)
        assert journal.answer("key-1") == answer()
        assert "1 lines are none of the journal's" in journal.notes[0]


def test_a_full_disk_stops_before_anything_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal(tmp_path) as journal:
        ask(journal, 1, answer())
        write = os.write

        def half_then_full(file: int, data: memoryview) -> int:
            write(file, data[: len(data) // 2])
            raise NO_SPACE

        monkeypatch.setattr(os, "write", half_then_full)
        with pytest.raises(JournalError, match="No space left"):
            journal.sent(request(2), WORST)
        monkeypatch.undo()
        with pytest.raises(JournalError, match="No space left"):  # there is no way back but a new run
            journal.sent(request(2), WORST)
    with Journal(tmp_path) as journal:
        assert (journal.past.num_sent, journal.notes) == (1, [])


def test_a_disk_that_refuses_the_flush_stops_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise NO_SPACE

    with Journal(tmp_path) as journal:
        monkeypatch.setattr(os, "fsync", full)
        for name in range(2):
            with pytest.raises(JournalError, match="No space left"):
                journal.sent(request(name), WORST)


def test_a_nearly_full_disk_stops_while_replies_still_fit(tmp_path: Path) -> None:
    free = [10**9, 10**6]
    with Journal(tmp_path, free_bytes=lambda _: free.pop(0)) as journal:
        number = journal.sent(request(1), WORST)
        with pytest.raises(JournalError, match="1 MiB are free"):
            journal.sent(request(2), WORST)
        journal.replied(number, "key-1", answer(), answer().usage, odd=False)
        assert journal.num_answered == 1


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="Nothing was asked"):
        Journal(tmp_path / "file")
    (tmp_path / "job" / "journal.jsonl").mkdir(parents=True)
    with pytest.raises(JournalError, match="Nothing was asked"):
        Journal(tmp_path / "job")


def test_a_second_process_is_refused_while_the_first_is_there(tmp_path: Path) -> None:
    # TA23. A lock is a matter of open files, so one process shows it as well as two.
    with Journal(tmp_path), pytest.raises(JournalError, match="another process is at work"):
        Journal(tmp_path)
    Journal(tmp_path).close()


def test_a_closed_journal_takes_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="is closed"):
        journal.sent(request(1), WORST)
