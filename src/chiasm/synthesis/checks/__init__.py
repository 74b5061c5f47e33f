"""Checks of what a teacher wrote: one file each; its name is the reason samples are counted under.

A file defines `ORDER`, its place among the checks, and `check(reading) -> Iterator[str]`: what is wrong with a sample,
each in one sentence with the offending words between “ and ”. Checks keep nothing between samples. What needs all
samples (near-duplicates) or a list of pictures (benchmarks) is done by `Examiner` itself.
"""

from __future__ import annotations

from chiasm.synthesis.checks._benchmark_pictures import BenchmarkPictures
from chiasm.synthesis.checks._examiner import REGISTRY, Examined, Examiner
from chiasm.synthesis.checks._reading import Reading, quoted

__all__ = ["REGISTRY", "BenchmarkPictures", "Examined", "Examiner", "Reading", "quoted"]
