"""The drawn world's own examination in Chinese: `questions_test_zh.json`, otherwise as task `scenes`."""

from __future__ import annotations

from chiasm.evals.tasks._drawn import drawn_task

TASK = drawn_task("the drawn world's held-out pictures: every kind of question, in Chinese", "zh")
