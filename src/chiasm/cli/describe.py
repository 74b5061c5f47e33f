"""`chiasm describe`: a folder of pictures to captions, alternative texts, tags; in one file, or beside each picture."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chiasm.chat import ChatModel, Sampling
from chiasm.cli.known_values import DeviceOption, DtypeOption, TemplateOption
from chiasm.errors import UserError
from chiasm.harmless import harmless

if TYPE_CHECKING:
    from chiasm.describing.description import Brief, Description
    from chiasm.describing.outputs import Output

_LONGEST_PROMPT = 20_000  # characters; ours
_LISTED = 50  # failures that are listed by name; all are counted, and all are in the file; ours
_LANGUAGES = ("en", "zh")


def known_style(name: str) -> str:
    """`name`, if a style is called so."""
    from chiasm.describing import styles

    try:
        styles.find(name)
    except UserError as error:
        raise typer.BadParameter(str(error)) from None
    return name


def known_language(name: str) -> str:
    """`name`, if styles are written in it."""
    if name not in _LANGUAGES:
        raise typer.BadParameter(f"no language '{name}': known: {', '.join(_LANGUAGES)}")
    return name


def describe(  # noqa: PLR0913, PLR0917 - one argument an option
    paths: Annotated[list[str], typer.Argument(metavar="PATHS...", help="Pictures, folders of them, patterns.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="A checkpoint folder, hub name or openai:NAME. [default: the assistant that comes with chiasm]",
        ),
    ] = None,
    style: Annotated[
        str,
        typer.Option(
            "--style",
            "-s",
            callback=known_style,
            help="caption, detail, alt-text, story, product, social, tags or ocr.",
        ),
    ] = "caption",
    language: Annotated[
        str, typer.Option("--language", "-l", callback=known_language, help="Of the question: en or zh.")
    ] = "en",
    prompt: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Ask what stands in this file instead of a style.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="A .jsonl or .csv file. [default: JSON lines, to stdout]"),
    ] = None,
    sidecar: Annotated[bool, typer.Option("--sidecar", help="Write photo.txt beside each photo.jpg.")] = False,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="The longest answer. [default: the style's]")] = None,
    temperature: Annotated[float, typer.Option(min=0, max=100, help="0: always the likeliest token.")] = 0.0,
    seed: Annotated[int | None, typer.Option(help="Makes drawn answers repeatable.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Where the server of openai:NAME is.")] = None,
    api_key_file: Annotated[Path | None, typer.Option(help="A file with its key. [default: OPENAI_API_KEY]")] = None,
    template: TemplateOption = None,
    dtype: DtypeOption = None,
    device: DeviceOption = None,
) -> None:
    """Write about many pictures. Killed, the same command goes on where it was; nothing is overwritten.

    \b
    Examples:
      chiasm describe photos -m FOLDER -o captions.jsonl
      chiasm describe photos --style tags --sidecar
      chiasm describe "scans/**/*.png" --style ocr -m openai:NAME --base-url http://localhost:8000/v1 -o texts.csv
    """
    from chiasm.describing.asking import describe as describe_all
    from chiasm.describing.discovery import find_pictures

    if sidecar and out is not None:
        raise typer.BadParameter("--sidecar writes beside the pictures: leave out one of the two", param_hint="--out")
    brief = _brief(style, language, prompt, _name(model))
    found = find_pictures(paths)
    sampling = Sampling(max_tokens=max_tokens or brief.how.max_tokens, temperature=temperature, seed=seed)

    def opened() -> ChatModel:
        from chiasm.backends import open_model

        answerer = open_model(
            model, dtype=dtype, device=device, template=template, base_url=base_url, api_key_file=api_key_file
        )
        run.asks()
        return answerer

    run = _Run(len(found.pictures))
    with _output(out, sidecar, brief) as output:
        todo = output.todo(found.pictures)
        run.begins([*found.notes, *output.notes], len(todo))
        try:
            with run.shown(len(todo)), closing(describe_all(todo, brief, sampling, opened)) as descriptions:
                for description in descriptions:
                    output.write(description)
                    run.heard(description)
        finally:
            run.ends(output.notes)
    if run.failures:
        raise SystemExit(1)


def _brief(style: str, language: str, prompt: Path | None, model: str) -> Brief:
    from chiasm.describing import styles
    from chiasm.describing.description import Brief

    if prompt is None:
        return Brief.of_style(style.replace("_", "-"), styles.find(style), language, model)
    if style != "caption" or language != "en":
        raise typer.BadParameter("the file says what is asked: leave out --style and --language", param_hint="--prompt")
    try:
        text = prompt.read_bytes().decode("utf-8-sig").strip()
    except OSError as error:
        raise UserError(f"the prompt {prompt} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"the prompt {prompt} is not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    if not 0 < len(text) <= _LONGEST_PROMPT:
        raise UserError(f"the prompt {prompt} has {len(text):,} characters; 1 to {_LONGEST_PROMPT:,} were expected")
    return Brief.of_prompt(text, model)


def _name(model: str | None) -> str:
    """The model as descriptions name it; a folder by the same path however it was written."""
    from chiasm import bundled

    name = bundled.NAME if model is None else model
    return os.path.normpath(name) if Path(name).is_dir() else name


def _output(out: Path | None, sidecar: bool, brief: Brief) -> Output:
    from chiasm.describing.outputs import JsonStream, RowFile, TextFiles

    if sidecar:
        return TextFiles()
    return JsonStream(sys.stdout, brief) if out is None else RowFile(out, brief)


@dataclass(slots=True)
class _Run:
    """What people are told of a run, on standard error."""

    num_named: int
    num_written: int = 0
    num_cut: int = 0
    num_unfamiliar: int = 0
    failures: list[Description] = field(default_factory=list)
    start: float = field(default_factory=time.perf_counter)
    _bar: Any = None
    _num_noted: int = 0

    def begins(self, notes: list[str], num_todo: int) -> None:
        """What was found, and how much of it is done already."""
        for note in notes:
            _say(f"note: {note}")
        self._num_noted = len(notes)
        there = self.num_named - num_todo
        _say(f"{self.num_named:,} pictures" + (f", {there:,} of them already there" if there else ""))

    def shown(self, total: int) -> Any:
        """Progress with the time left, while the block lasts."""
        from chiasm.cli.describe_progress import Progress

        self.start = time.perf_counter()
        self._bar = Progress(total)
        return self._bar

    def asks(self) -> None:
        """The model is there: reading it was not describing."""
        self.start = time.perf_counter()
        self._bar.begin()

    def heard(self, description: Description) -> None:
        """Count one picture."""
        if description.written is None:
            self.failures.append(description)
        else:
            self.num_written += 1
            self.num_cut += description.finish_reason == "length"
            self.num_unfamiliar += description.unfamiliar
        self._bar.advance()

    def ends(self, notes: list[str]) -> None:
        """What came of it: pictures per second, and every failure with its reason."""
        seconds = time.perf_counter() - self.start
        for note in notes:
            if "meanwhile" in note:
                _say(f"note: {note}")
        if not self.num_written and not self.failures:
            return
        rate = (self.num_written + len(self.failures)) / max(seconds, 1e-9)
        cut = f"; {self.num_cut:,} cut at --max-tokens" if self.num_cut else ""
        guessed = f"; {self.num_unfamiliar:,} unlike what the model has learnt from" if self.num_unfamiliar else ""
        _say(f"described {self.num_written:,} in {seconds:.1f} s ({rate:.2f} pictures/s){cut}{guessed}")
        if self.failures:
            reasons = Counter(failure.error for failure in self.failures).most_common()
            _say(f"{len(self.failures):,} failed: {', '.join(f'{word} {count:,}' for word, count in reasons)}")
            for failure in self.failures[:_LISTED]:
                name = "" if failure.image in failure.message else f"{failure.image}: "
                _say(f"  {name}{failure.message}")
            if len(self.failures) > _LISTED:
                _say(f"  ... and {len(self.failures) - _LISTED:,} more")


def _say(line: str) -> None:
    print(harmless(line.replace("\n", " ")), file=sys.stderr)
