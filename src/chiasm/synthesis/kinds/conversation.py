"""A conversation about the picture: several questions with definite answers, from captions alone.

What the published prompt asks of the teacher is told in LLaVA (arXiv:2304.08485, section 3 and table 13); the words
and the examples are ours.
"""

from __future__ import annotations

from functools import partial

from chiasm.synthesis.kinds._blocks import pairs
from chiasm.synthesis.kinds._kind import Kind, Prompt, Shot, task_line
from chiasm.synthesis.kinds._pictures import STALL, WORKSHOP, WORKSHOP_ZH

_ENGLISH = f"""\
You write practice dialogues for an assistant that talks about photographs. You cannot see the photograph. Instead you \
are given a few lines that different people wrote about one and the same photograph.

Write a dialogue between a person who asks about the photograph and an assistant who is looking at it. The assistant \
answers as someone who sees the picture.

- Let the questions differ: what things and people there are, what kind, how many, what colours, what somebody is \
doing, where things are and how they are placed to one another.
- Ask only what has a definite answer: it is plainly there, or it is plainly not there. Ask nothing that the lines \
leave open, and never let the assistant guess.
- Then ask one or two questions that need general knowledge about what is shown: how something is done, what it is \
good for, what to watch out for. Answer these at length, with reasons, steps or examples, in several paragraphs if \
that helps.
- Never speak of the lines you were given, nor of captions or descriptions.

Reply in exactly this form, and write nothing else:

Question:
(what the person asks)
===
Answer:
(what the assistant answers)
===
Question:
...

{task_line("conversation", "en")}"""

_CHINESE = f"""\
你为一个能看图聊天的助手编写练习对话。你看不到照片，只会读到几行文字，它们是不同的人对同一张照片写下的话，\
可能是英文，也可能是中文。

请写一段对话：一个人就这张照片提问，助手看着照片回答。助手说话的口吻，就像亲眼看着这张照片。对话一律用自然的简体中文。

- 问题要多样：有哪些人和东西、是什么种类、有几个、什么颜色、谁在做什么、东西在哪里、彼此的位置关系。
- 只问有确定答案的：要么显然有，要么显然没有。那几行文字没有说清的事不要问，助手也绝不猜测。
- 最后问一两个需要常识的问题，例如某件事怎么做、有什么用、要注意什么。这类问题要答得详细，讲理由、步骤或例子，\
必要时分成几段。
- 绝不提到你读过的那几行文字，也不要提“标题”“描述”“说明文字”之类的来源。

严格按下面的格式回复，不要写别的：

问题：
（提问）
===
回答：
（助手的回答）
===
问题：
……

{task_line("conversation", "zh")}"""

_STALL = """\
Question:
What is the man in the picture doing?
===
Answer:
He is cooking noodles at a food stall and ladling out soup for the people at the counter.
===
Question:
What is he wearing?
===
Answer:
He is wearing a green apron.
===
Question:
How many customers are sitting at the stall?
===
Answer:
Two customers are sitting there, on stools at the counter.
===
Question:
Is it day or night?
===
Answer:
It is night. A paper lantern lights the stall.
===
Question:
Why do many people like to eat at stalls like this one?
===
Answer:
There are several reasons. The food is cooked in front of the guests, so they can see how fresh it is and get it hot. \
A stall needs no dining room and few staff, which keeps the prices low.

It is also sociable: people sit close together at the counter, talk with the cook and watch the market around them. \
For visitors it is often the easiest way to try local dishes in small portions.
==="""

_WORKSHOP = """\
Question:
What is the woman working on?
===
Answer:
She is repairing the wheel of a bicycle.
===
Question:
What color is the bicycle she is fixing?
===
Answer:
The bicycle is blue.
===
Question:
Is there an animal in the workshop?
===
Answer:
Yes, a brown dog is sleeping on the floor beside her.
===
Question:
Where are the tools kept?
===
Answer:
The tools hang in rows on the wall behind the woman.
===
Question:
Is the bicycle standing on its wheels?
===
Answer:
No, it has been turned upside down.
===
Question:
Why is a bicycle often turned upside down for repairs?
===
Answer:
Resting on saddle and handlebar, the bicycle stands firmly and both wheels can spin freely. That makes it easy to take \
a wheel out, to find a bent rim or a rubbing brake by turning it, and to reach the chain.

It needs no stand, so it also works on the road. One should take care not to scratch the saddle or the levers, for \
example by laying a cloth underneath.
==="""

_STALL_ZH = """\
问题：
摊位里的男人在做什么？
===
回答：
他正在煮面，把汤盛给坐在台前的客人。
===
问题：
他穿着什么？
===
回答：
他系着一条绿色的围裙。
===
问题：
有几位客人坐在那里？
===
回答：
有两位客人坐在凳子上。
===
问题：
这是白天还是晚上？
===
回答：
是晚上，摊位靠一盏纸灯笼照明。
===
问题：
为什么很多人喜欢在这样的摊位吃东西？
===
回答：
首先是新鲜，食物当着客人的面做好，端上来还是热的。其次是实惠，摊位不需要大店面，人手也少，价钱自然便宜。

此外还很有人情味：大家挨着坐，可以和老板聊天，看看周围热闹的市集。对外地人来说，这也是尝当地小吃最方便的办法。
==="""

_WORKSHOP_IN_ZH = """\
问题：
这位女士在修什么？
===
回答：
她在修自行车的车轮。
===
问题：
自行车是什么颜色的？
===
回答：
自行车是蓝色的。
===
问题：
店里有动物吗？
===
回答：
有，一只棕色的狗正睡在她身边的地上。
===
问题：
工具放在哪里？
===
回答：
工具一排排地挂在墙上。
===
问题：
修车时为什么常把自行车倒过来放？
===
回答：
倒过来以后，车座和车把着地，车身放得稳，两个轮子都能自由转动。这样拆轮子方便，转一转就能看出轮圈歪不歪、刹车蹭不蹭，\
链条也容易够到。

而且不需要专门的架子，在路边也能修。要注意的是别把车座和手把磨花，可以在下面垫一块布。
==="""

KIND = Kind(
    about="several questions and answers about what is there, then one that needs knowledge; from captions",
    with_boxes=False,
    prompts={
        "en": Prompt(_ENGLISH, (Shot(STALL, (), _STALL), Shot(WORKSHOP, (), _WORKSHOP))),
        "zh": Prompt(_CHINESE, (Shot(STALL, (), _STALL_ZH), Shot(WORKSHOP_ZH, (), _WORKSHOP_IN_ZH))),
    },
    parse=partial(pairs, fewest=2, most=20),  # ours: one pair is no conversation, twenty are no longer about a picture
    max_tokens=1500,
)
