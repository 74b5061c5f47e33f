"""How a description is asked for, in English and Chinese: our own wordings.

In the spirit of the lists in the LLaVA paper (arXiv 2304.08485, tables 11 and 12). The one-sentence prompt in English
is LLaVA-1.5's (arXiv 2310.03744, table 7, TextCaps).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

BRIEFLY: Mapping[str, tuple[str, ...]] = {
    "en": (
        "Describe the image concisely.",
        "Give a short description of the picture.",
        "What is in this picture, in a few words?",
        "Write a caption for this image.",
        "Say briefly what this image shows.",
    ),
    "zh": (
        "简单描述一下这张图片。",
        "请给这张图写一句说明。",
        "用几个词说说图里有什么。",
        "这张图画的是什么？请简短回答。",
        "请简要说明图片的内容。",
    ),
}
IN_DETAIL: Mapping[str, tuple[str, ...]] = {
    "en": (
        "Describe the image in detail.",
        "Describe this picture.",
        "What do you see in this picture? Tell me everything.",
        "Give a detailed description of the image.",
        "Can you describe this image for me in detail?",
        "What is going on in this picture? Leave nothing out.",
    ),
    "zh": (
        "请详细描述这张图片。",
        "描述一下这张图。",
        "你在图里看到了什么？请全部说出来。",
        "请仔细说说这张图片的内容。",
        "能为我详细描述这张图吗？",
        "图里是什么样的场景？请不要漏掉任何东西。",
    ),
}
WITH_BOXES: Mapping[str, tuple[str, ...]] = {
    "en": (
        "Name everything in the picture from left to right, each with its bounding box.",
        "What is where in this image? Give each thing with its bounding box.",
        "List all the things in the image with their bounding box coordinates.",
    ),
    "zh": (
        "请从左到右说出图中的每样东西，并给出边界框。",
        "图里有哪些东西，各在哪里？请给出边界框。",
        "请列出图中所有的东西和它们的边界框坐标。",
    ),
}
ONE_SENTENCE: Mapping[str, str] = {
    "en": "Provide a one-sentence caption for the provided image.",
    "zh": "请用一句话描述这张图片。",
}
OF_WORDS: Mapping[str, tuple[str, ...]] = {
    "en": (
        "Sum this scene up in one sentence.",
        "Write a caption for a picture of this scene.",
        "Say in one sentence what one would see.",
    ),
    "zh": ("请用一句话概括这个场景。", "请为这个场景的图片写一句说明。", "用一句话说说会看到什么。"),
}

# Requests put together of parts, hundreds of each: who has learnt a dozen wordings by heart does not know the next one.
Parts = Sequence[Sequence[str]]
CAPTIONS: Mapping[str, Parts] = {
    "en": (
        ("Write ", "Give ", "Provide ", "Please write ", "I need "),
        ("a caption", "a short caption", "a caption of one sentence", "one sentence", "alt text", "alternative text"),
        (" for this picture", " for this image", " for the photo", " about this picture", " for it"),
        ("", "", ", for someone who cannot see it", " in at most 30 words", " for posting it"),
        (
            ".",
            ". Say only what can be seen.",
            ": one sentence of at most 125 characters.",
            ": one or two short sentences, with what matters most first.",
            '. Do not begin with "image of" or "picture of".',
        ),
    ),
    "zh": (
        ("请", "", "请你", "帮我"),
        (
            "用一句话给这张图片写",
            "给这张图写一句",
            "为这张图片写一段",
            "为看不见这张图片的人写一段",
            "简短地写出这张图的",
        ),
        ("说明", "标题", "替代文字", "文字说明"),
        ("。", "，只写看得见的内容。", "：一两个短句，最重要的先说。", "，不超过60个字。", "，不要以“图片显示”开头。"),
    ),
}
DETAILS: Mapping[str, Parts] = {
    "en": (
        ("Describe ", "Please describe ", "Tell me about ", "Write about "),
        ("this picture", "the image", "this photo", "the scene", "what this picture shows"),
        (" in detail", " in every detail", " thoroughly", " as fully as you can"),
        (
            "",
            "",
            ": what is in it",
            ": what is in it, how many of each, their colours",
            ": the things, where they stand",
        ),
        ("", "", ", what is happening", ", and the background", ", what is happening, and the background"),
        (".", ".", ". Do not guess at what cannot be seen.", ". Leave nothing out."),
    ),
    "zh": (
        ("请", "", "请你"),
        ("详细描述", "仔细描述", "尽量完整地描述"),
        ("这张图片", "这张图", "图中的场景", "这张照片"),
        ("", "", "：有哪些东西", "：有哪些东西、各有多少、什么颜色", "：有什么、在哪里"),
        ("", "", "、正在发生什么", "，以及背景"),
        ("。", "。看不见的不要猜。", "。不要漏掉任何东西。"),
    ),
}
TAGS: Mapping[str, Parts] = {
    "en": (
        ("List ", "Give ", "Write "),
        ("tags", "keywords", "5 to 15 tags", "the tags"),
        (" for this picture", " for this image", " of the photo"),
        (", separated by commas", " in one line, with commas between them"),
        (".", ": the things in it and the place.", ": things, place, colours. Write nothing else."),
    ),
    "zh": (
        ("请", "", "帮我"),
        ("为这张图片", "给这张图"),
        ("列出标签", "写出关键词", "列出5到15个标签"),
        ("，用逗号隔开", "，写在一行里，用逗号分开"),
        ("。", "：物体和场景。", "：物体、场景、颜色，不写别的。"),
    ),
}
ALL_TEXT: Mapping[str, Parts] = {
    "en": (
        ("Write down ", "Read ", "Copy "),
        ("all text in this picture", "all the text in the image", "every word in this picture"),
        (" exactly as it stands there", ", line by line", " from top to bottom", ""),
        (". If there is no text, write: (no text)",),
    ),
    "zh": (
        ("", "请"),
        ("逐行写出", "读出", "抄下"),
        ("图中的全部文字", "图里的所有文字"),
        ("", "，从上到下", "，原样照抄"),
        ("。没文字就写：（无文字）",),
    ),
}
COMPARISONS: Mapping[str, Parts] = {
    "en": (
        ("Compare ", "Please compare ", "Look at and compare "),
        ("these pictures", "these two pictures", "the two images", "both pictures"),
        (
            ".",
            ": what do they share, and how do they differ?",
            " and say how they differ.",
            ": what is the same, and what is different?",
        ),
    ),
    "zh": (
        ("请", "", "请你"),
        ("比较", "对比"),
        ("这几张图片", "这两张图片", "这两张图", "两张图片"),
        ("。", "：有哪些相同，有哪些不同？", "，说说有什么不同。", "：哪里相同，哪里不同？"),
    ),
}


def composed(parts: Parts, rng: random.Random) -> str:
    """One of each of `parts`, one behind the other."""
    return "".join(rng.choice(each) for each in parts)
