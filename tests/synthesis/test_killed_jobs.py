"""A job with a misbehaving teacher behind a socket, killed again and again: nothing lost, doubled or asked twice.

Larger by hand, in some minutes: python -m tests.synthesis.test_killed_jobs 1000 20
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

import chiasm
from chiasm.dispatch import Journal
from tests.hostile_teacher import HostileTeacher
from tests.synthesis.answering import rulebook
from tests.synthesis.pictures import written

ROOT = Path(__file__).resolve().parents[2]
SOURCES = Path(chiasm.__file__).parents[1]
# A request that the server bills and whose reply the asker cannot read.
LOST = ("cut JSON", "broken connection")


def start(contexts: Path, out: Path, base_url: str, workers: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.synthesis.asker", str(contexts), str(out), base_url, str(workers)]
    path = os.pathsep.join((str(SOURCES), str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": path, "OPENAI_API_KEY": "", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)


def killed_and_finished(contexts: Path, out: Path, base_url: str, workers: int, kills: int, span: float) -> None:
    """Run the job, killing it `kills` times at moments drawn by a seed, then let it finish."""
    rng = random.Random(17)
    for _ in range(kills):
        child = start(contexts, out, base_url, workers)
        assert child.stdout is not None
        child.stdout.readline()  # "begun": killed before, it has done nothing yet
        time.sleep(rng.uniform(0.02, span))
        child.kill()
        child.communicate()
    for _ in range(5):  # what was given up after all tries is asked again by the next run
        child = start(contexts, out, base_url, workers)
        said, _ = child.communicate(timeout=500)
        if said.splitlines()[-1].startswith("finished") and said.split()[-1] == "0":
            return
    pytest.fail(f"the job does not finish: {said}")


def check_everything(out: Path, teacher: HostileTeacher, num_samples: int, num_cut_off: int) -> None:
    """Each sample in one state, no picture doubled, the journal's bill that of the server."""
    accepted = [record["id"] for record in json.loads(out.read_text("utf-8"))]
    folder = out.with_name(f"{out.name}.job")
    rejected = [json.loads(line) for line in (folder / "rejected.jsonl").read_text("utf-8").splitlines()]
    states = Counter([*accepted, *(line["id"] for line in rejected)])
    assert len(states) == num_samples
    assert set(states.values()) == {1}
    assert {"refusal", "cut_off", "format"} <= {line["rejections"][0]["reason"] for line in rejected}

    with Journal(folder) as journal:
        past = journal.past
    server = teacher.ledger()
    assert past.num_sent == past.num_replied + past.num_failed + past.num_lost
    # Requests on their way when the job was killed are in the journal and perhaps not at the server.
    assert server.num_received <= past.num_sent <= server.num_received + num_cut_off
    assert past.num_replied <= server.num_billed <= past.num_replied + past.num_lost
    read = [entry for entry in teacher.entries if entry.billed and entry.what not in LOST]
    used, least = past.used.num_prompt, sum(entry.num_prompt for entry in read)
    longest = max(entry.num_prompt for entry in read)
    assert least - num_cut_off * longest <= used <= least
    good = Counter(entry.digest for entry in read)
    assert sum(count - 1 for count in good.values()) <= num_cut_off  # asked twice: only what was under way


def test_killed_again_and_again(tmp_path: Path) -> None:
    contexts, out = written(tmp_path / "contexts.jsonl", 50), tmp_path / "out.json"
    with HostileTeacher(seed=5, share=0.25, answers=rulebook, delay=0.05) as teacher:
        killed_and_finished(contexts, out, teacher.base_url, workers=8, kills=4, span=0.5)
        check_everything(out, teacher, num_samples=150, num_cut_off=4 * 8)


def test_a_job_nobody_kills_has_the_bill_of_the_server(tmp_path: Path) -> None:
    contexts, out = written(tmp_path / "contexts.jsonl", 30), tmp_path / "out.json"
    with HostileTeacher(seed=6, share=0.25, answers=rulebook) as teacher:
        killed_and_finished(contexts, out, teacher.base_url, workers=8, kills=0, span=0.0)
        check_everything(out, teacher, num_samples=90, num_cut_off=0)
        with Journal(tmp_path / "out.json.job") as journal:
            assert journal.past.num_lost == sum(entry.what in LOST for entry in teacher.entries)


def main(num_pictures: int, kills: int) -> None:
    """The same with `num_pictures` and as many kills, counted aloud."""
    with tempfile.TemporaryDirectory() as folder:
        contexts, out = written(Path(folder) / "contexts.jsonl", num_pictures), Path(folder) / "out.json"
        with HostileTeacher(seed=7, share=0.25, answers=rulebook, delay=0.1) as teacher:
            began = time.monotonic()
            killed_and_finished(contexts, out, teacher.base_url, workers=8, kills=kills, span=0.02 * num_pictures / 8)
            check_everything(out, teacher, num_samples=3 * num_pictures, num_cut_off=kills * 8)
            with Journal(Path(f"{out}.job")) as journal:
                print(f"{time.monotonic() - began:.0f} s; journal {journal.past}; server {teacher.ledger()}")


if __name__ == "__main__":
    main(int(sys.argv[1]) // 3 + 1, int(sys.argv[2]))
