"""Benchmarks: one file each, found by file name. Each defines `TASK`, a `chiasm.evals.task.Task`."""
