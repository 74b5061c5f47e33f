"""Asking a judge model what answers are worth."""

from __future__ import annotations


class Judging:
    """How a judge is asked about the answers of one task."""
