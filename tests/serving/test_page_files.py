"""The page's files without a browser: nothing in them can turn text into markup, and both languages say everything."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import chiasm

STATIC = Path(chiasm.__file__).parent / "serving" / "static"
FILES = sorted(STATIC.iterdir())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]

# What makes markup or code of a string.
_DANGEROUS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|setHTMLUnsafe|DOMParser|srcdoc"
    r"|\beval\b|new Function|setTimeout\(\s*[\"'`]|setInterval\(\s*[\"'`]|\bimport\(|javascript:"
)
_URL = re.compile(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*")
_STANDARD = "http://www.w3.org/2000/svg"  # the name of a format: nothing is fetched from it


def dangers(text: str) -> list[str]:
    return _DANGEROUS.findall(text)


def strings(language: str) -> dict[str, str]:
    text = (STATIC / f"strings.{language}.js").read_text("utf-8")
    found: dict[str, str] = json.loads(text[text.index("{") : text.rindex("}") + 1])
    return found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_string_becomes_markup_or_code(path: Path) -> None:
    assert not dangers(path.read_text("utf-8"))


@pytest.mark.parametrize(
    "line",
    [
        "node.innerHTML = text;",
        "setTimeout('alert(1)')",
        "eval(text)",
        "new Function(text)",
        'node.insertAdjacentHTML("x")',
    ],
)
def test_a_dangerous_line_would_be_found(line: str) -> None:
    assert dangers(line)


def test_markup_has_no_inline_script_or_style() -> None:
    html = (STATIC / "index.html").read_text("utf-8")
    assert not re.findall(r"<[^>]*\s(?:on\w+|style)\s*=", html)
    assert not re.findall(r"<style|<iframe|<object|<embed|<base", html)
    assert re.findall(r"<script[^>]*>[^<]*", html) == ['<script type="module" src="app.js">']


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    text = path.read_text("utf-8").replace(_STANDARD, "")
    assert not _URL.findall(text)
    assert len(text.splitlines()) < 400


def test_every_file_that_is_named_exists_and_is_used() -> None:
    named = {"index.html"}
    for path in FILES:
        named |= set(re.findall(r"(?:from \"\./|(?:src|href)=\")([\w.]+\.\w+)", path.read_text("utf-8")))
    assert named == {path.name for path in FILES}


def test_both_languages_say_everything() -> None:
    english, chinese = strings("en"), strings("zh")
    assert list(english) == list(chinese)
    for key, text in english.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", chinese[key])), key
        assert bool(text) == bool(chinese[key]), key


def test_every_string_is_used_and_every_used_string_exists() -> None:
    known = strings("en")
    html = (STATIC / "index.html").read_text("utf-8")
    code = "\n".join(path.read_text("utf-8") for path in SCRIPTS if not path.name.startswith("strings."))
    used = set(re.findall(r'data-t(?:-label|-placeholder)?="([^"]+)"', html))
    used |= set(re.findall(r"\bt\(\s*\"([\w.]+)\"", code))
    used |= {key for pair in re.findall(r"\bt\([^\"()]*\? \"([\w.]+)\" : \"([\w.]+)\"", code) for key in pair}
    used |= set(re.findall(r"notice\(\"([\w.]+)\"", code))
    prefixes = re.findall(r"\bt\(`([\w.]+\.)\$\{", code)
    assert not used - set(known)
    assert prefixes
    assert not [key for key in known if key not in used and not key.startswith(tuple(prefixes))]


def test_every_id_the_scripts_look_for_is_in_the_page() -> None:
    html = (STATIC / "index.html").read_text("utf-8")
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    code = "\n".join(path.read_text("utf-8") for path in SCRIPTS)
    assert set(re.findall(r"\bfind\(\"([\w-]+)\"\)", code)) <= set(ids)
    drawings = set(re.findall(r"\b(?:icon|iconButton)\(\"(\w+)\"", code)) | set(re.findall(r'href="#i-(\w+)"', html))
    assert {f"i-{name}" for name in drawings} <= set(ids)
    for label in re.findall(r'(?:for|aria-labelledby|aria-controls|aria-describedby)="([^"]+)"', html):
        assert label in ids


def test_every_control_has_a_name() -> None:
    html = (STATIC / "index.html").read_text("utf-8")
    for attributes, inside in re.findall(r"<button([^>]*)>(.*?)</button>", html, re.DOTALL):
        dynamic = 'id="theme"' in attributes  # named by the script, with what it is set to
        assert dynamic or "data-t" in attributes or "data-t=" in inside, attributes
