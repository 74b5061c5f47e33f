"""The page in a real browser, from the server it belongs to: picture, question, stream, stop, next question, reload."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from chiasm.backends.local import LocalChatModel
from chiasm.chat import Reader, Sampling, Telling
from chiasm.conversation import Conversation
from tests.backends.tiny import assistant
from tests.serving.browser import Browser, chromium
from tests.serving.running import png, running

ANSWERED = "document.querySelector('#send').checkVisibility() && document.querySelectorAll('.answer').length === {}"


class Watched:
    """A model that takes `pause` seconds for each of `most` tokens, and whose questions are kept in `asked`."""

    def __init__(self, model: LocalChatModel) -> None:
        self.model, self.asked = model, list[Conversation]()
        self.pause, self.most = 0.05, 400
        logits, tell = model.model.logits, model.tell

        def paced(x: Any) -> Any:
            time.sleep(self.pause)
            return logits(x)

        def noted(conversation: Conversation, sampling: Sampling, reader: Reader) -> Telling:
            self.asked.append(conversation)
            return tell(conversation, replace(sampling, max_tokens=self.most), reader)

        model.model.logits, model.tell = paced, noted  # type: ignore[method-assign]


def test_a_conversation_from_picture_to_reload(tmp_path: Path) -> None:
    chromium()  # or skip, before a model is made
    watched, picture = Watched(assistant()), png("teal", (60, 40))
    abilities = {"count": watched.model.prompt_tokens, "look": watched.model.looked}
    with running(watched.model, **abilities) as server:
        browser = Browser(tmp_path)
        try:
            page = browser.page(f"http://127.0.0.1:{server.port}/")
            page.look(1280, 860)
            page.drop([("field.png", picture)])
            page.wait("document.querySelectorAll('#drafts li').length === 1")
            page.wait("/[0-9]/.test(document.querySelector('#tokens').textContent)")  # counted by the server

            page.run("document.querySelector('#question').focus()")
            page.type("What is this?")
            page.enter()
            page.wait("document.querySelector('.prose.writing')?.innerText.length > 2")
            [begun] = page.text(".prose.writing")
            page.wait(f"document.querySelector('.prose.writing').innerText.length > {len(begun)}")
            page.click("#stop")
            page.wait(ANSWERED.format(1))
            [stopped] = page.text(".prose")
            assert stopped.startswith(begun)
            assert len(stopped) < watched.most
            assert page.text(".state") == ["Stopped by you."]
            server.wait_until(lambda: (server.server.metrics.vanished, server.server.desk.num_in) == (1, 0))

            watched.pause, watched.most = 0.0, 24
            page.run("document.querySelector('#question').focus()")
            page.type("And now?")
            page.enter()
            page.wait(ANSWERED.format(2))
            shown = page.text(".prose")
            assert shown[0] == stopped
            assert len(shown[1]) == 24  # a letter a token

            first, second = watched.asked
            [remembered] = re.findall(r"\(([0-9,]+) remembered\)", page.text(".usage")[-1])
            assert int(remembered) >= watched.model.prompt_tokens(first)[0]  # the picture was not computed again
            assert [message.role for message in second.messages] == ["user", "assistant", "user"]
            assert [message.text for message in second.messages[1:]] == [stopped, "And now?"]
            for asked in (first, second):
                assert [image.source for message in asked.messages for image in message.images] == [picture]

            page.wait("document.querySelector('#past .past')?.innerText === 'What is this?'")
            page.run("new Promise((then) => setTimeout(then, 120)).then(() => true)")  # until it is written down
            page.reload()
            page.wait(ANSWERED.format(2))
            assert page.text(".said") == ["What is this?", "And now?"]
            assert page.text(".prose") == shown
            page.wait("document.querySelector('.shot img').naturalWidth === 60")
            assert page.complaints() == []
        finally:
            browser.close()
