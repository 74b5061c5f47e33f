"""The page in a real browser: what comes in by the clipboard, ideas for questions, and everything kept as one file."""

from __future__ import annotations

import base64
import json

import pytest

from tests.serving.browser import Page
from tests.serving.running import png
from tests.serving.scripted_api import ScriptedApi

ANSWERED = "document.querySelector('#send').checkVisibility() && document.querySelectorAll('.answer').length === {}"
# Every file that is made is remembered on its way to the disk.
REMEMBER = """window.made = []; window.address = URL.createObjectURL.bind(URL);
  URL.createObjectURL = (blob) => { made.push(blob); return address(blob); };"""
PASTE = """(() => {{
  const pasted = new DataTransfer();
  const bytes = Uint8Array.from(atob("{}"), (sign) => sign.charCodeAt(0));
  pasted.items.add(new File([bytes], "image.png", {{ type: "image/png" }}));
  document.dispatchEvent(new ClipboardEvent("paste", {{ clipboardData: pasted, bubbles: true, cancelable: true }}));
}})()"""


def ask(page: Page, text: str, num_answers: int) -> None:
    page.run("document.querySelector('#question').focus()")
    page.type(text)
    page.enter()
    page.wait(ANSWERED.format(num_answers))


def test_all_conversations_are_saved_as_one_file_with_their_pictures(page: Page, api: ScriptedApi) -> None:
    api.script = [["A field."], ["Fine."]]
    page.wait("!document.querySelector('#export-all').checkVisibility()")  # nothing is kept yet
    picture = png("teal", (60, 40))
    page.drop([("field.png", picture)])
    page.wait("document.querySelectorAll('#drafts li').length === 1")
    ask(page, "What is this?", 1)
    page.click("#new")
    ask(page, "How are you?", 1)
    page.wait("document.querySelectorAll('#past .past').length === 2")
    page.run(REMEMBER)
    page.click("#export-all")
    page.wait("made.length === 1")
    assert page.run("made[0].type") == "application/json"
    kept = json.loads(page.run("made[0].text()"))
    assert {each["title"] for each in kept} == {"What is this?", "How are you?"}
    (shown,) = [each for each in kept if each["title"] == "What is this?"]
    user, answer = shown["messages"]
    assert [part["type"] for part in user["content"]] == ["image_url", "text"]
    assert base64.b64decode(user["content"][0]["image_url"]["url"].partition("base64,")[2]) == picture
    assert (answer["role"], answer["content"]) == ("assistant", "A field.")


def test_a_pasted_picture_is_asked_about(page: Page, api: ScriptedApi) -> None:
    picture = png("teal", (60, 40))
    page.run(PASTE.format(base64.b64encode(picture).decode()))
    page.wait("document.querySelectorAll('#drafts li').length === 1")
    ask(page, "What is this?", 1)
    [message] = api.requests[0]["messages"]
    assert base64.b64decode(message["content"][0]["image_url"]["url"].partition("base64,")[2]) == picture


@pytest.mark.parametrize(
    ("idea", "asks"), [("Social caption", "hashtags"), ("Alt text", "cannot see"), ("Story", "story")]
)
def test_an_idea_fills_the_field_and_is_sent_as_it_stands(page: Page, api: ScriptedApi, idea: str, asks: str) -> None:
    page.drop([("field.png", png("teal", (60, 40)))])
    page.wait("document.querySelectorAll('#drafts li').length === 1")
    page.run(f"[...document.querySelectorAll('#presets button')].find((each) => each.innerText === '{idea}').click()")
    assert asks in page.run("document.querySelector('#question').value")
    assert api.requests == []
    page.enter()
    page.wait(ANSWERED.format(1))
    assert asks in api.requests[0]["messages"][0]["content"][1]["text"]
