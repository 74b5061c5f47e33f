"""How a description is asked for, in English and Chinese: our own wordings.

In the spirit of the lists in the LLaVA paper (arXiv 2304.08485, tables 11 and 12). The one-sentence prompt in English
is LLaVA-1.5's (arXiv 2310.03744, table 7, TextCaps).
"""

from __future__ import annotations

from collections.abc import Mapping

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
