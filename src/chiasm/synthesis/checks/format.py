"""The reply is no conversation: it is empty, repeats itself, or holds markers, roles or characters no text has.

It does not know how a kind's reply is parsed; it looks at what came out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from chiasm.synthesis.checks._reading import Reading, quoted

ORDER = 20

# Ours: the longest of LLaVA-Instruct's answers is below 4,000 characters, and no conversation of it has 10 turns.
MAX_TURNS = 20
MAX_QUESTION = 1_500  # characters
MAX_ANSWER = 8_000  # characters

_ROLE = re.compile(
    r"^[ \t>*#]*(?:question|answer|user|assistant|human|gpt|system|q|a|问题?|回答|答案?|用户|助手)"
    r"(?:[ \t]*\d{1,2})?[ \t]*\**[ \t]*[:：]",
    re.IGNORECASE | re.MULTILINE,
)
_MARKER = re.compile(r"^[ \t]*(?:={3,}|#{3}(?!\s*\w)|-{5,})[ \t]*$", re.MULTILINE)
_TOKEN = re.compile(
    r"</?(?:s|image|pad|unk|bos|eos|im_start|im_end|im_patch|video|im|sep|mask)>|<\|[\w▁｜ -]{1,30}\|>|<｜[^>]{1,30}｜>"
    r"|\[/?INST\]|<</?SYS>>|\[(?:PAD|UNK|CLS|SEP|MASK)\]|<0x[0-9A-F]{2}>"
)
# Everything below space but tab, line feed and carriage return; DEL; half a surrogate pair; the replacement character
# and the two that Unicode promises never to assign.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffd\ufffe\uffff]")
_FENCE = re.compile(r'^\s*(?:```|\{\s*["\']\w|\[\s*\{)')
_SENTENCE = re.compile(r"[^.!?。！？\n]{12,}")
_SAME = 3  # a sentence that stands there as often is a model going round in circles
_PERIODS = range(2, 61)  # characters of what is said over and over at the end
_LONG = 40  # characters; a shorter answer ("Yes, there is.") may come twice


def check(reading: Reading) -> Iterator[str]:
    """What is wrong with the form, each once."""
    turns = reading.sample.turns
    if not turns:
        yield "there is no turn"
    if len(turns) > MAX_TURNS:
        yield f"there are {len(turns)} turns, more than {MAX_TURNS}"
    if reading.sample.finish_reason == "tool_calls":
        yield "the teacher called a tool instead of answering (finish_reason tool_calls)"
    yield from _emptiness(reading)
    yield from _repetition(reading)
    for text in reading.texts:
        yield from _left_inside(text)


def _emptiness(reading: Reading) -> Iterator[str]:
    for number, turn in enumerate(reading.sample.turns, start=1):
        for name, text, limit in (("question", turn.question, MAX_QUESTION), ("answer", turn.answer, MAX_ANSWER)):
            if not any(map(str.isalnum, text)):
                yield (
                    f"{name} {number} is empty" if not text.strip() else f"{name} {number} has no word: {quoted(text)}"
                )
            elif len(text) > limit:
                yield f"{name} {number} has {len(text):,} characters, more than {limit:,}"


def _repetition(reading: Reading) -> Iterator[str]:
    questions = Counter(" ".join(turn.question.lower().split()) for turn in reading.sample.turns)
    for turn in reading.sample.turns:
        if questions.pop(key := " ".join(turn.question.lower().split()), 0) > 1 and key:
            yield f"a question is asked twice: {quoted(turn.question)}"
    answers = Counter(answer for answer in reading.answers if len(answer) >= _LONG)
    for answer, count in answers.items():
        if count > 1:
            yield f"an answer is given {count} times: {quoted(answer)}"
    for answer in reading.answers:
        if len(answer) < 2 * _LONG:
            continue
        sentences = Counter(sentence.strip().lower() for sentence in _SENTENCE.findall(answer))
        often = max(sentences, key=sentences.__getitem__, default="")
        if sentences[often] >= _SAME:
            yield f"a sentence stands there {sentences[often]} times: {quoted(often)}"
        elif match := _looping(answer):
            yield f"the answer goes round in circles: {quoted(match)}"


def _looping(answer: str) -> str | None:
    """What an answer ends by saying four times over. Only its end is looked at: a loop, once entered, is not left."""
    for period in _PERIODS:
        if answer[-3 * period :] == answer[-4 * period : -period]:
            unit = answer[-period:]
            return unit.strip() if any(map(str.isalnum, unit)) else None
    return None


def _left_inside(text: str) -> Iterator[str]:
    if match := _CONTROL.search(text):
        yield f"a character that no text has: U+{ord(match[0]):04X}"
    if ("<" in text or "[" in text) and (match := _TOKEN.search(text)):
        yield f"a special token: {quoted(match[0])}"
    if (":" in text or "：" in text) and (match := _ROLE.search(text)):
        yield f"a role is left inside: {quoted(match[0])}"
    if match := _MARKER.search(text):
        yield f"a marker is left inside: {quoted(match[0])}"
    if match := _FENCE.search(text):
        yield f"code or JSON instead of text: {quoted(text[:20])}"
