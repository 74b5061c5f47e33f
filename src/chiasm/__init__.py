"""chiasm: the whole LLaVA recipe in one package. Importing it does no work and loads neither torch nor the network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from chiasm.chat import ChatModel, Sampling
from chiasm.conversation import Conversation, Image, Message, Text
from chiasm.version import __version__

if TYPE_CHECKING:
    from chiasm.backends.local import LocalChatModel

__all__ = ["ChatModel", "Conversation", "Image", "Message", "Sampling", "Text", "__version__", "load"]


def load(source: str | Path | None = None, *, dtype: str | None = None, device: str | None = None) -> LocalChatModel:
    """A model ready to answer: a checkpoint folder, a name on the Hugging Face hub, or the assistant that ships.

    `dtype` (float32, bfloat16, float16) defaults to the checkpoint's own, for small models on a CPU to float32, and
    `device` to the best one here. Raises `chiasm.errors.UserError` when there is no such model.
    """
    from chiasm.backends import open_local

    return open_local(source, dtype=dtype, device=device)
