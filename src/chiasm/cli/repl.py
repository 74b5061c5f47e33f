"""A conversation in the terminal: several turns, several pictures, commands that begin with a slash.

Written against `ChatModel`; a wrong picture or question costs one line, never the conversation.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from chiasm.chat import ChatModel, Sampling
from chiasm.cli.speaking import speak
from chiasm.cli.typed_line import path_of, read_line
from chiasm.conversation import Conversation, Image, user
from chiasm.errors import UserError, suggest

_COMMANDS = {
    "/image PATH": "attach a picture to the next question; a path in the question does the same",
    "/clear": "begin a new conversation",
    "/save FILE": "write the conversation: .json for LLaVA's records, .md to read",
    "/help": "this list",
    "/quit": "leave (also Ctrl-D); Ctrl-C stops an answer",
}
_NAMES = [command.split()[0] for command in _COMMANDS]


class Repl:
    """One conversation with `model`, typed line by line. `read` asks for a line as `input` does."""

    def __init__(
        self, model: ChatModel, sampling: Sampling, *, timing: bool = False, read: Callable[[str], str] | None = None
    ) -> None:
        self.conversation = Conversation(())
        self._model, self._sampling, self._timing = model, sampling, timing
        self._read = _line_reader() if read is None else read
        self._attached: list[str] = []
        self._saved: set[Path] = set()

    def run(self, images: Iterable[str] = ()) -> None:
        """Until /quit or Ctrl-D."""
        print("Type a question; a path in it attaches the picture. /help lists commands, Ctrl-D leaves.")
        for path in images:
            self._guarded(self._attach, path)
        while True:
            try:
                line = self._read("> ").strip()
            except EOFError:
                print()
                return
            except KeyboardInterrupt:
                print("\n(Ctrl-D or /quit leaves)")
                continue
            if line in ("/quit", "/exit"):
                return
            if line:
                self._guarded(self._handle, line)

    def _guarded(self, act: Callable[[str], None], argument: str) -> None:
        try:
            act(argument)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
        except KeyboardInterrupt:
            print("\n(stopped)")

    def _handle(self, line: str) -> None:
        command, _, rest = line.partition(" ")
        match command:
            case "/help":
                width = max(map(len, _COMMANDS))
                print("\n".join(f"  {name:<{width}}  {about}" for name, about in _COMMANDS.items()))
            case "/clear":
                self.conversation, self._attached = Conversation(()), []
                print("(a new conversation)")
            case "/image":
                if not rest.strip():
                    raise UserError("which picture? Type /image PATH")
                self._attach(str(path_of(rest)))
            case "/save":
                self._save(rest)
            case _:
                self._ask(line)

    def _attach(self, path: str) -> None:
        from chiasm.processing.pictures import open_picture

        width, height = open_picture(path).size
        self._attached.append(path)
        print(f"(attached {Path(path).name}, {width} x {height})")

    def _ask(self, line: str) -> None:
        typed = read_line(line)
        command = line.split(maxsplit=1)[0]
        if command.startswith("/") and "/" not in command[1:] and not typed.pictures:
            raise UserError(f"no command {command}: {suggest(command, _NAMES)}")
        for path in typed.pictures:
            self._attach(path)
        for name in typed.missing:
            print(f"(there is no file {name}: sent as text)", file=sys.stderr)
        if not typed.text:
            return
        turn = user(typed.text, self._attached)
        asked = Conversation((*self.conversation.messages, turn))
        spoken = speak(iter(self._model.stream(asked, self._sampling)))
        print()
        if spoken.usage is None and not spoken.text:
            print("(stopped before the answer began; the question is forgotten)")
            return
        # Only now: a question that could not be answered leaves its pictures attached for the next try.
        self.conversation, self._attached = asked.said("assistant", spoken.text.strip()), []
        if spoken.usage is None:
            print("(stopped; what was said is kept)")
        elif spoken.finish_reason == "length":
            print(f"(cut after {spoken.usage.num_answer} tokens; --max-tokens allows more)")
        if self._timing:
            print(f"({spoken.timing()})", file=sys.stderr)

    def _save(self, written: str) -> None:
        if not written.strip():
            raise UserError("where to? Type /save FILE.json or /save FILE.md")
        path = path_of(written)
        if not self.conversation.messages:
            raise UserError("nothing to save yet: ask something first")
        if path.suffix not in (".json", ".md"):
            raise UserError(f"{path.name} says no format: end it in .json (LLaVA's records) or .md (to read)")
        if path.exists() and path.resolve() not in self._saved:
            raise UserError(f"{path} exists already: choose another name")
        text = _as_markdown(self.conversation)
        if path.suffix == ".json":
            text = json.dumps([self.conversation.to_llava()], ensure_ascii=False, indent=2) + "\n"
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror or error}") from None
        self._saved.add(path.resolve())
        print(f"(saved {len(self.conversation.turns)} turns to {path})")


def _as_markdown(conversation: Conversation) -> str:
    lines = []
    for turn in conversation.turns:
        lines.append(f"**{'You' if turn.role == 'user' else 'Assistant'}**\n")
        lines += [f"![picture](<{image.source}>)\n" for image in turn.parts if isinstance(image, Image)]
        lines.append(f"{turn.text.strip()}\n")
    return "\n".join(lines)


def _line_reader() -> Callable[[str], str]:
    """`input`, with editing and history where readline is there (not on Windows)."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - importing it is what changes `input`
    return input
