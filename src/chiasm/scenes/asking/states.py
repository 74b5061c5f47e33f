"""Questions about the state of one thing: what is open, lit or on, which light shows, what time a clock tells."""

from __future__ import annotations

import random
from collections.abc import Mapping

from chiasm.scenes.asking.sight import Sight
from chiasm.scenes.asking.wording import Draft, Ways, capital, confirmed, say, the_one, yes_or_no
from chiasm.scenes.kinds import BY_NAME, HOURS
from chiasm.scenes.scene import Thing
from chiasm.scenes.telling.language import Language

# What a state is called in a short answer, where it differs from the bare word: of an umbrella and of candles.
_CALLED: Mapping[tuple[str, str, str], str] = {
    ("zh", "umbrella", "open"): "撑开",
    ("zh", "umbrella", "closed"): "收起",
    ("zh", "cake", "lit"): "点着",
    ("zh", "cake", "unlit"): "没点",
    **{
        ("zh", "traffic light", colour): f"{name}灯"
        for colour, name in (("red", "红"), ("yellow", "黄"), ("green", "绿"))
    },
}
_OPEN: Mapping[str, Ways] = {
    "umbrella": {
        "en": ("Is {the} open or closed?", "Is {the} closed or open?"),
        "zh": ("{the}是撑开的还是收起的？", "{the}是收起的还是撑开的？"),
    },
    "book": {
        "en": ("Is {the} open or closed?", "Is {the} closed or open?"),
        "zh": ("{the}是打开的还是合上的？", "{the}是合上的还是打开的？"),
    },
    "lamp": {
        "en": ("Is {the} lit or unlit?", "Is {the} unlit or lit?"),
        "zh": ("{the}是亮着还是没亮？", "{the}亮着还是没亮？"),
    },
    "cake": {
        "en": ("Are the candles on {the} lit or unlit?", "Are the candles of {the} unlit or lit?"),
        "zh": ("{the}上的蜡烛点着了还是没点？", "{the}上的蜡烛是没点还是点着了？"),
    },
    "tv": {
        "en": ("Is {the} on or off?", "Is {the} switched on or off?"),
        "zh": ("{the}是开着还是关着？", "{the}开着还是关着？"),
    },
    "laptop": {
        "en": ("Is {the} on or off?", "Is the screen of {the} on or off?"),
        "zh": ("{the}是开着还是关着？", "{the}的屏幕开着还是关着？"),
    },
    "traffic light": {
        "en": ("What colour is {the}?", "Which light is lit on {the}?", "What does {the} show?"),
        "zh": ("{the}亮的是什么灯？", "{the}现在是什么灯？", "{the}亮着什么颜色的灯？"),
    },
    "clock": {
        "en": ("What time does {the} show?", "What time is it on {the}?", "Which hour does {the} show?"),
        "zh": ("{the}显示几点？", "{the}指向几点？", "{the}上是几点钟？"),
    },
}
_STATED: Mapping[str, Ways] = {
    "umbrella": {"en": ("{the} is {state}.",), "zh": ("{the}是{state}的。",)},
    "book": {"en": ("{the} is {state}.",), "zh": ("{the}是{state}的。",)},
    "lamp": {"en": ("{the} is {state}.",), "zh": ("{the}{state}。",)},
    "cake": {
        "en": ("the candles on {the} are {state}.",),
        "zh": ("{the}上的蜡烛{state}了。", "{the}的蜡烛{state}了。"),
    },
    "tv": {"en": ("{the} is {state}.",), "zh": ("{the}{state}。",)},
    "laptop": {"en": ("{the} is {state}.",), "zh": ("{the}{state}。",)},
    "traffic light": {"en": ("{the} is {state}.", "{the} shows {state}."), "zh": ("{the}亮的是{state}。",)},
    "clock": {"en": ("{the} shows {state}.",), "zh": ("{the}指向{state}。",)},
}
_IS: Mapping[str, Ways] = {
    "umbrella": {"en": ("Is {the} {state}?",), "zh": ("{the}是{state}的吗？",)},
    "book": {"en": ("Is {the} {state}?",), "zh": ("{the}是{state}的吗？",)},
    "lamp": {"en": ("Is {the} {state}?",), "zh": ("{the}是不是{state}？",)},
    "cake": {"en": ("Are the candles on {the} {state}?",), "zh": ("{the}上的蜡烛是不是{state}了？",)},
    "tv": {"en": ("Is {the} {state}?",), "zh": ("{the}是不是{state}？",)},
    "laptop": {"en": ("Is {the} {state}?",), "zh": ("{the}是不是{state}？",)},
    "traffic light": {"en": ("Is {the} {state}?", "Does {the} show {state}?"), "zh": ("{the}亮的是{state}吗？",)},
    "clock": {"en": ("Does {the} show {state}?", "Is it {state} on {the}?"), "zh": ("{the}指向{state}吗？",)},
}


def ask_state(sight: Sight, language: Language, rng: random.Random, yes: bool) -> Draft | None:
    """Is it open, lit, on? Which light, what time? or: is it so?"""
    for thing in sight.shuffled(rng):
        look = sight.only(thing, rng, hide=("state",)) if thing.state is not None else None
        if look is None or thing.state is None:
            continue
        the, kind = the_one(language, look), thing.kind
        told = rng.choice(_STATED[kind][language.code]).format(the=the, state=called(language, thing, thing.state))
        states = HOURS if kind == "clock" else BY_NAME[kind].states
        other_states = [state for state in states if state != thing.state]
        if rng.random() < 0.25:
            state = called(language, thing, thing.state if yes else rng.choice(other_states))
            question = say(language, rng, _IS[kind], the=the, state=state)
            return Draft(question, yes_or_no(language, yes), confirmed(language, yes, told))
        wrong = tuple(called(language, thing, state) for state in other_states)
        answer = called(language, thing, thing.state)
        return Draft(say(language, rng, _OPEN[kind], the=the), answer, capital(told), wrong)
    return None


def called(language: Language, thing: Thing, state: str) -> str:
    """A state of this thing in a short answer: "open", "3 o'clock", 撑开, 3点."""
    return _CALLED.get((language.code, thing.kind, state), language.words()[state])
