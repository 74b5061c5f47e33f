"""A post for social media: a sentence or two and hashtags, which are kept as a list too."""

import re

from chiasm.describing.styles._style import Style, Written, distinct, paragraphs

# As the networks take them: letters, digits and underscores of any script after # (or the full-width one), not only
# digits. In Weibo's way of writing, the second # of `#话题#` begins nothing.
_HASHTAG = re.compile(r"(?<![\w&/])[#＃](?!\d+\b)(\w+)")


def _read(answer: str) -> Written:
    text = paragraphs(answer).text
    return Written(text, distinct([f"#{name}" for name in _HASHTAG.findall(text)]))


STYLE = Style(
    prompts={
        "en": "Write a lively post for social media about this picture: one or two sentences, then 3 to 5 hashtags.",
        "zh": "为这张图片写一条生动的社交媒体文案：一两句话，最后加 3 到 5 个话题标签，写成 #标签 的形式，用空格隔开。",
    },
    max_tokens=160,
    read=_read,
    has_tags=True,
)
