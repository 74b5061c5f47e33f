from __future__ import annotations

import pytest

from chiasm.evals.captions.tokenise import words_of


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A man riding a wave on top of a surfboard.", "a man riding a wave on top of a surfboard"),
        ("", ""),
        ("...", ""),
        ('"STOP" , he said ; twice!', "stop he said twice"),
        ("The dog's bone isn't here, it can't be", "the dog 's bone is n't here it ca n't be"),
        ("We cannot see", "we can not see"),
        ("a t-shirt and his/her cap", "a t-shirt and his/her cap"),
        ("black & white", "black & white"),
        ("a T.V. in the U.S. at 6:55", "a t.v. in the u.s. at 6:55"),
        ("on St. Patrick day", "on st. patrick day"),
        ("a river.A group", "a river.a group"),
        ("three (3) boys", "three -lrb- 3 -rrb- boys"),
        ("the beach--kite flying - fun", "the beach kite flying fun"),
        ("girls' game at 5 o'clock", "girls game at 5 o'clock"),
        ("It’s “good”", "it 's “ good ”"),
        ("a 70s room, 3,000 books", "a 70s room 3,000 books"),
    ],
)
def test_english(caption: str, words: str) -> None:
    assert words_of(caption) == words.split()


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("两只狗在路上打架。", ["两", "只", "狗", "在", "路", "上", "打", "架"]),
        ("穿T恤的人，第10名!", ["穿", "t", "恤", "的", "人", "第", "10", "名"]),
        ("ＡＢＣ 店", ["abc", "店"]),
        ("", []),
    ],
)
def test_chinese(caption: str, words: list[str]) -> None:
    assert words_of(caption, "zh") == words
