"""Lengths in tokens, by a checkpoint's tokenizer and template. Pictures count as nothing: they are not opened here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chiasm.conversation import Conversation
from chiasm.data.card import Measure
from chiasm.processing.processor import Processor
from chiasm.processing.tokens import PICTURE


def in_tokens(processor: Processor) -> Measure:
    """Records as training writes them, template and all; answers by themselves."""

    def of_record(record: Mapping[str, Any]) -> int:
        pieces = processor.template.render(Conversation.from_llava(record), train=True)
        ids = processor.tokenizer.encode(pieces).ids
        return len(ids) - ids.count(PICTURE)

    return Measure("tokens", of_record, lambda text: len(processor.tokenizer.encode_text(text, opening=False)))
