"""The page in a real browser, against a server that answers from a script."""

from __future__ import annotations

import base64
import io
import json
import threading
from pathlib import Path

import pytest
from PIL import Image

from tests.serving.browser import Browser, Page
from tests.serving.hostile_answers import HOSTILE
from tests.serving.scripted_api import ScriptedApi

ANSWERED = "document.querySelector('#send').checkVisibility() && document.querySelectorAll('.answer').length === {}"
SAVED = "new Promise((then) => setTimeout(then, 120)).then(() => true)"


def png(width: int = 60, height: int = 40, colour: str = "teal") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


def drop(page: Page, *names: str) -> None:
    page.drop([(name, png()) for name in names])
    page.wait(f"document.querySelectorAll('#drafts li').length === {len(names)}")


def ask(page: Page, text: str) -> None:
    page.run("document.querySelector('#question').focus()")
    page.type(text)
    page.enter()


def answered(page: Page, num: int) -> None:
    page.wait(ANSWERED.format(num))


def test_a_picture_is_dropped_asked_about_and_kept(page: Page, api: ScriptedApi) -> None:
    api.script = [["A teal", " field."], ["Nobody."]]
    drop(page, "field.png")
    page.wait("document.querySelector('#tokens').textContent.includes('588')")
    ask(page, "What is this?")
    answered(page, 1)
    assert page.text(".prose") == ["A teal field."]
    assert "588" in page.text(".usage")[0]
    [user] = api.requests[0]["messages"]
    assert [part["type"] for part in user["content"]] == ["image_url", "text"]
    assert base64.b64decode(user["content"][0]["image_url"]["url"].partition("base64,")[2]) == png()
    assert api.requests[0]["stream_options"] == {"include_usage": True}
    assert api.requests[0]["model"] == "scripted"

    ask(page, "Who is there?")
    answered(page, 2)
    assert [message["role"] for message in api.requests[1]["messages"]] == ["user", "assistant", "user"]
    assert api.requests[1]["messages"][2] == {"role": "user", "content": "Who is there?"}

    page.run(SAVED)
    page.reload()
    answered(page, 2)
    assert page.text(".prose") == ["A teal field.", "Nobody."]
    page.wait("document.querySelector('.shot img').naturalWidth === 60")
    page.wait("document.querySelector('#past .past')?.innerText === 'What is this?'")


def test_esc_stops_the_answer_and_what_came_stays(page: Page, api: ScriptedApi) -> None:
    go = threading.Event()
    api.script = [["One, ", lambda: go.wait(5), *["more "] * 4000]]
    ask(page, "Count")
    page.wait("document.querySelector('.prose.writing').innerText.startsWith('One,')")
    assert page.run("document.querySelector('#stop').checkVisibility()")
    page.escape()
    answered(page, 1)
    go.set()
    assert page.text(".prose") == ["One, "] or page.text(".prose") == ["One,"]
    assert page.text(".state") == ["Stopped by you."]
    assert api.vanished.wait(5), "the server was not told"


def test_edit_sends_the_question_in_other_words(page: Page, api: ScriptedApi) -> None:
    api.script = [["First."], ["Second."], ["Third."]]
    drop(page, "a.png")
    ask(page, "Waht?")
    answered(page, 1)
    ask(page, "And then?")
    answered(page, 2)
    page.click("[data-key='0.edit']")
    page.wait("document.activeElement.matches('.editor textarea')")
    page.type("What?")
    page.enter()
    answered(page, 1)
    page.wait("document.querySelector('.prose').innerText === 'Third.'")
    assert page.text(".said") == ["What?"]
    [user] = api.requests[2]["messages"]
    assert [part["type"] for part in user["content"]] == ["image_url", "text"]
    assert user["content"][1]["text"] == "What?"


def test_another_answer_stands_beside_the_first(page: Page, api: ScriptedApi) -> None:
    api.script = [["Red."], ["Blue."]]
    ask(page, "A colour?")
    answered(page, 1)
    page.click("[data-key='1.again']")
    page.wait("document.querySelector('.prose').innerText === 'Blue.'")
    page.click("[data-key='1.earlier']")
    page.wait("document.querySelector('.prose').innerText === 'Red.'")
    ask(page, "Why?")
    answered(page, 2)
    assert [message["content"] for message in api.requests[2]["messages"]] == ["A colour?", "Red.", "Why?"]
    assert [request.get("temperature") for request in api.requests] == [None, 0.7, None]  # or it would be the same


def test_a_broken_stream_is_said_and_tried_again_without_a_second_turn(page: Page, api: ScriptedApi) -> None:
    api.script = [[ScriptedApi.CUT], ["It began", ScriptedApi.CUT], ["It began and ended."]]
    ask(page, "Tell me")
    for text in ("", "It began"):
        page.wait("document.querySelector('.trouble')")
        assert "connection broke" in page.text(".trouble")[0]
        assert page.text(".prose") == [text]
        page.click("[data-key='1.retry']")
        page.wait(f"{json.dumps(text)} !== '' || document.querySelector('.prose')?.innerText === 'It began'")
    page.wait("document.querySelector('.prose').innerText === 'It began and ended.'")
    assert page.run("document.querySelectorAll('.turn').length") == 2
    assert [len(request["messages"]) for request in api.requests] == [1, 1, 1]


def test_a_server_that_refuses_or_is_gone_is_said(page: Page, api: ScriptedApi) -> None:
    api.status = 429
    ask(page, "Hello")
    page.wait("document.querySelector('.trouble')")
    assert "busy" in page.text(".trouble")[0]
    assert "7 s" in page.text(".trouble")[0]
    api.close()
    page.click("[data-key='1.retry']")
    page.wait("document.querySelector('.trouble').innerText.includes('cannot be reached')")
    assert page.text(".said") == ["Hello"]


def test_a_reload_in_the_middle_keeps_what_had_arrived(page: Page, api: ScriptedApi) -> None:
    go = threading.Event()
    api.script = [["Half an", lambda: go.wait(20), " answer."]]
    ask(page, "Go on")
    page.wait("document.querySelector('.prose.writing').innerText === 'Half an'")
    page.run("new Promise((then) => setTimeout(then, 900)).then(() => true)")  # longer than the page waits to save
    page.reload()
    go.set()
    page.wait("document.querySelector('.state')")
    assert page.text(".prose") == ["Half an"]
    assert "Cut off" in page.text(".state")[0]
    page.click("[data-key='1.again']")
    page.wait("document.querySelector('.prose').innerText === 'Fine.'")
    assert page.run("document.querySelectorAll('.turn').length") == 2


def test_two_tabs_show_the_same_and_lose_nothing(browser: Browser, page: Page, api: ScriptedApi) -> None:
    ask(page, "From the first")
    answered(page, 1)
    page.run(SAVED)
    other = browser.page(api.url)
    other.look(1280, 860)
    other.click("#past .past")
    answered(other, 1)
    ask(other, "From the second")
    answered(other, 2)
    page.wait(ANSWERED.format(2))
    assert page.text(".said") == ["From the first", "From the second"]
    page.wait("document.querySelectorAll('#past .past').length === 1")
    other.close()


def test_a_key_is_asked_for_only_when_the_server_wants_one(page: Page, api: ScriptedApi) -> None:
    assert not page.run("document.querySelector('#key').open")
    api.key = "s3cret"
    ask(page, "Hello")
    page.wait("document.querySelector('#key').open")
    for key, wrong in (("guess", True), ("s3cret", False)):
        page.run("document.querySelector('#key-field').focus()")
        page.type(key)
        page.click("#key button[value=use]")
        if wrong:
            page.wait("document.querySelector('#key').open && document.querySelector('#key-wrong').checkVisibility()")
    answered(page, 1)
    page.wait("document.querySelector('.prose').innerText === 'Fine.'")
    assert page.run("JSON.stringify(localStorage).includes('s3cret')") is False


def test_hostile_answers_stay_text(page: Page, api: ScriptedApi) -> None:
    assert len(HOSTILE) >= 30
    page.run("window.hits = 0; window.hit = () => (window.hits += 1); undefined")
    elements = (
        "document.querySelectorAll('.thread script, .thread iframe, .thread a, .thread form, .thread [onerror]').length"
    )
    api.script = [[text[:7], text[7:]] for text in ["\n\n".join(HOSTILE[:17]), "\n\n".join(HOSTILE[17:])]]
    ask(page, "".join(HOSTILE[:3]))
    answered(page, 1)
    page.click("#new")
    drop(page, "a.png")
    ask(page, "again")
    answered(page, 1)
    page.run("document.querySelectorAll('.thread .box, .thread code').forEach((node) => node.click())")
    page.run(SAVED)
    page.run("document.querySelectorAll('dialog[open]').forEach((dialog) => dialog.close())")
    shown = page.run("document.querySelector('.prose').textContent")
    for text in ("[press](javascript:hit())", "<link rel=stylesheet", "<form action=javascript:hit()>", "${hit()}"):
        assert text in shown
    assert page.run(elements) == 0
    page.click("#past li:last-child .past")
    page.wait("document.querySelector('.said')?.innerText.startsWith('<script>')")
    shown = page.run("document.querySelector('.prose').textContent")
    assert all(text in shown for text in HOSTILE[:17])
    assert page.run(elements) == 0
    page.reload()
    assert page.run("window.hits ?? 0") == 0


def test_hostile_file_names_stay_text(page: Page, api: ScriptedApi) -> None:
    page.run("window.hits = 0; window.hit = () => (window.hits += 1); undefined")
    names = ['"><img src=x onerror=hit()>.png', "x" * 10_000 + ".png", "../../etc/passwd.png"]
    drop(page, *names)
    labels = page.run("[...document.querySelectorAll('#drafts img')].map((node) => node.alt)")
    assert labels[0].startswith('"><img src=x onerror=hit()>.png, 60')
    assert len(labels[1]) < 100
    assert page.run("document.querySelectorAll('#drafts img').length") == 3
    ask(page, "Look")
    answered(page, 1)
    assert "etc/passwd" not in json.dumps(api.requests)  # names are not sent at all
    assert page.run("window.hits") == 0
    name = page.run("import('./export.js').then(({ fileName }) => fileName({ created: 0, title: '../../x' }, 'json'))")
    assert name == "chiasm-1970-01-01-00-00.json"


def test_what_is_no_picture_is_refused_by_name(page: Page) -> None:
    page.drop([("notes.png", b"not a picture"), ("empty.png", b""), ("good.png", png())])
    page.wait(
        "document.querySelectorAll('.notice').length === 2 && document.querySelectorAll('#drafts li').length === 1"
    )
    assert "notes.png is not a picture" in " ".join(page.text(".notice"))
    page.click("#drafts li button")
    page.wait("document.querySelectorAll('#drafts li').length === 0")


def test_large_pictures_are_made_smaller(page: Page, api: ScriptedApi) -> None:
    page.drop([("large.png", png(3000, 1500))])
    page.wait("document.querySelectorAll('#drafts li').length === 1")
    assert "from 3,000 × 1,500 to 2,048 × 1,024" in page.run("document.querySelector('#drafts img').alt")
    ask(page, "")
    answered(page, 1)
    [part] = api.requests[0]["messages"][0]["content"]
    sent = Image.open(io.BytesIO(base64.b64decode(part["image_url"]["url"].partition("base64,")[2])))
    assert sent.size == (2048, 1024)


def test_a_box_is_drawn_where_the_padded_square_has_it(page: Page, api: ScriptedApi) -> None:
    api.script = [["There [0.25, 0.25, 0.5, 0.5], not [3, 4, 5, 6]."]]
    page.drop([("wide.png", png(200, 100))])
    page.wait("document.querySelectorAll('#drafts li').length === 1")
    ask(page, "Where?")
    answered(page, 1)
    page.run("document.querySelector('.box').focus()")
    # 200 x 100 in a square of 200: 50 above. Left and right as they are; 0.25 to 0.5 is 50 to 100, less 50: 0 to 50.
    frame = page.run(
        "(({ left, top, width, height }) => [left, top, width, height])(document.querySelector('.frame').style)"
    )
    assert frame == ["25%", "0%", "25%", "50%"]
    assert page.text(".box") == ["[0.25, 0.25, 0.5, 0.5]"]
    page.click(".box")
    page.wait("document.querySelector('#viewer').open && document.querySelector('#viewer .frame.marked')")


def test_the_page_follows_an_answer_below_a_picture_that_comes_late(page: Page, api: ScriptedApi) -> None:
    api.script = [["A teal field."], ["A green one."]]
    page.look(1280, 700)
    for number, colour in enumerate(("teal", "green"), start=1):
        page.drop([("field.png", png(640, 480, colour))])
        page.wait("document.querySelectorAll('#drafts li').length === 1")
        ask(page, "What is this?")
        answered(page, number)
    page.wait("[...document.querySelectorAll('#thread img')].every((img) => img.naturalWidth > 0)")
    left = "(({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight)"
    page.wait(f"{left}(document.querySelector('#scroll')) < 60")
    assert not page.run("document.querySelector('#latest').checkVisibility()")
    page.run("document.querySelector('#scroll').scrollBy(0, -300)")
    page.wait("document.querySelector('#latest').checkVisibility()")
    page.click("#latest")
    page.wait("!document.querySelector('#latest').checkVisibility()")


def test_the_language_and_the_colours_are_the_browsers_until_switched(page: Page) -> None:
    assert page.text("h1") == ["Show it a picture"]
    light = page.run("getComputedStyle(document.body).backgroundColor")
    page.look(390, 844, "dark")
    dark = page.run("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    page.click("#theme")  # from the system's to light
    assert page.run("getComputedStyle(document.body).backgroundColor") == light
    page.click("#language")
    page.reload()
    assert page.text("h1") == ["给它看一张图片"]
    assert page.run("document.documentElement.lang") == "zh-CN"
    assert page.run("getComputedStyle(document.body).backgroundColor") == light
    assert page.run("document.documentElement.scrollWidth") == 390


def test_sampling_is_sent_and_conversations_can_be_deleted(page: Page, api: ScriptedApi) -> None:
    page.click("#settings-open")
    typed = {"system": "Be brief.", "temperature": "0.5", "top_p": "7", "max_tokens": "64", "seed": "3"}
    for name, value in typed.items():
        page.run(f"document.querySelector('#settings [name={name}]').focus()")
        page.type(value)
    page.escape()
    ask(page, "Hi")
    answered(page, 1)
    assert api.requests[0]["messages"][0] == {"role": "system", "content": "Be brief."}
    sampling = {name: api.requests[0].get(name) for name in ("temperature", "top_p", "max_tokens", "seed")}
    assert sampling == {"temperature": 0.5, "top_p": None, "max_tokens": 64, "seed": 3}  # 7 is no share: not sent
    page.wait("document.querySelector('#past li .icon-only')")
    page.run("document.querySelector('#past li .icon-only').click()")
    page.wait("!document.querySelector('#past li') && document.querySelector('#empty').checkVisibility()")
    page.click(".notice button")
    page.wait("document.querySelector('#past li')")


def test_an_export_reads_back_and_cannot_become_markup(page: Page) -> None:
    conversation = {
        "title": "<img src=x> [a](b)",
        "created": 0,
        "updated": 0,
        "turns": [
            {
                "role": "user",
                "text": "# Hi\n<b>",
                "pictures": [{"id": "p", "name": "[x](y).png", "width": 2, "height": 1}],
            },
            {"role": "assistant", "versions": [{"text": "Yes.", "state": "whole", "model": "m"}], "shown": 0},
        ],
    }
    script = "import('./export.js').then((e) => e.{}({}, {}))"
    markdown = page.run(script.format("asMarkdown", json.dumps(conversation), "(key) => key"))
    assert markdown.splitlines()[0] == "# \\<img src=x\\> \\[a\\]\\(b\\)"
    assert "- \\[x\\]\\(y\\).png (2 × 1)" in markdown
    assert "> # Hi\n> <b>" in markdown
    read = json.loads(
        page.run(script.format("asJson", json.dumps(conversation), "async () => 'data:image/png;base64,'"))
    )
    assert [message["role"] for message in read["messages"]] == ["user", "assistant"]
    assert read["messages"][1]["content"] == "Yes."


def test_enter_belongs_to_an_input_method_while_it_composes(page: Page, api: ScriptedApi) -> None:
    page.run("document.querySelector('#question').focus()")
    page.type("one")
    page.enter(shift=True)
    page.type("two")
    page.run(
        "document.querySelector('#question').dispatchEvent("
        "new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true }))"
    )
    assert api.requests == []
    page.enter()
    answered(page, 1)
    assert api.requests[0]["messages"] == [{"role": "user", "content": "one\ntwo"}]


def test_the_browser_that_is_looked_for_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="no browser on this machine"):
        Browser(tmp_path)
