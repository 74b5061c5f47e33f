"""Tags: a list of what is in the picture, for searching and for training image generators."""

import re

from chiasm.describing.styles._style import BULLET, Style, Written, distinct

_BETWEEN = re.compile(r"[,，、;；\n]+")
_HEADING = re.compile(r"^\s*(?:tags?|keywords?|标签|关键词)\s*[:：]\s*", re.IGNORECASE)


def _read(answer: str) -> Written:
    pieces = _BETWEEN.split(_HEADING.sub("", "\n".join(BULLET.sub("", line) for line in answer.splitlines())))
    names = [" ".join(BULLET.sub("", piece).strip(" \t#＃.。\"'“”").split()) for piece in pieces]
    tags = distinct(names)
    return Written(", ".join(tags), tags)


STYLE = Style(
    prompts={
        "en": (
            "List 5 to 15 tags for this picture, separated by commas: the things in it, the place, the action, colours "
            "and mood. Each tag is one to three words in lower case. Write nothing else."
        ),
        "zh": "为这张图片列出 5 到 15 个标签，用逗号隔开：物体、场景、动作、颜色和气氛，每个不超过六个字，不写别的。",
    },
    max_tokens=120,
    read=_read,
    has_tags=True,
)
