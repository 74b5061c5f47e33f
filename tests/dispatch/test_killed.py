"""A job killed with SIGKILL again and again: each key answered once, all money counted, little asked twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import chiasm
from chiasm.dispatch import Journal

SOURCES = Path(chiasm.__file__).parents[1]  # where a child finds the package under test
NUM_REQUESTS, MOST, KILLS = 120, 6, 5

# The provider writes down what it bills before it answers, as a real one does.
JOB = f"""
import os, random, sys, time
from chiasm.chat import Answer, AnswerError, Sampling, Usage
from chiasm.conversation import Conversation, user
from chiasm.dispatch import Account, Journal, Overloaded, Patience, Request, dispatch

billed = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def ask(conversation, sampling):
    time.sleep(random.random() / 100)
    fate = random.random()
    if fate < 0.1:
        raise Overloaded("429")
    os.write(billed, conversation.id.encode() + b"\\n")
    if fate < 0.15:
        raise AnswerError("reset", billed=True)
    time.sleep(random.random() / 100)
    return Answer("answer to " + conversation.id, "stop", Usage(5, 0, 3))

def requests():
    for i in range({NUM_REQUESTS}):
        yield Request(f"key-{{i}}", Conversation((user(f"question {{i}}"),), f"key-{{i}}"), Sampling(max_tokens=10))

with Journal(sys.argv[1]) as journal:
    print("begun", flush=True)
    for outcome in dispatch(
        requests(), ask, account=Account(), journal=journal, max_concurrent={MOST},
        patience=Patience(first_wait=0.01),
    ):
        print(outcome.key, outcome.reason, flush=True)
print("finished", flush=True)
"""


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", JOB, str(folder / "job"), str(folder / "billed")]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=SOURCES)


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_killed_anywhere_it_goes_on(tmp_path: Path) -> None:
    rng = random.Random(3)
    for _ in range(KILLS):
        with start(tmp_path) as job:
            assert job.stdout is not None
            assert job.stdout.readline() == "begun\n"
            time.sleep(rng.uniform(0, 0.08))
            job.send_signal(signal.SIGKILL)
        if job.returncode == 0:
            break
    with start(tmp_path) as job:
        assert job.stdout is not None
        told = job.stdout.read().split("\n")
    assert told[-2] == "finished"
    assert sorted(told[1:-2]) == sorted(f"key-{i} answered" for i in range(NUM_REQUESTS))

    with Journal(tmp_path / "job") as journal:
        past, replies = journal.past, Counter(f"key-{i}" for i in range(NUM_REQUESTS) if f"key-{i}" in journal)
        for key in replies:
            found = journal.answer(key)
            assert found is not None
            assert found.text == f"answer to {key}"
    num_billed = len((tmp_path / "billed").read_text().split())
    written = [json.loads(line) for line in (tmp_path / "job" / "journal.jsonl").read_bytes().splitlines()]
    assert len(replies) == NUM_REQUESTS
    assert past.num_replied == NUM_REQUESTS  # no key was answered twice
    assert sum(line["type"] == "sent" for line in written) == past.num_sent
    # What the provider billed lies between what was answered and that with what may have been billed.
    assert past.num_replied <= num_billed <= past.num_replied + past.num_lost
    resets = sum(line["type"] == "failed" and line["billed"] for line in written)
    assert past.num_lost <= resets + KILLS * MOST
