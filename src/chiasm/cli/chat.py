"""`chiasm chat`: one question and its answer, or a conversation in the terminal."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from chiasm.chat import ChatModel, Sampling
from chiasm.cli.known_values import known_device, known_dtype, known_template
from chiasm.cli.speaking import show, speak
from chiasm.conversation import Conversation, user
from chiasm.errors import UserError


def chat(  # noqa: PLR0913, PLR0917 - one argument an option
    prompt: Annotated[str | None, typer.Argument(help="The question; without it, a conversation.")] = None,
    image: Annotated[
        list[str] | None, typer.Option("--image", "-a", help="A picture to ask about; repeatable.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="A checkpoint folder or hub name. [default: runs/demo/final of `chiasm demo`]"
        ),
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="The longest answer.")] = 512,
    temperature: Annotated[float, typer.Option(min=0, max=100, help="0: always the likeliest token.")] = 0.0,
    top_p: Annotated[float, typer.Option(help="Draw from the likeliest tokens that together reach this.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="Makes drawn answers repeatable.")] = None,
    template: Annotated[
        str | None, typer.Option(callback=known_template, help="Write the prompt so. [default: as the checkpoint says]")
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(callback=known_dtype, help="float32, bfloat16, float16. [default: the checkpoint's]"),
    ] = None,
    device: Annotated[
        str | None, typer.Option(callback=known_device, help="cpu, cuda, cuda:1, mps. [default: the best one here]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as one JSON object.")] = False,
    timing: Annotated[bool, typer.Option("--timing", help="Say on stderr what each answer cost.")] = False,
) -> None:
    """Ask a model about pictures: once with a prompt (or one piped in), else turn by turn.

    \b
    Examples:
      chiasm chat -m FOLDER -a photo.jpg "What is unusual here?"
      chiasm chat
      echo "What is a chiasm?" | chiasm chat
    """
    if not 0 < top_p <= 1:
        raise typer.BadParameter(f"{top_p} is not above 0 and at most 1", param_hint="--top-p")
    sampling = Sampling(max_tokens=max_tokens, temperature=temperature, top_p=top_p, seed=seed)
    if prompt is None and not sys.stdin.isatty():
        prompt = sys.stdin.read().strip() or None
        if prompt is None:
            raise UserError("nothing to ask: no prompt was given and standard input is empty")
    if prompt is None and as_json:
        raise typer.BadParameter("needs a prompt: a conversation is not one JSON object", param_hint="--json")
    _check_pictures(image or [])

    from chiasm.backends import open_model

    answerer = open_model(model, dtype=dtype, device=device, template=template)
    if prompt is not None:
        conversation = Conversation((user(prompt, image or ()),))
        ask_once(answerer, conversation, sampling, as_json=as_json, timing=timing)
    else:
        from chiasm.cli.repl import Repl

        Repl(answerer, sampling, timing=timing).run(image or ())


def ask_once(
    model: ChatModel, conversation: Conversation, sampling: Sampling, *, as_json: bool = False, timing: bool = False
) -> None:
    """Write the answer to standard output as it comes, or as JSON when it is whole."""

    spoken = speak(iter(model.stream(conversation, sampling)), (lambda _: None) if as_json else show)
    if not as_json:
        print()
    if spoken.usage is None:
        raise KeyboardInterrupt
    if as_json:
        fields = {
            "answer": spoken.text,
            "finish_reason": spoken.finish_reason,
            "usage": asdict(spoken.usage),
            "seconds_to_first_token": round(spoken.seconds_to_first, 4),
            "seconds": round(spoken.seconds, 4),
        }
        print(json.dumps(fields, ensure_ascii=False))
    if timing:
        print(spoken.timing(), file=sys.stderr)


def _check_pictures(paths: list[str]) -> None:
    """Open every picture once before the model is loaded: a wrong path should not cost minutes."""
    if paths:
        from chiasm.processing.pictures import open_picture

        for path in paths:
            open_picture(path)
