"""MMBench-CN: the questions of MMBench in Chinese, asked as LLaVA-1.5 asks them. See `mmbench`."""

from __future__ import annotations

from chiasm.evals.tasks._mmbench import mmbench

TASK = mmbench(
    about="MMBench-CN: the same in Chinese",
    name="mmbench_cn",
    places=(
        "mmbench_dev_cn_20231003.tsv",
        "mmbench_dev_cn_*.tsv",
        "MMBench_DEV_CN*.tsv",
        "mmbench_test_cn_*.tsv",
        "MMBench_TEST_CN*.tsv",
    ),
    suffix="请直接回答选项字母。",  # LLaVA, model_vqa_mmbench.py with --lang cn
)
