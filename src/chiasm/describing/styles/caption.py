"""A caption: one sentence."""

from chiasm.describing.styles._style import Style, one_line

STYLE = Style(
    prompts={
        "en": "Write a caption of one sentence for this picture. Say only what can be seen.",
        "zh": "用一句话给这张图片写说明，只写看得见的内容。",
    },
    max_tokens=80,
    read=one_line,
)
