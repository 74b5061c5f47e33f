"""The text in the picture, as it stands there."""

import re

from chiasm.describing.styles._style import Style, Written, paragraphs

_FENCED = re.compile(r"```[\w-]*\n(.*?)\n?```", re.DOTALL)


def _read(answer: str) -> Written:
    text = paragraphs(answer).text
    whole = _FENCED.fullmatch(text)
    return Written(whole[1] if whole else text)


STYLE = Style(
    prompts={
        "en": (
            "Write down all text in this picture exactly as it stands there, line by line, from top to bottom and left "
            "to right. Do not translate, correct or explain it. If there is no text, write: (no text)"
        ),
        "zh": "逐行写出图中的全部文字，从上到下、从左到右，原样照抄，不翻译、不改正、不解释。没文字就写：（无文字）",
    },
    max_tokens=1024,
    read=_read,
)
