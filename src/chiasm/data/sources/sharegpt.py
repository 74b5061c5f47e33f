"""ShareGPT: conversations people had with ChatGPT, text only, cleaned and cut to length."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from chiasm.conversation import RecordError
from chiasm.data.sources._reading import listed, words
from chiasm.data.sources._source import Needed, Record, Release, Source
from chiasm.data.words import WORD, num_words

_ROLES = {
    "human": "human",
    "user": "human",
    "gpt": "gpt",
    "chatgpt": "gpt",
    "assistant": "gpt",
    "bing": "gpt",
    "bard": "gpt",
}
# What copying from the web page left in the text: the buttons of code blocks and the counters of rewritten answers.
_COPY_BUTTON = re.compile(r"(```[^\n]{0,40}?)\s*Copy code`?\s*\n?")
_COUNTER = re.compile(r"\A\s*\d{1,3} / \d{1,3}\s*\n")
_HTML = re.compile(r"</?(?:div|p|span|code|pre|br|li|ol|ul|table|button|svg)\b[^>]{0,500}>", re.IGNORECASE)


def _records(release: Release) -> Iterator[Record]:
    """The conversations, cleaned by rules of ours after Vicuna's description.

    Turns before the first human one are left out; a conversation ends where roles stop alternating and at its last
    answer; answers with HTML tags outside code, empty ones and repeated conversations are dropped and counted. What is
    longer than `most_words` ends after the last whole exchange that fits; an answer too long by itself is cut.
    The published set was cut at 2,048 tokens; without a tokenizer this counts words (1,500 unless said, ours).
    """
    seen: set[bytes] = set()

    def convert(entry: Any) -> list[Record]:
        turns = entry.get("conversations") if isinstance(entry, dict) else None
        if not isinstance(turns, list) or not turns:
            raise RecordError("no turns", "expected a list of turns under 'conversations'")
        pairs = _fitting(_exchanges(turns), release.options["most_words"])
        digest = hashlib.sha256("\0".join(text for pair in pairs for text in pair).encode("utf-8", "replace")).digest()
        if digest in seen:
            raise RecordError("twice", "the same conversation came before")
        seen.add(digest)
        spoken = [t for q, a in pairs for t in ({"from": "human", "value": q}, {"from": "gpt", "value": a})]
        return [{"id": str(entry.get("id", "")) or digest.hex()[:12], "model": "", "conversations": spoken}]

    named = ((f"conversation {n}", entry) for n, entry in enumerate(listed(release.files["conversations"])))
    return release.each(named, convert)


def _exchanges(turns: list[Any]) -> list[tuple[str, str]]:
    """Questions with their answers, as far as people and machine take turns; raises `RecordError` without any."""
    spoken: list[str] = []
    for turn in turns:
        role = _ROLES.get(str(turn.get("from")) if isinstance(turn, dict) else "")
        expected = ("human", "gpt")[len(spoken) % 2]
        if role != expected:
            if not spoken:
                continue
            break
        text = words(turn, "value")
        if role == "gpt":
            text = _COUNTER.sub("", _COPY_BUTTON.sub(lambda found: found[1].rstrip() + "\n", text)).strip()
            if _HTML.search(re.sub(r"```.*?(```|\Z)|`[^`\n]*`", "", text, flags=re.DOTALL)):
                raise RecordError("HTML", "an answer holds HTML tags outside its code")
            if not text:
                raise RecordError("missing field", "an answer is empty")
        spoken.append(text)
    if len(spoken) < 2:
        raise RecordError("no turns", "no question with an answer")
    return list(zip(spoken[::2], spoken[1::2], strict=False))


def _fitting(pairs: list[tuple[str, str]], most_words: int) -> list[tuple[str, str]]:
    """As many exchanges from the start as fit into `most_words`; of the first at least a part of the answer."""
    kept: list[tuple[str, str]] = []
    left = most_words
    for question, answer in pairs:
        needed = num_words(question) + num_words(answer)
        if needed > left:
            break
        left -= needed
        kept.append((question, answer))
    if kept:
        return kept
    question, answer = pairs[0]
    room = most_words - num_words(question)
    if room < 1:
        raise RecordError("too long", f"the first question alone has more than {most_words} words")
    ends = [found.end() for found in WORD.finditer(answer)]
    return [(question, answer[: ends[room - 1]])]


SOURCE = Source(
    about="conversations with ChatGPT, text only",
    files=(
        Needed(
            "conversations",
            ("ShareGPT_V3_unfiltered_cleaned_split.json", "ShareGPT_V3*.json", "sharegpt*.json", "sg_90k*.json"),
        ),
    ),
    records=_records,
    folders=("sharegpt", "ShareGPT"),
    published_count=40_688,
    options={"most_words": 1500},
    recognises=lambda record: "image" not in record and "model" in record and "conversations" in record,
)
