"""The drawn world in Chinese: names, measure words, noun phrases, relations. Knows grammar, no scene, no sentence."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from chiasm.scenes.kinds import HOURS
from chiasm.scenes.scene import Relation
from chiasm.scenes.telling.language import Look

# Every kind's noun and its measure word, a character each before the noun.
_NOUNS: Mapping[str, tuple[str, str]] = {
    "person": ("个", "人"), "dog": ("只", "狗"), "cat": ("只", "猫"), "bird": ("只", "鸟"), "horse": ("匹", "马"),
    "sheep": ("只", "绵羊"), "cow": ("头", "牛"), "car": ("辆", "汽车"), "bus": ("辆", "公交车"),
    "truck": ("辆", "卡车"), "bicycle": ("辆", "自行车"), "boat": ("艘", "船"), "airplane": ("架", "飞机"),
    "traffic light": ("个", "红绿灯"), "stop sign": ("个", "停车标志"), "fire hydrant": ("个", "消防栓"),
    "bench": ("张", "长椅"), "sign": ("块", "牌子"), "lamp": ("盏", "灯"), "tree": ("棵", "树"),
    "flower": ("朵", "花"), "house": ("座", "房子"), "umbrella": ("把", "雨伞"), "backpack": ("个", "背包"),
    "suitcase": ("个", "行李箱"), "kite": ("只", "风筝"), "balloon": ("个", "气球"), "sports ball": ("个", "球"),
    "frisbee": ("个", "飞盘"), "cup": ("个", "杯子"), "bottle": ("个", "瓶子"), "bowl": ("个", "碗"),
    "vase": ("个", "花瓶"), "apple": ("个", "苹果"), "banana": ("根", "香蕉"), "orange": ("个", "橙子"),
    "cake": ("个", "蛋糕"), "chair": ("把", "椅子"), "couch": ("张", "沙发"), "dining table": ("张", "餐桌"),
    "potted plant": ("个", "盆栽"), "clock": ("个", "时钟"), "book": ("本", "书"), "tv": ("台", "电视"),
    "laptop": ("台", "笔记本电脑"), "teddy bear": ("只", "泰迪熊"), "thing": ("个", "东西"),
}  # fmt: skip
_COLOURS = {
    "red": "红色", "orange": "橙色", "yellow": "黄色", "green": "绿色", "blue": "蓝色", "purple": "紫色",
    "pink": "粉色", "brown": "棕色", "black": "黑色", "white": "白色", "gray": "灰色",
}  # fmt: skip
_DIGITS = "零一二三四五六七八九"
_RELATIONS: Mapping[Relation, str] = {"left of": "左边", "right of": "右边", "above": "上方", "below": "下方"}
_PLACES = {
    "park": "在公园里",
    "street": "在街道上",
    "beach": "在海滩上",
    "harbour": "在港口",
    "room": "在房间里",
    "kitchen": "在厨房里",
}
_SIDES = {"left": "左", "right": "右"}
_STILL = {"standing": "站着", "sitting": "坐着", "lying": "躺着", "eating": "吃草", "waving": "挥手"}
_MOVING = {"walking": "走", "running": "跑", "flying": "飞"}
_STATES = {
    ("umbrella", "open"): "撑开", ("umbrella", "closed"): "收起",
    ("cake", "lit"): "点着蜡烛", ("cake", "unlit"): "没点蜡烛",
    ("traffic light", "red"): "亮着红灯", ("traffic light", "yellow"): "亮着黄灯",
    ("traffic light", "green"): "亮着绿灯",
    **{("clock", hour): f"指向{hour}点" for hour in HOURS},
}  # fmt: skip

_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "open": "打开", "closed": "合上", "lit": "亮着", "unlit": "没亮", "on": "开着", "off": "关着",
        "standing": "站着", "walking": "走路", "running": "奔跑", "sitting": "坐着", "waving": "挥手", "lying": "躺着",
        "eating": "吃草", "flying": "飞翔",
        "park": "公园", "street": "街道", "beach": "海滩", "harbour": "港口", "room": "房间", "kitchen": "厨房",
        "day": "白天", "night": "晚上", "sunny": "晴天", "cloudy": "阴天", "rainy": "雨天", "snowy": "雪天",
        "small": "小", "large": "大", "left": "左边", "right": "右边",
        **_COLOURS,
        **{hour: f"{hour}点" for hour in HOURS},
    }
)  # fmt: skip


class _Chinese:
    """See `Language`."""

    code = "zh"

    def name(self, kind: str) -> str:
        return _NOUNS[kind][1]

    def names(self, kind: str) -> str:
        return _NOUNS[kind][1]

    def colour(self, colour: str) -> str:
        return _COLOURS[colour]

    def number(self, number: int) -> str:
        tens, ones = divmod(number, 10)
        if tens == 0:
            return _DIGITS[ones]
        return f"{_DIGITS[tens] if tens > 1 else ''}十{_DIGITS[ones] if ones else ''}"

    def measured(self, kind: str, number: int) -> str:
        """Number and measure word: 一只, 两只."""
        return f"{'两' if number == 2 else self.number(number)}{_NOUNS[kind][0]}"

    def state(self, kind: str | None, state: str) -> str:
        """As it is said of this kind: 撑开 of an umbrella, 打开 of a book."""
        return _STATES.get((kind or "", state), _WORDS[state])

    def a(self, look: Look, holding: Look | None = None) -> str:
        clauses = self._clauses(look, holding)
        return f"{self.measured(look.kind or 'thing', 1)}{clauses}{_noun(look, bool(clauses))}"

    def the(self, look: Look, holding: Look | None = None) -> str:
        clauses = self._clauses(look, holding)
        that = f"那{_NOUNS[look.kind or 'thing'][0]}" if clauses else ""
        return f"{clauses}{that}{_noun(look, bool(clauses))}"

    def several(self, look: Look, number: int | None) -> str:
        clauses = self._clauses(look, None)
        counted = "" if number is None else self.measured(look.kind or "thing", number)
        return f"{counted}{clauses}{_noun(look, bool(clauses))}"

    def doing(self, action: str | None, facing: str | None) -> str:
        if facing is None:
            return "" if action is None else _STILL.get(action, _WORDS[action])
        side = _SIDES[facing]
        if action is None:
            return f"朝{side}"
        if action in _MOVING:
            return f"向{side}{_MOVING[action]}"
        return f"面朝{side}边{_STILL[action]}" if action == "waving" else f"朝{side}{_STILL[action]}"

    def holding(self, held: Look) -> str:
        if held.kind == "umbrella" and held.state == "open":
            return f"撑着{self.a(Look('umbrella', held.colour))}"
        return f"{'提着' if held.kind == 'suitcase' else '拿着'}{self.a(held)}"

    def relation(self, relation: Relation) -> str:
        return _RELATIONS[relation]

    def stands(self, first: str, relation: Relation, second: str) -> str:
        return f"{first}在{second}的{_RELATIONS[relation]}"

    def place(self, place: str) -> str:
        return _PLACES[place]

    def words(self) -> Mapping[str, str]:
        return _WORDS

    def _clauses(self, look: Look, holding: Look | None) -> str:
        """What stands before the noun with 的: 穿红色上衣、向左走的."""
        said = _worn(look)
        if look.text is not None:
            said.append(f"{'显示' if look.kind == 'tv' else '写'}着“{look.text}”")
        elif look.state is not None:
            said.append(self.state(look.kind, look.state))
        if doing := self.doing(look.action, look.facing):
            said.append(doing)
        if holding is not None:
            said.append(self.holding(holding))
        return f"{'、'.join(said)}的" if said else ""


def _worn(look: Look) -> list[str]:
    shirt = f"{_COLOURS[look.colour]}上衣" if look.kind == "person" and look.colour is not None else None
    trousers = f"{_COLOURS[look.trousers]}裤子" if look.trousers is not None else None
    on = "和".join(piece for piece in (shirt, trousers) if piece is not None)
    said = [f"穿{on}"] if on else []
    return [*said, f"戴{_COLOURS[look.hat]}帽子"] if look.hat is not None else said


def _noun(look: Look, after_clause: bool) -> str:
    """Colour, size and noun: 红色汽车, 棕色的狗, 棕色的大狗, 红色花盆的盆栽."""
    size = _WORDS[look.size] if look.size is not None else ""
    noun = f"{size}{_NOUNS[look.kind or 'thing'][1]}"
    if look.colour is None or look.kind in ("person", look.colour):
        return noun
    colour = _COLOURS[look.colour]
    if look.kind == "potted plant":
        return f"{colour}花盆的{noun}"
    # 的 after the colour reads well before one syllable or a size, unless a clause has just ended in 的.
    short = len(noun) == 1 or look.size is not None or look.kind is None
    return f"{colour}的{noun}" if short and not after_clause else f"{colour}{noun}"


CHINESE = _Chinese()
