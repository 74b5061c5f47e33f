"""Reads out of a Chinese answer what it says of the picture, as `_english` does of an English one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from chiasm.data.object_names import CHINESE, find
from chiasm.synthesis.checks._statements import Count, Mention, Place, Position, Statements

_SENTENCE = re.compile(r"[^。！？；\n!?;]{1,500}[。！？；\n!?;]?")
_CLAUSE = re.compile(r"[，,：:（）()]")
_SUPPOSED = re.compile(
    r"可能|也许|或许|大概|应该|应当|可以(?!看到|看见|清楚|清晰|明显|发现)|能够|能(?!看到|看见)|如果|假如|要是|例如|比如|诸如|"
    r"建议|需要|必须|通常|一般|往往|经常|有时|想象|似乎|看起来|看上去|好像|适合|以便|为了|避免|防止|保护|推断|推测|暗示|"
    r"表明|说明|意味|或者|还是|任何|每(?:个|一|位)|会(?!议|场)|将(?!军)|准备|打算|是否|吗|有助于|确保|其他|等(?:等|待)?人"
)
_COMPARED = re.compile(r"像|如同|类似|形状|造型|图案|形的|状的|仿佛")
_DENIED = re.compile(r"没有|没|不(?!同|远|少|断|仅|过|错|久)|无(?!论|数)|并非|缺少|缺乏|而非|除了")
_LIKENESS = re.compile(
    r"玩具|雕像|雕塑|画着|印着|画像|海报|标志|图案|模型|卡通|毛绒|贴纸|绘画|壁画|装饰画|照片里的|倒影|气球"
)
_ABOUT_PICTURE = re.compile(
    r"图[中片里像]|画面|照片|场景|背景|前景|可以看到|能看到|可见|位于|放着|摆着|停着|站着|坐着|躺着|趴着|走着|挂着|有|旁边|正在|"
    r"左侧|右侧|左边|右边|上方|下方|中间|中央|附近"
)
_DIGITS = {"一": 1, "两": 2, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10}
_CLASSIFIER = "[个只位名头匹辆架张把条艘棵块片本台部件支根顶座盏瓶杯碗盘份]"
_NUMBER = re.compile(
    rf"(?P<before>.{{0,4}}?)(?P<number>十[一二三四五六七八九]|[一两二三四五六七八九十]|\d{{1,3}}){_CLASSIFIER}"
)
_VAGUE = re.compile(
    r"(?:大约|大概|约|近|超过|多于|至多|最多|不到|或|第|每|几|另外|另|其他|其余|数|其中|[一两二三四五六七八九十\d]到|、)有?$"
)
_TOTAL = re.compile(r"(?:一共|总共|共|只|仅|仅仅)(?:有)?$")
_HAS = re.compile(r"(?:图[中片里像]|图片[中里]|画面[中里]|照片[中里]|场景[中里])?(?:一共|总共|共|只|仅)?有$")
_HOW_MANY = re.compile(
    r"^(?:请问)?[，,]?(?:这张|在|从)?(?:图[中片里像]?|图片|画面|照片|场景)?[中里上]?(?:一共|总共|共)?(?:能看到|可以看到|能看见)?有?"
    rf"(?:多少|几)(?:{_CLASSIFIER})?(?P<what>[^，。？?]+?)[？?]?$"
)
_SIDES: dict[str, Place] = {"左": "left", "右": "right", "上": "above", "下": "below"}
# 左手边 is a side, 左手 a hand; 右转 a turn. 上面 and 下面 are mostly "on" and "under" and say little about heights.
_RELATIVE = re.compile(
    r"(?:在|位于|站在|坐在|放在|停在)(?P<other>[^，。；在的有]{1,10}?)的?(?P<side>[左右])(?:手)?(?:侧|边|面|方)(?!的?(?:部分|车门|耳|眼|手|脚))"
)
_HEIGHT = re.compile(r"(?:在|位于|挂在|悬挂在|飞在)(?P<other>[^，。；在的有]{1,10}?)的?(?:正)?(?P<side>[上下])方")
_ABSOLUTE = re.compile(
    r"(?:图片?|图像|画面|照片|场景)(?:[中里])?的?(?:最|正)?(?P<side>[左右])(?:手)?(?:侧|边|面|方|半部分?|部|下角|上角)"
)


def read(answer: str, question: str = "", *, describes: bool = False) -> Statements:
    """What `answer` says. `describes`: every sentence of it is about the picture, as in a detailed description."""
    found = [Mention(n.category, n.begin, n.end) for n in find(answer, "zh")]
    mentions: list[Mention] = []
    counts: list[Count] = []
    positions: list[Position] = []
    at = 0
    for number, match in enumerate(_SENTENCE.finditer(answer)):
        first = at
        while at < len(found) and found[at].end <= match.end():
            at += 1
        judged = [_judged(answer, match.span(), mention, describes) for mention in found[first:at]]
        mentions += judged
        counts += _counts(answer, match.span(), judged)
        positions += _positions(answer, match.span(), judged)
        if number == 0 and question:
            counts += _answered_count(match[0], question)
    return Statements(tuple(mentions), tuple(counts), tuple(positions))


def asked(question: str) -> tuple[Mention, ...]:
    """Chinese has no article that would take an object for granted: nothing."""
    return ()


def _judged(text: str, sentence: tuple[int, int], mention: Mention, describes: bool) -> Mention:
    begin, end = sentence
    clause_begin = max((m.end() for m in _CLAUSE.finditer(text, begin, mention.begin)), default=begin)
    behind = _CLAUSE.search(text, mention.end, end)
    clause_end = behind.start() if behind else end
    clause = text[clause_begin:clause_end]
    asserted = not (
        text[end - 1] in "？?"
        or _SUPPOSED.search(text, begin, clause_end)
        or _DENIED.search(clause)
        or _COMPARED.search(text, clause_begin, mention.begin)
    )
    plain = bool(asserted and (describes or _ABOUT_PICTURE.search(text, begin, end)) and not _LIKENESS.search(clause))
    return Mention(mention.category, mention.begin, mention.end, asserted, plain)


def _counts(text: str, sentence: tuple[int, int], mentions: Sequence[Mention]) -> Iterator[Count]:
    for mention in mentions:
        if not mention.asserted:
            continue
        begin = max(sentence[0], mention.begin - 16)
        last = None
        for match in _NUMBER.finditer(text, begin, mention.begin):
            last = match
        if last is None or not _describes(text[last.end() : mention.begin]):
            continue
        number, before = _value(last["number"]), text[sentence[0] : last.start("number")]
        if number is None or _VAGUE.search(before):
            continue
        at_least = before.endswith("至少") or before.endswith("至少有")
        behind = text[mention.end : sentence[1]].strip("。！!，, \n")
        total = not at_least and bool(_TOTAL.search(before) or (_HAS.search(before) and not behind))
        total = total and _is_general(text[mention.begin : mention.end], mention.category)
        # 一只 is mostly "a": it counts only where all are counted.
        if number > 1 or total:
            yield Count(mention.category, number, text[last.start("number") : mention.end], total, at_least)


def _is_general(noun: str, category: str) -> bool:
    """Whether `noun` means all of a category, as 人 does and 女人 does not."""
    return noun == CHINESE[category][0]


def _describes(between: str) -> bool:
    """Whether what stands between number and noun can belong to the noun: 三只(黑色的)狗, not 三只，狗."""
    return (
        len(between) <= 8
        and (not between or between.endswith("的") or len(between) <= 4)
        and not re.search(r"[，,。、和与在有是从]", between)
    )


def _value(number: str) -> int | None:
    if number.isdigit():
        return int(number)
    return 10 + _DIGITS[number[1]] if len(number) == 2 else _DIGITS.get(number)


def _answered_count(sentence: str, question: str) -> Iterator[Count]:
    match = _HOW_MANY.match(question.strip())
    if match is None:
        return
    names = list(find(match["what"], "zh"))
    numbers = list(
        re.finditer(
            rf"(十[一二三四五六七八九]|[一两二三四五六七八九十]|\d{{1,3}})(?:{_CLASSIFIER}|[。！]?$)", sentence.strip()
        )
    )
    if len(names) != 1 or len(numbers) != 1 or _SUPPOSED.search(sentence) or _DENIED.search(sentence):
        return
    if names[0].end != len(match["what"]) or len(sentence) > 16 or _VAGUE.search(sentence[: numbers[0].start()]):
        return
    if (number := _value(numbers[0][1])) is not None:
        total = _is_general(match["what"], names[0].category)
        yield Count(names[0].category, number, numbers[0][0].rstrip("。！"), total)


def _positions(text: str, sentence: tuple[int, int], mentions: Sequence[Mention]) -> Iterator[Position]:
    if not mentions or _SUPPOSED.search(text, *sentence) or _DENIED.search(text, *sentence):
        return
    for pattern in (_RELATIVE, _HEIGHT):
        for match in pattern.finditer(text, *sentence):
            others = [m for m in mentions if match.start("other") <= m.begin and m.end == match.end("other")]
            subjects = _subjects(text, sentence, match, mentions)
            if len(others) == 1 and subjects and others[0].category not in subjects:
                yield Position(_SIDES[match["side"]], subjects, others[0].category, match[0])
    for match in _ABSOLUTE.finditer(text, *sentence):
        if subjects := _subjects(text, sentence, match, mentions):
            yield Position(_SIDES[match["side"]], subjects, None, match[0])


def _subjects(
    text: str, sentence: tuple[int, int], match: re.Match[str], mentions: Sequence[Mention]
) -> tuple[str, ...]:
    """The objects before the phrase in its clause, else those behind it up to the end of the clause."""
    begin = max((m.end() for m in _CLAUSE.finditer(text, sentence[0], match.start())), default=sentence[0])
    before = [m.category for m in mentions if begin <= m.begin and m.end <= match.start()]
    if before:
        return tuple(dict.fromkeys(before))
    behind = _CLAUSE.search(text, match.end() + 1, sentence[1])
    end = behind.start() if behind else sentence[1]
    return tuple(dict.fromkeys(m.category for m in mentions if match.end() <= m.begin and m.end <= end))
