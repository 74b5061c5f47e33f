"""Sentences of descriptions in English and Chinese: openings, what is where, counts, orders. Chooses no things."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Protocol

from chiasm.scenes.scene import Scene, Thing
from chiasm.scenes.telling.chinese import CHINESE
from chiasm.scenes.telling.choosing import grouped
from chiasm.scenes.telling.english import ENGLISH
from chiasm.scenes.telling.language import Look
from chiasm.scenes.telling.layout import Part, Spot
from chiasm.scenes.telling.nouns import called, listed, phrases_of
from chiasm.scenes.telling.settings import a_place, when, where


class Ways(Protocol):
    """A language's sentences; each ends with its full stop."""

    def join(self, sentences: Sequence[str]) -> str: ...

    def sentence(self, words: str) -> str: ...

    def opening(self, scene: Scene, rng: random.Random) -> str: ...

    def part(self, scene: Scene, part: Part, detail: int, rng: random.Random) -> str: ...

    def weather(self, scene: Scene) -> list[str]: ...

    def counted(self, counts: str) -> str: ...

    def total(self, scene: Scene) -> str: ...

    def missing(self, scene: Scene) -> list[str]: ...

    def holds(self, person: str, holding: str) -> str: ...

    def on(self, table: str, item: str) -> str: ...

    def with_boxes(self, scene: Scene, named: Sequence[str], rng: random.Random) -> str: ...

    def across(self, phrases: Sequence[str], plural: bool) -> str: ...

    def down(self, names: Sequence[str]) -> str: ...


_ENGLISH_SPOTS: Mapping[Spot, str] = {
    "left": "on the left",
    "middle": "in the middle",
    "right": "on the right",
    "sky": "in the sky",
    "wall": "on the wall",
    "water": "on the water",
    "far": "in the background",
    "near": "in the foreground",
    "here": "",
}
_ENGLISH_WEATHERS = {
    "sunny": "The sun is shining.",
    "cloudy": "There are clouds in the sky.",
    "rainy": "It is raining.",
    "snowy": "It is snowing and the ground is white.",
}


def _who(scene: Scene) -> tuple[int, int]:
    """How many people and animals there are."""
    sorts = [thing.about.supercategory for thing in scene.things]
    return sorts.count("person"), sorts.count("animal")


def _holds(thing: Thing) -> bool:
    return thing.holds is not None


def _english_spot(scene: Scene, spot: Spot) -> str:
    return "in the air" if spot == "sky" and scene.inside else _ENGLISH_SPOTS[spot]


def _chinese_spot(scene: Scene, spot: Spot) -> str:
    return "空中" if spot == "sky" and scene.inside else _CHINESE_SPOTS[spot]


class _EnglishWays:
    """See `Ways`."""

    def join(self, sentences: Sequence[str]) -> str:
        return " ".join(sentence for sentence in sentences if sentence)

    def sentence(self, words: str) -> str:
        return f"{words}."

    def opening(self, scene: Scene, rng: random.Random) -> str:
        place, time = a_place(scene, ENGLISH), when(scene, ENGLISH) or "during the day"
        ways = (
            f"the picture shows {place} {time}.",
            f"this is a picture of {place} {time}.",
            f"the scene is set {where(scene, ENGLISH)} {time}.",
            f"here we see {place} {time}.",
        )
        if scene.weather is not None:
            weather = f"it is a {scene.weather} {scene.time} {where(scene, ENGLISH)}."
        else:
            weather = f"it is {'night' if scene.time == 'night' else 'day'} {where(scene, ENGLISH)}."
        return rng.choice((*ways, weather))

    def part(self, scene: Scene, part: Part, detail: int, rng: random.Random) -> str:
        # Who holds something comes last: "a person holding a ball and a kite" would hold both.
        members = [(spot, sorted(things, key=_holds)) for spot, things in part.members]
        members.sort(key=lambda member: _holds(member[1][-1]))
        several = grouped(members[0][1], detail)[0].several
        phrases = []
        for spot, things in members:
            words = listed(ENGLISH, phrases_of(scene, things, detail, ENGLISH))
            phrases.append(f"{words} {_english_spot(scene, spot)}".strip())
        there = rng.choice(("there are", "one can see") if several else ("there is", "one can see"))
        if part.beside is not None and part.relation is not None:
            place = f"{ENGLISH.relation(part.relation)} {called(scene, part.beside, ENGLISH)}"
        else:
            place = _english_spot(scene, part.spot)
        if not place:
            return f"{there} {listed(ENGLISH, phrases)}."
        return f"{place}{rng.choice((',', ''))} {there} {listed(ENGLISH, phrases)}."

    def weather(self, scene: Scene) -> list[str]:
        said = [_ENGLISH_WEATHERS[scene.weather]] if scene.weather is not None else []
        return [*said, "It is dark outside." if scene.inside else "It is dark."] if scene.time == "night" else said

    def counted(self, counts: str) -> str:
        return f"in total there are {counts}."

    def total(self, scene: Scene) -> str:
        number = len(scene.things)
        if number > 1:
            return f"there are {ENGLISH.number(number)} things in the picture."
        name = ENGLISH.the(Look(scene.things[0].kind))
        return f"nothing else stands out, so {name} gets all the attention."

    def missing(self, scene: Scene) -> list[str]:
        people, animals = _who(scene)
        if not people and not animals:
            return ["there are no people and no animals in the picture."]
        return [] if people else ["there is nobody in the picture."]

    def holds(self, person: str, holding: str) -> str:
        return f"{person} is {holding}."

    def on(self, table: str, item: str) -> str:
        return f"{item} is on {table}."

    def with_boxes(self, scene: Scene, named: Sequence[str], rng: random.Random) -> str:
        if len(named) == 1:
            return f"there is {named[0]} {where(scene, ENGLISH)}."
        ways = (
            f"from left to right there is {listed(ENGLISH, named)}.",
            f"{where(scene, ENGLISH)}, from left to right, one can see {listed(ENGLISH, named)}.",
            f"from left to right, the picture shows {listed(ENGLISH, named)}.",
        )
        return rng.choice(ways)

    def across(self, phrases: Sequence[str], plural: bool) -> str:
        there = "there are" if plural else "there is"
        if len(phrases) == 1:
            return f"{there} {phrases[0]}."
        return f"from left to right {there} {listed(ENGLISH, phrases)}."

    def down(self, names: Sequence[str]) -> str:
        return f"from top to bottom there is {listed(ENGLISH, names)}."


_CHINESE_SPOTS: Mapping[Spot, str] = {
    "left": "左边", "middle": "中间", "right": "右边", "sky": "天上", "wall": "墙上", "water": "水面上",
    "far": "远处", "near": "近处", "here": "",
}  # fmt: skip
_CHINESE_WEATHERS = {
    "sunny": "阳光明媚。",
    "cloudy": "天空中有云。",
    "rainy": "天正在下雨。",
    "snowy": "天正在下雪，地面一片洁白。",
}


class _ChineseWays:
    """See `Ways`."""

    def join(self, sentences: Sequence[str]) -> str:
        return "".join(sentences)

    def sentence(self, words: str) -> str:
        return f"{words}。"

    def opening(self, scene: Scene, rng: random.Random) -> str:
        time = when(scene, CHINESE) or "白天"
        setting = f"{time.replace('的', '')}的{a_place(scene, CHINESE)}"
        ways = (
            f"这是{setting}。",
            f"图中是{setting}。",
            f"这幅图画的是{setting}。",
            f"画面展示了{setting}。",
            f"{time}，{where(scene, CHINESE)}的景象。",
        )
        return rng.choice(ways)

    def part(self, scene: Scene, part: Part, detail: int, rng: random.Random) -> str:
        inner = []
        for spot, members in part.members:
            words = listed(CHINESE, phrases_of(scene, members, detail, CHINESE))
            inner.append(f"{_chinese_spot(scene, spot)}{rng.choice(('有', '是')) if spot != 'here' else '有'}{words}")
        if part.beside is not None and part.relation is not None:
            place = f"{called(scene, part.beside, CHINESE)}的{CHINESE.relation(part.relation)}"
        else:
            place = _chinese_spot(scene, part.spot)
            place = f"画面{place}" if part.spot in ("left", "middle", "right") else place
        comma = "，" if place and part.members[0][0] != "here" else ""
        return f"{place}{comma}{'，'.join(inner)}。"

    def weather(self, scene: Scene) -> list[str]:
        said = [_CHINESE_WEATHERS[scene.weather]] if scene.weather is not None else []
        return [*said, "外面天已经黑了。" if scene.inside else "天已经黑了。"] if scene.time == "night" else said

    def counted(self, counts: str) -> str:
        return f"一共有{counts}。"

    def total(self, scene: Scene) -> str:
        number = len(scene.things)
        if number > 1:
            return f"画面中一共能看到{CHINESE.number(number) if number > 2 else '两'}样东西。"
        name = CHINESE.the(Look(scene.things[0].kind))
        return f"除了{name}以外，画面中没有别的显眼的东西，一眼就能看到{name}。"

    def missing(self, scene: Scene) -> list[str]:
        people, animals = _who(scene)
        if not people and not animals:
            return ["画面中没有人，也没有动物。"]
        return [] if people else ["画面中没有人。"]

    def holds(self, person: str, holding: str) -> str:
        return f"{person}{holding}。"

    def on(self, table: str, item: str) -> str:
        return f"{item}在{table}上。"

    def with_boxes(self, scene: Scene, named: Sequence[str], rng: random.Random) -> str:
        if len(named) == 1:
            return f"{where(scene, CHINESE)}有{named[0]}。"
        ways = (
            f"从左到右依次是{'，'.join(named)}。",
            f"{where(scene, CHINESE)}从左到右有{'，'.join(named)}。",
            f"从左到右可以看到{'，'.join(named)}。",
        )
        return rng.choice(ways)

    def across(self, phrases: Sequence[str], plural: bool) -> str:
        if len(phrases) == 1:
            return f"有{phrases[0]}。"
        return f"从左到右依次是{listed(CHINESE, phrases)}。"

    def down(self, names: Sequence[str]) -> str:
        return f"从上到下依次是{listed(CHINESE, names)}。"


WAYS: Mapping[str, Ways] = {"en": _EnglishWays(), "zh": _ChineseWays()}
