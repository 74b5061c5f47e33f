"""The page in a real browser: pictures by clipboard and camera, ideas for questions, what is copied and exported."""

from __future__ import annotations

import base64
import io
import json

import pytest
from PIL import Image

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


def test_a_picture_from_the_camera_is_asked_about(page: Page, api: ScriptedApi) -> None:
    page.click("#capture")
    page.wait("document.querySelector('#camera').open && document.querySelector('#camera-view').currentTime > 0.2")
    page.click("#camera-shoot")
    page.wait("document.querySelectorAll('#drafts li').length === 1")
    assert page.run("[document.querySelector('#camera').open, document.querySelector('#camera-view').srcObject]") == [
        False,
        None,  # the camera's light is off
    ]
    ask(page, "What is this?", 1)
    [message] = api.requests[0]["messages"]
    head, _, data = message["content"][0]["image_url"]["url"].partition("base64,")
    assert head == "data:image/jpeg;"
    with Image.open(io.BytesIO(base64.b64decode(data))) as shot:
        assert shot.width >= 320
        assert len(shot.convert("RGB").getcolors(1 << 24) or ()) > 2  # the browser's test picture, not a black one


def test_a_conversation_is_saved_with_its_pictures_or_as_text(page: Page, api: ScriptedApi) -> None:
    api.script = [["A field."]]
    picture = png("teal", (60, 40))
    page.drop([("field.png", picture)])
    page.wait("document.querySelectorAll('#drafts li').length === 1")
    ask(page, "What is this?", 1)
    page.run(REMEMBER)
    for number, kind in enumerate(("json", "markdown"), 1):
        page.click("#export")
        page.click(f"#export-{kind}")
        page.wait(f"made.length === {number} && !document.querySelector('#export-menu').open")
    user, answer = json.loads(page.run("made[0].text()"))["messages"]
    assert base64.b64decode(user["content"][0]["image_url"]["url"].partition("base64,")[2]) == picture
    assert answer["content"] == "A field."
    markdown = page.run("made[1].text()")
    assert markdown.startswith("# What is this?")
    assert "A field." in markdown


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_an_answer_is_copied_as_it_was_written(page: Page, api: ScriptedApi, has_clipboard: bool) -> None:
    api.script = [["**Two** <b>fields</b>\n\n- one"]]
    if has_clipboard:
        written = "window.copied = []; navigator.clipboard.writeText = async (text) => copied.push(text)"
    else:  # as on a page without https; then the browser's own copying is asked
        written = """window.copied = []; navigator.clipboard.writeText = () => Promise.reject(new Error("no"));
          document.addEventListener("copy", () => copied.push(document.activeElement.value));"""
    page.run(written)
    ask(page, "What is this?", 1)
    page.click(".answer [data-key$=copy]")
    page.wait("copied.length === 1 && document.querySelector('.answer [data-key$=copy]').innerText === 'Copied'")
    assert page.run("copied[0]") == "**Two** <b>fields</b>\n\n- one"


@pytest.mark.parametrize("way", [["#export", "#export-json"], ["#export-all"]])
def test_what_cannot_be_exported_is_said(page: Page, api: ScriptedApi, way: list[str]) -> None:
    page.drop([("field.png", png("teal", (60, 40)))])
    page.wait("document.querySelectorAll('#drafts li').length === 1")
    ask(page, "What is this?", 1)
    page.wait("document.querySelectorAll('#past .past').length === 1")
    page.reload()  # what has been sent is still at hand before
    page.wait("document.querySelector('.shot img')?.naturalWidth > 0")
    page.run("FileReader.prototype.readAsDataURL = () => { throw new DOMException('', 'NotReadableError'); }")
    for button in way:
        page.click(button)
    page.wait("document.querySelector('.notice')?.innerText.includes('NotReadableError')")
