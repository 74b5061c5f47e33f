"""A page in a real browser, and the server that plays to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serving.browser import Browser, Page
from tests.serving.scripted_api import ScriptedApi


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    api = ScriptedApi()
    yield api
    api.close()


@pytest.fixture
def page(browser: Browser, api: ScriptedApi) -> Iterator[Page]:
    page = browser.page(api.url)
    page.look(1280, 860)
    yield page
    complaints = page.complaints()
    page.close()
    assert complaints == []
