"""A tokenizer learnt from a recipe's records."""

from __future__ import annotations

import json
from pathlib import Path

from chiasm.training.config import Vocabulary
from chiasm.training.vocabulary import learn

TURNS = [
    {"from": "human", "value": "What colour is the cup?\n杯子是什么颜色的？"},
    {"from": "gpt", "value": "The cup is red. 红色的杯子"},
]


def test_words_who_speaks_and_chinese_characters_are_single_pieces(tmp_path: Path) -> None:
    records = tmp_path / "records.json"
    records.write_text(json.dumps([{"id": str(n), "conversations": TURNS} for n in range(50)]), encoding="utf-8")
    tokenizer = learn(Vocabulary(records=(str(records),), size=600))
    for piece in ("user", "assistant", " cup", " red", "<|im_start|>", "红", "杯"):
        assert len(tokenizer.encode(piece, add_special_tokens=False).ids) == 1, piece
    # However often a phrase is said, its colour stays a piece of its own.
    assert len(tokenizer.encode("红色的杯子", add_special_tokens=False).ids) == 5
    for text in ("A cup, 42 杯子 🦊", "  two\n\nlines\t"):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids) == text
