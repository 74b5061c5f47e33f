"""Who answers: backends behind the port `chiasm.chat.ChatModel`, and opening one by name.

This module imports no torch: a backend is loaded when it is asked for.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from chiasm import bundled
from chiasm.chat import ChatModel
from chiasm.errors import UserError, suggest

if TYPE_CHECKING:
    from chiasm.backends.local import LocalChatModel

BATCHES = Path("runs/batches")  # where batch files go, a folder a model, unless the caller says where
REMOTE = ("openai", "batchfile", "rulebook")  # what may stand before the colon of a name


def open_model(
    name: str | Path | None = None,
    *,
    dtype: str | None = None,
    device: str | None = None,
    template: str | None = None,
    base_url: str | None = None,
    api_key_file: str | Path | None = None,
    folder: str | Path | None = None,
    light: bool = False,
) -> ChatModel:
    """Whoever `name` names: "openai:NAME", "batchfile:NAME", "rulebook", else a local model as `open_local` finds it.

    "openai:NAME" is a model of the server at `base_url` (OpenAI's without one), with the key of `api_key_file` or
    OPENAI_API_KEY; "batchfile:NAME" is asked through files in `folder`; "rulebook" is the teacher that needs no model.
    `dtype`, `device` and `template` are for local models. With `light`, the assistant that comes with chiasm answers
    without torch, where it can and none of these is given: sooner, on the CPU, and nothing but answers. Raises
    `UserError` for options that do not go with the name.
    """
    backend, _, model = str(name or "").partition(":")
    remote = isinstance(name, str) and backend in REMOTE
    local_options = {"dtype": dtype, "device": device, "template": template}
    if remote:
        _refuse(local_options, f"{name} is no local model")
    if backend != "openai" or not remote:
        _refuse({"base-url": base_url, "api-key-file": api_key_file}, f"{name or bundled.NAME} is no openai:NAME")
    if light and name is None and not any(local_options.values()):
        from chiasm.backends.light import LightChatModel, Unsupported

        with contextlib.suppress(Unsupported):
            return LightChatModel.load(bundled.folder("assistant"))
    if not remote:
        return open_local(name, dtype=dtype, device=device, template=template).only_asked()
    if backend == "openai":
        from chiasm.backends.openai import OpenAIChatModel

        return OpenAIChatModel(model, base_url=base_url, api_key_file=api_key_file)
    if backend == "batchfile":
        from chiasm.backends.batchfile import BatchFileChatModel

        return BatchFileChatModel(folder or BATCHES / model.replace("/", "--"), model)
    if model:
        raise UserError(f"'rulebook' has no models to choose from: write it without {':' + model!r}")
    from chiasm.backends.rulebook import RulebookTeacher

    return RulebookTeacher()


def open_local(
    name: str | Path | None = None, *, dtype: str | None = None, device: str | None = None, template: str | None = None
) -> LocalChatModel:
    """The model called `name`: a checkpoint folder, else `owner/name` on the Hugging Face hub.

    Without a name, the assistant that comes with chiasm. `dtype` (float32, bfloat16, float16) and `template`
    default to what the checkpoint says (`dtype` of a small model on a CPU to float32), `device` to the best one here.
    Raises `UserError` saying what was looked for.
    """
    if name is not None and not str(name).strip():
        raise UserError("the name of the model is empty: give a checkpoint folder or owner/name on the hub, or no name")
    if name is None:
        name = bundled.folder("assistant")
    # One letter before the colon would be a drive of Windows.
    if (written := re.match(r"([A-Za-z]\w+):(?!/)", str(name))) and not Path(name).exists():
        backend = written[1]
        if backend in REMOTE:
            raise UserError(f"{name} is no local model: a folder or owner/name on the hub was expected here")
        raise UserError(f"no backend called '{backend}': {suggest(backend, REMOTE)}; or name a folder")
    from chiasm.backends.local import LocalChatModel

    return LocalChatModel.load(name, dtype=dtype, device=device, template=template)


def _refuse(options: Mapping[str, object], why: str) -> None:
    if given := [f"--{option}" for option, value in options.items() if value is not None]:
        raise UserError(f"{', '.join(given)} cannot be used here: {why}")
