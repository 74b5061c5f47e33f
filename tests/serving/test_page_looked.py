"""The page in a real browser: where the model looked, and pictures it is not familiar with."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from PIL import Image

from tests.serving.browser import Browser, Page
from tests.serving.scripted_api import ScriptedApi

# "一" looked at the left of the first picture, "dog" at the right of it and at the foot of the second.
LOOKED = {
    "object": "chiasm.looked",
    "answer": "一 dog.",
    "pictures": [{"rows": 1, "columns": 2}, {"rows": 2, "columns": 1}],
    "whole": [[0.1, 0.1], [0.1, 0.1]],
    "words": [
        {"start": 0, "end": 1, "text": "一", "heats": [[0.5, 0.0], [0.0, 0.0]]},
        {"start": 2, "end": 5, "text": "dog", "heats": [[0.0, 0.2], [0.0, 0.1]]},
    ],
}
ANSWERED = "document.querySelector('#send').checkVisibility() && document.querySelectorAll('.answer').length === {}"
# How much each cell of each map glows: red, which the veil has none of.
GLOW = """[...document.querySelectorAll('.heat')].map((map) => [...map.getContext('2d')
  .getImageData(0, 0, map.width, map.height).data].filter((_, at) => at % 4 === 0).map((red) => red > 100))"""


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    api = ScriptedApi()
    api.looked = LOOKED
    yield api
    api.close()


def asked(page: Page, api: ScriptedApi, num_pictures: int = 2, answer: str = "一 dog.") -> None:
    api.script = [[answer]]
    if num_pictures:
        content = io.BytesIO()
        Image.new("RGB", (60, 40), "teal").save(content, "PNG")
        page.drop([(f"{number}.png", content.getvalue()) for number in range(num_pictures)])
        page.wait(f"document.querySelectorAll('#drafts li').length === {num_pictures}")
    page.run("document.querySelector('#question').focus()")
    page.type("What?")
    page.enter()
    page.wait(ANSWERED.format(1))


def test_a_word_shows_where_it_looked(page: Page, api: ScriptedApi) -> None:
    asked(page, api)
    page.click("[data-key='1.looked']")
    page.wait("document.querySelectorAll('.heat').length === 2")
    assert api.requests[1]["answer"] == "一 dog."
    assert [part["type"] for part in api.requests[1]["messages"][0]["content"]] == ["image_url", "image_url", "text"]
    assert page.text(".words") == ["一 dog."]
    assert page.run(GLOW) == [[True, True], [True, True]]
    assert "40 % of the attention" in page.text(".gaze .note")[0]
    assert page.text(".word") == ["一", "dog"]
    page.run("document.querySelectorAll('.word')[1].dispatchEvent(new MouseEvent('mouseenter'))")
    assert page.run(GLOW) == [[False, True], [False, True]]
    assert page.text(".gaze .note") == [
        "“dog”: 30 % of the attention went to the picture. What glows was looked at most."
    ]
    page.run("document.querySelectorAll('.word')[1].dispatchEvent(new MouseEvent('mouseleave'))")
    assert page.run(GLOW) == [[True, True], [True, True]]
    page.click("[data-key='1.looked']")
    assert page.run("document.querySelectorAll('.heat, .word').length") == 0
    assert page.text(".prose") == ["一 dog."]


def test_a_pressed_word_stays(page: Page, api: ScriptedApi) -> None:
    asked(page, api)
    page.click("[data-key='1.looked']")
    page.wait("document.querySelector('.word')")
    page.click(".word")
    page.run("document.querySelector('.word').dispatchEvent(new MouseEvent('mouseleave'))")
    assert page.run(GLOW) == [[True, False], [False, False]]
    assert page.run("document.querySelector('.word').getAttribute('aria-pressed')") == "true"
    page.click(".word")
    page.run("document.querySelector('.word').dispatchEvent(new MouseEvent('mouseleave'))")
    assert page.run(GLOW) == [[True, True], [True, True]]


def test_keys_alone_are_enough(page: Page, api: ScriptedApi) -> None:
    asked(page, api)
    page.run("document.querySelector('[data-key=\"1.looked\"]').focus()")
    page.enter()
    page.wait("document.querySelector('.word')")
    assert page.run("document.activeElement.dataset.key") == "1.looked"
    assert page.run("document.activeElement.getAttribute('aria-expanded')") == "true"
    assert page.run("[...document.querySelectorAll('.word')].map((word) => word.tabIndex)") == [0, -1]
    page.run("document.querySelector('.word').focus()")
    assert page.run(GLOW) == [[True, False], [False, False]]
    page.key("ArrowRight", 39)
    assert page.run("document.activeElement.innerText") == "dog"
    assert page.run(GLOW) == [[False, True], [False, True]]
    page.key("Home", 36)
    assert page.run("document.activeElement.innerText") == "一"
    assert page.run("[...document.querySelectorAll('.word')].map((word) => word.tabIndex)") == [0, -1]


def test_what_the_server_cannot_tell_is_not_offered(browser: Browser, page: Page, api: ScriptedApi) -> None:
    asked(page, api, num_pictures=0)
    assert page.run("document.querySelector('[data-key=\"1.looked\"]')") is None
    other = ScriptedApi()
    elsewhere = browser.page(other.url)
    asked(elsewhere, other, num_pictures=1)
    assert elsewhere.run("document.querySelector('[data-key=\"1.looked\"]')") is None
    elsewhere.close()
    other.close()


def test_a_refusal_is_said(page: Page, api: ScriptedApi) -> None:
    asked(page, api)
    api.status = 400
    page.click("[data-key='1.looked']")
    page.wait("document.querySelector('.notice')?.innerText.includes('could not be told. not now')")
    assert page.run("document.querySelector('[data-key=\"1.looked\"]').innerText") == "Where it looked"


def test_unfamiliar_pictures_are_said_and_kept(page: Page, api: ScriptedApi) -> None:
    api.unfamiliar = [0]
    asked(page, api, num_pictures=1)
    line = (
        "This picture looks unlike the drawn pictures this small assistant has learnt from: take its answer as a guess."
    )
    assert page.text(".answer .state") == [line]
    page.run("new Promise((then) => setTimeout(then, 120)).then(() => true)")
    page.reload()
    page.wait(ANSWERED.format(1))
    assert page.text(".answer .state") == [line]


def test_of_several_pictures_the_unfamiliar_are_named(page: Page, api: ScriptedApi) -> None:
    api.unfamiliar = [1]
    asked(page, api)
    assert "learnt from: picture 2. Take" in page.text(".answer .state")[0]
