"""The offline teacher: what it says is borne out by the text it read, in both languages, and passes the checks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import chiasm
from chiasm.backends import open_model
from chiasm.backends.rulebook import RulebookTeacher
from chiasm.backends.rulebook.clauses import clause_of, is_phrase, is_sentence, tidy
from chiasm.backends.rulebook.knowledge import topic_of, topics
from chiasm.backends.rulebook.reading import Known, read
from chiasm.backends.rulebook.words import nouns
from chiasm.chat import ChatModel, Sampling, collect
from chiasm.conversation import Conversation, Message, Text, user
from chiasm.data.object_names import CATEGORIES, CHINESE, mentioned
from chiasm.errors import UserError
from chiasm.synthesis import kinds
from chiasm.synthesis.checks import Examiner
from chiasm.synthesis.context import as_text
from chiasm.synthesis.plan import Plan
from chiasm.synthesis.sample import Box, Context, Language
from chiasm.synthesis.sources import Source
from tests.synthesis.pictures import BEACH

TEACHER = RulebookTeacher()
LONG = Sampling(max_tokens=4000)


def said(context: Context, kind: str, language: Language = "en") -> str:
    return TEACHER.ask(kinds.find(kind).asked(context, language), LONG).text


def context(*captions: str, boxes: tuple[Box, ...] = ()) -> Context:
    return Context("1", "1.jpg", captions, boxes)


# ---- the grammar -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caption", "tidied"),
    [
        ("A close up of a cat on  a chair .", "a cat on a chair"),
        ("There is a dog sleeping on the floor", "a dog sleeping on the floor"),
        ("This is a red bus in the city", "a red bus in the city"),
        ("Group of people standing in snow.", "a group of people standing in snow"),
        ("Asian woman eating noodles at home", "Asian woman eating noodles at home"),
        ("A cat laying on a bed.", "a cat lying on a bed"),
        ("A cat laying an egg is rare.", "a cat laying an egg is rare"),
        ("A dog.", ""),
        ("I think this is a dog on a couch", ""),
        ("He is riding a horse on the beach", ""),
        ("A elephant with raised an finger", ""),
        ("A sign that reads stop on a street", ""),
        ("The caption shows a dog on grass", ""),
    ],
)
def test_captions_are_tidied_or_left_out(caption: str, tidied: str) -> None:
    assert tidy(caption) == tidied


@pytest.mark.parametrize(
    ("caption", "definite", "be", "doing"),
    [
        ("a man in a red jacket riding a horse", "the man", "is", "riding a horse"),
        ("two young women are playing tennis", "the two young women", "are", "playing tennis"),
        ("a group of people flying kites", "the people", "are", "flying kites"),
        ("a man holding a dog that looks up", "the man", "is", "holding a dog that looks up"),
        ("a man walks his dog down a street", "the man", "is", "walking his dog down a street"),
        ("two boys play soccer in a field", "the two boys", "are", "playing soccer in a field"),
        ("a bus parked along a street", "the bus", "is", "parked along a street"),
        ("a man sitting on a bench reading a book", "the man", "is", "sitting on a bench while reading a book"),
        ("gray cat lying on a chair", "the gray cat", "is", "lying on a chair"),
    ],
)
def test_clauses(caption: str, definite: str, be: str, doing: str) -> None:
    clause = clause_of(caption)
    assert clause is not None
    assert (clause.definite, clause.be, clause.doing) == (definite, be, doing)


@pytest.mark.parametrize(
    "caption",
    [
        "a kitchen with a stove and cabinets",  # nobody does anything
        "a man with a little girl sitting on his lap",  # who sits?
        "a man watching a dog playing with a ball",  # who plays?
        "a woman wearing an army shirt hits a tennis ball",  # the main verb comes late
        "a man holding a camera is in this mirror",
        "a train blowing smoke is coming down the tracks",
        "a man playing tennis runs to hit the ball",
        "a dog is on a bed looking at a cat",  # the first verb is another
        "a man and a woman riding horses",  # two subjects
        "a man that is riding a horse",
        "a building sitting on a hill",  # not somebody
        "a skier in midair after jumping a ramp",
    ],
)
def test_what_the_grammar_does_not_understand_it_leaves_alone(caption: str) -> None:
    clause = clause_of(caption)
    assert clause is None or clause.doing == "watching a dog playing with a ball"


def test_one_odd_caption_is_not_believed_against_the_boxes() -> None:
    boxes = (Box("elephant", 0.1, 0.1, 0.5, 0.9), Box("elephant", 0.5, 0.2, 0.9, 0.9))
    odd = context(
        "Two elephants in a zoo.", "Elephants at a fence.", "A giraffe standing next to an elephant.", boxes=boxes
    )
    assert "giraffe" not in said(odd, "detail")
    assert "长颈鹿" not in said(odd, "detail", "zh")


def test_phrases_and_sentences() -> None:
    assert is_phrase("a kitchen with a refrigerator and oven with cabinets")
    assert is_phrase("two hot dogs between slices of bread")
    assert not is_phrase("a van is on the roof of a bus")
    assert not is_phrase("a skier flies over a mogul on the slope")
    assert is_sentence("a van is on the roof of a bus")
    assert is_sentence("a skier flies over a mogul on the slope")
    assert not is_sentence("a bus that is sitting in the grass")


# ---- what it knows ---------------------------------------------------------------------------------------------------


def test_the_text_is_read_back() -> None:
    known = read(as_text(BEACH.captions, BEACH.boxes))
    assert known.captions == BEACH.captions
    assert [(t.category, t.x1, t.y2) for t in known.things] == [
        ("person", 0.4, 0.5),
        ("horse", 0.3, 0.9),
        ("dog", 0.05, 0.9),
    ]
    assert known.place is not None
    assert known.place.english == "on a beach"
    assert {(c.noun.singular, c.colour) for c in known.coloured} == {("jacket", "red"), ("horse", "brown")}
    with pytest.raises(ValueError, match="is no box"):
        read("A dog.\n\ndog at the left")


def test_a_pasture_is_no_farm() -> None:
    context = Context("1", "1.jpg", ("Several zebras eat the green grass in the pasture.",), ())
    told = said(context, "conversation") + said(context, "detail")
    assert "pasture" in told
    assert "farm" not in told


def test_a_group_is_not_introduced_twice() -> None:
    captions = (
        "A group of motorcycles down a long street filled with trees on either side.",
        "A group of motorcyclists drive down a tree lined street.",
        "A group of people riding mopeds through a park.",
    )
    told = [said(Context(name, f"{name}.jpg", captions[:number], ()), "detail") for number in (2, 3) for name in "abcd"]
    assert not [text for text in told if "t is a group" in text]


@pytest.mark.parametrize(
    ("captions", "counts"),
    [
        (("Two dogs on a bed.", "Two brown dogs asleep."), {"dogs": 2}),
        (("Two dogs on a bed.", "Three dogs asleep."), {}),  # they disagree
        (("Two dogs on a bed.", "A dog asleep."), {}),
        (("Two dogs and several others.",), {}),  # more than the two
        (("Two hot dogs on a plate.",), {"hot dogs": 2}),
    ],
)
def test_counts_only_where_captions_agree(captions: tuple[str, ...], counts: dict[str, int]) -> None:
    assert {noun.plural: number for noun, number in Known(captions, ()).counted} == counts


@pytest.mark.parametrize(
    ("captions", "colours"),
    [
        (("A red umbrella in rain.",), {"umbrella": "red"}),
        (("A red umbrella in rain.", "A blue umbrella."), {}),
        (("A black and white cat on a bed.",), {}),
        (("A green street sign.", "A white kitchen table."), {}),  # which of the two words is green?
        (("An orange cat on a grey couch.",), {"cat": "orange", "couch": "gray"}),
    ],
)
def test_colours_only_where_captions_agree(captions: tuple[str, ...], colours: dict[str, str]) -> None:
    assert {c.noun.singular: c.colour for c in Known(captions, ()).coloured} == colours


@pytest.mark.parametrize(
    ("caption", "place"),
    [
        ("A cat in a kitchen.", "in a kitchen"),
        ("A kitchen with a stove.", "in a kitchen"),
        ("A kitchen table with fruit.", None),
        ("A street sign on a pole.", None),
        ("A man on a tennis court with a racket.", "on a tennis court"),
        ("A cow near a lake.", None),
        ("A player on a field.", "in a field"),
        ("A cow in a grassy field.", "in a grassy field"),
    ],
)
def test_places(caption: str, place: str | None) -> None:
    found = Known((caption,), ()).place
    assert (found.english if found else None) == place


@pytest.mark.parametrize(
    ("caption", "word"),
    [
        ("A hot dog on a plate.", "hot dog"),
        ("A fire truck on a street.", "fire truck"),
        ("A stuffed bear.", "teddy bear"),
    ],
)
def test_topics_take_the_longest_word(caption: str, word: str) -> None:
    topic = topic_of(Known((caption,), ()))
    assert topic is not None
    assert word in topic.words


def test_no_knowledge_names_things_that_need_not_be_there() -> None:
    for topic in topics():
        own = set(mentioned(", ".join(topic.words)))
        for language, lesson in topic.lessons.items():
            for sentence in (*lesson.ask, *lesson.so, *lesson.say):
                assert set(mentioned(sentence, language)) <= own, sentence


def test_chinese_names_are_those_the_checks_know() -> None:
    for noun, _ in nouns().values():
        for category in mentioned(noun.singular) if noun.kind != "person" and noun.chinese != "球" else ():
            assert category in mentioned(noun.chinese, "zh"), noun
    assert set(CHINESE) == set(CATEGORIES)


# ---- what it says ----------------------------------------------------------------------------------------------------


def test_a_conversation_says_what_captions_say() -> None:
    text = said(BEACH, "conversation")
    assert "the man riding?\n===\nAnswer:\nThe man is riding a" in text
    questions = re.findall(r"Question:\n(.*)", text)
    assert 4 <= len(questions) <= 7
    assert len(set(questions)) == len(questions)


def test_a_description_says_where_things_are() -> None:
    text = said(BEACH, "detail")
    assert "dog" in text  # of boxes alone
    assert "lower left" in text
    assert "0." not in text


def test_left_and_right_are_the_boxes() -> None:
    boxes = (Box("cup", 0.1, 0.4, 0.2, 0.6), Box("laptop", 0.5, 0.3, 0.9, 0.7))
    for number in range(20):
        text = said(context(f"A desk in room number {number} of the office.", boxes=boxes), "detail")
        assert "laptop is to the left" not in text
        assert "cup is to the right" not in text
        assert "cup is to the left of the laptop" in text or "laptop is to the right of the cup" in text


def test_absent_things_are_not_there() -> None:
    captions = [(f"A cat is lying on a bed in room {number}.",) * 4 for number in range(40)]
    denied = Counter(
        name for lines in captions for name in re.findall(r"no (\w+)", said(context(*lines), "conversation"))
    )
    assert denied
    assert "cat" not in denied
    vague = [said(context(*("Several animals near a statue in a zoo.",) * 4), "conversation")]
    assert not any("No, " in text for text in vague)


def test_chinese_replies_are_chinese() -> None:
    text = said(BEACH, "conversation", "zh")
    assert "这个男人正骑着" in text
    detail = said(BEACH, "detail", "zh")
    assert "海滩" in detail
    assert "画面左下方" in detail
    assert not re.search("[a-z]{3}", text + detail)


def test_chinese_captions_are_taken_as_they_are() -> None:
    chinese = context("一个女孩牵着一只狗在草地上散步。", "女孩和狗在草地上。", "草地上的狗。")
    assert "一个女孩牵着一只狗在草地上散步" in said(chinese, "detail", "zh")
    assert said(chinese, "conversation", "zh").count("问题：") >= 2


def test_equal_messages_get_equal_replies() -> None:
    assert said(BEACH, "detail") == RulebookTeacher().ask(kinds.find("detail").asked(BEACH, "en"), LONG).text
    other = Context(BEACH.id, BEACH.image, (*BEACH.captions, "And a dog."), BEACH.boxes)
    assert said(other, "detail") != said(BEACH, "detail")


def test_replies_do_not_depend_on_the_process() -> None:
    code = (
        "import hashlib; from chiasm.backends.rulebook import RulebookTeacher as T; from chiasm.chat import Sampling\n"
        "from chiasm.synthesis import kinds; from tests.synthesis.pictures import record; from chiasm.synthesis.sample "
        "import Context\n"
        "for n in range(60):\n for k in ('conversation', 'detail', 'reasoning'):\n  for l in ('en', 'zh'):\n"
        "   c = Context('1', '1.jpg', (*record(n)['captions'], 'Two red cars in a grassy field in a park.'))\n"
        "   print(T().ask(kinds.find(k).asked(c, l), Sampling(max_tokens=4000)).text)\n"
    )
    path = os.pathsep.join((str(Path(chiasm.__file__).parents[1]), str(Path(__file__).parents[2])))
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


def test_it_is_a_chat_model() -> None:
    model = open_model("rulebook")
    assert isinstance(model, ChatModel)
    asked = [kinds.find(kind).asked(BEACH, "en") for kind in ("detail", "reasoning")]
    answers = list(model.answer_all(asked, LONG))
    assert [answer.index for answer in answers] == [0, 1]
    assert collect(model.stream(asked[1], LONG), 1) == answers[1]
    assert answers[0].finish_reason == "stop"
    assert answers[0].usage.num_answer == len(answers[0].text.split())
    short = next(model.answer_all(asked[:1], Sampling(max_tokens=5)))
    assert short.finish_reason == "length"
    assert len(short.text.split()) == 5


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (None, "only requests of `chiasm synth`"),
        ("Task: poem; language: en", "no kind 'poem'"),
        ("Be kind.", "Be kind."),
    ],
)
def test_what_it_cannot_answer_it_says(system: str | None, message: str) -> None:
    first = () if system is None else (Message("system", (Text(system),)),)
    with pytest.raises(UserError, match=re.escape(message)):
        TEACHER.ask(Conversation((*first, user("A dog."))), LONG)
    bad = Conversation((Message("system", (Text("Task: detail; language: en"),)), user("A dog.\n\nno box")))
    with pytest.raises(UserError, match="cannot read this context"):
        TEACHER.ask(bad, LONG)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_it_says_of_real_pictures_is_accepted(shared_data: Path, language: Language) -> None:
    source = Source(shared_data / "coco_text" / "val2017_captions_boxes.jsonl", num=200)
    plan = Plan.of(("conversation", "detail", "reasoning"), (language,), "rulebook", "val2017")
    examiner, rejected = Examiner(), Counter[str]()
    items = list(plan.items(source.read()))
    for item in items:
        sample, repairs = plan.sample(item, TEACHER.ask(plan.request(item).conversation, LONG))
        assert not repairs
        rejected.update(rejection.reason for rejection in examiner.examine(sample).rejections[:1])
    assert rejected.total() < 0.03 * len(items), rejected


def test_what_it_denies_has_no_box(shared_data: Path) -> None:
    contexts = list(Source(shared_data / "coco_text" / "val2017_captions_boxes.jsonl", num=600).read())
    num_denied = num_wrong = 0
    for one in contexts:
        for name in re.findall(r"(?:there is|No,) no (\w+)", said(one, "conversation")):
            num_denied += 1
            num_wrong += any(box.category == name for box in one.boxes)
    assert num_denied > 200
    assert num_wrong <= 0.01 * num_denied
