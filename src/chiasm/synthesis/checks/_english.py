"""Reads out of an English answer what it says of the picture. No grammar: word lists and the order of words.

Whatever a sentence only supposes, denies or says in general is left aside. The lists lean towards leaving aside: a
claim overlooked costs one sample that is a little wrong, a claim misread costs a good one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chiasm.data.object_names import find
from chiasm.synthesis.checks import _english_words as lists
from chiasm.synthesis.checks._statements import Count, Mention, Place, Position, Statements

# No sentence is longer than 1,000 characters; what has no full stop in so long is none, and must not cost time.
_SENTENCE = re.compile(r"[^.!?;\n]{1,1000}[.!?;\n]?")
_TOKEN = re.compile(r"[a-z0-9]+(?:['’][a-z]+)*|[^\sa-z0-9\-]")

_HOW_MANY = re.compile(r"\s*how many ((?:[a-z]+ ){0,3}[a-z]+?) (are|is|can|do)\b([a-z ]*)\?*\s*$")


@dataclass(slots=True)
class _Sentence:
    """A sentence as words in lower case, where each stands in `text`, and the objects it names."""

    text: str
    words: list[str]
    spans: list[tuple[int, int]]
    mentions: list[tuple[int, int, Mention]]  # first word, word behind the last, the mention

    def quote(self, first: int, end: int) -> str:
        """The text of words `first` to `end`, as written."""
        return self.text[self.spans[first][0] : self.spans[end - 1][1]]


def read(answer: str, question: str = "", *, describes: bool = False) -> Statements:
    """What `answer` says. `describes`: every sentence of it is about the picture, as in a detailed description."""
    mentions: list[Mention] = []
    counts: list[Count] = []
    positions: list[Position] = []
    for number, sentence in enumerate(_sentences(answer)):
        judged = list(_judged(sentence, describes))
        mentions.extend(judged)
        counts.extend(_counts(sentence, judged))
        positions.extend(_positions(sentence))
        if number == 0 and question:
            counts.extend(_answered_count(sentence, question))
    return Statements(tuple(mentions), tuple(counts), tuple(positions))


def asked(question: str) -> tuple[Mention, ...]:
    """The objects a question takes for granted: "What is the dog doing?", not "Is there a dog?"."""
    found = []
    for sentence in _sentences(question):
        if not sentence.words or sentence.words[0] not in ("what", "where", "why", "how", "who", "which"):
            continue
        if lists.UNSURE.isdisjoint(sentence.words):
            for first, end, mention in sentence.mentions:
                if first and sentence.words[first - 1] == "the" and _alone(sentence.words, end):
                    found.append(Mention(mention.category, mention.begin, mention.end, asserted=True, plain=True))
    return tuple(found)


def _sentences(text: str) -> Iterator[_Sentence]:
    """The sentences that name an object, and the first one."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a letter such as İ becomes two: positions would no longer fit
        text = lowered
    found = [Mention(n.category, n.begin, n.end) for n in find(lowered, "en")]
    at = 0
    for number, match in enumerate(_SENTENCE.finditer(lowered)):
        begin, stop = match.span()
        first = at
        while at < len(found) and found[at].end <= stop:
            at += 1
        if first == at and number:
            continue
        words, spans = [], []
        for token in _TOKEN.finditer(lowered, begin, stop):
            words.append(token[0])
            spans.append(token.span())
        yield _Sentence(text, words, spans, _placed(found[first:at], spans))


def _placed(found: Sequence[Mention], spans: Sequence[tuple[int, int]]) -> list[tuple[int, int, Mention]]:
    """Mentions with the words they cover."""
    placed = []
    word = 0
    for mention in found:
        while word < len(spans) and spans[word][0] < mention.begin:
            word += 1
        first = word
        while word < len(spans) and spans[word][1] <= mention.end:
            word += 1
        if word > first or (word < len(spans) and spans[word][0] < mention.end):
            word = max(word, first + 1)  # a possessive ends behind its noun
            placed.append((first, word, mention))
    return placed


def _judged(sentence: _Sentence, describes: bool) -> Iterator[Mention]:
    words = sentence.words
    telling = [i for i, word in enumerate(words) if word in lists.TELLING]
    supposed = [i for i in telling if words[i] in lists.SUPPOSED and not _is_seen(words, i)]
    behind = [i for i in telling if words[i] in lists.SUPPOSED_BEHIND]
    compared = [i for i in telling if words[i] in lists.COMPARED]
    denied = [i for i in telling if words[i] in lists.DENIED]
    clauses = [i for i in telling if words[i] in lists.CLAUSE]
    asks = bool(words) and words[-1] == "?"
    about = describes or not lists.ABOUT_PICTURE.isdisjoint(words) or _there_is(words) or _goes_on_now(words)
    for first, end, mention in sentence.mentions:
        begin_clause = max((i for i in clauses if i < first), default=-1)
        end_clause = min((i for i in clauses if i >= end), default=len(words))
        asserted = not (
            asks
            or any(i < end_clause for i in supposed)
            or any(i < first for i in behind)
            or any(begin_clause < i < end_clause for i in denied)
            or any(i < first for i in denied if not _ends_denial(words, i, first))
            or any(first - 4 <= i < first or (i == end and words[i] == "or") for i in compared)
        )
        determined = _determiner(words, first) is not None
        plain = (
            asserted
            and about
            and (determined or words[end - 1].endswith("s"))
            and _alone(words, end)
            and not _is_likeness(words, first)
        )
        yield Mention(mention.category, mention.begin, mention.end, asserted and (determined or plain), plain)


def _is_seen(words: Sequence[str], can: int) -> bool:
    """Whether "can also be seen": what can be seen is there."""
    if words[can] not in ("can", "could"):
        return False
    behind = words[can + 1 : can + 5]
    return ("be" in behind and not lists.SEEN.isdisjoint(behind)) or ("see" in behind[:2])


def _is_likeness(words: Sequence[str], noun: int) -> bool:
    """Whether the noun at `noun` is painted, printed or a toy."""
    if not lists.TOY.isdisjoint(words[max(0, noun - 2) : noun]):
        return True
    return any(words[i] in lists.LIKENESS and words[i + 1] in lists.OF for i in range(max(0, noun - 6), noun - 1))


def _ends_denial(words: Sequence[str], denial: int, before: int) -> bool:
    """Whether "but", or a new clause with "and", ends what is denied before word `before`."""
    between = words[denial:before]
    return "but" in between or "however" in between or (", and" in " ".join(between))


def _there_is(words: Sequence[str]) -> bool:
    return any(word == "there" and words[i + 1] in lists.BEING for i, word in enumerate(words[:-1]))


def _goes_on_now(words: Sequence[str]) -> bool:
    """Whether something "is standing": a sentence about this picture, not about the world."""
    return any(word in lists.BEING and words[i + 1].endswith("ing") for i, word in enumerate(words[:-1]))


def _determiner(words: Sequence[str], noun: int) -> int | None:
    """Where the article or number of the noun at `noun` stands, with up to three words between."""
    for at in range(noun - 1, max(-1, noun - 5), -1):
        word = words[at]
        if word in lists.DETERMINERS or word.isdigit():
            return at
        if word in lists.FUNCTION or not word[0].isalnum():
            return None
    return None


def _alone(words: Sequence[str], end: int) -> bool:
    """Whether the noun that ends before word `end` is no part of a longer one, as in "dog food"."""
    if end >= len(words) or words[end - 1].endswith(("'s", "’s")):
        return end >= len(words)
    return _ends(words[end]) or words[end].endswith(("ing", "ed", "ly"))


def _ends(word: str) -> bool:
    """Whether `word` ends the phrase before it: a mark, or a word no noun is made of."""
    return not word[0].isalnum() or word in lists.FUNCTION


def _counts(sentence: _Sentence, judged: Sequence[Mention]) -> Iterator[Count]:
    words = sentence.words
    if not any(word in lists.NUMBERS or word.isdigit() for word in words):
        return
    for mention, (first, end, _) in zip(judged, sentence.mentions, strict=True):
        at = _determiner(words, first)
        if at is None or not mention.asserted or not _alone(words, end):
            continue
        number = _number(words[at])
        before = words[max(0, at - 3) : at]
        if number is None or not lists.PARTIAL.isdisjoint(words[at + 1 : first]) or "of" in words[at:first]:
            continue
        if (number > 1) != _is_plural(words[end - 1]):
            continue
        at_least = before[-2:] == ["at", "least"]
        if not at_least and not lists.VAGUE.isdisjoint(before[-2:]):
            continue
        if before and (before[-1] in lists.PARTIAL - {"of"} or before[-1].isdigit() or before[-1] in lists.NUMBERS):
            continue
        called = sentence.quote(first, end).lower()
        total = not at_least and _is_total(words, at, end) and _is_general(called, mention.category)
        yield Count(mention.category, number, sentence.quote(at, end), total, at_least)


def _number(word: str) -> int | None:
    return lists.NUMBERS.get(word) if not word.isdigit() else int(word) if len(word) < 4 else None


def _is_plural(noun: str) -> bool:
    return noun.endswith("men") or noun in lists.PLURALS or (noun.endswith("s") and not noun.endswith("bus"))


def _is_general(noun: str, category: str) -> bool:
    """Whether `noun` means all of a category, as "people" and "dogs" do and "women" and "puppies" do not."""
    return noun.startswith(category) or (category == "person" and noun in ("people", "individuals", "humans"))


def _is_total(words: Sequence[str], number: int, end: int) -> bool:
    """Whether "there are three dogs" counts all dogs: nothing behind it says which."""
    before = words[max(0, number - 4) : number]
    if before[-3:] == ["a", "total", "of"] or before[-1:] in (["exactly"], ["only"], ["just"]):
        return True
    behind = words[end:]
    opening = (
        _there_is(before)
        or (bool(before) and before[-1] in ("shows", "features", "depicts", "contains", "displays"))
        or (number == 0 and not lists.ABOUT_PICTURE.isdisjoint(behind))
    )
    return opening and all(word in lists.EXTENT or not word[0].isalnum() for word in behind)


def _answered_count(sentence: _Sentence, question: str) -> Iterator[Count]:
    """ "Two." after "How many dogs are there in the image?"."""
    match = _HOW_MANY.match(question.lower())
    if match is None or not all(word in lists.EXTENT or word in ("you", "see", "of") for word in match[3].split()):
        return
    names = list(find(match[1], "en"))
    numbers = [(i, n) for i, word in enumerate(sentence.words) if (n := _number(word)) is not None]
    if len(names) != 1 or names[0].end != len(match[1]) or names[0].begin != 0 or len(numbers) != 1:
        return
    at, number = numbers[0]
    if len(sentence.words) > 8 or not (lists.UNSURE | lists.VAGUE).isdisjoint(sentence.words):
        return
    if sentence.mentions and sentence.mentions[0][2].category != names[0].category:
        return
    total = _is_general(match[1], names[0].category)
    yield Count(names[0].category, number, sentence.quote(at, at + 1), total)


def _positions(sentence: _Sentence) -> Iterator[Position]:
    words = sentence.words
    for at, word in enumerate(words):
        if (place := lists.PLACES.get(word)) is None or not sentence.mentions:
            continue
        if {"both", "either"} & set(words[max(0, at - 4) : at]) or "and" in words[at + 1 : at + 2]:
            continue
        if any(w in lists.UNSURE and not _is_seen(words, i) for i, w in enumerate(words[:at])):
            continue
        if word in ("above", "below", "beneath", "underneath"):
            yield from _relative(sentence, place, at, at, at + 1)
        elif (begin := _the(words, at)) is not None:
            yield from _sided(sentence, place, begin, at)


def _the(words: Sequence[str], at: int) -> int | None:
    """Where "to the far left" begins; None when "left" is a verb or "right" means "just" or "correct"."""
    for back in range(at - 1, max(-1, at - 4), -1):
        if words[back] == "the":
            return back - 1 if back and words[back - 1] in lists.TO else None
        if words[back] not in lists.FAR:
            return None
    return None


def _sided(sentence: _Sentence, place: Place, begin: int, at: int) -> Iterator[Position]:
    words = sentence.words
    end = at + 1
    while end < len(words) and words[end] in lists.SIDE | {"left", "right"}:
        end += 1
    if words[end - 1] == "hand" or any(word in ("left", "right") for word in words[at + 1 : end]):
        return
    behind = words[end] if end < len(words) else "."
    if behind == "of":
        target = next((i for i in range(end + 1, min(len(words), end + 4)) if words[i] in lists.PICTURE), None)
        if target is None:
            if words[at] in ("left", "right"):
                yield from _relative(sentence, place, begin, at, end + 1)
            return
        end = target + 1
    elif (end == at + 1 and words[at] not in ("left", "right")) or not _ends(behind):
        return
    subjects = _subjects(sentence, begin, end)
    if subjects:
        yield Position(place, subjects, None, sentence.quote(max(0, begin), end))


def _relative(sentence: _Sentence, place: Place, begin: int, at: int, target: int) -> Iterator[Position]:
    """ "A to the left of B": B is the next object named, at most three words on."""
    other = next(((first, end, m) for first, end, m in sentence.mentions if target <= first <= target + 3), None)
    if other is None or not _alone(sentence.words, other[1]):
        return
    if any(not w[0].isalnum() or w in lists.FUNCTION - lists.DETERMINERS for w in sentence.words[target : other[0]]):
        return
    subjects = _subjects(sentence, begin, other[1])
    if subjects and other[2].category not in subjects:
        yield Position(place, subjects, other[2].category, sentence.quote(begin, other[1]))


def _subjects(sentence: _Sentence, begin: int, end: int) -> tuple[str, ...]:
    """The objects a phrase at words `begin` to `end` may speak of: those before it in its clause, else those behind."""
    start = max((i for i, word in enumerate(sentence.words[:begin]) if word in lists.CLAUSE | {"and"}), default=-1)
    before = [m.category for first, last, m in sentence.mentions if start < first and last <= begin]
    if not before and start > 0:
        before = [m.category for _, last, m in sentence.mentions if last <= begin]
    if before:
        return tuple(dict.fromkeys(before))
    stop = next((i for i in range(end, len(sentence.words)) if sentence.words[i] in lists.PLACES), len(sentence.words))
    return tuple(dict.fromkeys(m.category for first, _, m in sentence.mentions if end <= first < stop))
