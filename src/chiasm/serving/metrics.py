"""Counters of a server, and their text for Prometheus. It knows the text format (version 0.0.4), not who counts."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chiasm.chat import Usage

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # bounds of the buckets; ours


@dataclass(slots=True)
class Metrics:
    """What has happened since the start. Touched by the event loop alone."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)  # by route and status
    prompt_tokens: int = 0
    cached_tokens: int = 0
    answer_tokens: int = 0
    vanished: int = 0
    first_tokens: list[int] = field(default_factory=lambda: [0] * (len(_SECONDS) + 1))
    first_token_seconds: float = 0.0

    def count_first_token(self, seconds: float) -> None:
        """An answer began `seconds` after its request had been read."""
        self.first_tokens[bisect_left(_SECONDS, seconds)] += 1
        self.first_token_seconds += seconds

    def count_usage(self, usage: Usage) -> None:
        """An answer ended."""
        self.prompt_tokens += usage.num_prompt
        self.cached_tokens += usage.num_cached
        self.answer_tokens += usage.num_answer

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """All of it; `gauges` are a name's help and value."""
        lines: list[str] = []

        def metric(name: str, kind: str, about: str, *samples: tuple[str, float]) -> None:
            lines.extend((f"# HELP chiasm_{name} {about}", f"# TYPE chiasm_{name} {kind}"))
            lines.extend(f"chiasm_{name}{labels} {value:.10g}" for labels, value in samples)

        metric(
            "requests_total",
            "counter",
            "Requests answered, by route and status.",
            *((f'{{route="{route}",status="{status}"}}', n) for (route, status), n in sorted(self.requests.items())),
        )
        metric("clients_gone_total", "counter", "Clients that left before their answer ended.", ("", self.vanished))
        metric("prompt_tokens_total", "counter", "Tokens of prompts.", ("", self.prompt_tokens))
        metric("cached_prompt_tokens_total", "counter", "Of these, taken from the cache.", ("", self.cached_tokens))
        metric("answer_tokens_total", "counter", "Tokens of answers.", ("", self.answer_tokens))
        rate = self.cached_tokens / self.prompt_tokens if self.prompt_tokens else 0.0
        metric("prompt_cache_hit_ratio", "gauge", "Cached prompt tokens among all.", ("", rate))
        running, buckets = 0, list[tuple[str, float]]()
        for bound, number in zip((*map(str, _SECONDS), "+Inf"), self.first_tokens, strict=True):
            running += number
            buckets.append((f'_bucket{{le="{bound}"}}', running))
        buckets += [("_sum", self.first_token_seconds), ("_count", running)]
        metric("time_to_first_token_seconds", "histogram", "From request to first piece.", *buckets)
        for name, (about, value) in gauges.items():
            metric(name, "gauge", about, ("", value))
        return "\n".join(lines) + "\n"


def resident_bytes() -> int:
    """Memory of this process that is in RAM; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
