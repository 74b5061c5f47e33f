"""The demo's report: one HTML file that a person reads from top to bottom, in English or Chinese, without a network."""

from __future__ import annotations

from chiasm.demo.report.page import write_report

__all__ = ["write_report"]
