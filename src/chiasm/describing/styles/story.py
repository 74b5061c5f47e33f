"""A short story that begins with the picture."""

from chiasm.describing.styles._style import Style, paragraphs

STYLE = Style(
    prompts={
        "en": (
            "Write a short story of about 150 words that begins with what this picture shows. Give it a beginning, a "
            "turn and an end."
        ),
        "zh": "根据这张图片写一个约 200 字的小故事：从画面写起，有开头、有转折、有结尾。",
    },
    max_tokens=512,
    read=paragraphs,
)
