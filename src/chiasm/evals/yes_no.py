"""Reading yes or no out of an answer, by a documented grammar. Pure; ours.

Published scripts guess where this does not: POPE's reads an empty answer as yes, MME's reads "not sure" as no. Their
rules stand with their benchmarks. The grammar, first rule that applies:

1. whole answer    "y", "n", "true", "false", "对", "错" and the like, alone.
2. doubt           "not sure", "cannot tell", "no idea", "不确定", "无法判断" anywhere, unless the answer begins with a
                   yes or no of its own ("No, I am not sure" is a no).
3. first word      "Yes.", "yes, there is", "Nope", "NO", "是的", "没有"; also behind "Answer:", "The answer is",
                   "答案是".
4. a word inside   "I would say yes", "There is no dog here".

Whoever says both ("yes and no", "yes or no") said neither. "Not" alone is no "no": it may deny anything.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

YES_NO: tuple[str, str] = ("Yes", "No")  # what is ranked by likelihood: how LLaVA was trained to answer

_YES = r"(?:yes|yeah|yep|yup)"
_NO = r"(?:no|nope|nah)"
_ALONE = {
    **dict.fromkeys(("y", "true", "correct", "right", "对", "对的", "正确", "存在"), "yes"),
    **dict.fromkeys(("n", "false", "incorrect", "wrong", "错", "错误", "错的", "不存在"), "no"),
}
_LEAD = re.compile(
    r"(?:(?:so|therefore|well|hence|thus)\b[,:]?\s*)?"
    r"(?:(?:the|my|final|correct|short)\s+)*(?:answer|response)\b(?:\s+(?:is|would be|should be)\b)?\s*[:=-]*\s*"
    r"|(?:答案(?:是|为)?|回答(?:是|为)?)\s*[::]?\s*",
)
_WORD_END = r"(?![A-Za-z0-9'’]|-[a-z])"
_DOUBT = re.compile(
    r"\b(?:not\s+(?:\w+\s+)?(?:sure|certain|clear|possible\s+to)|unsure|uncertain|unclear|no\s+(?:idea|way\s+(?:to|of)|clue)"
    r"|(?:cannot|can\s+not|can['’]?t|could\s+not|couldn['’]?t|unable\s+to|hard\s+to|impossible\s+to|difficult\s+to)\s+"
    r"(?:be\s+)?(?:\w+ly\s+)?(?:tell|say|see|determine|determined|know|answer|judge|confirm)"
    r"|(?:do\s+not|don['’]?t)\s+know|maybe|perhaps)\b"
    r"|不太?(?:确定|清楚)|不知道|不好说|说不准|无法|不能确定|看不清|难以|也许|有?可能"
)
_OWN = re.compile(rf"(?:{_YES}|{_NO}){_WORD_END}(?!\s+(?:idea|way|clue)\b)")
_BOTH = re.compile(
    rf"{_YES}\s*(?:,|/|or|and)?\s*{_NO}{_WORD_END}|{_NO}\s*(?:,|/|or|and)\s*{_YES}{_WORD_END}"
    r"|是否|是不是|有没有|对不对|能不能"
)
# Chinese says yes by the verb that was asked with, and no with a 不, 没, 无, 否 or 非 in front: no is looked for first.
_NO_HAN = re.compile(r"不|没|沒|无|無|否|非|错|錯|未")
_YES_HAN = re.compile(r"是|有|对|對|能|可以|会|會|正确|正確|存在|确实|確實|嗯|好")


def read_yes_no(answer: str) -> Literal["yes", "no"] | None:
    """ "yes", "no", or None when the answer is neither, both, or in doubt."""
    text = _plain(answer)
    if alone := _ALONE.get(text.rstrip(".!。！")):
        return "yes" if alone == "yes" else "no"
    if lead := _LEAD.match(text):
        text = text[lead.end() :].lstrip("*\"'“‘(（ ")
    if _BOTH.match(text):
        return None
    if _OWN.match(text):
        return "yes" if re.match(_YES, text) else "no"
    if not _DOUBT.match(text):
        if _NO_HAN.match(text):
            return "no"
        if _YES_HAN.match(text):
            return "yes"
    if _DOUBT.search(text):
        return None
    said_yes = re.search(rf"\b{_YES}{_WORD_END}", text) is not None
    said_no = re.search(rf"\b{_NO}{_WORD_END}", text) is not None
    if said_yes == said_no:
        return None
    return "yes" if said_yes else "no"


def _plain(answer: str) -> str:
    text = unicodedata.normalize("NFKC", answer).casefold().replace("**", "").replace("`", "")
    return text.strip().strip("\"'“”‘’*_()[]（）「」 ").strip()
