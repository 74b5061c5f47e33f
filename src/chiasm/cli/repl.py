"""A conversation in the terminal: several turns, several pictures, commands that begin with a slash.

Written against `ChatModel`; a wrong picture or question costs one line, never the conversation.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from chiasm.chat import ChatModel, Sampling, Usage
from chiasm.cli.speaking import speak, unfamiliar_line
from chiasm.cli.terminal_picture import Way, drawn
from chiasm.cli.typed_line import is_address, path_of, read_line
from chiasm.conversation import Conversation, Image, Message, Text, user
from chiasm.errors import UserError, suggest
from chiasm.harmless import harmless

_COMMANDS = {
    "/image PATH": "attach a picture to the next question; a path or https address in the question does the same",
    "/retry [T]": "ask the last question again, with T at this temperature",
    "/undo": "take back the last question and its answer",
    "/system [TEXT]": "set what the model is told first (`/system -`: nothing of your own); without TEXT, show it",
    "/clear": "begin a new conversation",
    "/tokens": "how many tokens text and pictures take, and how many are left",
    "/save FILE": "write the conversation: .json for LLaVA's records, .openai.json for OpenAI's messages, .md to read",
    "/load FILE": "go on with a conversation that was saved as .json",
    "/help": "this list",
    "/quit": "leave (also Ctrl-D); Ctrl-C stops an answer",
}
_NAMES = [command.split()[0] for command in _COMMANDS]


class Repl:
    """One conversation with `model`, typed line by line. `read` asks for a line as `input` does.

    `way` is how this terminal shows pictures, None when it does not. Addresses are fetched with `allow_url`, else
    after asking, once a host.
    """

    def __init__(
        self,
        model: ChatModel,
        sampling: Sampling,
        *,
        timing: bool = False,
        way: Way | None = None,
        allow_url: bool = False,
        read: Callable[[str], str] | None = None,
        fetch: Callable[[str], bytes] | None = None,
    ) -> None:
        self.conversation = Conversation(())
        self._model, self._sampling, self._timing, self._way = model, sampling, timing, way
        self._read, self._fetch = read or _line_reader(), fetch
        self._attached: list[object] = []
        self._saved: set[Path] = set()
        self._allow_url, self._hosts = allow_url, dict[str, bool]()
        self._usage: Usage | None = None
        self._unfamiliar: list[Image] = []  # of which this was said
        self._handlers: dict[str, Callable[[str], None]] = {
            "/help": self._help,
            "/clear": self._clear,
            "/image": self._image,
            "/retry": self._retry,
            "/undo": self._undo,
            "/system": self._system,
            "/tokens": self._tokens,
            "/save": self._save,
            "/load": self._load,
        }

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
            print(f"error: {harmless(str(error))}", file=sys.stderr)
        except KeyboardInterrupt:
            print("\n(stopped)")

    def _handle(self, line: str) -> None:
        command, _, rest = line.partition(" ")
        handler = self._handlers.get(command)
        if handler is None:
            self._ask(line)
        else:
            handler(rest.strip())

    # ---- pictures ------------------------------------------------------------------------------------------------

    def _image(self, written: str) -> None:
        if not written:
            raise UserError("which picture? Type /image PATH")
        if not is_address(written):
            self._attach(str(path_of(written)))
        elif self._may_fetch(written):
            self._attach(written)

    def _attach(self, named: str) -> None:
        """Open a picture, fetch it before if it is an address, and attach it to the next question."""
        from chiasm.processing.pictures import open_picture

        source: str | bytes = named
        if is_address(named):
            from chiasm.cli.fetched_picture import fetch

            source = (self._fetch or fetch)(named)
        picture = open_picture(source, name=named)
        self._attached.append(source)
        name = urlsplit(named).path.rpartition("/")[2] if is_address(named) else Path(named).name
        if self._way is not None:
            sys.stdout.write(drawn(picture, self._way))
        print(harmless(f"(attached {name}, {picture.width} x {picture.height})"))

    def _may_fetch(self, address: str) -> bool:
        """Whether the person wants this host asked; a pasted text may hold addresses nobody meant to visit."""
        host = urlsplit(address).hostname or ""
        if not self._allow_url and host not in self._hosts:
            try:
                answer = self._read(f"fetch the picture from {harmless(host)}? [y/N] ")
            except EOFError:
                answer = ""
            self._hosts[host] = answer.strip().lower() in ("y", "yes", "是")
        return self._allow_url or self._hosts[host]

    # ---- questions -----------------------------------------------------------------------------------------------

    def _ask(self, line: str) -> None:
        typed = read_line(line, self._may_fetch)
        command = line.split(maxsplit=1)[0]
        if command.startswith("/") and "/" not in command[1:] and not typed.pictures:
            raise UserError(f"no command {command}: {suggest(command, _NAMES)}")
        for path in typed.pictures:
            self._attach(path)
        for name in typed.missing:
            print(harmless(f"(there is no file {name}: sent as text)"), file=sys.stderr)
        if not typed.text:
            return
        if self._is_open():
            raise UserError("the last question has no answer yet: /retry asks it, /undo takes it back")
        self._answer(Conversation((*self.conversation.messages, user(typed.text, self._attached))), self._sampling)

    def _answer(self, asked: Conversation, sampling: Sampling) -> None:
        """Let the model answer, and keep question and answer if there is one."""
        spoken = speak(iter(self._model.stream(asked, sampling)))
        print()
        if spoken.usage is None and not spoken.text:
            print("(stopped before the answer began; the conversation is as it was)")
            return
        # Only now: a question that could not be answered leaves its pictures attached for the next try.
        if asked.turns[:-1] == self.conversation.turns:
            self._attached = []
        self.conversation, self._usage = asked.said("assistant", spoken.text.strip()), spoken.usage
        if spoken.usage is None:
            print("(stopped; what was said is kept)")
        elif spoken.finish_reason == "length":
            print(f"(cut after {spoken.usage.num_answer} tokens; --max-tokens allows more)")
        # Said once of a picture, not below every answer about it.
        if new := [index for index in spoken.unfamiliar if asked.images[index] not in self._unfamiliar]:
            print(unfamiliar_line(new, len(asked.images), spoken.text))
            self._unfamiliar += [asked.images[index] for index in new]
        if self._timing:
            print(f"({spoken.timing()})", file=sys.stderr)

    def _is_open(self) -> bool:
        return bool(self.conversation.turns) and self.conversation.turns[-1].role == "user"

    def _retry(self, written: str) -> None:
        if not self.conversation.turns:
            raise UserError("nothing to ask again yet")
        sampling = self._sampling
        if written:
            try:
                sampling = replace(sampling, temperature=float(written))
            except ValueError:
                raise UserError(
                    f"/retry takes a temperature between 0 and 100, such as /retry 0.7, not {written}"
                ) from None
        messages = self.conversation.messages if self._is_open() else self.conversation.messages[:-1]
        if sampling.temperature == 0 and not self._is_open():
            print("(temperature 0 takes the likeliest words, so the answer is the same; /retry 0.7 draws another)")
        elif sampling.seed is not None:
            sampling = self._sampling = replace(self._sampling, seed=sampling.seed + 1)
            sampling = replace(sampling, temperature=float(written)) if written else sampling
        self._answer(Conversation(messages, self.conversation.id), sampling)

    def _undo(self, _: str) -> None:
        if not self.conversation.turns:
            raise UserError("nothing to take back: nothing was asked yet")
        num_turns = 1 if self._is_open() else 2
        taken = self.conversation.messages[-num_turns]
        self.conversation = replace(self.conversation, messages=self.conversation.messages[:-num_turns])
        pictures = f" and {len(taken.images)} of its pictures" if taken.images else ""
        print(harmless(f"(taken back: {_short(taken.text)}{pictures})"))

    def _system(self, text: str) -> None:
        turns = self.conversation.turns
        if text == "-":
            self.conversation = replace(self.conversation, messages=turns)
        elif text:
            self.conversation = replace(self.conversation, messages=(Message("system", (Text(text),)), *turns))
        told = self.conversation.system
        print("(as the template has it)" if told is None else harmless(f"(system: {told})"))

    def _clear(self, _: str) -> None:
        system = self.conversation.messages[:1] if self.conversation.system is not None else ()
        self.conversation, self._attached, self._usage = Conversation(system), [], None
        print("(a new conversation)")

    def _help(self, _: str) -> None:
        width = max(map(len, _COMMANDS))
        print("\n".join(f"  {name:<{width}}  {about}" for name, about in _COMMANDS.items()))

    def _tokens(self, _: str) -> None:
        from chiasm.cli.token_counts import count, reported

        asked = self.conversation
        if self._attached and not self._is_open():
            asked = Conversation((*asked.messages, user("", self._attached)))
        if not asked.turns:
            raise UserError("nothing to count yet: ask something or attach a picture first")
        counts = count(self._model, asked)
        print(f"({reported(self._usage) if counts is None else counts.sentence()})")

    # ---- files ---------------------------------------------------------------------------------------------------

    def _save(self, written: str) -> None:
        from chiasm.cli.kept_conversation import save

        if not written:
            raise UserError("where to? Type /save FILE.json or /save FILE.md")
        if not self.conversation.turns:
            raise UserError("nothing to save yet: ask something first")
        path = path_of(written)
        save(self.conversation, path, overwrite=path.resolve() in self._saved)
        self._saved.add(path.resolve())
        print(harmless(f"(saved {len(self.conversation.turns)} turns to {path})"))

    def _load(self, written: str) -> None:
        from chiasm.cli.kept_conversation import load

        if not written:
            raise UserError("from where? Type /load FILE.json")
        self.conversation, self._attached, self._usage = load(path_of(written)), [], None
        turns, pictures = len(self.conversation.turns), len(self.conversation.images)
        print(f"({turns} turns with {pictures} pictures)")
        for turn in self.conversation.turns[-2:]:
            print(harmless(f"{'> ' if turn.role == 'user' else ''}{turn.text.strip()}"))
        if self._is_open():
            print("(the last question has no answer yet: /retry asks it)")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


def _line_reader() -> Callable[[str], str]:
    """`input`, with editing and history where readline is there (not on Windows)."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - importing it is what changes `input`
    return input
