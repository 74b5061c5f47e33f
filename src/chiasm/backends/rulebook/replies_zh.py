"""The rulebook's replies in Chinese, one function a kind, in the form the Chinese prompts ask for."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from chiasm.backends.rulebook import chinese, inventory
from chiasm.backends.rulebook.knowledge import Lesson, topic_of
from chiasm.backends.rulebook.reading import Known
from chiasm.backends.rulebook.spoken import category_of, drawn, name_of, surely_absent, worth_asking
from chiasm.backends.rulebook.words import COLOURS

Pair = tuple[str, str]


def conversation(known: Known, rng: Random) -> str:
    """Questions and answers, definite ones first, then one that needs knowledge."""
    first = list(_on_actions(known, rng))[:2]
    if not first:
        opening, _ = chinese.lead(known, rng)
        first = [(rng.choice(("图片里有什么？", "这张图片展示了什么？")), opening or _named(known))]
    others: list[Pair] = []
    for make in (_on_colours, _on_counts, _on_place, _on_presence, _on_absence):
        others += list(make(known, rng))
    said = "".join(answer for _, answer in first)
    others = [pair for pair in others if pair[1] not in said]
    others = [pair for pair in others if not (pair[1].startswith("有") and pair[0][3:-2] in said)]
    if len(others) < 2:
        asked = {question for question, _ in others}
        more = [pair for pair in _on_presence(known, rng, fewest=1) if pair[0] not in asked]
        others += [pair for pair in more if pair[0][3:-2] not in said or not others]
    rng.shuffle(others)
    pairs = [pair for pair in first if pair[1]] + others[: max(rng.choice((2, 3)), 3 - len(first))]
    topic = topic_of(known)
    if topic is not None:
        lesson = topic.lessons["zh"]
        knowledge = [rng.choice(lesson.so), *drawn(rng, lesson.say, rng.choice((2, 3)))]
        pairs.append((rng.choice(lesson.ask), _connected(knowledge, rng)))
    return written(pairs)


def detail(known: Known, rng: Random) -> str:
    """One description: what is going on, then what is marked where."""
    opening, clause = chinese.lead(known, rng)
    said = [opening] if opening else []
    if known.in_chinese:
        told = set(opening)
        for caption in known.captions:
            if len(set(caption) - told) >= 5 and len(said) < 3:
                told |= set(caption)
                said.append(f"{caption.rstrip('。.')}。")
    opening_words = [opening[at : at + 2] for at in range(len(opening) - 1)]
    for other in known.clauses:
        what = chinese.predicate(other)
        same = clause is not None and (other.noun, other.plural) == (clause.noun, clause.plural)
        if same and what is not None and what[:2] not in (*opening_words, "正在"):
            said.append(f"{chinese.definite(other)}{what}。")
            break
    colours = [
        f"{coloured.noun.chinese}是{COLOURS[coloured.colour]}的"
        for coloured in known.coloured[:2]
        if COLOURS[coloured.colour] not in "".join(said)
    ]
    if colours:
        said.append(f"画面里的{'，'.join(colours)}。")
    if known.place is not None:
        where = known.place.chinese
        said.append(rng.choice((f"这一幕发生在{where}。", f"场景在{where}。")))
    boxes = chinese.box_sentences(known, "".join(said), rng)
    written_so_far = "".join((*said, *boxes))
    names = [
        noun.chinese for noun in worth_asking(known) if noun.chinese not in written_so_far and category_of(noun) is None
    ]
    if names:
        boxes.append(f"画面里还能看到{chinese.listed(list(dict.fromkeys(names))[:3])}。")
    if not said and not boxes:
        return _named(known)
    apart = len(said) >= 2 and len(boxes) >= 3
    return ("\n\n" if apart else "").join(filter(None, ("".join(said), "".join(boxes))))


def reasoning(known: Known, rng: Random) -> str:
    """One question and its answer: what is seen, then what follows from it."""
    topic = topic_of(known)
    lesson = _plain_lesson(known) if topic is None else topic.lessons["zh"]
    opening, _ = chinese.lead(known, rng)
    seen = [opening] if opening else []
    if known.place is not None and rng.random() < 0.5:
        seen.append(f"场景在{known.place.chinese}。")
    boxes = chinese.box_sentences(known, "".join(seen), rng, limit=4)
    seen += boxes[: 2 if len(seen) < 2 else 1]
    if not seen:
        seen.append(_named(known))
    said = [rng.choice(lesson.so), *drawn(rng, lesson.say, 3)]
    return written([(_asked(lesson, rng), f"{''.join(seen)}\n\n{_connected(said, rng)}")])


def written(pairs: list[Pair]) -> str:
    """Pairs in the form the prompts ask for."""
    return "\n".join(f"问题：\n{question}\n===\n回答：\n{answer}\n===" for question, answer in pairs)


# ---- definite questions ----------------------------------------------------------------------------------------------


def _on_actions(known: Known, rng: Random) -> Iterator[Pair]:
    asked: set[tuple[str | None, bool]] = set()
    questions: set[str] = set()
    for clause in known.clauses:
        what = chinese.predicate(clause)
        subject = (category_of(clause.noun), clause.plural)
        if what is None or subject in asked:
            continue
        asked.add(subject)
        who = chinese.definite(clause)
        question = rng.choice((f"图中的{clause.noun.chinese}在做什么？", f"{who}在做什么？"))
        if clause.noun.kind == "vehicle" or (what[1:2] == "在" and what[0] in "坐站躺趴睡停" and rng.random() < 0.5):
            question = f"{who}在哪里？" if what[1:2] == "在" and what[0] != "正" else f"{who}是什么情形？"
        if question not in questions:
            questions.add(question)
            yield question, f"{who}{what}。"


def _on_colours(known: Known, rng: Random) -> Iterator[Pair]:
    if known.monochrome:
        yield "这是一张彩色照片吗？", "不是，这是一张黑白照片。"
        return
    for coloured in rng.sample(known.coloured, min(2, len(known.coloured))):
        noun = coloured.noun.chinese
        yield f"图中的{noun}是什么颜色的？", f"{noun}是{COLOURS[coloured.colour]}的。"


def _on_counts(known: Known, rng: Random) -> Iterator[Pair]:
    for noun, number in known.counted[:1]:
        thing = f"{noun.measure}{noun.chinese}"
        yield rng.choice((f"图中有几{thing}？", f"可以看到几{thing}？")), f"图中有{chinese.NUMERALS[number]}{thing}。"


def _on_place(known: Known, rng: Random) -> Iterator[Pair]:
    place = known.place
    if place is None:
        return
    if place.indoors is not None and rng.random() < 0.4:
        yield "这是在室内还是室外？", f"这是在{'室内' if place.indoors else '室外'}，在{place.chinese}。"
    else:
        yield rng.choice(("这张照片是在哪里拍的？", "这个场景在什么地方？")), f"在{place.chinese}。"


def _on_presence(known: Known, rng: Random, fewest: int = 2) -> Iterator[Pair]:
    """A thing that several captions name and that the first questions did not ask for."""
    if things := worth_asking(known, fewest):
        name = rng.choice(things).chinese
        yield f"图中有{name}吗？", rng.choice((f"有，图中可以看到{name}。", f"有，画面里有{name}。"))


def _on_absence(known: Known, rng: Random) -> Iterator[Pair]:
    category = surely_absent(known, rng)
    if category is not None:
        name = name_of(category).chinese
        yield f"图中有{name}吗？", rng.choice((f"没有，图中没有{name}。", f"没有，画面里看不到{name}。"))


def _named(known: Known) -> str:
    """What the captions name, in one sentence; "" when it has no Chinese names."""
    if known.in_chinese:
        names = [name_of(category).chinese for category in list(known.named)[:4]]
    else:
        persons = [noun for noun in known.spoken if noun.kind == "person"][1:]  # of one person the first name is enough
        things = (noun for noun in known.spoken if noun.kind not in ("wear", "drink") and noun not in persons)
        names = list(dict.fromkeys(noun.chinese for noun in things))[:4]
    if names:
        return f"画面中可以看到{chinese.listed(names)}。"
    return f"这张照片是在{known.place.chinese}拍的。" if known.place is not None else ""


# ---- reasoning -------------------------------------------------------------------------------------------------------


def _asked(lesson: Lesson, rng: Random) -> str:
    question = rng.choice(lesson.ask)
    opening = rng.choice(("", "", "看看这张图，", "从画面来看，", "结合图中的情形，"))
    return question if "画面" in question or "这张图" in question else f"{opening}{question}"


def _connected(said: list[str], rng: Random) -> str:
    """Sentences as one paragraph, some linked to the one before."""
    if len(said) > 2 and rng.random() < 0.6:
        said[-1] = rng.choice(("另外，", "此外，", "还有，", "最后，")) + said[-1]
    return "".join(said)


def _plain_lesson(known: Known) -> Lesson:
    """What can be said of any picture whose boxes are known."""
    groups = inventory.groups(known)
    so = f"占地方最大的总是最先被看到，这里是{name_of(groups[0].category).chinese}。" if groups else (
        "与周围不同的总是最先被看到。"
    )  # fmt: skip
    return Lesson(
        ask=("这个场景里什么最引起注意，为什么？", "视线会先落在哪里，又是被什么引导的？"),
        so=(so,),
        say=(
            "颜色和明暗的对比也会引导视线。",
            "靠近中间的东西，看上去比边缘的更重要。",
            "和整体不协调的部分，会让目光多停一会儿。",
            "边缘、小路这样的线条，会把视线从一处带到另一处。",
            "看过第一眼之后，细节才慢慢说明一切是怎样联系在一起的。",
        ),
    )
