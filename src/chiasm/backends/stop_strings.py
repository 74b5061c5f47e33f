"""Ending an answer at a stop string that arrives in pieces. Text only; knows no tokens."""

from __future__ import annotations

from collections.abc import Iterable


class StopStrings:
    """Takes an answer piece by piece and gives what may be shown, trimmed of white space at both ends.

    Nothing of a stop string is ever given out: text that may be the beginning of one waits for the next piece. White
    space waits likewise, as it may be the answer's last. Trimming is what the published code does to every answer.
    """

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = tuple(stops)
        if not all(self._stops):
            raise ValueError("a stop string must not be empty")
        self._waiting = ""
        self._began = False
        self.num_taken = 0  # characters fed that were given out, or trimmed in front of what was
        self.stopped = False

    def feed(self, text: str) -> str:
        """What may be shown after `text` arrived. Once `stopped`, nothing more."""
        if self.stopped or not text:
            return ""
        self._waiting += text
        found = [(place + len(stop), place) for stop in self._stops if (place := self._waiting.find(stop)) >= 0]
        if found:
            # The one that is whole first, so that the answer does not depend on how it was cut into pieces.
            self._waiting = self._waiting[: min(found)[1]]
            self.stopped = True
            return self._shown(len(self._waiting.rstrip()))
        return self._shown(self._safe_length())

    def finish(self) -> str:
        """What was still waiting when the answer ended."""
        return "" if self.stopped else self._shown(len(self._waiting.rstrip()))

    def _safe_length(self) -> int:
        """How much of what waits can neither begin a stop string nor be white space at the end."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for start in range(max(0, len(self._waiting) - longest), len(self._waiting)):
            if any(stop.startswith(self._waiting[start:]) for stop in self._stops):
                return len(self._waiting[:start].rstrip())
        return len(self._waiting.rstrip())

    def _shown(self, length: int) -> str:
        shown, self._waiting = self._waiting[:length], self._waiting[length:]
        self.num_taken += length
        if not self._began:
            shown = shown.lstrip()
            self._began = bool(shown)
        return shown
