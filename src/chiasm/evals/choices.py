"""Reading which option an answer to a multiple-choice question chose, by a documented grammar. Pure; ours.

Published scripts read less (SEED-Bench's only a bare letter); their rules stand with their benchmarks. The grammar,
first rule that applies:

1. letter first   "B", "b", "(B)", "B.", "B) cat", "B: cat", "B cat", "B选项". A first "A" or "I" with a plain word
                  behind is a word ("A cat is here"), unless that option's text follows ("A cat" where A is "cat").
2. statement      "The answer is B.", "Answer: (b)", "I think it is B", "option B", "答案是B", "应该选B".
3. option text    the whole answer, or what a statement says, is the text of exactly one option ("cat", "It is a cat.").
4. letter inside  one option's capital letter, in brackets or standing alone ("Surely B", "so (C) is right").

Whoever names two options ("A or B", "A, B", "the answer is A, or the answer is B") or denies one ("not B") chose none,
and a letter beyond the options is no answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_OPEN, _CLOSE = r"[(\[{<「【]?\s*", r"\s*[)\]}>」】]?"
# A letter is over where no Latin letter, digit or apostrophe follows: "B", "B.", "B选项", but not "Bob" or "I'm".
_OVER = r"(?![A-Za-z0-9'’])"
_STOP = r"(?=\s*(?:$|[\n.,;:!?)\]}>。，、；：！？」】]|[^\x00-\x7f]))"  # the end, punctuation, or another script
_FIRST = re.compile(rf"{_OPEN}([A-Za-z]){_OVER}({_CLOSE}\s*[.:：。、,，;)\]-]*)")
_BRACKETED = re.compile(r"[(\[{<「【]\s*([A-Z])\s*[)\]}>」】]")
_ALONE = re.compile(rf"(?<![A-Za-z0-9'’]){_OPEN}([A-Z]){_OVER}")
_AND = r"(?:[/&+]|\bor\b|\band\b|或者?|和|与|及|以及|还是)"
_DENIED = re.compile(
    r"(?:\b(?:not|neither|never|nor)|n['’]t|不是|不选|并非)\s*(?:be|is|option|choice|选项)?\s*$", re.IGNORECASE
)
# What comes before a stated answer. Longer forms first.
_STATED = re.compile(
    r"(?:"
    r"\b(?:answer|option|choice|letter)\b(?:\s+(?:here|to\s+the\s+question))?"
    r"(?:\s*[:=-]+|\s+(?:is|would\s+be|should\s+be|must\s+be)\b)?(?:\s*[:：])?"
    r"|\b(?:i\s+(?:would\s+)?(?:choose|pick|select|say|think)|i['’]d\s+(?:choose|pick|say)|it\s+is|it['’]s|that\s+is)\b\s*:?"
    r"|答案(?:应该|应当|就)?(?:是|为|选)?\s*[:：]?|应?该?选(?:择|项)?\s*[:：]?|我(?:选|认为是)\s*[:：]?"
    r")\s*(?:(?:option|choice|letter)\b|选项)?\s*",
    re.IGNORECASE,
)
_ROOM = 40  # characters looked at around a letter, so that a long answer is read in linear time; ours
_BOXED = re.compile(r"\\boxed\{(?:\\text\{)?\s*([^{}]*?)\s*\}{1,2}")


def read_choice(answer: str, options: Mapping[str, str] | Sequence[str]) -> str | None:
    """The letter of the option `answer` chose, None when it chose none or more than one.

    `options` are texts by letter, or letters alone where the texts are not known.
    """
    texts = dict(options) if isinstance(options, Mapping) else dict.fromkeys(options, "")
    plain = _plain(answer)
    if not plain:
        return None
    first = _first_letter(plain, texts)
    if first is not None:
        return first or None
    stated = list(_stated(plain, texts))
    if stated:
        return stated[0] if len(set(stated)) == 1 and stated[0] else None
    return _by_text(plain, texts) or _inside(plain, texts)


def lettered(texts: Sequence[str]) -> dict[str, str]:
    """Option texts by their letters A, B, C, ..."""
    return dict(zip(LETTERS, texts, strict=False))


def option_lines(options: Mapping[str, str]) -> str:
    """The options as LLaVA's evaluation asks them: `A. cat`, one a line."""
    return "\n".join(f"{letter}. {text}" for letter, text in options.items())


def _plain(answer: str) -> str:
    """Full-width letters made narrow, emphasis and quotes around the answer taken off."""
    text = unicodedata.normalize("NFKC", answer)
    text = _BOXED.sub(r"\1", text).replace("**", "").replace("`", "")
    return text.strip().strip("\"'“”‘’*_$ ").strip()


def _first_letter(text: str, texts: Mapping[str, str]) -> str | None:
    """The option whose letter begins the answer; "" when two are named; None when it begins otherwise."""
    match = _FIRST.match(text)
    letter = match[1].upper() if match else ""
    if match is None or letter not in texts:
        return None
    rest = text[match.end() :].strip()
    if not rest or _same(rest, texts[letter]):
        return letter
    bare = not match[2].strip() and not text.startswith(("(", "[", "{", "<", "「", "【"))
    if _names_another(match[2] + text[match.end() :], letter, texts):
        return ""
    if bare and (match[1].islower() or letter in "AI") and rest[0].isascii():
        return None  # an article, a pronoun, or the first word of something
    return letter


def _names_another(rest: str, letter: str, texts: Mapping[str, str]) -> bool:
    """Whether what follows a first letter names one more: "A or B", "A, B", "A/B", "A. B"."""
    others = "".join(other for other in texts if other != letter)
    if not others:
        return False
    other = rf"{_OPEN}[{others}]{_OVER}"
    joined = re.match(rf"[\s).\]:,，]*{_AND}\s*(?:option\s+)?{other}", rest, re.IGNORECASE)
    # After a comma "a" may be an article: "B, a cat". It is a letter where it ends the list, or the list goes on.
    listed = re.match(rf"[\s).\]:]*[,，、;]\s*{other}(?={_STOP}|\s*{_AND})", rest, re.IGNORECASE)
    alone = re.fullmatch(rf"[\s).\]]*{other}{_CLOSE}[\s.]*", rest)
    return joined is not None or listed is not None or alone is not None


def _stated(text: str, texts: Mapping[str, str]) -> Iterator[str]:
    """The options that statements name; "" for two at once."""
    longest = max(map(len, texts.values()), default=0) + _ROOM
    for lead in _STATED.finditer(text):
        rest = text[lead.end() : lead.end() + longest]
        if match := re.match(rf"{_OPEN}([A-Za-z]){_OVER}{_CLOSE}", rest):
            letter, after = match[1].upper(), rest[match.end(1) :]
            if letter in texts and _names_another(after, letter, texts):
                yield ""
                continue
            ended = re.match(_STOP, after) is not None or bool(_BRACKETED.match(rest))
            certain = match[1].isupper() and letter not in "AI"
            if letter in texts and (ended or certain or _same(rest[match.end() :], texts[letter])):
                yield letter
                continue
        if lead.end() + longest > len(text) and (found := _by_text(rest, texts)):
            yield found


def _by_text(text: str, texts: Mapping[str, str]) -> str | None:
    """The one option whose text this is."""
    found = [letter for letter, option in texts.items() if _same(text, option)]
    return found[0] if len(found) == 1 else None


def _same(text: str, option: str) -> bool:
    return bool(_words(option)) and _words(text) == _words(option)


def _words(text: str) -> str:
    """Text without case, outer punctuation and a first article."""
    words = unicodedata.normalize("NFKC", text).casefold().strip().strip(".,;:!?\"'“”‘’。，；：！？ ").split()
    return " ".join(words[1:] if len(words) > 1 and words[0] in ("a", "an", "the") else words)


def _inside(text: str, texts: Mapping[str, str]) -> str | None:
    """The one option whose capital letter stands in brackets, or alone, somewhere in the answer."""
    for pattern in (_BRACKETED, _ALONE):
        found: set[str] = set()
        for match in pattern.finditer(text):
            letter = match[1]
            after = text[match.end(1) : match.end(1) + _ROOM]
            if letter not in texts:
                continue
            if _DENIED.search(text[max(0, match.start() - _ROOM) : match.start()]) or _names_another(
                after, letter, texts
            ):
                return None
            if letter in "AI" and pattern is _ALONE and not re.match(_STOP, after):
                continue  # an article or a pronoun
            found.add(letter)
        if found:
            return found.pop() if len(found) == 1 else None
    return None
