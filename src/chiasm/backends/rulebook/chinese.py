"""The rulebook's Chinese: phrases out of what is known. COCO's captions are English, so nothing is translated word by
word: who does what is rebuilt from the verbs and nouns that have Chinese names, and what has none is left out.

Chinese captions are taken as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from random import Random

from chiasm.backends.rulebook import inventory
from chiasm.backends.rulebook.clauses import Clause, words_of
from chiasm.backends.rulebook.inventory import Group
from chiasm.backends.rulebook.reading import Known
from chiasm.backends.rulebook.spoken import Name, called
from chiasm.backends.rulebook.words import CLOSED, COLOURS, NUMBERS, Noun, nouns, word_set
from chiasm.data.object_names import mentioned

NUMERALS = ("零", "一", "两", "三", "四", "五", "六", "七", "八")
_WHERE = {
    ("left", "top"): "画面左上方", ("left", "middle"): "画面左侧", ("left", "bottom"): "画面左下方",
    ("left", ""): "画面左侧", ("middle", "top"): "画面上方", ("middle", "middle"): "画面中间",
    ("middle", "bottom"): "画面下方", ("middle", ""): "画面中间", ("right", "top"): "画面右上方",
    ("right", "middle"): "画面右侧",
    ("right", "bottom"): "画面右下方", ("right", ""): "画面右侧", ("", "top"): "画面上方", ("", "bottom"): "画面下方",
    ("", "middle"): "", ("", ""): "",
}  # fmt: skip
_WITH_OBJECT = {
    "holding": "拿着", "carrying": "带着", "eating": "+吃", "watching": "+看着", "pulling": "+拉着", "pushing": "+推着",
    "drinking": "+喝", "washing": "+洗", "feeding": "+喂", "petting": "+抚摸", "chasing": "+追", "kicking": "+踢",
    "throwing": "+扔", "catching": "+接", "driving": "+开着", "using": "+使用", "reading": "+看", "licking": "+舔",
    "sniffing": "+闻", "touching": "+摸着", "hugging": "+抱着", "climbing": "+爬", "herding": "+赶着",
}  # fmt: skip
_RIDE = {"bicycle": "骑着", "bike": "骑着", "motorcycle": "骑着", "scooter": "骑着", "horse": "骑着", "pony": "骑着",
         "elephant": "骑着", "bus": "乘坐", "train": "乘坐", "boat": "乘坐"}  # fmt: skip
_PUT_ON = frozenset(("hat", "cap", "helmet", "tie", "bow tie", "glasses", "sunglasses", "scarf", "collar"))
_POSTURE = {"sitting": "坐", "standing": "站", "lying": "躺", "sleeping": "睡", "leaning": "靠", "kneeling": "跪",
            "resting": "休息", "perching": "停", "squatting": "蹲", "hanging": "挂", "floating": "漂",
            "walking": "走", "running": "跑", "parked": "停", "seated": "坐", "perched": "停",
            "docked": "停靠"}  # fmt: skip
_RELATION = (
    ("on the side of", "边"), ("on the edge of", "边"), ("on top of", "上"), ("next to", "旁边"),
    ("in front of", "前面"), ("on", "上"), ("at", "旁"), ("in", "里"), ("near", "附近"), ("beside", "旁边"),
    ("by", "旁边"), ("under", "下面"), ("behind", "后面"), ("inside", "里"), ("across", "上"), ("down", "上"),
    ("along", "上"), ("through", "里"),
)  # fmt: skip
_SURFACES = word_set("street road sidewalk field beach snow court hill slope track runway rock branch")


def counted(noun: Noun, number: int, colour: str = "") -> str:
    """ "一只黑色的猫"; number 0: several."""
    amount = NUMERALS[number] if number else "几"
    return f"{amount}{noun.measure}{colour and colour + '的'}{noun.chinese}"


def subject(clause: Clause) -> str:
    """Who does it, as something new: "一个男人", "两只狗", "一群人"."""
    noun = clause.noun
    if not clause.plural:
        colour = next((word for word in clause.definite.split() if word in COLOURS), "")
        return counted(noun, 1, COLOURS[colour] if colour and noun.kind != "person" else "")
    words = words_of(clause.who)
    number = next((NUMBERS[word] for word in words if word in NUMBERS), 0)
    if re.match(r"a (?:couple|pair) of", clause.who):
        number = 2
    if number:
        return counted(noun, number)
    return f"一群{noun.chinese}" if {"group", "herd", "flock", "crowd"} & set(words) else f"一些{noun.chinese}"


def definite(clause: Clause) -> str:
    """Who does it, as something spoken of: "这个男人", "这些狗"."""
    return f"这些{clause.noun.chinese}" if clause.plural else f"这{clause.noun.measure}{clause.noun.chinese}"


def predicate(clause: Clause) -> str | None:
    """What is done, "正在" included where it is under way; None without Chinese words for it."""
    if clause.noun.kind == "person" and clause.verb in ("flying", "soaring") and "kite" not in clause.rest:
        return "腾空跃起"
    phrase = next((phrase for pattern, phrase in _actions() if pattern.match(clause.doing)), None)
    if phrase is not None:
        under_way = "正" if phrase.startswith("+在") else "正在"
        return f"{under_way}{phrase[1:]}" if phrase.startswith("+") else phrase
    return _placed(clause) if clause.verb in _POSTURE else _with_object(clause)


@cache
def _actions() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Patterns of what is done, each with its Chinese phrase."""
    lines = files(__package__).joinpath("actions_zh.txt").read_text("utf-8").splitlines()
    pairs = (line.split(" -> ") for line in lines if not line.startswith("#"))
    return tuple((re.compile(pattern), phrase) for pattern, phrase in pairs)


def _with_object(clause: Clause) -> str | None:
    """A verb and what it is done to: "拿着一把雨伞"."""
    if clause.verb == "looking" and clause.rest.startswith("at ") and (seen := _object(clause.rest[3:])) is not None:
        return f"正看着{seen[1]}"
    found = _object(clause.rest)
    if found is None:
        return None
    noun, thing = found
    if clause.verb == "wearing" and noun.kind == "wear":
        return f"{'戴着' if noun.singular in _PUT_ON else '背着' if noun.singular == 'backpack' else '穿着'}{thing}"
    if clause.verb == "riding" and noun.singular in _RIDE:
        return f"正{_RIDE[noun.singular]}{thing}"
    verb = _WITH_OBJECT.get(clause.verb)
    if verb is None or (clause.verb == "eating" and noun.kind not in ("food", "nature")):
        return None
    if clause.verb == "drinking" and noun.kind != "drink":
        return None
    return f"正在{verb[1:]}{thing}" if verb.startswith("+") else f"{verb}{thing}"


def _placed(clause: Clause) -> str | None:
    """A posture and where: "坐在长椅上"; without the place where there are no words for it."""
    verb = "趴" if clause.verb == "lying" and clause.noun.kind == "animal" else _POSTURE[clause.verb]
    bare = f"正{verb}着" if verb in ("坐", "站", "躺", "趴", "跪", "蹲") else None
    found = next((pair for pair in _RELATION if clause.rest.startswith(f"{pair[0]} ")), None)
    thing = _object(clause.rest[len(found[0]) + 1 :]) if found is not None else None
    if found is None or thing is None:
        return bare
    noun, relation = thing[0], found[1]
    if noun.kind in ("person", "drink", "food", "wear") or (noun.kind == "animal" and relation == "里"):
        return bare
    if relation in ("里", "旁") and noun.singular in _SURFACES:
        relation = "上"
    where = f"{'地' if noun.singular in ('ground', 'floor') else noun.chinese}{relation}"
    return {"休息": f"在{where}休息", "跑": f"正在{where}跑", "走": f"正走在{where}"}.get(verb, f"{verb}在{where}")


def _object(rest: str) -> tuple[Noun, str] | None:
    """The first thing of a phrase in Chinese, with number and colour; None where its name is unknown or goes on."""
    words = words_of(rest)
    known = nouns()
    number, colour = -1, ""
    for at, word in enumerate(words[:5]):
        for length in (2, 1):
            found = known.get(" ".join(words[at : at + length])) if at + length <= len(words) else None
            if found is None:
                continue
            noun, plural = found
            following = words[at + length] if at + length < len(words) else ""
            if following and following not in CLOSED and following != "," and not following.endswith("ing"):
                return None  # "a baseball cap", "a dog leash": the thing is a later word
            if number < 0 and not plural:
                return noun, (f"{colour}的" if colour else "") + noun.chinese
            return noun, counted(noun, 0 if plural and number < 2 else max(number, 1), colour)
        if word in ("a", "an", "one"):
            number = 1
        elif word in NUMBERS:
            number = NUMBERS[word]
        elif word in COLOURS:
            colour = COLOURS[word]
        elif word in ("of", "and", "to", "with"):
            return None
    return None


def lead(known: Known, rng: Random) -> tuple[str, Clause | None]:
    """One sentence on what the picture shows, and the clause it was made of; "" when there are no words for it."""
    opening = rng.choice(("画面中，", "图片里，", "照片中，", "画面里，"))
    if known.in_chinese:
        longest = max(known.captions, key=len).rstrip("。.！!")
        return f"{opening}{longest}。", None
    for clause in known.clauses:
        what = predicate(clause)
        if what is not None:
            return f"{opening}{subject(clause)}{what}。", clause
    return "", None


# ---- boxes -----------------------------------------------------------------------------------------------------------


def listed(items: list[str]) -> str:
    """ "甲、乙和丙"."""
    return "和".join(["、".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def amount(known: Known, group: Group) -> str:
    """ "一只狗", "两只狗", "好几只狗"."""
    name = _called(known, group)
    number = NUMERALS[group.number] if group.number else "好几"
    return f"{number}{name.measure}{name.chinese}"


def _called(known: Known, group: Group) -> Name:
    """The name of a group; of the only person "男人" or "女人" where captions agree."""
    return called(known, group.category, several=group.several)


def box_sentences(known: Known, said: str, rng: Random, limit: int = 6) -> list[str]:
    """Sentences on what is marked: the largest alone, then what lies where, what is beside what, and the rest."""
    spoken_of = mentioned(said, "zh")
    told: list[str] = []
    by_place: dict[str, list[str]] = {}
    rest: list[str] = []
    totals: list[str] = []  # of what was spoken of: not "five more", five in all
    for group in inventory.groups(known):
        new = group.category not in spoken_of
        name, things = _called(known, group).chinese, amount(known, group)
        place = _WHERE[group.across, group.down]
        if group.size in ("huge", "large"):
            share = "大部分" if group.size == "huge" else "很大一部分"
            told.append(f"{things if new else name}占据了画面的{share}。")
        elif limit <= 0 or group.size == "tiny" or not place:
            if new:
                rest.append(things)
            elif group.number > 1 and things not in said:
                totals.append(things)
        elif new or group.several:
            by_place.setdefault(place, []).append(things)
            limit -= 1
        else:
            told.append(f"{name}位于{place}。")
            limit -= 1
    if totals:
        told.append(f"画面中一共有{listed(totals)}。")
    told += _by_place(by_place, rng)
    told += _side_by_side(known, mentioned(said + "".join(told), "zh"), rng)
    if rest:
        opening = rng.choice(("此外还有", "另外还能看到", "画面里还有")) if told else "画面中有"
        told.append(f"{opening}{listed(rest[:5])}。")
    return told


def _by_place(by_place: dict[str, list[str]], rng: Random) -> list[str]:
    """ "画面左侧有一张沙发，右侧有一把椅子和一台电视。", three places a sentence."""
    parts = [(place, listed(things)) for place, things in by_place.items()]
    sentences = []
    for at in range(0, len(parts), 3):
        verb = rng.choice(("有", "可以看到"))
        first, *others = parts[at : at + 3]
        text = f"{first[0]}{verb}{first[1]}"
        text += "".join(
            f"，{place.removeprefix('画面')}{'还' if i else ''}有{things}" for i, (place, things) in enumerate(others)
        )
        sentences.append(f"{text}。")
    return sentences


def _side_by_side(known: Known, spoken_of: Mapping[str, int], rng: Random) -> list[str]:
    for pair in inventory.beside(known):
        if pair.left in spoken_of and pair.right in spoken_of:
            left, right = (
                _called(known, group).chinese
                for category in (pair.left, pair.right)
                for group in inventory.groups(known)
                if group.category == category
            )
            return [rng.choice((f"{left}在{right}的左边。", f"{right}在{left}的右边。"))]
    return []
