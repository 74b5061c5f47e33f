"""The command `chiasm`: finds a verb, runs it, and says in one line what went wrong. Knows no verb's insides.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from chiasm.errors import UserError, suggest
from chiasm.version import __version__

VERBS = {
    "demo": "Train a small assistant on drawn pictures; let it answer.",
    "chat": "Ask a model about pictures, once or turn by turn.",
    "describe": "Write about a folder of pictures: captions, alt text, tags, ...",
    "classify": "Say which of some names fits a picture best.",
    "serve": "Serve a model: OpenAI's API and a page.",
    "train": "Run the stages of a recipe.",
    "convert": "Write a checkpoint in another layout.",
    "synth": "Let a teacher write instruction data from captions and boxes.",
    "eval": "Let a model answer benchmarks, and score it.",
    "score": "Score an answers file again; no model needed.",
    "data": "Check data, look at it, mix it, draw it.",
    "list": "List recipes, templates, connectors, ... by name.",
}
_SETTINGS = {"help_option_names": ["-h", "--help"]}


class _Verbs(TyperGroup):
    """Verbs by name; a verb's module is imported when it is run, and its errors end the program here."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All verbs, in the order of the way data goes."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stand-in that carries the one-line help and imports nothing."""
        if cmd_name not in VERBS:
            return None
        return typer.core.TyperCommand(cmd_name, help=VERBS[cmd_name])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The real verb, about to be run."""
        if args[0] not in VERBS and not args[0].startswith("-"):
            ctx.fail(f"no verb '{args[0]}': {suggest(args[0], VERBS)}")
        name, stand_in, rest = super().resolve_command(ctx, args)
        return name, stand_in if name is None else load_verb(name), rest

    def invoke(self, ctx: Any) -> Any:
        """Run the verb. What it lets out becomes one line and exit code 1."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # a reader that went away shows here, not while the interpreter shuts down
            return result
        except UserError as error:
            fail(str(error), ctx.params["debug"])
        except BrokenPipeError:
            # Python would complain once more about what is still in the buffer.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(1) from None
        except Exception as error:
            if isinstance(error, typer.Abort) or hasattr(
                error, "exit_code"
            ):  # typer's own: usage errors, exits; it knows how to show them
                raise
            what = " ".join(f"{type(error).__name__}: {error}".split())
            hint = "" if debugging(ctx.params["debug"]) else " (a fault of chiasm; CHIASM_DEBUG=1 shows where)"
            fail(what + hint, ctx.params["debug"])


def load_verb(name: str) -> Any:
    """The command of `chiasm.cli.<name>`; raises `UserError` when it, or a package it needs, is not installed."""
    try:
        module = importlib.import_module(f"chiasm.cli.{name}")
    except ModuleNotFoundError as error:
        if error.name == f"chiasm.cli.{name}":
            raise UserError(f"the verb '{name}' is not in this version of chiasm") from None
        raise UserError(
            f"`chiasm {name}` needs the Python package {error.name}, which is not installed; "
            "the extras of pyproject.toml say with what it comes"
        ) from error
    verb = getattr(module, "app", None)
    if not isinstance(verb, typer.Typer):
        verb = typer.Typer(add_completion=False, rich_markup_mode=None)
        verb.command(name=name, context_settings=_SETTINGS, no_args_is_help=False)(getattr(module, name))
    command: Any = typer.main.get_command(verb)
    # Plain help: square brackets in it stay, and it looks the same in a pipe and in the documentation.
    command.rich_markup_mode = None
    return command


def debugging(flag: bool) -> bool:
    """Whether tracebacks are wanted: by `--debug` or CHIASM_DEBUG=1."""
    return flag or os.environ.get("CHIASM_DEBUG", "") not in ("", "0")


def fail(message: str, debug: bool = False) -> None:
    """`error: message` as one line on stderr, behind the traceback when one is wanted, and exit code 1."""
    if debugging(debug):
        traceback.print_exc()
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(1)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"chiasm {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=_Verbs,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=_SETTINGS,
)


@app.callback()
def chiasm(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error (also: CHIASM_DEBUG=1).")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """LLaVA from end to end: make data, train, measure, talk.

    Begin with `chiasm demo`, then `chiasm chat -a photo.jpg "What is this?"`.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line `arguments`, by default the program's own; ends with `SystemExit`."""
    for stream in (sys.stdout, sys.stderr):
        # An answer may hold any character; a terminal that cannot show one gets a question mark, not a crash.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app(args=None if arguments is None else list(arguments), prog_name="chiasm")
