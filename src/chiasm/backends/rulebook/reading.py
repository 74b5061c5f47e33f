"""From the text a teacher is shown to what the rulebook knows: captions, boxes, who does what, colours, counts, place.

Only what is certain by its rules is known; a caption that no rule understands still serves as a sentence. Nothing is
written here, in no language.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from chiasm.backends.rulebook.clauses import Clause, clause_of, tidy, words_of
from chiasm.backends.rulebook.words import CLOSED, COLOURS, NUMBERS, Noun, Place, nouns, places, word_set
from chiasm.data.object_names import CATEGORIES, mentioned

_BOX = re.compile(r"(.+): \[([\d.]+), ([\d.]+), ([\d.]+), ([\d.]+)\]")
_MANY = re.compile(r"\b(?:crowd|crowded|group|several|many|lots?|bunch|herd|flock|multiple|various|lined|row|rows|"
                   r"others|another|other|people)\b")  # fmt: skip
_ARTICLES = word_set("a an the some two three four five six several many")
_POSTURES = {
    "sitting": "sit",
    "seated": "sit",
    "standing": "stand",
    "lying": "lie",
    "sleeping": "lie",
    "walking": "walk",
}
SEX = {"man": "m", "boy": "m", "guy": "m", "male": "m", "woman": "f", "girl": "f", "lady": "f", "female": "f"}
_HAN = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Thing:
    """A marked thing; corners from 0 to 1."""

    category: str
    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def area(self) -> float:
        """Share of the picture."""
        return (self.x2 - self.x1) * (self.y2 - self.y1)

    @property
    def middle(self) -> tuple[float, float]:
        """The centre, across and down."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2


@dataclass(frozen=True, slots=True)
class Coloured:
    """A noun that the captions give one colour and no other."""

    noun: Noun
    plural: bool
    colour: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """How captions name a noun: how many do, and in which numbers (False for one of it, True for several)."""

    num_captions: int
    forms: frozenset[bool]


@dataclass(frozen=True)
class Known:
    """What is known of a picture."""

    captions: tuple[str, ...]
    things: tuple[Thing, ...]

    @cached_property
    def in_chinese(self) -> bool:
        """Whether the captions are Chinese."""
        return sum(bool(_HAN.search(caption)) for caption in self.captions) * 2 > len(self.captions)

    @cached_property
    def tidy_captions(self) -> tuple[str, ...]:
        """The captions that read well, cleaned, the most telling first."""
        good = [caption for caption in map(tidy, self.captions) if caption and not self._miscounts(caption)]
        spoken_of = Counter(word for caption in good for word in set(words_of(caption)) if word not in CLOSED)

        def telling(caption: str) -> float:
            words = {word for word in words_of(caption) if word not in CLOSED}
            agreed = sum(min(spoken_of[word] - 1, 2) for word in words)  # words that others used too
            bare = 0.0 if caption.split(maxsplit=1)[0] in _ARTICLES else 2.0  # "cat on chair": written in haste
            return agreed - bare + 0.6 * min(len(words), 10) - 0.5 * max(0, len(words) - 14)

        return tuple(sorted(dict.fromkeys(good), key=telling, reverse=True))

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        """Category -> how many: as marked, else as most captions that count say."""
        votes: dict[str, Counter[int]] = {}
        for caption in self.captions:
            for category, number in _category_counts(caption):
                votes.setdefault(category, Counter())[number] += 1
        return {c: len(self.marked[c]) if c in self.marked else n.most_common(1)[0][0] for c, n in votes.items()}

    def _miscounts(self, caption: str) -> bool:
        """Whether a caption counts more of something than there are, or otherwise than the others do."""
        for category, number in _category_counts(caption):
            known = self._numbers.get(category, number)
            if number > known or (number != known and category not in self.marked):
                return True
        return False

    def _credible(self, clause: Clause) -> bool:
        """Whether its subject is what others saw too: one giraffe among four elephants is an elephant."""
        categories = set(mentioned(clause.noun.singular)) - {"person"}
        lone = all(self.named.get(category, 0) < 2 for category in categories) and len(self.captions) > 2
        return not (categories and lone and self.marked and categories.isdisjoint(self.marked))

    @cached_property
    def clauses(self) -> tuple[Clause, ...]:
        """Who does what, from captions with a plain subject and a verb, the most telling caption first."""
        found = [
            clause for clause in map(clause_of, self.tidy_captions) if clause is not None and self._credible(clause)
        ]
        return tuple(_agreed(found, _sex_of) if len(found) < 2 else _agreed(_agreed(found, _sex_of), _posture_of))

    @cached_property
    def named(self) -> Mapping[str, int]:
        """Category -> how many captions mention it."""
        counts: Counter[str] = Counter()
        for caption in self.captions:
            counts.update(mentioned(caption, "zh" if self.in_chinese else "en").keys())
        return counts

    @cached_property
    def spoken(self) -> Mapping[Noun, Spoken]:
        """The nouns of the captions, most often named first: in how many captions, and in which numbers."""
        found: dict[Noun, list[set[bool]]] = {}
        for caption in self.captions:
            words, here = words_of(caption), dict[Noun, set[bool]]()
            end = 0
            for at in range(len(words)):
                if at >= end and (found_here := _nouns_at(words, at)) is not None:
                    noun, plural, end = found_here
                    here.setdefault(noun, set()).add(plural)
            for noun, forms in here.items():
                found.setdefault(noun, []).append(forms)
        spoken = {noun: Spoken(len(all_forms), frozenset().union(*all_forms)) for noun, all_forms in found.items()}
        return dict(sorted(spoken.items(), key=lambda item: -item[1].num_captions))

    @cached_property
    def marked(self) -> Mapping[str, tuple[Thing, ...]]:
        """Category -> its boxes, the category that takes up most first."""
        by_category: dict[str, list[Thing]] = {}
        for thing in self.things:
            by_category.setdefault(thing.category, []).append(thing)
        ordered = sorted(by_category, key=lambda category: -sum(thing.area for thing in by_category[category]))
        return {category: tuple(by_category[category]) for category in ordered}

    @cached_property
    def vague(self) -> bool:
        """Whether the captions speak of crowds and others, so that counting what they name is no use."""
        return any(_MANY.search(caption.lower()) for caption in self.captions)

    @cached_property
    def place(self) -> Place | None:
        """Where it is: what most captions say, if they do not contradict one another about indoors and outdoors."""
        votes: Counter[Place] = Counter()
        for caption in self.captions:
            votes.update(list(dict.fromkeys(_places_in(caption.lower()))))
        if not votes:
            return None
        (place, _), *others = votes.most_common()
        sides = {other.indoors for other, _ in others if other.indoors is not None}
        return None if place.indoors is not None and (not place.indoors) in sides else place

    @cached_property
    def coloured(self) -> tuple[Coloured, ...]:
        """Things whose colour the captions name and agree on."""
        found: dict[Noun, set[tuple[str, bool]]] = {}
        for caption in self.captions:
            for noun, plural, colour in _colours_in(words_of(caption)):
                found.setdefault(noun, set()).add((colour, plural))
        return tuple(
            Coloured(noun, plural, colour) for noun, said in found.items() if len(said) == 1 for colour, plural in said
        )

    @cached_property
    def counted(self) -> tuple[tuple[Noun, int], ...]:
        """Nouns that captions count with one and the same number, where none speaks of more of their kind."""
        if self.vague:
            return ()
        found: dict[Noun, set[int]] = {}
        certain: set[Noun] = set()
        for caption in self.captions:
            for noun, number, sure in _counts_in(words_of(caption)):
                found.setdefault(noun, set()).add(number)
                certain.update({noun} if sure else ())
        kinds = Counter(noun.kind for noun in found)
        spoken = {word for caption in self.captions for word in words_of(caption)}
        return tuple(
            (noun, next(iter(numbers)))
            for noun, numbers in found.items()
            if len(numbers) == 1 and noun in certain and kinds[noun.kind] == 1
            if noun.singular.split()[-1] not in spoken  # "two dogs" here, "a dog" there
        )

    @cached_property
    def monochrome(self) -> bool:
        """Whether the picture itself is said to be black and white."""
        pattern = r"black (?:and|&) white (?:photo|picture|image|photograph)|(?:photo|picture|image) in black and white"
        return any(re.search(pattern, caption.lower()) for caption in self.captions)


def read(text: str) -> Known:
    """What a context text says; lines behind the first empty one are boxes. Raises `ValueError` where they are none."""
    captions, _, boxes = text.strip().partition("\n\n")
    things = []
    for line in filter(None, boxes.splitlines()):
        match = _BOX.fullmatch(line)
        if match is None:
            raise ValueError(f"{line[:80]!r} is no box: expected 'category: [x1, y1, x2, y2]'")
        things.append(Thing(match[1], *map(float, match.groups()[1:])))
    return Known(tuple(filter(None, captions.splitlines())), tuple(things))


def category_words(known: Known) -> set[str]:
    """Categories that the picture may hold: marked or spoken of."""
    return {*known.marked, *known.named} & set(CATEGORIES)


def _agreed(clauses: list[Clause], side_of: Callable[[Clause], str | None]) -> list[Clause]:
    """The clauses without those that take the less frequent side: a man here, a woman there; lying here, sitting there.

    Either one writer erred or there are two of them; both cannot be told of one.
    """
    sides = Counter(side for clause in clauses if (side := side_of(clause)) is not None)
    if len(sides) < 2:
        return clauses
    ((kept, _), *_) = sides.most_common()
    return [clause for clause in clauses if side_of(clause) in (None, kept)]


def _sex_of(clause: Clause) -> str | None:
    return None if clause.plural else SEX.get(clause.noun.singular)


def _posture_of(clause: Clause) -> str | None:
    return _POSTURES.get(clause.verb)


def _places_in(caption: str) -> Iterator[Place]:
    """The places a caption names as such: behind a preposition, or as what it speaks of."""
    text = " ".join(words_of(caption))
    for words, pattern, place in _place_patterns():
        if words in text and pattern.search(text):
            yield place


@cache
def _place_patterns() -> tuple[tuple[str, re.Pattern[str], Place], ...]:
    """The words of a place, where they speak of it as such, and the place."""
    begins = r"^(?:an? |the )?(?:\w+ ){0,2}"
    behind = r"\b(?:in|on|at|along|through|across|down|up|inside) (?:an? |the |some )?(?:\w+ ){0,2}"
    after = r"(?= (?:and|with|that|while|next|on|in|at|near|by|as|of|from|during|behind|filled|has|is|are)\b|$)"
    return tuple(
        (words, re.compile(f"(?:{begins}|{behind}){re.escape(words)}{after}"), place)
        for words, place in places().items()
    )


def _nouns_at(words: Sequence[str], at: int) -> tuple[Noun, bool, int] | None:
    """The noun that begins at a word, of two words if it can, and where it ends; None inside a longer name."""
    known = nouns()
    for length in (2, 1):
        found = known.get(" ".join(words[at : at + length])) if at + length <= len(words) else None
        if found is not None:
            end = at + length
            ends = end == len(words) or words[end] in CLOSED or words[end].endswith("ing") or words[end] == ","
            return (*found, end) if ends else None
    return None


def _colours_in(words: Sequence[str]) -> Iterator[tuple[Noun, bool, str]]:
    for at, word in enumerate(words):
        if word not in COLOURS or (at and words[at - 1] in ("and", "dark", "light", "bright", "or", ",")):
            continue
        if at + 1 < len(words) and words[at + 1] in ("and", "or", ","):
            continue
        found = _nouns_at(words, at + 1)
        if found is not None and found[0].kind not in ("person", "food", "drink"):
            yield found[0], found[1], "gray" if word == "grey" else word


def _category_counts(caption: str) -> Iterator[tuple[str, int]]:
    """The categories a caption counts."""
    for noun, number, _ in _counts_in(words_of(caption)):
        for category in mentioned(noun.singular):
            yield category, number


def _counts_in(words: Sequence[str]) -> Iterator[tuple[Noun, int, bool]]:
    """Nouns with a number before them; the last says whether the name surely ends with the noun."""
    known = nouns()
    for at, word in enumerate(words):
        if word not in NUMBERS or (at and words[at - 1] in ("of", "the", "or", "and", "about")):
            continue
        for end in range(at + 1, min(at + 4, len(words))):
            found = _nouns_at(words, end)
            if found is not None and found[1]:
                yield found[0], NUMBERS[word], True
                break
            bare = known.get(words[end])
            if bare is not None and bare[1]:
                yield bare[0], NUMBERS[word], False
            if words[end] in CLOSED or bare is not None:
                break
