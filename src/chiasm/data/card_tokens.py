"""Lengths in tokens, by a checkpoint's tokenizer and template. Pictures count as nothing: they are not opened here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chiasm.conversation import Conversation
from chiasm.data.card import Measure
from chiasm.processing.apart import each_alone
from chiasm.processing.processor import Processor
from chiasm.processing.tokens import PICTURE


def in_tokens(processor: Processor) -> Measure:
    """Records as training writes them, template and all; answers by themselves. Questions asked apart are so many."""

    def of_record(record: Mapping[str, Any]) -> int:
        alone = each_alone(Conversation.from_llava(record))
        written = [processor.tokenizer.encode(processor.template.render(each, train=True)).ids for each in alone]
        return sum(len(ids) - ids.count(PICTURE) for ids in written)

    return Measure("tokens", of_record, lambda text: len(processor.tokenizer.encode_text(text, opening=False)))
