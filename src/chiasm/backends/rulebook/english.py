"""The rulebook's English: sentences out of what is known. It reads no text; `reading` and `inventory` do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from chiasm.backends.rulebook import inventory
from chiasm.backends.rulebook.clauses import GROUPS, Clause, is_phrase, is_sentence, words_of
from chiasm.backends.rulebook.inventory import Group
from chiasm.backends.rulebook.reading import Coloured, Known
from chiasm.backends.rulebook.spoken import called, category_of
from chiasm.backends.rulebook.words import CLOSED, NUMBER_WORDS, places, word_set
from chiasm.data.object_names import mentioned

_SHOWS = ("The image shows", "The picture shows", "The photo shows", "This image shows", "This picture shows")
_WHERE = {
    ("left", "top"): "in the upper left part of the picture",
    ("left", "middle"): "on the left side of the picture",
    ("left", "bottom"): "in the lower left part of the picture",
    ("left", ""): "on the left side of the picture",
    ("middle", "top"): "in the upper part of the picture",
    ("middle", "middle"): "in the middle of the picture",
    ("middle", "bottom"): "in the lower part of the picture",
    ("middle", ""): "in the middle of the picture",
    ("right", "top"): "in the upper right part of the picture",
    ("right", "middle"): "on the right side of the picture",
    ("right", "bottom"): "in the lower right part of the picture",
    ("right", ""): "on the right side of the picture",
    ("", "top"): "across the upper part of the picture",
    ("", "middle"): "",
    ("", "bottom"): "across the lower part of the picture",
    ("", ""): "",
}


MANY = 8  # more are "many", not "several"; ours


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def article(word: str) -> str:
    """The word behind "a" or "an"."""
    return f"{'an' if word[:1] in 'aeiou' and not word.startswith(('uni', 'one', 'use')) else 'a'} {word}"


def listed(items: list[str]) -> str:
    """ "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def content(text: str) -> set[str]:
    """The words that carry meaning, without plural s."""
    return {word.rstrip("s") for word in words_of(text) if word not in CLOSED and word != ","}


def lead(known: Known, rng: Random) -> tuple[str, Clause | None]:
    """One sentence on what the picture shows, and the clause it was made of; "" when no caption reads well."""
    by_caption = {
        caption: clause for caption in known.tidy_captions for clause in known.clauses if clause.caption == caption
    }
    for caption in known.tidy_captions:
        clause = by_caption.get(caption)
        if clause is not None:
            forms = (
                f"{rng.choice(_SHOWS)} {clause.who} {clause.doing}",
                f"In the image, {clause.who} {clause.be} {clause.doing}",
                f"{clause.who} {clause.be} {clause.doing}",
            )
            return sentence(rng.choice(forms)), clause
        if is_phrase(caption):
            return sentence(f"{rng.choice(_SHOWS)} {caption}"), None
        if is_sentence(caption):
            return sentence(rng.choice((f"in this image, {caption}", caption))), None
    return "", None


def more_clauses(known: Known, said: str, limit: int) -> Iterator[str]:
    """Further things that are being done by those already spoken of, each with something new in it."""
    told = content(said)
    for clause in known.clauses:
        if not limit:
            return
        category = category_of(clause.noun)
        introduced = re.search(rf"\b{re.escape(clause.definite.split()[-1])}\b", said) is not None
        only = len(known.marked.get(category or "", ())) == 1 and category in mentioned(said)
        new = content(clause.doing) - told
        if len(new) < 2 or clause.verb in said or not (introduced or (only and not clause.plural)):
            continue
        several = not clause.plural and len(known.marked.get(category or "", ())) > 1  # which of them is "the cat"?
        if several or (introduced and not _same_number(clause, said)):
            continue
        told |= content(clause.doing)
        limit -= 1
        yield sentence(f"{clause.definite} {clause.be} {clause.doing}")


def more_sentences(known: Known, said: str, limit: int) -> Iterator[str]:
    """Captions about something already spoken of that tell something new of it, with "the" for "a"."""
    told = content(said)
    for caption in known.tidy_captions:
        words = caption.split()
        new = content(caption) - told
        if not limit or len(new) < 3 or words[0] not in ("a", "an", "the") or caption.lower() in said.lower():
            continue
        match = re.match(r"(?:a|an|the) ((?:[a-z-]+ ){1,4}?)(is|has) ", caption)
        if match is None or caption.find(" that ") >= 0:
            core = re.match(r"(?:a|an) (?:[a-z-]+ )*?([a-z]+)(?= (?:with|on|in|at|of|next|near)\b)", caption)
            first = re.match(
                r"[A-Za-z ]+? shows (?:a|an) (?:[a-z-]+ )*?([a-z]+)(?= (?:with|on|in|at|of|next|near)\b)", said
            )
            if not (core and first and core[1] == first[1] and is_phrase(caption)) or GROUPS.match(caption):
                continue  # "it is a group of people" reads badly, and a verb may hide behind the plural
            text = f"it is {caption}"
        else:
            head = match[1].split()[-1]
            if len(re.findall(rf"\b{head}\b", said)) != 1 or re.search(
                rf"\b(?:two|three|four|some) (?:\w+ )?{head}", said
            ):
                continue
            text = f"the {match[1]}{match[2]} {caption[match.end() :]}"
        told |= new
        limit -= 1
        yield sentence(text)


def place_phrase(known: Known, said: str) -> str:
    """What kind of place it is, as a caption puts it with more than its name: "a marina with boats docked"; or ""."""
    told = content(said)
    for caption in known.tidy_captions:
        match = re.match(r"an? (?:[a-z-]+ ){0,3}?([a-z]+(?: [a-z]+)?) (?=with|filled|that has|and)", caption)
        if match is None or not is_phrase(caption) or len(content(caption) - told) < 3:
            continue
        if match[1] in places() or match[1].split()[-1] in places():
            return caption
    return ""


def _same_number(clause: Clause, said: str) -> bool:
    """Whether the text spoke of this subject in the same number: two men are not "the three men"."""
    first = clause.definite.split()[1]
    return first not in NUMBER_WORDS or re.search(rf"\b{first}\b", said.lower()) is not None


def colour_sentence(coloured: Coloured) -> str:
    """ "The jacket is red"."""
    noun = coloured.noun.plural if coloured.plural else coloured.noun.singular
    return sentence(f"the {noun} {'are' if coloured.plural or noun in PAIRS else 'is'} {coloured.colour}")


PAIRS = word_set("glasses sunglasses shorts pants jeans")  # one thing, and yet "they are"


def new_colours(known: Known, said: str, limit: int) -> Iterator[str]:
    """Colours of things already spoken of whose colour was not."""
    for coloured in known.coloured:
        noun = coloured.noun.plural if coloured.plural else coloured.noun.singular
        spoken = re.search(rf"\b(\w+) (?:\w+ )?{re.escape(noun)}\b", said.lower())
        if not limit or spoken is None or re.search(rf"\b{coloured.colour}\b", said.lower()):
            continue
        if len(re.findall(rf"\b{re.escape(noun)}\b", said.lower())) > 1 and not coloured.plural:
            continue
        limit -= 1
        yield colour_sentence(coloured)


# ---- boxes -----------------------------------------------------------------------------------------------------------


def where(group: Group) -> str:
    """Where a group is, with its preposition; "" when it is everywhere."""
    return _WHERE[group.across, group.down]


def amount(known: Known, group: Group) -> str:
    """ "a dog", "two dogs", "several dogs"."""
    if group.number == 1:
        return article(called(known, group.category).singular)
    plural = called(known, group.category, several=True).plural
    many = "many" if len(known.marked[group.category]) > MANY else "several"
    return f"{NUMBER_WORDS[group.number]} {plural}" if group.number else f"{many} {plural}"


def box_sentences(known: Known, said: str, rng: Random, limit: int = 4) -> list[str]:
    """Sentences on what is marked: what takes up most one by one, then the rest in one."""
    told: list[str] = []
    rest: list[Group] = []
    totals: list[str] = []  # of what was spoken of: not five more, five in all
    spoken_of = mentioned(said)
    for group in inventory.groups(known):
        new = group.category not in spoken_of
        text = ""
        if len(told) < limit and group.size != "tiny":
            text = _new_group(known, group, rng) if new else _known_group(known, group, rng)
        if text:
            told.append(sentence(text))
        elif new:
            rest.append(group)
        elif _worth_a_total(known, group, said):
            totals.append(amount(known, group))
    if totals:
        told.insert(min(1, len(told)), sentence(f"{rng.choice(('in all, ', ''))}there are {listed(totals)} in view"))
    told += [_side_by_side(known, pair, rng) for pair in _pairs(known, [said, *told])[: rng.choice((1, 2))]]
    if rest:
        things = listed([amount(known, group) for group in rest[:5]])
        verb = "are" if len(rest) > 1 or rest[0].several else "is"
        forms = (
            f"there {'is' if rest[0].number == 1 else 'are'} also {things}",
            f"{things} {verb} visible as well",
            f"{things} can be seen too",
        )
        told.append(sentence(rng.choice(forms)))
    return told


def _worth_a_total(known: Known, group: Group, said: str) -> bool:
    """Whether the number of things that were spoken of is news."""
    if not group.number:
        return len(known.marked[group.category]) > MANY
    return group.several and NUMBER_WORDS[group.number] not in words_of(said)


def _known_group(known: Known, group: Group, rng: Random) -> str:
    """On things the captions spoke of: their place; "" when there is none to tell."""
    place = where(group)
    if group.number != 1:
        things = amount(known, group)
        return (
            f"{things} can be seen, {'both' if group.number == 2 else 'all'} {place}" if place and group.number else ""
        )
    if known.vague and group.category == "person":
        return ""
    noun = f"the {called(known, group.category).singular}"
    if group.size == "huge":
        return rng.choice((f"{noun} takes up most of the picture", f"{noun} fills most of the frame"))
    if group.size == "large":
        return f"{noun} takes up a large part of the picture" + (f", {_short(place)}" if place else "")
    return rng.choice((f"{noun} is {place}", f"{noun} can be seen {place}")) if place else ""


def _new_group(known: Known, group: Group, rng: Random) -> str:
    """On things nobody spoke of yet."""
    place, things = where(group), amount(known, group)
    if not place:
        return f"there {'are' if group.several else 'is'} also {things}" if group.size else ""
    verb = "are" if group.several else "is"
    forms = (f"{place} there {verb} {things}", f"{things} can be seen {place}", f"there {verb} {things} {place}")
    return rng.choice(forms)


def _short(place: str) -> str:
    return place.removesuffix(" of the picture")


def _pairs(known: Known, told: list[str]) -> list[inventory.Beside]:
    """Things side by side, both spoken of."""
    spoken_of = mentioned(" ".join(told))
    return [pair for pair in inventory.beside(known) if pair.left in spoken_of and pair.right in spoken_of]


def _side_by_side(known: Known, pair: inventory.Beside, rng: Random) -> str:
    left, right = called(known, pair.left).singular, called(known, pair.right).singular
    forms = (f"the {left} is to the left of the {right}", f"the {right} is to the right of the {left}")
    return sentence(rng.choice(forms))
