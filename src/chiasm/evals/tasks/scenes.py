"""The drawn world's own examination in English: every kind of question, asked about pictures nobody trained on.

Reads `questions_test.json` of a world's folder, or the questions file that --data names (another split, or Chinese).
"""

from __future__ import annotations

from chiasm.evals.tasks._drawn import drawn_task

TASK = drawn_task("the drawn world's held-out pictures: every kind of question, in English", "en")
