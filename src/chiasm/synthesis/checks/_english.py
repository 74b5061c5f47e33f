"""Reads out of an English answer what it says of the picture. No grammar: word lists and the order of words.

Whatever a sentence only supposes, denies or says in general is left aside. The lists lean towards leaving aside: a
claim overlooked costs one sample that is a little wrong, a claim misread costs a good one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chiasm.data.object_names import find
from chiasm.synthesis.checks._statements import Count, Mention, Place, Position, Statements


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_SENTENCE = re.compile(r"[^.!?;\n]+[.!?;\n]?")
_TOKEN = re.compile(r"[a-z0-9]+(?:['’][a-z]+)*|[^\sa-z0-9\-]")

# A sentence is about what could be, from one of these on, and in the clause before it.
_SUPPOSED = _set(
    "could might may can would should must will if whether unless perhaps possibly probably likely maybe potential "
    "potentially such example examples imagine imagining suppose assume assuming consider considering or often usually "
    "typically generally sometimes commonly frequently tend tends normally rarely recommend recommended ensure need "
    "needs advise suggest suggests suggesting suggested imply implies implying indicate indicates indicating infer "
    "inferred expect expected when whenever until before after during future ideal ideally essential important crucial "
    "helpful useful opportunity opportunities ready eager any every each everyone anyone other others etc hope order "
    "designed intended meant used ability able chance risk risks danger avoid avoiding prevent preventing protect "
    "protecting seem seems appear appears apparently presumably speculate couldn't wouldn't can't shouldn't"
)
_COMPARED = _set(
    "like as resemble resembles resembling similar reminiscent than versus unlike symbolizing representing"
)
_DENIED = _set(
    "no not none never neither nor without cannot isn't aren't wasn't weren't don't doesn't didn't hasn't haven't lack "
    "lacks lacking absence absent missing devoid free empty instead rather nobody nothing"
)
# Of an object these make a likeness: a picture on a wall, a logo, a toy, a shape.
_LIKENESS = _set(
    "picture pictures photo photos photograph painting paintings painted drawing drawings drawn poster posters print "
    "prints printed statue statues sculpture sculptures figurine figurines toy toys plush stuffed logo logos cartoon "
    "design designs decorated shaped image images sticker stickers emblem sign signs art artwork graffiti mural "
    "symbol costume model miniature fake plastic wooden inflatable ornament ornaments pattern themed theme named called "
    "brand reflection shadow tattoo mask balloon balloons cake-shaped doll dolls costume statuette"
)
_CLAUSE = _set(", : ( ) — – but while which where whereas although though who whose because since so")
_ABOUT_PICTURE = _set(
    "visible seen present positioned situated located placed spotted parked displayed depicted shown pictured "
    "featured captured arranged scattered hanging image picture photo photograph scene snapshot background foreground "
    "features shows depicts captures displays showcases portrays presents includes contains consists"
)
_BEING = _set("is are was were 's")
_DETERMINERS = _set(
    "a an the this that these those his her its their one two three four five six seven eight nine ten eleven twelve "
    "several some many few multiple various numerous another both couple dozen single pair additional"
)
# What ends the way back from a noun to its determiner, and stands behind a noun that is no part of a longer one.
_FUNCTION = _set(
    "and or of in on at with by to from for near behind beside between under over above below beneath along across "
    "through around next inside outside within into onto off up down as that who which is are was were has have had "
    "can could may might will would should must do does did be being been not while than then there here it they he "
    "she his her its their also all both on together nearby visible present seen itself themselves himself herself "
    "sits stands lies rests walks runs looks holds wears rides plays eats appears seems sleeps hangs leans watches "
    "faces flies moves uses sit stand lie rest walk run look hold wear ride play eat appear seem sleep hang lean watch "
    "fly adds add catches takes take makes make during about against towards toward upon amid among alongside "
    "after before because since if when where but so yet too"
)
_NUMBERS = {
    word: number
    for number, word in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())
} | {"single": 1, "couple": 2, "pair": 2, "dozen": 12}
_VAGUE = _set("about around approximately nearly almost roughly over to or than up between under some every per few")
_PARTIAL = _set("other another more additional of remaining additional first second third half others last smaller")
_PICTURE = _set("image picture photo photograph scene frame shot view snapshot composition")
_EXTENT = _set(
    "there visible present in the this image picture photo photograph scene shown depicted total altogether seen can "
    "be are is here"
)
_HOW_MANY = re.compile(r"\s*how many ((?:[a-z]+ ){0,3}[a-z]+?) (are|is|can|do)\b([a-z ]*)\?*\s*$")
_PLACES: dict[str, Place] = {
    "left": "left", "right": "right", "above": "above", "below": "below", "beneath": "below", "underneath": "below",
    "top": "above", "upper": "above", "bottom": "below", "lower": "below",
}  # fmt: skip
_SIDE = _set("hand side part half edge corner portion area end section")


@dataclass(slots=True)
class _Sentence:
    """A sentence as words, with the objects it names: `at[i]` is the mention that ends with word i."""

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
        mentions.extend(_judged(sentence, describes))
        counts.extend(_counts(sentence))
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
        if _SUPPOSED.isdisjoint(sentence.words):
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
    supposed = [i for i, word in enumerate(words) if word in _SUPPOSED]
    compared = [i for i, word in enumerate(words) if word in _COMPARED]
    denied = [i for i, word in enumerate(words) if word in _DENIED]
    clauses = [i for i, word in enumerate(words) if word in _CLAUSE]
    asks = bool(words) and words[-1] == "?"
    about = describes or not _ABOUT_PICTURE.isdisjoint(words) or _there_is(words)
    for first, end, mention in sentence.mentions:
        begin_clause = max((i for i in clauses if i < first), default=-1)
        end_clause = min((i for i in clauses if i >= end), default=len(words))
        clause = words[begin_clause + 1 : end_clause]
        asserted = not (
            asks
            or any(i < end_clause for i in supposed)
            or any(begin_clause < i < end_clause for i in denied)
            or any(i < first for i in denied if not _ends_denial(words, i, first))
            or any(first - 4 <= i < first for i in compared)
        )
        determined = _determiner(words, first) is not None
        plain = (
            asserted
            and (about or _goes_on_now(clause))
            and (determined or (about and mention.end - mention.begin > 3 and words[end - 1].endswith("s")))
            and _alone(words, end)
            and _LIKENESS.isdisjoint(words[max(0, first - 4) : end + 3])
        )
        yield Mention(mention.category, mention.begin, mention.end, asserted and (determined or plain), plain)


def _ends_denial(words: Sequence[str], denial: int, before: int) -> bool:
    """Whether "but", or a new clause with "and", ends what is denied before word `before`."""
    between = words[denial:before]
    return "but" in between or "however" in between or (", and" in " ".join(between))


def _there_is(words: Sequence[str]) -> bool:
    return any(word == "there" and words[i + 1] in _BEING for i, word in enumerate(words[:-1]))


def _goes_on_now(clause: Sequence[str]) -> bool:
    """Whether something "is standing": a clause about this picture, not about the world."""
    return any(word in _BEING and clause[i + 1].endswith("ing") for i, word in enumerate(clause[:-1]))


def _determiner(words: Sequence[str], noun: int) -> int | None:
    """Where the article or number of the noun at `noun` stands, with up to three words between."""
    for at in range(noun - 1, max(-1, noun - 5), -1):
        word = words[at]
        if word in _DETERMINERS or word.isdigit():
            return at
        if word in _FUNCTION or not word[0].isalnum():
            return None
    return None


def _alone(words: Sequence[str], end: int) -> bool:
    """Whether the noun that ends before word `end` is no part of a longer one, as in "dog food"."""
    if end >= len(words) or words[end - 1].endswith(("'s", "’s")):
        return end >= len(words)
    word = words[end]
    return not word[0].isalnum() or word in _FUNCTION or word.endswith(("ing", "ed", "ly"))


def _counts(sentence: _Sentence) -> Iterator[Count]:
    words = sentence.words
    if not any(word in _NUMBERS or word.isdigit() for word in words):
        return
    for mention, (first, end, _) in zip(_judged(sentence, False), sentence.mentions, strict=True):
        at = _determiner(words, first)
        if at is None or not mention.asserted or not _alone(words, end):
            continue
        number = _number(words[at])
        before = words[max(0, at - 3) : at]
        if number is None or not _PARTIAL.isdisjoint(words[at + 1 : first]) or "of" in words[at:first]:
            continue
        if (number > 1) != _is_plural(words[end - 1]) or (words[at] in ("couple", "pair")):
            continue
        at_least = before[-2:] == ["at", "least"]
        if not at_least and not _VAGUE.isdisjoint(before[-2:]):
            continue
        if before and (before[-1] in _PARTIAL - {"of"} or before[-1].isdigit() or before[-1] in _NUMBERS):
            continue
        total = not at_least and _is_total(words, at, end)
        yield Count(mention.category, number, sentence.quote(at, end), total, at_least)


def _number(word: str) -> int | None:
    return _NUMBERS.get(word) if not word.isdigit() else int(word) if len(word) < 4 else None


def _is_plural(noun: str) -> bool:
    return (
        noun.endswith("s")
        or noun in ("people", "men", "women", "children", "sheep", "cattle", "mice", "geese")
        or (noun.endswith("men"))
    )


def _is_total(words: Sequence[str], number: int, end: int) -> bool:
    """Whether "there are three dogs" counts all dogs: nothing behind it says which."""
    before = words[max(0, number - 4) : number]
    if before[-3:] == ["a", "total", "of"] or before[-1:] in (["exactly"], ["only"], ["just"]):
        return True
    existing = any(a == "there" and b in _BEING for a, b in zip(before, before[1:], strict=False))
    return existing and all(word in _EXTENT or not word[0].isalnum() for word in words[end:])


def _answered_count(sentence: _Sentence, question: str) -> Iterator[Count]:
    """ "Two." after "How many dogs are there in the image?"."""
    match = _HOW_MANY.match(question.lower())
    if match is None or not all(word in _EXTENT or word in ("you", "see", "of") for word in match[3].split()):
        return
    names = list(find(match[1], "en"))
    numbers = [(i, n) for i, word in enumerate(sentence.words) if (n := _number(word)) is not None]
    if len(names) != 1 or names[0].end != len(match[1]) or names[0].begin != 0 or len(numbers) != 1:
        return
    at, number = numbers[0]
    if len(sentence.words) > 8 or not (_SUPPOSED | _VAGUE | _DENIED).isdisjoint(sentence.words):
        return
    if sentence.mentions and sentence.mentions[0][2].category != names[0].category:
        return
    yield Count(names[0].category, number, sentence.quote(at, at + 1), total=True)


def _positions(sentence: _Sentence) -> Iterator[Position]:
    words = sentence.words
    for at, word in enumerate(words):
        if (place := _PLACES.get(word)) is None or not sentence.mentions:
            continue
        if {"both", "either"} & set(words[max(0, at - 4) : at]) or "and" in words[at + 1 : at + 2]:
            continue
        if not (_SUPPOSED | _DENIED).isdisjoint(words[:at]):
            continue
        if word in ("above", "below", "beneath", "underneath"):
            yield from _relative(sentence, place, at, at, at + 1)
        elif (begin := _the(words, at)) is not None:
            yield from _sided(sentence, place, begin, at)


def _the(words: Sequence[str], at: int) -> int | None:
    """Where "to the far left" begins; None when "left" is a verb or "right" means "just" or "correct"."""
    for back in range(at - 1, max(-1, at - 4), -1):
        if words[back] == "the":
            return back - 1 if back and words[back - 1] in _set("to on at in near towards toward from") else None
        if words[back] not in _set("far very immediate top bottom upper lower left right -"):
            return None
    return None


def _sided(sentence: _Sentence, place: Place, begin: int, at: int) -> Iterator[Position]:
    words = sentence.words
    end = at + 1
    while end < len(words) and words[end] in _SIDE | {"left", "right"}:
        end += 1
    if words[end - 1] == "hand" or any(word in ("left", "right") for word in words[at + 1 : end]):
        return
    behind = words[end] if end < len(words) else "."
    if behind == "of":
        target = next((i for i in range(end + 1, min(len(words), end + 4)) if words[i] in _PICTURE), None)
        if target is None:
            if words[at] in ("left", "right"):
                yield from _relative(sentence, place, begin, at, end + 1)
            return
        end = target + 1
    elif end == at + 1 and words[at] not in ("left", "right"):
        return
    elif behind[0].isalnum() and behind not in _FUNCTION:
        return
    subjects = _subjects(sentence, begin, end)
    if subjects:
        yield Position(place, subjects, None, sentence.quote(max(0, begin), end))


def _relative(sentence: _Sentence, place: Place, begin: int, at: int, target: int) -> Iterator[Position]:
    """ "A to the left of B": B is the next object named, at most three words on."""
    other = next(((first, end, m) for first, end, m in sentence.mentions if target <= first <= target + 3), None)
    if other is None or not _alone(sentence.words, other[1]):
        return
    if any(not w[0].isalnum() or w in _FUNCTION - _DETERMINERS for w in sentence.words[target : other[0]]):
        return
    subjects = _subjects(sentence, begin, other[1])
    if subjects and other[2].category not in subjects:
        yield Position(place, subjects, other[2].category, sentence.quote(begin, other[1]))


def _subjects(sentence: _Sentence, begin: int, end: int) -> tuple[str, ...]:
    """The objects a phrase at words `begin` to `end` may speak of: those before it in its clause, else those behind."""
    start = max((i for i, word in enumerate(sentence.words[:begin]) if word in _CLAUSE | {"and"}), default=-1)
    before = [m.category for first, last, m in sentence.mentions if start < first and last <= begin]
    if not before and start > 0:
        before = [m.category for _, last, m in sentence.mentions if last <= begin]
    if before:
        return tuple(dict.fromkeys(before))
    stop = next((i for i in range(end, len(sentence.words)) if sentence.words[i] in _PLACES), len(sentence.words))
    return tuple(dict.fromkeys(m.category for first, _, m in sentence.mentions if end <= first < stop))
