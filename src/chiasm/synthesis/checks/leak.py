"""The reply gives away that the teacher read captions and boxes instead of seeing the picture.

Words that a picture may truly show are left alone where they say so: a sentence written on a sign, a caption below a
photograph in a newspaper, a box on a table. "Coordinates" is also a verb.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from chiasm.synthesis.checks._reading import Reading, quoted

ORDER = 50

# Behind a word: it stands in the picture itself. "in the image description" is a leak all the same.
_PLACED = (
    r"(?!\s+(?:(?:that|which) )?(?:is |are )?"
    r"(?:written|printed|painted|displayed|shown|on|at|below|above|beneath|under|over)\b)"
    r"(?!\s+(?:provided |given |shown |found )?(?:in|by|from|of) (?:the|this|that) "
    r"(?:image|picture|photo\w*|scene|sign|poster)(?! (?:caption|description)s?))"
)
_SAYS = r"(?:mention|describ|stat|say|sai|provid|indicat|suggest|specif|note|refer|do(?:es)? not|don['’]t)\w*"
_GIVEN = r"(?:given|provided|supplied|above|following|original|accompanying|input|image|textual|text|scene)"
_OURS = r"(?:captions?|sentences?|descriptions?|annotations?)"  # what a context is made of
_NOUN = rf"(?:{_OURS}|object list|list of objects|metadata|{_GIVEN} (?:text|context|data|information))"
_WHICH = (
    r"(?:first|second|third|fourth|fifth|last|one|two|three|four|five|all|each|some|most|several|multiple|other"
    r"|another)"
)
_ACCORDING = (
    r"(?:according to|based (?:up)?on|judging (?:by|from)|as per|per|from|in|by"
    r"|as (?:described|mentioned|stated|indicated|noted|given|seen) (?:in|by)"
    r"|(?:described|mentioned|stated|given|provided) (?:in|by))"
)
_NUMBER = r"(?:0?\.\d+|[01](?:\.0*)?)"

# Each with the words one of which a text must hold before the pattern is tried: most texts hold none.
_ENGLISH = (
    (
        ("caption", "sentence", "descri", "annotat", "list", "metadata", "text", "data", "information"),
        re.compile(
            rf"\b{_ACCORDING} (?:{_WHICH} of )?(?:the|these|those|this|your|its|{_WHICH})(?: {_WHICH})?"
            rf"(?: (?:{_GIVEN}|image['’]s|picture['’]s))* {_NOUN}\b{_PLACED}"
            rf"|\b(?:the|these|those|your|{_WHICH})(?: (?:{_GIVEN}|{_WHICH}|image['’]s))* {_OURS}"
            rf"(?: (?:also|all|both|only|clearly|explicitly))* {_SAYS}\b"
            rf"|\b(?:the|these|those|your)(?: {_WHICH})?(?: {_GIVEN}| image['’]s)* captions\b{_PLACED}"
            rf"|\b(?:the|these|this|your) (?:{_GIVEN} )+{_OURS}\b{_PLACED}"
            rf"|\b(?:{_WHICH}|these|those|of the) captions?\b{_PLACED}|\bimage (?:captions?|annotations?)\b"
            rf"|\b(?:five|these|given|provided) sentences\b{_PLACED}|\bthe captions?,"
            r"|\b(?:is|are|was|were) described (?:as|in)\b",
            re.IGNORECASE,
        ),
    ),
    (
        ("bounding", "bbox", "b-box", "bounded by"),
        re.compile(r"\bbounding[- ]?box\w*|\bb-?box(?:es)?\b|\bbounded by (?:the )?(?:box|coordinates)", re.IGNORECASE),
    ),
    (
        ("coordinate", "normali", "x1", "y1", "xmin", "x_min", "axis", "object detect", "object-detect", "coco"),
        re.compile(
            r"\b(?:the|their|its|these|given|provided|box|pixel|normali[sz]ed|exact|with|at|of|by|on|x|y)[- ]"
            r"(?:(?:given|provided|box|pixel|normali[sz]ed|exact|image|x|y)[- ])*coordinates?\b(?! with\b)"
            r"|\bcoordinates? (?:of|for|provided|given|are|is|indicate|suggest|show)\b|\bcoordinates?[:,]? ?[\[(\d]"
            r"|\bnormali[sz]ed (?:values?|positions?|coordinates?|numbers?|box\w*|locations?)\b"
            r"|\b[xy]_?(?:1|2|min|max)\b|\b[xy][- ]axis (?:value|position|coordinate)s?\b"
            r"|\bobject[- ]detect(?:ion|or) (?:results?|outputs?|data|model|boxes)\b"
            r"|\bcoco (?:data\s?set|annotations?|images?)\b",
            re.IGNORECASE,
        ),
    ),
)
_TEXT_ZH = "(?:描述|标题|说明文字|文字说明|字幕|句子|句话|标注|注释|文本)"
_CHINESE = (
    (
        ("描述", "标题", "说明", "字幕", "句", "标注", "注释", "文本", "文字", "信息", "上下文", "列表"),
        re.compile(
            r"(?:根据|按照|依据|基于|结合|从)"
            r"(?:这|那|上述|以上|所?给定?的?|所?提供的?|给出的?|前面的?|五|5|几|些|个|条|段|句|图片的?|图像的?)*"
            rf"(?:{_TEXT_ZH}|上下文|对象列表|物体列表)(?!的?(?:牌|海报|屏幕))"
            r"|(?:根据|按照|依据|基于)(?:所)?(?:给定|提供|给出|上述)的?(?:文字|信息|内容)"
            rf"|{_TEXT_ZH}(?:中|里|所)?(?:并)?(?:没有|未|也|都|还)?(?:有)?(?:提到|提及|说到|指出|写道|表明|显示)"
            r"|(?:这|那|以上|上述|给定的?|提供的?|第)[一二三四五六几12345]?(?:个|条|句|些|段)?(?:图片|图像)?"
            rf"{_TEXT_ZH}(?!牌)"
            r"|[五5][个条句](?:描述|标题|句子|话|字幕)"
        ),
    ),
    (
        ("框", "归一化", "坐标"),
        re.compile(r"(?:边界|包围|检测|标注|定界|候选|物体|目标)框|归一化|(?<!地理)坐标(?!系|轴|纸)"),
    ),
)
# [0.12, 0.5, 0.33, 0.71] and (0.3, 0.4); four without brackets; one with three decimals that is no measure or price.
_NUMBERS = re.compile(
    rf"[\[(（【]\s*{_NUMBER}(?:\s*[,，;]\s*{_NUMBER}){{1,3}}\s*[\])）】]|\b{_NUMBER}(?:\s*[,，]\s*0?\.\d+){{3}}"
    r"|(?<![\d.$€£¥])0\.\d{3}(?!\d|[\d.]*\s*(?:%|[a-z]*(?:m|g|s|l|in)\b))"
)
# What a picture may show; if its captions speak of it, so may the answer.
_SHOWN = ("caption", "sentence", "coordinate", "annotat", "subtitle", "described", "标题", "字幕", "坐标", "句子")


def check(reading: Reading) -> Iterator[str]:
    """Each leak found, once a text, unless the captions themselves speak of such a thing."""
    patterns = _CHINESE if reading.sample.language == "zh" else _ENGLISH
    for text in reading.texts:
        lowered = text.lower()
        for needed, pattern in patterns:
            if not any(word in lowered for word in needed):
                continue
            match = pattern.search(text)
            if match is not None and not _is_shown(match[0].lower(), reading.captions):
                yield f"speaks of what it was told: {quoted(match[0])}"
        if ("0." in text or "[." in text) and (numbers := _NUMBERS.search(text)):
            yield f"gives coordinates: {quoted(numbers[0])}"


def _is_shown(found: str, captions: str) -> bool:
    """Whether the picture shows the very thing: a caption, a sentence, a chart with coordinates."""
    return any(word in found and word in captions for word in _SHOWN)
