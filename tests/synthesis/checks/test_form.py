"""Refusals, broken form, cut-off replies, the wrong language, leaks: tables of replies and whether they are found."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Find = Callable[..., list[str]]

LONG = "The picture shows a quiet street with a clock on a pole, two parked bicycles and a row of trees behind them."


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, I cannot view the picture.",
        "Sorry, I am not able to see it.",
        "I apologize, but I cannot describe the person.",
        "As an AI language model, I do not see pictures.",
        "While I cannot name the fruits as an AI, there are many of them.",
        "I cannot see the image.",
        "I don't have access to the photo.",
        "I do not have enough information to answer.",
        "The street is quiet. I'm unable to determine more.",
        "Unfortunately, I cannot tell.",
        "Please provide the image so that I can answer.",
        "It is hard to say without seeing the picture.",
    ],
)
def test_a_refusal_is_found(find: Find, answer: str) -> None:
    assert len(find("refusal", answer)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        LONG,
        'The card on the table says "I\'m sorry" in red letters.',
        "The exact species cannot be determined from the picture alone.",
        "The man apologises with a bunch of flowers.",
        "Unfortunately, the umbrella is broken.",
        "The woman cannot see the dog behind her.",
        "The boy is not able to reach the shelf.",
    ],
)
def test_what_only_sounds_like_a_refusal_is_not(find: Find, answer: str) -> None:
    assert find("refusal", answer) == []


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        ("抱歉，我无法查看这张图片。", True),
        ("很抱歉，我不能回答这个问题。", True),
        ("作为一个人工智能助手，我看不到图片。", True),
        ("我无法确定图中的内容。", True),
        ("请提供图片。", True),
        ("一只狗躺在地上，旁边有两个碗。", False),
        ("他没有办法够到架子上的书。", False),
        ("卡片上写着“对不起”。", False),
    ],
)
def test_refusals_in_chinese(find: Find, answer: str, refused: bool) -> None:
    assert bool(find("refusal", answer, language="zh")) is refused


@pytest.mark.parametrize("reason", ["refusal", "content_filter"])
def test_the_providers_word_for_a_refusal_is_taken(find: Find, reason: str) -> None:
    assert len(find("refusal", LONG, finish_reason=reason)) == 1
    assert find("cut_off", LONG, finish_reason=reason) == []  # counted once


@pytest.mark.parametrize("reason", ["length", "unknown", ""])
def test_a_reply_that_nobody_calls_finished_is_cut_off(find: Find, reason: str) -> None:
    assert len(find("cut_off", LONG, finish_reason=reason)) == 1


def test_a_tool_call_is_no_answer(find: Find) -> None:
    assert find("format", LONG, finish_reason="tool_calls") != []


@pytest.mark.parametrize(
    "answer",
    [
        "The picture shows a quiet street with a clock on",
        "The picture shows a quiet street, with a",
        "It is red, and",
        "Some tips:\n\n1. Wear a helmet.\n2. Look both",
        "Some tips:\n\n1. Wear a helmet.\n2.",
        "The tricks are:",
        "A dog lies on the floor.\n\nThe dog is black and has a red collar that",
        "这张图片展示了一条安静的街道，街道上有",
    ],
)
def test_an_answer_that_ends_in_the_middle(find: Find, answer: str) -> None:
    language = "zh" if answer.startswith("这") else "en"
    assert len(find("cut_off", answer, language=language)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        LONG,
        "Yes",
        "Red and white",
        "It says “stop here now please”",
        "He asks: why?",
        "It is red (and a little blue)",
        "Some tricks:\n1. Ollie\n2. Kickflip\n3. Grinds and slides along a ledge",
        "The boy waits…",
        "**A dog is lying on the kitchen floor.**",
    ],
)
def test_an_answer_that_is_whole(find: Find, answer: str) -> None:
    assert find("cut_off", answer) == []


def test_only_the_last_answer_can_be_cut_off(find: Find) -> None:
    turns = [("What is it?", "A clock on a pole beside the street and"), ("Where?", "On the left.")]
    assert find("cut_off", turns=turns) == []
    assert find("cut_off", turns=turns[::-1]) != []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        ("...", "no word"),
        ("A dog.</s>", "special token"),
        ("<image>\nA dog.", "special token"),
        ("A dog.<|im_end|>", "special token"),
        ("[INST] A dog.", "special token"),
        ("A dog.\x00", "U+0000"),
        ("A dog.\ud83d", "U+D83D"),
        ("A dog.\ufffd", "U+FFFD"),
        ("A dog.\nQuestion: Where?", "role"),
        ("Answer: A dog.", "role"),
        ("### Assistant: A dog.", "role"),
        ("A dog.\nUSER: Where?", "role"),
        ("**Question 2:** Where?", "role"),
        ("回答：一只狗。", "role"),
        ("A dog.\n===\nIt is black.", "marker"),
        ('{"question": "What?", "answer": "A dog."}', "JSON"),
        ("```json\n[]\n```", "JSON"),
        (" ".join(map(str, range(2000)))[:8001], "8,001 characters"),
        ("The dog is black and white. " * 3, "3 times"),
        ("A dog lies on the kitchen floor beside two bowls, and it has a red collar, a red collar, a red collar, "
         "a red collar, a red collar", "circles"),
    ],
)  # fmt: skip
def test_a_broken_answer(find: Find, text: str, told: str) -> None:
    found = find("format", text)
    assert len(found) == 1
    assert told in found[0]


@pytest.mark.parametrize(
    "text",
    [
        LONG,
        "A dog.\n\nIt is black: very black.",
        "The question is simple. The answer: yes.",
        "Items [1] and <3 and a = b.",
        "1. Wear a helmet.\n2. Look both ways.\n3. Wear a helmet that fits.",
        "No, no, no!",
        "一只狗。\n\n它是黑色的。",
    ],
)
def test_a_sound_answer(find: Find, text: str) -> None:
    assert find("format", text) == []


def test_turns_are_counted_and_compared(find: Find) -> None:
    assert find("format", turns=[]) == ["there is no turn"]
    assert "21 turns" in find("format", turns=[(f"Is it {i}?", "Yes.") for i in range(21)])[0]
    assert "asked twice" in find("format", turns=[("Is it red?", "Yes."), ("is it  RED?", "Yes, it is.")])[0]
    assert "given 2 times" in find("format", turns=[("Where?", LONG), ("When?", LONG)])[0]
    assert find("format", turns=[("Is it red?", "Yes."), ("Is it old?", "Yes.")]) == []


@pytest.mark.parametrize(
    ("language", "answer", "wrong"),
    [
        ("en", LONG, False),
        ("en", "一只黑色的狗躺在厨房的地板上。", True),
        ("en", "这是一只狗。 A dog.", True),
        ("en", 'The sign above the door says "北京大学" and the door is open to visitors today.', False),
        ("en", "Un chien noir est couché sur le sol de la cuisine à côté de ses gamelles et de son jouet.", True),
        ("en", "Ein schwarzer Hund liegt auf dem Boden der Küche neben seinen Näpfen und einem Spielzeug.", True),
        ("en", "На полу лежит собака.", True),
        ("en", "Bananas, apples, oranges.", False),
        ("zh", "一只黑色的狗躺在厨房的地板上。", False),
        ("zh", LONG, True),
        ("zh", "Yes.", True),
        ("zh", "NBA", False),
        ("zh", "3", False),
        ("zh", "他穿着一件写着 Los Angeles Lakers 的球衣，正在准备投篮。", False),
        ("zh", "これは犬です。", True),
    ],
)  # fmt: skip
def test_the_language(find: Find, language: str, answer: str, wrong: bool) -> None:
    question = "图中有什么？" if language == "zh" else "What is in the picture?"
    assert bool(find("language", answer, language=language, question=question)) is wrong


@pytest.mark.parametrize(
    "answer",
    [
        "As the caption says, a dog is lying on the floor.",
        "According to the captions, it is black.",
        "One of the captions mentions a toy.",
        "The captions describe a calm scene.",
        "Based on the description, it is a kitchen.",
        "They could be stuffed birds, based on the image description.",
        "The first sentence mentions a dog.",
        "The dog fills its bounding box.",
        "It is located at [0.12, 0.33, 0.51, 0.72].",
        "It lies at (0.3, 0.4).",
        "The bananas extend from the center (coordinates 0.288 and 0.477).",
        "The coordinates of the dog are close to the door.",
        "Its normalized position is near the middle.",
        "The woman in the photo is described as older.",
        "There is a dog, as stated in the provided sentences.",
        "The dog's x1 is small.",
    ],
)
def test_a_leak_is_found(find: Find, answer: str) -> None:
    found = find("leak", answer)
    assert found
    assert "“" in found[0]


@pytest.mark.parametrize(
    "answer",
    [
        LONG,
        "A cardboard box stands beside the dog.",
        "The sentence on the sign is written in French.",
        "There is a caption below the photograph in the newspaper.",
        "The team coordinates its passes well, and the outfits are coordinated.",
        "Based on the information provided in the image, the shop is open.",
        "The bottle holds 0.5 l and costs $0.99.",
        "The score is (1, 0).",
        "It can be described as a busy street.",
        "What would be a good caption for this picture?",
        "He is reading a description of the museum.",
    ],
)
def test_what_a_picture_may_show_is_no_leak(find: Find, answer: str) -> None:
    assert find("leak", answer) == []


def test_a_picture_with_captions_may_be_spoken_of(find: Find) -> None:
    answer = "The captions describe what the cat thinks."
    assert find("leak", answer) != []
    assert find("leak", answer, captions=["A cat with funny captions around it."]) == []


def test_questions_leak_too(find: Find) -> None:
    assert find("leak", "A dog.", question="What does the second caption mention?") != []


@pytest.mark.parametrize(
    ("answer", "leaks"),
    [
        ("根据描述，图中有一只狗。", True),
        ("描述中提到了一只狗。", True),
        ("狗的边界框位于中间。", True),
        ("它的坐标是[0.1, 0.2, 0.3, 0.4]。", True),
        ("五个句子都提到了狗。", True),
        ("一只狗趴在门框旁边。", False),
        ("相框里有一张照片。", False),
        ("牌子上写着一句话。", False),
    ],
)
def test_leaks_in_chinese(find: Find, answer: str, leaks: bool) -> None:
    assert bool(find("leak", answer, language="zh", question="图中有什么？")) is leaks
