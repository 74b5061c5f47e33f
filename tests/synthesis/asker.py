"""A job as a program of its own, to be killed: asker.py CONTEXTS OUT BASE_URL WORKERS."""

from __future__ import annotations

import sys
from pathlib import Path

from chiasm.backends.openai import OpenAIChatModel
from chiasm.dispatch import Account, Patience
from chiasm.synthesis.asking import at_once
from chiasm.synthesis.checks import Examiner
from chiasm.synthesis.job import Job
from chiasm.synthesis.plan import Plan
from chiasm.synthesis.sources import Source


def main() -> None:
    """Run the job to its end; the last line of output is "finished"."""
    contexts, out, base_url, workers = sys.argv[1:]
    plan = Plan.of(["conversation", "detail", "reasoning"], ("en",), "openai:hostile", "contexts.jsonl")
    model = OpenAIChatModel("hostile", base_url=base_url)
    asking = at_once(model.ask, int(workers), Patience(first_wait=0.02, longest_wait=0.2, failures_in_a_row=50))
    with Job(Path(out), plan, Source(Path(contexts)).read()) as job:
        state = job.new_state(Account())
        print("begun", flush=True)
        job.run(asking, Examiner(), state)
        print("finished", state.num_accepted, state.rejected.total(), state.unanswered.total(), flush=True)


if __name__ == "__main__":
    main()
