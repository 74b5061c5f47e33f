"""The little grammar of captions the rulebook has: tidy sentences, and who does what.

Captions are noun phrases ("A man riding a wave.") or sentences ("A cat is lying on a bed."). A clause is understood
when its subject ends in a noun of the list and the first verb behind it is a known one in -ing, or can be put so;
everything else is left alone rather than guessed at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from chiasm.backends.rulebook.words import ACTIONS, CLOSED, NUMBERS, Noun, nouns, word_set

_WORD = re.compile(r"[a-z0-9]+(?:['’-][a-z0-9]+)*|,")
_OPENING = re.compile(
    r"^(?:(?:this|here|it) is |it's )?(?:an? |the |some )?(?:\w+ )?"
    r"(?:picture|photo|photograph|image|pic|shot|view|close ?-?up|closeup|scene)s?"
    r"(?: view| shot| photo| picture| image)?"
    r"(?: of| showing| shows)(?: there is| there are)? ",
    re.IGNORECASE,
)
# Of these captions nothing good comes: opinions, guesses, questions, talk about the picture or about the writer.
_UNFIT = re.compile(
    r"\b(?:i|i'm|my|me|we|our|you|your|lol|looks? like|seems?|appears?|maybe|possibly|probably|might|could|something|"
    r"unknown|"
    r"caption|image|picture|photo|pic|photograph|sentence|description|unable|sorry|what|how|why|thing|stuff|etc|captioned|"
    r"there's|where's|that's|it's|he's|she's|can be seen|says?|reads?|reading|saying)\b"
    r"|[?!\"“”()\[\]{}<>@#*/\\=_:;]|\d{3,}|\.\.|\. \w",
    re.IGNORECASE,
)
_DETERMINERS = word_set("a an the one some two three four five six seven eight several many")
GROUPS = re.compile(
    r"(?:a |an |the )?(?:\w+ )?(?:group|couple|pair|crowd|bunch|herd|flock|number|team|lot|row|line)s? of (.+)"
)
_STOPS = word_set(
    "in on with of at next near by under over behind beside between from that who which wearing and while "
    "inside outside is are was were along across around through sitting"
)
_POSTURES = word_set("sitting standing posing walking kneeling wearing leaning lying laying")
_SELDOM_NOUNS = word_set("hits stands holds poses sits rides swings runs prepares")
_RELATIVE = word_set("that which who whose what where how if")
_STILL = word_set("sitting standing lying laying hanging flying leaning showing")
_INTRANSITIVE_LAYING = re.compile(
    r"\blaying (?=(?:on|in|down|next|under|around|across|inside|by|near|at|beside|against|together|outside)\b)"
)
_VERB = re.compile(
    r"\b(?:(is|are|was|were) )?(?:(?:currently|still|also|just|happily|quietly|peacefully) )?"
    r"([a-z]+ing|parked|seated|perched|docked)\b"
)


@dataclass(frozen=True, slots=True)
class Clause:
    """`who` does `verb` `rest`: "a man in a hat" "riding" "a wave". `definite` is "the man", and no more of him."""

    who: str
    definite: str
    noun: Noun
    plural: bool
    verb: str
    rest: str
    caption: str

    @property
    def be(self) -> str:
        """The verb to be in the subject's number."""
        return "are" if self.plural else "is"

    @property
    def doing(self) -> str:
        """What is done, verb and all."""
        return f"{self.verb} {self.rest}".strip()


def words_of(text: str) -> list[str]:
    """Words in lower case; commas stay, other punctuation goes."""
    return _WORD.findall(text.lower())


@lru_cache(maxsize=256)
def tidy(caption: str) -> str:
    """The caption without "a picture of", spacing faults and its full stop, beginning in lower case; "" if unfit."""
    text = " ".join(caption.split()).strip(" .,'-")
    text = re.sub(r"\s+([,.])", r"\1", text)
    text = _OPENING.sub("", text)
    text = re.sub(r"^(?:there (?:is|are|was|were)|(?:this|here) (?:is|are)) ", "", text, flags=re.IGNORECASE)
    if not 4 <= len(text.split()) <= 24 or len(text) > 140 or not text.isascii() or _UNFIT.search(text):
        return ""
    if text.isupper() or re.search(r"\b(\w+) \1\b", text.lower()) or not re.match(r"[A-Za-z]", text):
        return ""
    if re.search(r"\ban [b-df-gj-np-tv-z]|\ba [aei]\w+ (?!of)", text):
        return ""  # "raised an finger", "a elephant": written in haste, and so is the rest
    if (first := text.split(None, 1)[0]) not in _NAMES:
        text = first.lower() + text[len(first) :]
    if text.startswith(("they ", "he ", "she ", "it ", "these are ", "those ", "that ", "this ")):
        return ""
    text = _INTRANSITIVE_LAYING.sub("lying ", text)
    return (
        f"a {text}" if re.match(r"(?:group|couple|pair|bunch|herd|flock|crowd|row|line|set|pile) of ", text) else text
    )


# Words that keep their capital. Names of people and towns are not here: captions hardly ever begin with them.
_NAMES = word_set(
    "Asian African American British Chinese Japanese Indian English French Italian European Mexican German "
    "London Paris Christmas Halloween Easter Nintendo Wii Apple Mickey Santa"
)


_BEGUN = ("trying", "getting", "attempting")
# Who can be at rest so.
_AT_REST = {
    "parked": ("vehicle",),
    "docked": ("vehicle",),
    "seated": ("person", "animal"),
    "perched": ("animal",),
}
# Words a subject cannot end with, and those behind which the verb is another's.
_NO_END = word_set("and after before being in on at of with for to by from or the a an his her their")
_ELSEWHERE = re.compile(r"\b(?:that|which|who|while|as|after|before)\b")


@lru_cache(maxsize=256)
def clause_of(caption: str) -> Clause | None:
    """The clause of a tidy caption, None when the grammar does not understand it."""
    tidied = _in_progress(caption)
    match = next((m for m in _VERB.finditer(tidied) if m[2] in ACTIONS), None)
    if match is None or not match.start():
        return None
    who, be, verb = tidied[: match.start()].strip(), match[1], match[2]
    subject = _subject(who)
    if subject is None or not _does(who, be, verb, *subject):
        return None
    rest = tidied[match.end() :].strip(" ,")
    joined = _joined(verb, rest)
    if joined is None or (verb in _BEGUN and not rest.startswith(("to ", "ready "))):
        return None
    core, noun, plural = subject
    return Clause(_with_article(who, plural=plural), f"the {core}", noun, plural, verb, joined, caption)


def _does(who: str, be: str | None, verb: str, core: str, noun: Noun, plural: bool) -> bool:
    """Whether it is the subject that does what the verb behind `who` says."""
    if who.endswith(",") or who.rsplit(maxsplit=1)[-1] in _NO_END or _ELSEWHERE.search(who):
        return False
    if be is not None and plural != (be in ("are", "were")):
        return False  # the grammar took something else for the subject than the writer did
    if be is None and (_ends_in_another(who, core) or re.search(r"\b(?:is|are|was|were|has|have|sits|stands)\b", who)):
        return False  # "a dog is on a bed looking": the first verb is another
    # "a man in a carriage parked on a street": not the man is parked.
    return verb not in _AT_REST or (noun.kind in _AT_REST[verb] and (be is not None or who.endswith(core)))


def _in_progress(tidied: str) -> str:
    """The caption with its verb in the progressive: "a man walks his dog" is walking it."""
    known = nouns()
    for match in re.finditer(r"(?<=[a-z] )([a-z]+)\b", tidied):
        before = known.get(tidied[: match.start()].rsplit(maxsplit=1)[-1])
        if before is None or before[0].kind not in ("person", "animal", "vehicle"):
            continue
        gerund = _GERUNDS.get(match[1])
        if gerund is not None and before[1] != match[1].endswith("s"):
            return f"{tidied[: match.start()]}{'are' if before[1] else 'is'} {gerund}{tidied[match.end() :]}"
    return tidied


def _subject(who: str) -> tuple[str, Noun, bool] | None:
    """The words of the subject without article and without what follows its noun, the noun, and its number."""
    grouped = GROUPS.fullmatch(who)
    words = (grouped[1] if grouped else who).split()
    determiner = words[0] if words[0] in _DETERMINERS else ""
    words = words[1:] if determiner else words
    core: list[str] = []
    for word in words:
        if word in _STOPS or not re.fullmatch(r"[a-z][a-z-]*", word):
            break
        core.append(word)
    if not core or len(core) > 4 or (len(core) < len(words) and words[len(core)] in ("and", "of", ",")):
        return None
    if re.search(r"\band (?:an? |the |\w+ )?(?:\w+ )?\w+$", " ".join(words[len(core) :])):
        return None  # "a man in a hat and a woman": two subjects, or one with two things; not for us
    found = nouns().get(" ".join(core[-2:])) or nouns().get(core[-1])
    if found is None or found[0].kind not in ("person", "animal", "vehicle"):
        return None
    noun, plural = found
    if noun.singular == "sheep":
        plural = bool(grouped) or determiner in NUMBERS or determiner in ("some", "several", "many", "")
    if grouped and not plural:
        return None
    if determiner in NUMBERS or determiner in ("several", "many", "some"):
        if not plural:
            return None
    elif determiner in ("a", "an", "one") and plural:
        return None
    counted = [determiner] if determiner in NUMBERS and not grouped else []
    return " ".join([*counted, *core]), noun, plural


def _ends_in_another(who: str, core: str) -> bool:
    """Whether somebody else stands right before the verb: "a man with a girl" sitting on his lap."""
    last = nouns().get(who.rsplit(maxsplit=1)[-1])
    return last is not None and last[0].kind in ("person", "animal", "vehicle") and not who.endswith(core)


def _with_article(who: str, *, plural: bool) -> str:
    """The subject with an article if it is one thing without any: "gray cat on a chair"."""
    first = who.split(maxsplit=1)[0]
    if plural or first in _DETERMINERS or first in ("another", "this", "his", "her", "their", "each", "no"):
        return who
    return f"{'an' if first[0] in 'aeiou' else 'a'} {who}"


def _joined(verb: str, rest: str) -> str | None:
    """The rest of a clause with a second verb joined by "while"; None when it cannot be told who does the second."""
    second = next((m for m in _VERB.finditer(rest) if m[2] in ACTIONS and m.start()), None)
    if second is None or second[1]:
        return None if second is not None else _unbroken(rest)
    before = rest[: second.start()].split()
    if (
        before[-1] in ("and", "while", ",")
        or before[-1].endswith(",")
        or before[-1] in ("in", "on", "at", "of", "for", "by")
    ):
        return _unbroken(rest)
    found = nouns().get(before[-1])
    if (
        verb in _POSTURES
        and second[2] not in _STILL
        and "with" not in before
        and (found is None or found[0].kind not in ("person", "animal", "vehicle"))
    ):
        return _unbroken(f"{' '.join(before)} while {rest[second.start() :]}")
    return _unbroken(rest) if found is not None and found[0].kind in ("person", "animal", "vehicle") else None


def _unbroken(rest: str) -> str | None:
    """None where another sentence begins in the rest: "playing while his dog watches", "as people look on"."""
    if re.search(
        r"\b(?:as|while|when|where|because) (?:the|a|an|his|her|their|he|she|it|they|people|others?|another|two)\b",
        rest,
    ):
        return None
    return None if _goes_on(rest) else rest


def _goes_on(rest: str) -> bool:
    """Whether the caption's main verb stands in the rest: a woman wearing "a shirt hits a ball" hits."""
    words, known = rest.split(), nouns()
    for at, word in enumerate(words[1:], start=1):
        if words[at - 1] in _RELATIVE:
            return False  # "a dog that looks up": what follows is said of the dog
        before = known.get(words[at - 1])
        third = word in _THIRD and (before is None or not before[1])
        if words[at - 1] not in CLOSED and ((third and before is not None) or word in _SELDOM_NOUNS):
            return True
        if word in ("is", "are", "was", "were"):
            return True
    return False


def _bases(gerund: str) -> tuple[str, ...]:
    """What the verb may be without -ing, one of them right: "sitting" gives sitt, sitte, sit."""
    stem = gerund.removesuffix("ing")
    return stem, f"{stem}e", stem[:-1] if stem[-1:] == stem[-2:-1] else stem


_BASES = frozenset(base for verb in ACTIONS if verb.endswith("ing") for base in _bases(verb) if len(base) > 2) - {
    "park", "look", "light", "walk", "rid", "hid",
}  # fmt: skip
# "sits" and "sit" -> "sitting", for what people, animals and vehicles do.
_GERUNDS = {
    form: verb
    for verb in sorted(ACTIONS)
    if verb.endswith("ing")
    and verb not in ("parking", "trying", "getting", "painting", "drawing", "batting", "driving")
    for base in _bases(verb)
    if len(base) > 2
    for form in (base, f"{base}s", f"{base}es")
} | {"lies": "lying", "flies": "flying", "lays": "lying", "looks": "looking", "walks": "walking", "drives": "driving"}


# ---- what kind of words a caption is ---------------------------------------------------------------------------------

_THIRD = frozenset(form for base in _BASES for form in (f"{base}s", f"{base}es")) | word_set(
    "features contains includes utilizes displays shows goes comes gets does overlooks surrounds needs wants "
    "gives leads keeps lets remains consists turns sells opens heads sees lands docks stops passes makes looks "
    "walks parks lays lies flies tries carries dries relaxes watches reaches catches crosses brushes"
)
# Of these even behind a word nobody knows: they are no plurals.
_SURELY_THIRD = word_set(
    "features shows contains includes utilizes overlooks goes comes gets keeps gives wants sits lies makes"
)
_HELPING = word_set("is are was were has have had will does do")
_FIRST = word_set("a an the some two three four five six seven eight several many various multiple another both")


def is_phrase(tidied: str) -> bool:
    """Whether a tidy caption is surely a noun phrase, so that "the image shows" can stand before it."""
    words = words_of(tidied)
    found = nouns().get(words[0])
    return (words[0] in _FIRST or (found is not None and found[1])) and _first_verb(words) is None


def is_sentence(tidied: str) -> bool:
    """Whether a tidy caption is surely a sentence with a subject and a verb."""
    words = words_of(tidied)
    at = _first_verb(words)
    if at is None or words[0] not in _FIRST:
        return False
    return not {"that", "which", "who", "where", "while", "as"} & set(words[:at])


def _first_verb(words: list[str]) -> int | None:
    known = nouns()
    for at, word in enumerate(words[1:], start=1):
        before = known.get(words[at - 1])
        if word in _HELPING or (word in _THIRD and before is not None and not before[1]):
            return at
        if word in _SURELY_THIRD and words[at - 1] not in CLOSED:
            return at  # "a living room shows", whatever a room is
        if word in _BASES and word not in known and before is not None and before[1]:
            return at
    return None
