"""A detailed description of the picture, from captions and boxes. The question is one of a list.

What the published prompt asks of the teacher is told in LLaVA (arXiv:2304.08485, section 3 and table 12 for the list of
instructions); the words, the examples and the lists are ours.
"""

from __future__ import annotations

from chiasm.synthesis.kinds._kind import Kind, Prompt, Shot, task_line
from chiasm.synthesis.kinds._pictures import STALL, STALL_BOXES, WORKSHOP, WORKSHOP_BOXES, WORKSHOP_ZH
from chiasm.synthesis.kinds._prose import description

_ENGLISH = f"""\
You describe photographs for an assistant that learns to look closely. You cannot see the photograph. Instead you are \
given a few lines that different people wrote about it, and then the things that were marked in it, one per line: a \
name and four numbers x1, y1, x2, y2. The numbers are the left, upper, right and lower edge of the thing as shares of \
the picture, from 0 to 1; 0, 0 is the upper left corner.

Describe the photograph in detail, in one to three paragraphs of flowing text, as someone who is looking at it.

- Say what the scene is, who and what is in it, how many of each, where they are and how they are placed to one another.
- Use the numbers to find out counts, sizes and places, and put these in words. Never write the numbers.
- Write only what the lines and the marked things support. What they leave open is left out.
- Never speak of the lines, of captions, of boxes or of any source.

Reply with the description alone.

{task_line("detail", "en")}"""

_CHINESE = f"""\
你为一个学习仔细看图的助手描述照片。你看不到照片，只会读到两部分文字：先是不同的人对同一张照片写下的几行话，\
可能是英文，也可能是中文；然后是照片里标出的东西，每行一个，写着名称和四个数字 x1、y1、x2、y2，分别是这个东西的左、\
上、右、下边缘占整张照片的比例，从 0 到 1，左上角是 0, 0。

请用自然的简体中文详细描述这张照片，写成一到三段连贯的文字，口吻就像正看着它。

- 说清场景是什么，有哪些人和东西，各有几个，在什么位置，彼此的位置关系如何。
- 用那些数字判断数量、大小和位置，再用话说出来，绝不写出数字坐标。
- 只写那几行话和标出的东西能支持的内容，没有说清的就不写。
- 绝不提到那几行话、标注框或任何来源。

只回复描述本身。

{task_line("detail", "zh")}"""

_STALL = """\
The picture shows a small food stall at a market at night. Behind the counter, in the middle of the picture, a man \
in a green apron is ladling soup and serving noodles. Steam rises from a big pot, and a paper lantern lights the stall.

Two customers sit on stools at the counter, both to the left of the cook: one near the left edge, the other between \
the first and the cook. Two bowls are in front of them. On the right side of the cook there is a bottle."""

_WORKSHOP = """\
In a bicycle workshop, a gray-haired woman is repairing the wheel of a blue bicycle that has been turned upside down. \
She is in the middle of the picture, and the bicycle, which takes up much of the right half, is partly in front of \
her. A second bicycle can be seen at the right edge.

A brown dog is asleep on the floor in the lower left part, beside the woman. Behind her, tools hang in rows on the \
wall."""

_STALL_ZH = """\
这是夜市里的一个小吃摊。画面中间，柜台后面站着一位系绿色围裙的男摊主，正在盛汤、煮面。一口大锅冒着热气，\
纸灯笼照亮了整个摊位。

两位客人坐在柜台前的凳子上，都在摊主的左边，一位靠近画面左侧边缘，另一位在他和摊主之间。他们面前摆着两个碗。\
摊主的右边放着一个瓶子。"""

_WORKSHOP_IN_ZH = """\
这是一间自行车修理铺。画面中间，一位头发花白的女士正在修一辆倒放着的蓝色自行车的车轮，自行车占了画面右半边的大部分，\
挡住了她的一部分身子。画面右边缘还能看到另一辆自行车。

画面左下方的地上，一只棕色的狗正在女士身边打盹。她身后的墙上整齐地挂着一排排工具。"""

_ASK = (
    "Describe this picture in detail.",
    "What can be seen in this image? Please be thorough.",
    "Give a full account of what this photo shows.",
    "Walk me through everything that is visible here.",
    "Could you describe the scene, with where things are?",
    "Please write a detailed description of the image.",
    "Tell me as much as you can about this photograph.",
    "What is going on in this image? Include the details.",
    "Describe the photo so that someone who cannot see it can picture it.",
    "Explain what the image contains and how it is arranged.",
    "Look closely at this picture and describe it at length.",
    "Write a careful, complete description of what you see.",
    "How would you describe this image to a friend, leaving nothing out?",
    "Describe the people, the things and their places in this image.",
    "Give an in-depth description of the given picture.",
    "Study the image and report what it shows in detail.",
)
_ASK_ZH = (
    "请详细描述这张图片。",
    "图里有什么？请说得具体一些。",
    "请完整地讲讲这张照片的内容。",
    "仔细看看这张图，把看到的都说出来。",
    "请描述一下这个场景，包括各样东西的位置。",
    "请为这张图写一段详细的描述。",
    "关于这张照片，你能看到哪些细节？",
    "这张图里正在发生什么？请详细说明。",
    "请把这张照片描述给看不到它的人听。",
    "说说这张图片里有哪些东西，是怎么摆放的。",
    "请认真观察图片，然后详细描述。",
    "用一段话仔细描绘你看到的画面。",
    "如果向朋友介绍这张图，你会怎么说？尽量别遗漏。",
    "请描述图中的人、物和它们的位置。",
    "请对这幅图像作一个深入的描述。",
    "观察这张图，详细报告它的内容。",
)

KIND = Kind(
    about="one long description with counts and places; from captions and boxes",
    with_boxes=True,
    prompts={
        "en": Prompt(_ENGLISH, (Shot(STALL, STALL_BOXES, _STALL), Shot(WORKSHOP, WORKSHOP_BOXES, _WORKSHOP))),
        "zh": Prompt(
            _CHINESE, (Shot(STALL, STALL_BOXES, _STALL_ZH), Shot(WORKSHOP_ZH, WORKSHOP_BOXES, _WORKSHOP_IN_ZH))
        ),
    },
    parse=description,
    questions={"en": _ASK, "zh": _ASK_ZH},
    max_tokens=1024,
)
