"""Chromium without a window, driven over the DevTools protocol through a pipe: no driver, no websocket, no package."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 8.0  # seconds until something that should happen on a page is called missing
_QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-extensions --disable-dev-shm-usage --mute-audio "
    "--force-color-profile=srgb --hide-scrollbars --remote-debugging-pipe "
    "--use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str:
    """Path of the browser; skips where there is none."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None or os.name != "posix":
        pytest.skip(f"no browser on this machine (looked for {', '.join(_NAMES)})")
    return found


# The protocol is spoken on descriptors 3 and 4. Moved out of the way first: one may be the other's number.
_LAUNCH = """
import fcntl, os, sys
for number, here in enumerate([fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3]], 3):
    os.dup2(here, number)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One browser with a profile of its own. `page()` opens tabs; `close()` ends it."""

    def __init__(self, profile: Path, language: str = "en-US") -> None:
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        flags = [*_QUIET.split(), f"--user-data-dir={profile}", f"--lang={language}", f"--accept-lang={language}"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, str(to_browser), str(from_browser), chromium(), *flags, "about:blank"],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LANGUAGE": language.replace("-", "_")},
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._last = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """The result of one command of the protocol."""
        self._last += 1
        command = {"id": self._last, "method": method, "params": params}
        if session is not None:
            command["sessionId"] = session
        os.write(self._write, json.dumps(command).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == self._last:
                if "error" in message:
                    raise AssertionError(f"{method}: {message['error']['message']}")
                result: dict[str, Any] = message["result"]
                return result
            self.events.append(message)

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            piece = os.read(self._read, 1 << 20)
            if not piece:
                raise AssertionError("the browser went away")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def page(self, url: str) -> Page:
        """A new tab. What a page keeps belongs to its address: servers on other ports begin with nothing."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        for domain in ("Page", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        page.go(url)
        return page

    def close(self) -> None:
        """Ends the browser."""
        try:
            self.call("Browser.close")
        except (AssertionError, OSError):
            self._process.kill()
        os.close(self._write)
        os.close(self._read)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)


class Page:
    """A tab. Selectors are CSS; waiting ends with what the page showed instead."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser, self._session, self._target = browser, session, target

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command to this tab."""
        return self._browser.call(method, self._session, **params)

    def go(self, url: str) -> None:
        """Opens an address and waits until the page says that it is ready."""
        self.call("Page.navigate", url=url)
        self.wait("document.documentElement.dataset.ready === 'yes'")

    def reload(self) -> None:
        """As the reader's reload button."""
        self.run("document.documentElement.dataset.ready = 'old'")
        self.call("Page.reload")
        self.wait("document.documentElement.dataset.ready === 'yes'")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; promises are awaited."""
        result = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in result:
            raise AssertionError(result["exceptionDetails"].get("exception", {}).get("description", script))
        return result["result"].get("value")

    def wait(self, script: str, patience: float = PATIENCE) -> None:
        """Waits until an expression is true."""
        end = time.monotonic() + patience
        while True:
            try:
                if self.run(f"Boolean({script})"):
                    return
            except AssertionError:  # between two documents
                pass
            if time.monotonic() > end:
                raise AssertionError(
                    f"never came true: {script}\nthe page shows:\n{self.run('document.body.innerText')}"
                )
            time.sleep(0.02)

    def text(self, selector: str) -> list[str]:
        """Text of all elements a selector finds."""
        found: list[str] = self.run(
            f"[...document.querySelectorAll({json.dumps(selector)})].map((node) => node.innerText)"
        )
        return found

    def click(self, selector: str) -> None:
        """Presses the one visible element of a selector."""
        query = json.dumps(selector)
        self.wait(f"[...document.querySelectorAll({query})].some((node) => node.checkVisibility() && !node.disabled)")
        self.run(f"[...document.querySelectorAll({query})].filter((node) => node.checkVisibility())[0].click()")

    def type(self, text: str) -> None:
        """Types into what has the focus."""
        self.call("Input.insertText", text=text)

    def key(self, key: str, code: int, text: str = "", modifiers: int = 0) -> None:
        """Presses a key; `modifiers` 8 is Shift."""
        about = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self.call("Input.dispatchKeyEvent", type="keyDown", **about, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def enter(self, shift: bool = False) -> None:
        """Presses Enter."""
        self.key("Enter", 13, "\r", 8 if shift else 0)

    def escape(self) -> None:
        """Presses Esc."""
        self.key("Escape", 27)

    def drop(self, files: list[tuple[str, bytes]], kind: str = "image/png") -> None:
        """Drops files onto the page, as dragging them in does."""
        data = json.dumps([[name, base64.b64encode(content).decode()] for name, content in files])
        self.run(
            f"""(() => {{
              const dropped = new DataTransfer();
              for (const [name, data] of {data}) {{
                const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
                dropped.items.add(new File([bytes], name, {{ type: {json.dumps(kind)} }}));
              }}
              const about = {{ bubbles: true, cancelable: true, dataTransfer: dropped }};
              for (const type of ["dragenter", "dragover", "drop"])
                document.body.dispatchEvent(new DragEvent(type, about));
            }})()"""
        )

    def look(self, width: int, height: int, scheme: str = "light", scale: float = 1) -> None:
        """Size of the window, and what the system prefers."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path: Path) -> None:
        """Writes what can be seen."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def complaints(self) -> list[str]:
        """What the page threw or was refused since it was opened; failed requests are the tests' own doing."""
        found = []
        for event in self._browser.events:
            if event.get("sessionId") != self._session:
                continue
            if event["method"] == "Runtime.exceptionThrown":
                details = event["params"]["exceptionDetails"]
                found.append(details.get("exception", {}).get("description", details["text"]))
            elif event["method"] == "Log.entryAdded":
                entry = event["params"]["entry"]
                if entry["level"] == "error" and entry["source"] != "network":
                    found.append(entry["text"])
            elif event["method"] == "Page.javascriptDialogOpening":
                found.append("a dialog opened")
        return found

    def close(self) -> None:
        """Closes the tab."""
        self._browser.call("Target.closeTarget", targetId=self._target)
