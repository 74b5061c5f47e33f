"""Who answers: backends behind the port `chiasm.chat.ChatModel`, and opening one by name.

This module imports no torch: a backend is loaded when it is asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from chiasm.errors import UserError

if TYPE_CHECKING:
    from chiasm.backends.local import LocalChatModel

DEMO_MODEL = Path("runs/demo/final")  # where `chiasm demo` leaves its model, below the folder it was started in


def open_model(
    name: str | Path | None = None, *, dtype: str | None = None, device: str | None = None, template: str | None = None
) -> LocalChatModel:
    """The model called `name`: a checkpoint folder, else `owner/name` on the Hugging Face hub.

    Without a name, the model `chiasm demo` left in runs/demo/final. `dtype` (float32, bfloat16, float16) and `template`
    default to what the checkpoint says, `device` to the best one here. Raises `UserError` saying what was looked for.
    """
    if name is not None and not str(name).strip():
        raise UserError("the name of the model is empty: give a checkpoint folder or owner/name on the hub, or no name")
    if name is None:
        if not DEMO_MODEL.is_dir():
            raise UserError(
                f"no model was named and there is none in {DEMO_MODEL}. "
                "Name one with -m FOLDER, or run `chiasm demo` first: it trains a small one"
            )
        name = DEMO_MODEL
    from chiasm.backends.local import LocalChatModel

    return LocalChatModel.load(name, dtype=dtype, device=device, template=template)
