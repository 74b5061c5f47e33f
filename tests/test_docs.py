"""What the documentation shows exists: options of verbs, links, Python that compiles, recipes that are recipes."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chiasm.cli.frame import VERBS, load_verb
from chiasm.data.mixture import Mixture
from chiasm.training.config import Recipe

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "README.zh.md", *sorted((ROOT / "docs").rglob("*.md"))]
TRANSLATED = [(ROOT / "README.md", ROOT / "README.zh.md")] + [
    (ROOT / "docs" / page.name, page)
    for page in sorted((ROOT / "docs" / "zh").glob("*.md"))
    if (ROOT / "docs" / page.name).is_file()
]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!\w+:)([^)\s]+)\)")
_BREAKS = {"|", "&&", "||", ";", ">", "<"}


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str | None = None) -> list[tuple[str, str]]:
    """(language, contents) of a page's fenced blocks."""
    found = _FENCE.findall(page.read_text("utf-8"))
    return [block for block in found if language in (None, block[0])]


def commands(text: str) -> Iterator[list[str]]:
    """The words of every `chiasm ...` in console blocks and between backticks."""
    shown = [line[2:] for _, block in _FENCE.findall(text) for line in block.splitlines() if line.startswith("$ ")]
    shown += re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))
    for line in shown:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word not in _BREAKS:
                words.append(word)
                continue
            if words and words[0] == "chiasm":
                yield words[1:]
            words = []


def options(command: Any) -> set[str]:
    return {"-h", "--help"} | {option for parameter in command.params for option in parameter.opts}


def unknown(words: list[str]) -> list[str]:
    """What of a command line does not exist: the verb, its sub-verb, options."""
    if not words or words[0].startswith("-"):
        return [word for word in words if word not in {"-h", "--help", "--version", "--debug"}]
    if words[0] not in VERBS:
        return words[:1]
    command, rest = load_verb(words[0]), words[1:]
    below = getattr(command, "commands", None)
    if below is not None and rest and not rest[0].startswith("-"):
        if rest[0] not in below:
            return rest[:1]
        command, rest = below[rest[0]], rest[1:]
    written = [word.partition("=")[0] for word in rest if re.match("--?[a-z]", word)]
    return [word for word in written if word not in options(command)]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_verb_and_option_exists(page: Path) -> None:
    wrong = {" ".join(words): found for words in commands(page.read_text("utf-8")) if (found := unknown(words))}
    assert not wrong


def test_a_misspelt_option_would_be_found() -> None:
    shown = list(commands("```console\n$ chiasm data show a.json --indx 1 | head\n```\nor `chiasm deploy --port 1`"))
    assert [unknown(words) for words in shown] == [["--indx"], ["deploy"]]


def test_options_are_those_of_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    load_verb("chat").main(["--help"], standalone_mode=False)
    helped = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", capsys.readouterr().out))
    assert {option for option in options(load_verb("chat")) if option.startswith("--")} == helped


def anchors(page: Path) -> set[str]:
    """GitHub's anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(_FENCE.sub("", page.read_text("utf-8"))):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_python_compiles(page: Path) -> None:
    for _, block in blocks(page, "python"):
        compile(block, name(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_recipes_and_records_are_read(page: Path) -> None:
    for _, block in blocks(page, "yaml"):
        value = yaml.safe_load(block)
        (Mixture if "sources" in value else Recipe).parse(value, name(page))
    for _, block in blocks(page, "json"):
        for line in block.splitlines():
            assert json.loads(line)["conversations"]


@pytest.mark.parametrize(("english", "chinese"), TRANSLATED, ids=name)
def test_translations_show_the_same(english: Path, chinese: Path) -> None:
    assert blocks(chinese) == blocks(english)
