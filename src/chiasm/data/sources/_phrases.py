"""Noun phrases by rules, and LLaVA's filter that keeps captions by how frequent their phrases are.

The paper finds phrases with spaCy. Here a phrase is a run of words between words that belong to no noun phrase:
prepositions, articles, pronouns, conjunctions, forms of common verbs, and words in -ing behind another word ("a man
riding a horse": man, horse). It needs no model; it takes some verbs for nouns, which for a count of what is rare and
what is frequent does not matter much. English only.
"""

from __future__ import annotations

import hashlib
import random
import re
from array import array
from collections.abc import Iterable, Iterator

import numpy as np

_BETWEEN = frozenset(
    re.findall(
        r"\w+",
        """
        a an the this that these those some any each every another other its his her their our my your it he she they
        we you i him them us who whom whose which what where when while as and or but nor so if than then there here
        of in on at by for with from to into onto over under above below behind between beside besides near next off
        out up down around across along through against during before after about inside outside within without toward
        towards among amid upon per via like is are was were be been being am has have had having do does did can
        could will would shall should may might must not no yes very just also too only more most such both all sits
        sit stands stand lies lie holds hold wears wear looks look walks walk runs run plays play rides ride shows
        show seen see sees made make makes take takes taken get gets goes go come comes stop stops
        """,
    )
)
_TOKEN = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[^\w\s]")


def noun_phrases(caption: str) -> Iterator[str]:
    """The phrases of a caption in lower case, each as often as it stands there."""
    phrase: list[str] = []
    for token in _TOKEN.findall(caption.lower()):
        ends_by_ing = token.endswith("ing") and len(token) > 4 and phrase
        if token in _BETWEEN or ends_by_ing or not token[0].isalnum():
            if phrase:
                yield " ".join(phrase)
            phrase = []
        else:
            phrase.append(token)
    if phrase:
        yield " ".join(phrase)


def chosen_by_phrases(captions: Iterable[str], least: int, most: int, draw: random.Random) -> bytearray:
    """Which captions to keep, one byte (0 or 1) a caption.

    Phrases in fewer than `least` captions count for nothing; of each other phrase all captions are kept, or `most` of
    them drawn by chance where it has more. Source: LLaVA paper, appendix on CC-595K (3 and 100). Memory: 12 bytes a
    phrase of a caption, and as much again while they are sorted.
    """
    # Phrases are held as 64-bit digests: ten million of them collide with probability 3 in a million.
    digests, owners, num_captions = array("Q"), array("I"), 0
    for number, caption in enumerate(captions):
        num_captions = number + 1
        for phrase in dict.fromkeys(noun_phrases(caption)):
            digests.append(int.from_bytes(hashlib.blake2b(phrase.encode(), digest_size=8).digest(), "big"))
            owners.append(number)
    kept = bytearray(num_captions)
    if not digests:
        return kept
    by_digest, owner = np.frombuffer(digests, np.uint64), np.frombuffer(owners, np.uint32)
    order = np.argsort(by_digest, kind="stable")
    starts = np.flatnonzero(np.diff(by_digest[order], prepend=by_digest[order[0]] ^ np.uint64(1)))
    ends = np.append(starts[1:], len(order))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if end - start < least:
            continue
        members = owner[order[start:end]].tolist()
        for caption_number in members if len(members) <= most else draw.sample(members, most):
            kept[caption_number] = 1
    return kept
