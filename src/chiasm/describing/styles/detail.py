"""A detailed description: everything in the picture and where it is."""

from chiasm.describing.styles._style import Style, paragraphs

STYLE = Style(
    prompts={
        "en": (
            "Describe this picture in detail: what is in it, how many of each, their colours, where they stand to one "
            "another, what is happening, and the background. Do not guess at what cannot be seen."
        ),
        "zh": (
            "请详细描述这张图片：有哪些东西、各有多少、什么颜色、彼此的位置关系、正在发生什么，以及背景。看不见的不要猜。"
        ),
    },
    max_tokens=512,
    read=paragraphs,
)
