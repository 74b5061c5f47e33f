"""MMBench (Liu et al., arXiv 2307.06281), English: multiple choice with rotated options, asked as LLaVA-1.5 asks it.

The dev split has its answers and is scored here; the test split is written as the spreadsheet its server takes. Where a
folder has both, dev is taken. Published rule: how MMBench's own evaluation (VLMEvalKit) reads an answer before it would
ask a judge. Strict rule: `chiasm.evals.choices`.
"""

from __future__ import annotations

from chiasm.evals.prompts import OPTION_LETTER
from chiasm.evals.tasks._mmbench import mmbench

TASK = mmbench(
    about="MMBench (English): multiple choice over 20 abilities, right when right in every order of the options",
    name="mmbench",
    places=(
        "mmbench_dev_20230712.tsv",
        "mmbench_dev_en_*.tsv",
        "MMBench_DEV_EN*.tsv",
        "mmbench_dev_2*.tsv",
        "mmbench_test_2*.tsv",
        "mmbench_test_en_*.tsv",
        "MMBench_TEST_EN*.tsv",
    ),
    suffix=OPTION_LETTER,
)
