"""What loading gives: a model with the processor it was trained with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chiasm.checkpoints.description import Layout
from chiasm.models.familiarity import Familiarity
from chiasm.models.llava import Llava
from chiasm.processing.processor import Processor


@dataclass(slots=True)
class Checkpoint:
    """A model, its processor, the layout it was read from, and the folder's manifest where it had one.

    `familiarity`, in few folders: what the pictures are like that it has learnt from.
    """

    model: Llava
    processor: Processor
    layout: Layout
    manifest: dict[str, Any] | None = None
    familiarity: Familiarity | None = None
