"""What is kept of answers, style by style."""

from __future__ import annotations

import pytest

from chiasm.describing import styles
from chiasm.errors import UserError


def test_every_style_asks_in_both_languages() -> None:
    assert styles.names() == ["alt-text", "caption", "detail", "ocr", "product", "social", "story", "tags"]
    prompts = [prompt for name in styles.names() for prompt in styles.find(name).prompts.values()]
    assert len(set(prompts)) == 16
    for name in styles.names():
        style = styles.find(name)
        assert list(style.prompts) == ["en", "zh"]
        assert style.prompts["en"].isascii()
        assert sum("\u4e00" <= letter <= "\u9fff" for letter in style.prompts["zh"]) > 15
        assert 50 <= style.max_tokens <= 1024


def test_both_spellings_name_a_style_and_others_are_suggested() -> None:
    assert styles.find("alt_text") is styles.find("alt-text")
    with pytest.raises(UserError, match="no style called 'alt-txt': did you mean 'alt-text'"):
        styles.find("alt-txt")


@pytest.mark.parametrize(
    ("style", "answer", "text"),
    [
        ("caption", ' "A dog\nruns." ', "A dog runs."),
        ("caption", '"Stop", says "he"', '"Stop", says "he"'),
        ("caption", "“一只狗。”", "一只狗。"),
        ("caption", '"', '"'),
        ("detail", "\nOne.  \n\nTwo.\n", "One.\n\nTwo."),
        ("alt-text", "Alt text: An image of a red bus.", "A red bus."),
        ("alt-text", "The picture shows two dogs", "Two dogs"),
        ("alt-text", "A picture of", "A picture of"),
        ("alt-text", "A picture frame on a wall", "A picture frame on a wall"),
        ("alt-text", "图片显示了一只猫。", "一只猫。"),
        ("alt-text", "一张图片展示的是海滩。", "海滩。"),
        ("ocr", "```text\nTOTAL  12.50\n  cash\n```", "TOTAL  12.50\n  cash"),
        ("ocr", "(no text)", "(no text)"),
        ("product", "Mug\n\nA blue mug. ", "Mug\n\nA blue mug."),
        ("story", " Once. ", "Once."),
    ],
)
def test_answers_are_read(style: str, answer: str, text: str) -> None:
    assert styles.find(style).read(answer) == styles.Written(text)


@pytest.mark.parametrize(
    ("answer", "tags"),
    [
        ("dog, red ball,grass.", ("dog", "red ball", "grass")),
        ("Tags: Dog, dog, DOG, , sky", ("Dog", "sky")),
        ("1. dog\n2) red  ball\n- sky\n• sea", ("dog", "red ball", "sky", "sea")),
        ("标签：小狗、草地，红色；开心", ("小狗", "草地", "红色", "开心")),
        ("#dog, #sky", ("dog", "sky")),
        ("2024, 3 dogs", ("2024", "3 dogs")),
        (" .. ", ()),
    ],
)
def test_tags_are_a_list(answer: str, tags: tuple[str, ...]) -> None:
    assert styles.find("tags").read(answer) == styles.Written(", ".join(tags), tags)


@pytest.mark.parametrize(
    ("answer", "tags"),
    [
        ("What a day! #Beach #sun_set #beach #2024 #1st", ("#Beach", "#sun_set", "#1st")),
        ("好日子 #海滩 #日落#夏天", ("#海滩", "#日落")),
        ("https://x.y/a#b C#", ()),
        ("＃海", ("#海",)),
    ],
)
def test_hashtags_are_a_list_and_stay_in_the_text(answer: str, tags: tuple[str, ...]) -> None:
    assert styles.find("social").read(answer) == styles.Written(answer, tags)
