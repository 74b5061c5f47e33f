"""One question that takes more than looking, and its reasoned answer; from captions and boxes.

What the published prompt asks of the teacher is told in LLaVA (arXiv:2304.08485, section 3); the words and the examples
are ours.
"""

from __future__ import annotations

from functools import partial

from chiasm.synthesis.kinds._blocks import pairs
from chiasm.synthesis.kinds._kind import Kind, Prompt, Shot, task_line
from chiasm.synthesis.kinds._pictures import STALL, STALL_BOXES, WORKSHOP, WORKSHOP_BOXES, WORKSHOP_ZH

_ENGLISH = f"""\
You think up questions for an assistant that learns to reason about photographs. You cannot see the photograph. \
Instead you are given a few lines that different people wrote about it, and then the things that were marked in it, \
one per line: a name and four numbers x1, y1, x2, y2, the left, upper, right and lower edge of the thing as shares \
of the picture, from 0 to 1; 0, 0 is the upper left corner.

Write one question about the photograph and answer it thoroughly, as someone who is looking at it.

- The question must take more than describing: why something is so, what may have led to it or come of it, what one \
should watch out for, how one could help or do it better. It needs what is seen together with knowledge of the world.
- Keep what is seen out of the question: whoever answers must look at the picture to know what it is about.
- Answer in connected reasoning: begin with what is seen and matters here, then say step by step what follows from it. \
Be careful where things are only likely.
- Never write the numbers. Never speak of the lines, of captions, of boxes or of any source.

Reply in exactly this form, and write nothing else:

Question:
(the question)
===
Answer:
(the answer)
===

{task_line("reasoning", "en")}"""

_CHINESE = f"""\
你为一个学习看图推理的助手出题。你看不到照片，只会读到两部分文字：先是不同的人对同一张照片写下的几行话，可能是英文，\
也可能是中文；然后是照片里标出的东西，每行一个，写着名称和四个数字 x1、y1、x2、y2，分别是左、上、右、\
下边缘占整张照片的比例，从 0 到 1，左上角是 0, 0。

请就这张照片提一个问题，并且像正看着照片一样详细回答。一律用自然的简体中文。

- 问题不能只是描述画面：要问为什么会这样、可能由什么引起或带来什么、要注意什么、怎样帮忙或做得更好。回答它既要看图，\
也要有生活常识。
- 问题里不要透露画面内容，要让回答的人非看图不可。
- 回答要有条理：先说画面中与此有关的情况，再一步步说明由此能得出什么。只是可能的事，要说成可能。
- 绝不写出数字坐标，绝不提到那几行话、标注框或任何来源。

严格按下面的格式回复，不要写别的：

问题：
（问题）
===
回答：
（回答）
===

{task_line("reasoning", "zh")}"""

_STALL = """\
Question:
What does the way this place is set up say about how it earns its money?
===
Answer:
The stall is small: one cook, one counter and a couple of stools, with a single big pot doing most of the work. A \
place like this probably lives on serving few dishes quickly rather than on long meals.

Soup and noodles suit that well. The broth can be prepared in advance and kept hot, so a portion takes only moments to \
serve, and the same pot feeds one guest after another. The open front and the rising steam work as advertising, since \
people who walk through the market at night can see and smell the food. With little space and one person at work, \
costs stay low, and what counts is that seats do not stay empty for long."""

_WORKSHOP = """\
Question:
What might make it likely that the person here has done this kind of work for a long time?
===
Answer:
Several things point to experience. The tools hang in rows on the wall, which is typical of a workshop that is used \
every day: whoever works there wants to find each tool at once. The bicycle has been turned upside down, a practical \
way to get at a wheel.

The dog sleeping on the floor suggests a calm routine, as an animal that was not used to the place would hardly doze \
off next to someone at work. None of this is proof, but together these signs make it more likely that this is \
someone's trade than a first attempt."""

_STALL_ZH = """\
问题：
从这里的布置看，它大概靠什么方式赚钱？
===
回答：
这个摊位很小，只有一位摊主、一个柜台和几张凳子，主要靠一口大锅。这样的地方多半不是靠客人慢慢吃，而是靠品种少、上得快。

汤面正适合这样做：汤可以提前熬好一直热着，盛一碗只要片刻，同一锅汤能招待一位又一位客人。摊位敞开着，\
热气和香味就是招牌，夜市里路过的人一看就知道有热食。地方小、人手少，成本也低，关键是座位不要空着。
==="""

_WORKSHOP_IN_ZH = """\
问题：
有哪些迹象说明这个人可能做这一行很久了？
===
回答：
有几处迹象。墙上的工具一排排挂得整整齐齐，天天用工具的人才会这样摆，为的是伸手就能拿到。自行车倒过来放着，\
这是修车轮时很实用的做法。

狗安心地睡在旁边，说明这里平时就是这样，没有什么让它紧张的。这些都算不上证据，但放在一起看，她更像是以此为业，\
而不是第一次尝试。
==="""

KIND = Kind(
    about="one question that takes reasoning and knowledge, answered at length; from captions and boxes",
    with_boxes=True,
    prompts={
        "en": Prompt(
            _ENGLISH,
            (Shot(STALL, STALL_BOXES, _STALL + "\n==="), Shot(WORKSHOP, WORKSHOP_BOXES, _WORKSHOP + "\n===")),
        ),
        "zh": Prompt(
            _CHINESE, (Shot(STALL, STALL_BOXES, _STALL_ZH), Shot(WORKSHOP_ZH, WORKSHOP_BOXES, _WORKSHOP_IN_ZH))
        ),
    },
    parse=partial(pairs, fewest=1, most=1),
    max_tokens=1024,
)
