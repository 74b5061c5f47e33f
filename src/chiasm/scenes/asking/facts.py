"""Simple facts that need no picture: sorts of things, usual colours, sizes, sums, opposites, translations.

Each maker gives a question with a short answer and the same answer in a whole sentence.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from chiasm.scenes.asking.wording import Draft, Ways, capital, confirmed, say, yes_or_no
from chiasm.scenes.kinds import COLOURS, KINDS
from chiasm.scenes.telling.chinese import CHINESE
from chiasm.scenes.telling.english import ENGLISH
from chiasm.scenes.telling.language import Language, Look

# By sort: its name in English with its article, in Chinese, and the kinds that belong to it beyond doubt.
_SORTS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "animal": ("an animal", "动物", ("dog", "cat", "bird", "horse", "sheep", "cow")),
    "vehicle": ("a vehicle", "交通工具", ("car", "bus", "truck", "bicycle", "boat", "airplane")),
    "fruit": ("a fruit", "水果", ("apple", "banana", "orange")),
    "plant": ("a plant", "植物", ("tree", "flower")),
    "furniture": ("a piece of furniture", "家具", ("chair", "couch", "dining table")),
    "toy": ("a toy", "玩具", ("teddy bear", "kite", "sports ball", "frisbee")),
}
# What has one colour nearly always, as it is said in both languages.
_USUAL: Mapping[str, tuple[str, str, str]] = {
    "banana": ("a ripe banana", "熟了的香蕉", "yellow"),
    "orange": ("an orange", "橙子", "orange"),
    "stop sign": ("a stop sign", "停车标志", "red"),
    "snow": ("snow", "雪", "white"),
    "grass": ("grass", "草", "green"),
    "sky": ("the sky on a sunny day", "晴天的天空", "blue"),
    "sea": ("the sea", "大海", "blue"),
    "leaf": ("a leaf in summer", "夏天的树叶", "green"),
    "night": ("the sky at night", "夜里的天空", "black"),
    "sun": ("the sun in a drawing", "画里的太阳", "yellow"),
    "milk": ("milk", "牛奶", "white"),
    "coffee": ("coffee", "咖啡", "brown"),
    "lemon": ("a lemon", "柠檬", "yellow"),
    "tomato": ("a ripe tomato", "熟了的番茄", "red"),
}
# From the largest to the smallest; neighbours are not compared.
_BY_SIZE = (
    "house", "airplane", "tree", "bus", "truck", "car", "horse", "bicycle", "dog", "cat", "cup", "apple",
)  # fmt: skip
_PARTS: Mapping[str, tuple[tuple[str, str], tuple[tuple[str, int], ...]]] = {
    "legs": (
        ("legs", "条腿"),
        (("dog", 4), ("cat", 4), ("horse", 4), ("cow", 4), ("sheep", 4), ("bird", 2), ("person", 2)),
    ),
    "wheels": (("wheels", "个轮子"), (("car", 4), ("bicycle", 2), ("boat", 0))),
    "wings": (("wings", "只翅膀"), (("bird", 2), ("dog", 0), ("airplane", 2))),
    "eyes": (("eyes", "只眼睛"), (("cat", 2), ("person", 2), ("horse", 2))),
    "hands": (("hands", "只手"), (("person", 2),)),
    "lights": (("lights", "盏灯"), (("traffic light", 3),)),
}
_USES: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "umbrella": (("keeping dry in the rain", "挡雨"), ("it rains", "下雨")),
    "cup": (("drinking", "喝水"), ("you want to drink", "想喝水")),
    "book": (("reading", "阅读"), ("you want to read", "想看书")),
    "clock": (("telling the time", "看时间"), ("you want to know the time", "想知道时间")),
    "bench": (("sitting on", "坐着休息"), ("you want to rest in a park", "想在公园里休息")),
    "lamp": (("giving light", "照明"), ("it is dark", "天黑了")),
    "vase": (("holding flowers", "插花"), ("you have flowers", "有花要插")),
    "kite": (("flying in the wind", "放飞"), ("there is wind", "有风")),
    "suitcase": (("carrying clothes on a journey", "旅行时装衣服"), ("you go on a journey", "要去旅行")),
    "bowl": (("eating soup", "喝汤"), ("you want to eat soup", "想喝汤")),
    "fire hydrant": (("giving water to put out fires", "提供灭火用的水"), ("there is a fire", "着火了")),
    "laptop": (("working and writing", "工作和写字"), ("you want to write a letter", "想写东西")),
    "bicycle": (("riding", "骑行"), ("you want to ride", "想骑车")),
}
_OPPOSITES = (
    ("open", "closed", "打开", "合上"), ("left", "right", "左", "右"), ("day", "night", "白天", "黑夜"),
    ("large", "small", "大", "小"), ("above", "below", "上方", "下方"), ("on", "off", "开", "关"),
    ("black", "white", "黑", "白"), ("near", "far", "近", "远"), ("hot", "cold", "热", "冷"),
    ("wet", "dry", "湿", "干"), ("high", "low", "高", "低"), ("fast", "slow", "快", "慢"), ("new", "old", "新", "旧"),
    ("long", "short", "长", "短"), ("yes", "no", "是", "不是"), ("first", "last", "第一", "最后"),
    ("full", "empty", "满", "空"), ("inside", "outside", "里面", "外面"), ("up", "down", "上", "下"),
    ("bright", "dark", "亮", "暗"), ("many", "few", "多", "少"), ("in front", "behind", "前面", "后面"),
)  # fmt: skip
_SOUNDS = (("dog", "barks", "汪汪"), ("cat", "meows", "喵喵"), ("cow", "moos", "哞哞"), ("sheep", "baas", "咩咩"))
_LIGHTS = (("red", "stop", "停"), ("green", "go", "走"), ("yellow", "get ready to stop", "准备停车"))
_WHERE_IS = (
    ("boat", "on the water", "水上"), ("airplane", "in the sky", "天上"), ("clock", "on the wall", "墙上"),
    ("car", "on the street", "街道上"), ("sheep", "in a meadow", "草地上"), ("cup", "on a table", "桌子上"),
)  # fmt: skip

_IS_OF_SORT: Ways = {
    "en": ("Is {a} {sort}?", "Tell me, is {a} {sort}?", "Would you call {a} {sort}?"),
    "zh": ("{name}是{sort}吗？", "{name}算不算{sort}？", "请问{name}是不是{sort}？"),
}
_WHAT_IS: Ways = {
    "en": ("What is {a}?", "What kind of thing is {a}?", "What sort of thing is {a}?"),
    "zh": ("{name}是什么？", "{name}属于什么？", "{name}是哪一类东西？"),
}
_USUAL_COLOUR: Ways = {
    "en": ("What colour is {it} usually?", "What color is {it}?", "Which colour does {it} usually have?"),
    "zh": ("{it}通常是什么颜色的？", "{it}一般是什么颜色？", "{it}是什么颜色的？"),
}
_LARGER: Ways = {
    "en": ("Which is larger, {a} or {b}?", "Which is bigger: {a} or {b}?", "What is larger, {a} or {b}?"),
    "zh": ("{a}和{b}哪个更大？", "{a}大还是{b}大？", "哪个更大，{a}还是{b}？"),
}
_SMALLER: Ways = {
    "en": ("Which is smaller, {a} or {b}?", "What is smaller: {a} or {b}?"),
    "zh": ("{a}和{b}哪个更小？", "哪个更小，{a}还是{b}？"),
}
_HOW_MANY: Ways = {
    "en": ("How many {part} does {a} have?", "How many {part} are there on {a}?"),
    "zh": ("一{measure}{name}有几{part}？", "{name}有几{part}？"),
}
_FOR: Ways = {
    "en": ("What is {a} for?", "What do people use {a} for?", "What is the use of {a}?"),
    "zh": ("{name}是用来做什么的？", "{name}有什么用？", "人们用{name}做什么？"),
}
_NEEDED: Ways = {
    "en": ("What do you need when {case}?", "What is useful when {case}?"),
    "zh": ("{case}的时候需要什么？", "{case}的时候用什么？"),
}
_PLUS: Ways = {
    "en": ("What is {a} plus {b}?", "How much is {a} + {b}?", "{a} + {b} = ?", "Add {a} and {b}."),
    "zh": ("{a}加{b}等于几？", "{a} + {b} = ?", "{a}加{b}是多少？", "请算一算{a}加{b}。"),
}
_MINUS: Ways = {
    "en": ("What is {a} minus {b}?", "How much is {a} - {b}?", "{a} - {b} = ?", "Take {b} away from {a}."),
    "zh": ("{a}减{b}等于几？", "{a} - {b} = ?", "{a}减{b}是多少？", "请算一算{a}减{b}。"),
}
_STORY_PLUS: Ways = {
    "en": (
        "There are {a} on the table and you add {b}. How many are there now?",
        "I see {a}, and then {b} more. How many is that?",
    ),
    "zh": ("桌上有{a}，再放上{b}，一共有几{measure}？", "先看到{a}，又看到{b}，一共几{measure}？"),
}
_NEXT: Ways = {
    "en": ("Which number comes after {n}?", "What comes after {n}?"),
    "zh": ("{n}后面的数是几？", "{n}的下一个数是什么？"),
}
_BEFORE: Ways = {
    "en": ("Which number comes before {n}?", "What comes before {n}?"),
    "zh": ("{n}前面的数是几？", "{n}的前一个数是什么？"),
}
_COUNT_TO: Ways = {
    "en": ("Count to {n}.", "Can you count to {n}?", "Please count from 1 to {n}."),
    "zh": ("请数到{n}。", "你能数到{n}吗？", "请从1数到{n}。"),
}
_MORE: Ways = {
    "en": ("Which is more, {a} or {b}?", "Which number is larger, {a} or {b}?"),
    "zh": ("{a}和{b}哪个大？", "哪个数更大，{a}还是{b}？"),
}
_OPPOSITE: Ways = {
    "en": ("What is the opposite of {word}?", 'What is the opposite of "{word}"?', "Give me the opposite of {word}."),
    "zh": ("“{word}”的反义词是什么？", "“{word}”的反面是什么？", "“{word}”的相反词是什么？"),
}
_TO_OTHER: Ways = {
    "en": (
        "How do you say {word} in Chinese?",
        'What is "{word}" in Chinese?',
        "Translate {word} into Chinese.",
        "What is the Chinese word for {word}?",
    ),
    "zh": ("“{word}”用英语怎么说？", "“{word}”的英文是什么？", "请把“{word}”翻译成英语。", "英语里“{word}”怎么说？"),
}
_FROM_OTHER: Ways = {
    "en": ('What does "{word}" mean?', "What is {word} in English?", "Translate {word} into English."),
    "zh": ("“{word}”是什么意思？", "“{word}”用中文怎么说？", "请把“{word}”翻译成中文。"),
}
_SOUND: Ways = {
    "en": ("What does {a} do when it makes a noise?", "What noise does {a} make?"),
    "zh": ("{name}怎么叫？", "{name}的叫声是什么样的？"),
}
_LIGHT: Ways = {
    "en": ("What does a {colour} traffic light mean?", "What should a driver do at a {colour} light?"),
    "zh": ("{colour}灯是什么意思？", "看到{colour}灯应该怎么做？"),
}
_PLACE: Ways = {
    "en": ("Where would you find {a}?", "Where is {a} usually?"),
    "zh": ("{name}通常在哪里？", "在哪里能看到{name}？"),
}
_CAN_FLY: Ways = {"en": ("Can {a} fly?", "Is {a} able to fly?"), "zh": ("{name}会飞吗？", "{name}能飞吗？")}


def _a(kind: str) -> str:
    return ENGLISH.a(Look(kind))


def _make(language: Language, rng: random.Random, ways: Ways, answer: str, told: str, **slots: str) -> Draft:
    end = "." if language.code == "en" else "。"
    return Draft(say(language, rng, ways, **slots), answer, f"{capital(told)}{end}")


def _sort_asked(language: Language, rng: random.Random) -> Draft:
    name = rng.choice(list(_SORTS))
    english, chinese, kinds = _SORTS[name]
    sort = english if language.code == "en" else chinese
    yes = rng.random() < 0.5
    others = [kind for other, row in _SORTS.items() if other != name for kind in row[2]]
    kind = rng.choice(kinds if yes else others)
    question = say(language, rng, _IS_OF_SORT, a=_a(kind), name=language.name(kind), sort=sort)
    if language.code == "en":
        told = f"{_a(kind)} is {'' if yes else 'not '}{sort}."
    else:
        told = f"{language.name(kind)}{'是' if yes else '不是'}{sort}。"
    return Draft(question, yes_or_no(language, yes), confirmed(language, yes, told))


def _sort_told(language: Language, rng: random.Random) -> Draft:
    english, chinese, kinds = _SORTS[rng.choice(list(_SORTS))]
    kind = rng.choice(kinds)
    if language.code == "en":
        told, answer = f"{_a(kind)} is {english}", english.removeprefix("an ").removeprefix("a ")
    else:
        told, answer = f"{language.name(kind)}是一种{chinese}", chinese
    return _make(language, rng, _WHAT_IS, answer, told, a=_a(kind), name=language.name(kind))


def _usual_colour(language: Language, rng: random.Random) -> Draft:
    english, chinese, colour = _USUAL[rng.choice(list(_USUAL))]
    said = language.colour(colour)
    if language.code == "en":
        return _make(language, rng, _USUAL_COLOUR, said, f"{english} is usually {said}", it=english)
    return _make(language, rng, _USUAL_COLOUR, said, f"{chinese}通常是{said}的", it=chinese)


def _larger(language: Language, rng: random.Random) -> Draft:
    first, second = sorted(rng.sample(range(len(_BY_SIZE)), 2))
    second = max(second, first + 2) if first + 2 < len(_BY_SIZE) else second
    first = min(first, second - 2)
    large, small = _BY_SIZE[first], _BY_SIZE[second]
    pair = rng.sample((large, small), 2)
    wants_large = rng.random() < 0.65
    right, wrong = (large, small) if wants_large else (small, large)
    ways = _LARGER if wants_large else _SMALLER
    if language.code == "en":
        told = f"{_a(right)} is {'larger' if wants_large else 'smaller'} than {_a(wrong)}"
        return _make(language, rng, ways, right, told, a=_a(pair[0]), b=_a(pair[1]))
    names = [language.name(kind) for kind in pair]
    told = f"{language.name(right)}比{language.name(wrong)}{'大' if wants_large else '小'}"
    return _make(language, rng, ways, language.name(right), told, a=names[0], b=names[1])


def _parts(language: Language, rng: random.Random) -> Draft:
    (english, chinese), kinds = _PARTS[rng.choice(list(_PARTS))]
    kind, number = rng.choice(kinds)
    name = language.name(kind)
    if language.code == "en":
        told = f"{_a(kind)} has {language.number(number) if number else 'no'} {english}"
        return _make(language, rng, _HOW_MANY, str(number), told, part=english, a=_a(kind))
    measure = CHINESE.measured(kind, 3).removeprefix(language.number(3))
    counted = f"有{'两' if number == 2 else language.number(number)}{chinese}" if number else f"没有{chinese[1:]}"
    return _make(language, rng, _HOW_MANY, str(number), f"{name}{counted}", part=chinese, name=name, measure=measure)


def _use(language: Language, rng: random.Random) -> Draft:
    kind = rng.choice(list(_USES))
    uses, cases = _USES[kind]
    name = language.name(kind)
    if rng.random() < 0.5:
        if language.code == "en":
            return _make(language, rng, _FOR, uses[0], f"{_a(kind)} is for {uses[0]}", a=_a(kind))
        return _make(language, rng, _FOR, uses[1], f"{name}是用来{uses[1]}的", name=name)
    if language.code == "en":
        return _make(language, rng, _NEEDED, name, f"when {cases[0]}, {_a(kind)} is useful", case=cases[0])
    return _make(language, rng, _NEEDED, name, f"{cases[1]}的时候可以用{name}", case=cases[1])


def _sum(language: Language, rng: random.Random) -> Draft:
    total = rng.randint(2, 10)
    first = rng.randint(1, total - 1)
    plus = rng.random() < 0.55
    a, b, answer = (first, total - first, total) if plus else (total, first, total - first)
    if language.code == "en":
        told = f"{a} {'plus' if plus else 'minus'} {b} is {answer}"
    else:
        told = f"{a}{'加' if plus else '减'}{b}等于{answer}"
    return _make(language, rng, _PLUS if plus else _MINUS, str(answer), told, a=str(a), b=str(b))


def _story(language: Language, rng: random.Random) -> Draft:
    kind = rng.choice(("apple", "cup", "book", "banana", "orange", "bowl"))
    a, b = rng.randint(1, 5), rng.randint(1, 5)
    things = [language.several(Look(kind), number) for number in (a, b)]
    counted = language.several(Look(kind), a + b)
    question_slots = {"a": things[0], "b": things[1]}
    if language.code == "en":
        question_slots["b"] = language.number(b)
        question = say(language, rng, _STORY_PLUS, **question_slots)
        question = question.replace("There are one", "There is one")
        return Draft(question, str(a + b), f"There are {counted} now.")
    measure = CHINESE.measured(kind, 3).removeprefix(language.number(3))
    question = say(language, rng, _STORY_PLUS, measure=f"{measure}{language.name(kind)}", **question_slots)
    return Draft(question, str(a + b), f"一共有{counted}。")


def _number(language: Language, rng: random.Random) -> Draft:
    number = rng.randint(2, 10)
    form = rng.choice(("next", "before", "count", "more"))
    english = language.code == "en"
    if form == "count":
        counted = ", ".join(str(n) for n in range(1, number + 1))
        return _make(language, rng, _COUNT_TO, counted, counted, n=str(number))
    if form == "more":
        other = rng.choice([n for n in range(1, 11) if n != number])
        high, low = max(number, other), min(number, other)
        told = f"{high} is more than {low}" if english else f"{high}比{low}大"
        return _make(language, rng, _MORE, str(high), told, a=str(number), b=str(other))
    step = 1 if form == "next" else -1
    if english:
        told = f"{number + step} comes {'after' if step > 0 else 'before'} {number}"
    else:
        told = f"{number}{'后面' if step > 0 else '前面'}的数是{number + step}"
    return _make(language, rng, _NEXT if step > 0 else _BEFORE, str(number + step), told, n=str(number))


def _opposite(language: Language, rng: random.Random) -> Draft:
    row = rng.choice(_OPPOSITES)
    word, other = rng.sample(row[:2] if language.code == "en" else row[2:], 2)
    if language.code == "en":
        return _make(language, rng, _OPPOSITE, other, f'the opposite of "{word}" is "{other}"', word=word)
    return _make(language, rng, _OPPOSITE, other, f"“{word}”的反义词是“{other}”", word=word)


def _translation(language: Language, rng: random.Random) -> Draft:
    if rng.random() < 0.75:
        kind = rng.choice(KINDS).name
        english, chinese = ENGLISH.name(kind), CHINESE.name(kind)
    else:
        colour = rng.choice(COLOURS)
        english, chinese = ENGLISH.colour(colour), CHINESE.colour(colour)
    own, other = (english, chinese) if language.code == "en" else (chinese, english)
    # An orange has two Chinese words, the fruit's and the colour's.
    to_other = rng.random() < 0.6 and own != "orange"
    if language.code == "en":
        told = f'"{own}" is {other} in Chinese' if to_other else f'{other} means "{own}"'
    else:
        told = f"“{own}”的英语是 {other}" if to_other else f"“{other}”的意思是{own}"
    word, answer = (own, other) if to_other else (other, own)
    return _make(language, rng, _TO_OTHER if to_other else _FROM_OTHER, answer, told, word=word)


def _sound(language: Language, rng: random.Random) -> Draft:
    kind, english, chinese = rng.choice(_SOUNDS)
    name = language.name(kind)
    if language.code == "en":
        return _make(language, rng, _SOUND, f"it {english}", f"{_a(kind)} {english}", a=_a(kind))
    return _make(language, rng, _SOUND, chinese, f"{name}的叫声是“{chinese}”", name=name)


def _light(language: Language, rng: random.Random) -> Draft:
    colour, english, chinese = rng.choice(_LIGHTS)
    if language.code == "en":
        told = f"a {colour} light means: {english}"
        return _make(language, rng, _LIGHT, english, told, colour=colour)
    said = language.colour(colour).removesuffix("色")
    return _make(language, rng, _LIGHT, chinese, f"{said}灯的意思是{chinese}", colour=said)


def _place(language: Language, rng: random.Random) -> Draft:
    kind, english, chinese = rng.choice(_WHERE_IS)
    name = language.name(kind)
    if language.code == "en":
        return _make(language, rng, _PLACE, english, f"{_a(kind)} is usually {english}", a=_a(kind))
    return _make(language, rng, _PLACE, chinese, f"{name}通常在{chinese}", name=name)


def _flies(language: Language, rng: random.Random) -> Draft:
    yes = rng.random() < 0.5
    kind = rng.choice(("bird", "airplane") if yes else ("dog", "car", "cow", "bench", "cat", "house"))
    question = say(language, rng, _CAN_FLY, a=_a(kind), name=language.name(kind))
    if language.code == "en":
        answer = "yes" if yes else "no"
        return Draft(question, answer, f"{capital(answer)}, {_a(kind)} {'can' if yes else 'cannot'} fly.")
    answer = "会" if yes else "不会"
    return Draft(question, answer, f"{answer}，{language.name(kind)}{answer}飞。")


FACTS: Mapping[str, tuple[float, Callable[[Language, random.Random], Draft]]] = {
    "sort": (1.5, _sort_asked),
    "what": (1.5, _sort_told),
    "usual colour": (1.5, _usual_colour),
    "larger": (2, _larger),
    "parts": (1.5, _parts),
    "use": (2, _use),
    "sum": (3, _sum),
    "story": (1.5, _story),
    "number": (2, _number),
    "opposite": (2.5, _opposite),
    "translation": (4, _translation),
    "sound": (0.5, _sound),
    "light": (1, _light),
    "place": (1, _place),
    "flies": (0.7, _flies),
}
"""By name: how often each is asked, and who makes it."""
