"""Words of the report in both languages. The page shows one of them, by its switch."""

from __future__ import annotations

from collections.abc import Mapping

from chiasm.evals.tasks._drawn import Share

KINDS: Mapping[str, tuple[str, str]] = {
    "existence": ("is it there?", "有没有"),
    "colour": ("which colour?", "什么颜色"),
    "count": ("how many?", "有几个"),
    "side": ("left or right?", "在哪一边"),
    "action": ("doing what?", "在做什么"),
    "state": ("in which state?", "什么状态"),
    "holds": ("holding what?", "拿着什么"),
    "wears": ("wearing what?", "穿着什么"),
    "kind": ("what is it?", "是什么"),
    "place": ("where is this?", "什么地方"),
    "time": ("day or night?", "白天还是晚上"),
    "weather": ("which weather?", "什么天气"),
    "facing": ("facing where?", "朝哪边"),
    "size": ("large or small?", "大还是小"),
    "read": ("what is written?", "写了什么"),
    "option": ("A, B, C or D?", "选择题"),
    "text_to_box": ("draw a box", "画出方框"),
    "compare": ("which of two pictures?", "两张图比较"),
}
CLASSICS: Mapping[str, tuple[str, str]] = {
    "describe": ("Describe", "描述"),
    "ask": ("Ask", "提问"),
    "reason": ("Reason", "推理"),
    "compare": ("Compare two pictures", "比较两张图"),
}
MOMENTS: Mapping[str, tuple[str, str]] = {
    "start": ("before stage 1", "第一阶段之前"),
    "align": ("after stage 1", "第一阶段之后"),
    "instruct": ("after stage 2", "第二阶段之后"),
}
PARTS: Mapping[str, tuple[str, str]] = {
    "vision": ("vision tower", "视觉塔"),
    "connector": ("connector", "连接器"),
    "language": ("language model", "语言模型"),
}


def both(english: str, chinese: str, tag: str = "span") -> str:
    """HTML in both languages, each in an element of its own."""
    return f'<{tag} class="en" lang="en">{english}</{tag}><{tag} class="zh" lang="zh">{chinese}</{tag}>'


def kind(name: str) -> str:
    """A kind of question, as people call it."""
    return both(*KINDS.get(name, (name, name)))


def moment(name: str) -> str:
    """A moment at which everything was asked."""
    return both(*MOMENTS[name])


def interval(share: Share) -> str:
    """71 to 82, both ends rounded."""
    return f"{share.interval.low:.0f}–{share.interval.high:.0f}"


def duration(seconds: float) -> tuple[str, str]:
    """In English and in Chinese, to the second below two minutes."""
    if seconds < 120:
        return f"{seconds:.0f} seconds", f"{seconds:.0f} 秒"
    return f"{seconds / 60:.1f} minutes", f"{seconds / 60:.1f} 分钟"


def count(number: int) -> str:
    """2.8 M, 74 K, 512."""
    for size, letter in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "K")):
        if number >= size:
            scaled = number / size
            return f"{scaled:.1f} {letter}" if scaled < 10 else f"{scaled:.0f} {letter}"
    return str(number)
