"""`chiasm chat`: one question and its answer, or a conversation in the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from chiasm.chat import ChatModel, Sampling
from chiasm.cli.known_values import DeviceOption, DtypeOption, TemplateOption
from chiasm.cli.speaking import show, speak, unfamiliar_line
from chiasm.cli.typed_line import is_address
from chiasm.conversation import Conversation, user
from chiasm.errors import UserError
from chiasm.harmless import json_line


def chat(  # noqa: PLR0913, PLR0917 - one argument an option
    prompt: Annotated[str | None, typer.Argument(help="The question; without it, a conversation.")] = None,
    image: Annotated[
        list[str] | None, typer.Option("--image", "-a", help="A picture, or its https address; repeatable.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="A checkpoint folder, hub name or openai:NAME. [default: the assistant that comes with chiasm]",
        ),
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="The longest answer.")] = 512,
    temperature: Annotated[float, typer.Option(min=0, max=100, help="0: always the likeliest token.")] = 0.0,
    top_p: Annotated[float, typer.Option(help="Draw from the likeliest tokens that together reach this.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="Makes drawn answers repeatable.")] = None,
    template: TemplateOption = None,
    dtype: DtypeOption = None,
    device: DeviceOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object an answer; every line piped in is a question.")
    ] = False,
    no_pictures: Annotated[
        bool, typer.Option("--no-pictures", help="Do not show attached pictures in the terminal.")
    ] = False,
    allow_url: Annotated[
        bool, typer.Option("--allow-url", help="Fetch https addresses of pictures in a line without asking.")
    ] = False,
    base_url: Annotated[str | None, typer.Option(help="Where the server of openai:NAME is.")] = None,
    api_key_file: Annotated[Path | None, typer.Option(help="A file with its key. [default: OPENAI_API_KEY]")] = None,
    timing: Annotated[bool, typer.Option("--timing", help="Say on stderr what each answer cost.")] = False,
) -> None:
    """Ask a model about pictures: once with a prompt (or one piped in), else turn by turn.

    \b
    Examples:
      chiasm chat -m FOLDER -a photo.jpg "What is unusual here?"
      chiasm chat
      echo "What is a chiasm?" | chiasm chat
      chiasm chat --json -a photo.jpg < questions.txt
    """
    if not 0 < top_p <= 1:
        raise typer.BadParameter(f"{top_p} is not above 0 and at most 1", param_hint="--top-p")
    sampling = Sampling(max_tokens=max_tokens, temperature=temperature, top_p=top_p, seed=seed)
    is_typed = sys.stdin.isatty()
    if prompt is None and is_typed and as_json:
        raise typer.BadParameter("needs a prompt: a conversation is not one JSON object", param_hint="--json")
    if prompt is None and not is_typed and not as_json:
        prompt = sys.stdin.read().strip() or None
        if prompt is None:
            raise UserError("nothing to ask: no prompt was given and standard input is empty")
    talking = prompt is None and not as_json
    # A conversation fetches them itself.
    pictures = _checked_pictures([name for name in image or [] if not (talking and is_address(name))])

    from chiasm.backends import open_model

    answerer = open_model(
        model, dtype=dtype, device=device, template=template, base_url=base_url, api_key_file=api_key_file, light=True
    )
    if prompt is not None:
        ask_once(answerer, asked(prompt, pictures), sampling, as_json=as_json, timing=timing)
    elif as_json:
        from chiasm.cli.piped_questions import answer_lines

        if not answer_lines(answerer, sys.stdin, pictures, sampling):
            raise SystemExit(1)
    else:
        from chiasm.cli.repl import Repl
        from chiasm.cli.terminal_picture import way_of

        way = None if no_pictures else way_of(os.environ, sys.stdout.isatty())
        Repl(answerer, sampling, timing=timing, way=way, allow_url=allow_url).run(image or ())


def asked(prompt: str, images: Iterable[object]) -> Conversation:
    """One question about pictures."""
    return Conversation((user(prompt, images),))


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
        print(json_line(spoken.fields()))
    elif spoken.unfamiliar:
        print(unfamiliar_line(spoken.unfamiliar, len(conversation.images), spoken.text), file=sys.stderr)
    if timing:
        print(spoken.timing(), file=sys.stderr)


def _checked_pictures(named: list[str]) -> list[object]:
    """The pictures, those named by address fetched; each is opened before the model is, which may take minutes."""
    pictures: list[object] = []
    for name in named:
        from chiasm.processing.pictures import open_picture

        source: str | bytes = name
        if is_address(name):
            from chiasm.cli.fetched_picture import fetch

            source = fetch(name)
        open_picture(source, name=name)
        pictures.append(source)
    return pictures
