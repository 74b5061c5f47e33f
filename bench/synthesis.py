"""Speed and memory of `chiasm synth` with the rulebook: samples a second end to end, and the largest resident size.

Contexts of a JSON-lines file are repeated under other names, each time with another three to five of their captions,
until there are as many as asked for. Reading, asking, the journal, all checks and the output count; starting Python
does too. The job is then run again, which asks nothing and checks everything.

    python -m bench.synthesis ../shared/data/coco_text/val2017_captions_boxes.jsonl --pictures 80000
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KINDS = ("conversation", "detail", "reasoning")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path)
    parser.add_argument("--pictures", type=int, default=80_000)
    parser.add_argument("--language", default="en")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        contexts = repeated(options.captions, Path(folder) / "contexts.jsonl", options.pictures)
        for what in ("from nothing", "run again"):
            out = Path(folder) / "out.json"
            command = [sys.executable, "-m", "chiasm", "synth", *KINDS, "--captions", str(contexts), "--out", str(out)]
            began = time.perf_counter()
            ran = subprocess.run(
                [*command, "--language", options.language, "--json"], stdout=subprocess.PIPE, check=True
            )
            seconds = time.perf_counter() - began
            found = json.loads(ran.stdout)
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            print(
                f"{what}: {found['samples']} samples in {seconds:.0f} s, {found['samples'] / seconds:.0f} a second, "
                f"at most {peak:.0f} MiB; accepted {100 * found['accepted'] / found['samples']:.2f} %, "
                f"rejected {found['rejected']}",
                flush=True,
            )


def repeated(captions: Path, out: Path, count: int) -> Path:
    rows = [json.loads(line) for line in captions.read_text("utf-8").splitlines()]
    with out.open("w", encoding="utf-8") as file:
        for number in range(count):
            again, row = divmod(number, len(rows))
            said = rows[row]["captions"]
            choices = [kept for size in (5, 4, 3) for kept in itertools.combinations(said, size)]
            kept = choices[again % len(choices)]
            file.write(json.dumps({**rows[row], "image_id": number, "captions": kept}) + "\n")
    return out


if __name__ == "__main__":
    main()
