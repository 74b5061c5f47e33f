"""Five captions of a scene, as people write them for COCO: what stands out, its colours, the place, the weather.

All five name what stands out most and nearly all the second thing, so that they agree with each other as people's do.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import chain, cycle

from chiasm.scenes.scene import Relation, Scene, Thing
from chiasm.scenes.telling.caption_ways import WAYS, Cast, Way
from chiasm.scenes.telling.choosing import Group, grouped, look_of, prominent, roots
from chiasm.scenes.telling.language import Language, Look
from chiasm.scenes.telling.nouns import capitals, group_phrase, length, listed
from chiasm.scenes.telling.settings import a_place, when, where

NUM_CAPTIONS = 5  # as in COCO
_LONGEST = {"en": 22, "zh": 25}  # words; ours, as what follows
_MOST_HIDDEN = 0.6
_NUM_GROUPS = (2, 3, 2, 3, 2)
# How much is said of the first, second and third group, until the caption is short enough; a third goes before colours.
_DETAILS = ((2, 1, 1), (2, 1), (1, 1), (1, 0), (0, 0))
_BESIDE: tuple[Relation, ...] = ("left of", "right of")


def captions(scene: Scene, language: Language, rng: random.Random) -> tuple[str, ...]:
    """Five different captions, one sentence each, about 8 to 20 words; all true."""
    groups = _groups(scene)
    casts: dict[tuple[int, ...], Cast] = {}
    ways = rng.sample(WAYS[language.code], len(WAYS[language.code]))
    said: list[str] = []
    # Twice round, so that each way may have another number of groups the second time; at least 5 always differ.
    for count, way in zip(cycle(_NUM_GROUPS), chain(ways, ways), strict=False):
        caption = _caption(scene, groups[:count], language, way, casts)
        if caption is not None and caption not in said:
            said.append(caption)
        if len(said) == NUM_CAPTIONS:
            break
    return tuple(said)


def _groups(scene: Scene) -> list[Group]:
    """What can be named, what stands out first; several of a kind together, with their colour if they share it."""
    visible = [thing for thing in roots(scene) if scene.hidden[thing.number] <= _MOST_HIDDEN] or list(roots(scene))
    groups: list[Group] = []
    for group in grouped(prominent(scene, visible), 0):
        colours = {thing.colour for thing in group.things}
        look = look_of(group.things[0], 1) if len(colours) == 1 else group.look
        groups.append(Group(look._replace(text=None, state=None) if group.several else look, group.things))
    return groups


def _caption(
    scene: Scene, groups: Sequence[Group], language: Language, way: Way, casts: dict[tuple[int, ...], Cast]
) -> str | None:
    """Worded in this way, in as much detail as `_LONGEST` words allow; None where it does not fit the scene.

    `casts` keeps what has been put together by its details, for the next caption of this scene.
    """
    caption: str | None = None
    for details in _DETAILS:
        if 1 < len(groups) < len(details):
            continue
        shown = groups[: len(details)]
        said = details[: len(shown)]
        if said not in casts:
            casts[said] = _cast(scene, shown, said, language)
        caption = way(casts[said])
        if caption is None or length(caption) <= _LONGEST[language.code]:
            break
    return None if caption is None else capitals(caption)


def _cast(scene: Scene, groups: Sequence[Group], details: Sequence[int], language: Language) -> Cast:
    phrases = []
    for group, detail in zip(groups, details, strict=True):
        told = group if group.several else Group(_look(group.things[0], detail), group.things)
        phrases.append(group_phrase(scene, told, detail, language))
    first, look = groups[0], _look(groups[0].things[0], details[0])
    # "A person holding a kite and a bird" would hold both.
    last = first.things[0].holds is not None and len(phrases) > 1
    still = first if first.several else Group(look_of(first.things[0], details[0], ("size", "action")), first.things)
    return Cast(
        language,
        tuple(phrases),
        all=listed(language, [*phrases[1:], phrases[0]] if last else phrases),
        bare=group_phrase(scene, still, details[0], language),
        doing="" if first.several else language.doing(look.action, None),
        plural=groups[1 if last else 0].several,
        side=_side(scene, groups, language),
        place=a_place(scene, language),
        where=where(scene, language),
        when=when(scene, language),
    )


def _look(thing: Thing, detail: int) -> Look:
    """A caption has no word for size, nor for standing."""
    return look_of(thing, detail, ("size", "action") if thing.action == "standing" else ("size",))


def _side(scene: Scene, groups: Sequence[Group], language: Language) -> str:
    if len(groups) < 2 or groups[0].several or groups[1].several:
        return ""
    first, second = groups[0].things[0], groups[1].things[0]
    found = [relation for relation in _BESIDE if scene.stands(second, relation, first)]
    return language.relation(found[0]) if found else ""
