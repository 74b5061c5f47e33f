"""The assistant that comes with chiasm, answering without torch: importing that takes longer than its whole answer.

numpy computes what the bundled checkpoint is (a CLIP tower, LLaVA-1.5's connector, a Llama) and nothing else; for all
other checkpoints there is `chiasm.backends.local`.
"""

from __future__ import annotations

from chiasm.backends.light.model import LightChatModel
from chiasm.backends.light.shape import Unsupported

__all__ = ["LightChatModel", "Unsupported"]
