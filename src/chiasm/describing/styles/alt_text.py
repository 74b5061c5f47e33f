"""Alternative text for readers who do not see the picture: short, on one line, without "image of"."""

import re

from chiasm.describing.styles._style import Style, Written, one_line

# A screen reader says "image" before it reads the text (W3C, "An alt Decision Tree" and its tips).
_ANNOUNCED = re.compile(
    r"^(?:alt(?:ernative)?[ -]text\s*[:：]\s*)?"
    r"(?:(?:this is |here is )?(?:an?|the) (?:image|picture|photo|photograph) (?:of|showing|that shows|shows) )?",
    re.IGNORECASE,
)
_ANNOUNCED_ZH = re.compile(
    r"^(?:替代文字\s*[:：]\s*)?(?:(?:这是)?(?:一[张幅]|这[张幅])?(?:图片|照片|图像)(?:显示|展示)(?:了|的是)?)?"
)


def _read(answer: str) -> Written:
    line = one_line(answer).text
    short = _ANNOUNCED_ZH.sub("", _ANNOUNCED.sub("", line, count=1), count=1).lstrip("，, ")
    if not short:
        return Written(line)
    return Written(short if short == line else short[0].upper() + short[1:])


STYLE = Style(
    prompts={
        "en": (
            "Write alternative text for this picture, for someone who cannot see it: one or two short sentences, at "
            'most 30 words, with what matters most first. Do not begin with "image of" or "picture of".'
        ),
        "zh": "为看不见这张图片的人写一段替代文字：一两个短句，不超过 60 个字，最重要的先说。不要以“图片显示”开头。",
    },
    max_tokens=120,
    read=_read,
)
