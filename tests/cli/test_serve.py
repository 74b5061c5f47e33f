"""`chiasm serve`: its options, and the whole of it once, as a program."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chiasm.cli import main
from chiasm.cli.serve import KEY_VARIABLE, known_keys
from chiasm.errors import UserError

PROGRAM = """
import sys, threading
import chiasm.backends
from chiasm.backends.scripted import ScriptedChatModel
from chiasm.cli import main

class Model(ScriptedChatModel):
    def prompt_tokens(self, conversation):
        return 5, (), 2048

    def only_asked(self):
        return self

    def compute_in(self, thread):
        assert thread.submit(threading.get_ident).result() == opened_in
        return self

def opened(*_, **__):
    global opened_in
    opened_in = threading.get_ident()
    return Model(["Two cats."])

chiasm.backends.open_local = opened
main(sys.argv[1:])
"""
SLOW = """
import sys, time
import chiasm.backends
from chiasm.cli import main

def opened(*_, **__):
    print("opening", file=sys.stderr, flush=True)
    time.sleep(60)

chiasm.backends.open_local = opened
main(sys.argv[1:])
"""


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, str]]:
    """A program that serves: the two lines it told. What it says when it is stopped holds no traceback."""
    (folder / "keys").write_text("first\n\nsecond\n", encoding="utf-8")
    (folder / "serve.py").write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, "serve.py", "serve", "-m", "org/My model", "--port", "0", "--api-key-file", "keys"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src")}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder) as process:
        assert process.stderr is not None
        try:
            yield process.stderr.readline(), process.stderr.readline()
        finally:
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read()
            process.wait(20)
    assert "Traceback" not in rest


def test_the_whole_of_it(tmp_path: Path) -> None:
    with served(tmp_path) as (told, example):
        assert told.startswith("My-model at http://127.0.0.1:")
        assert f'-H "Authorization: Bearer ${KEY_VARIABLE}"' in example
        body = re.search(r"-d '(.*)'", example)
        port = re.search(r":(\d+) ", told)
        assert body is not None
        assert port is not None
        for path, key, status in (("", "second", 200), ("", "third", 401), ("/tokens", "first", 200)):
            connection = http.client.HTTPConnection("127.0.0.1", int(port[1]), timeout=10)
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
            connection.request("POST", f"/v1/chat/completions{path}", body[1], headers)
            response = connection.getresponse()
            reply = json.loads(response.read())
            connection.close()
            assert response.status == status
            if status == 200:
                assert reply["prompt_tokens"] == 5 if path else reply["choices"][0]["message"]["content"] == "Two cats."


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_the_line_it_tells_can_be_typed(tmp_path: Path) -> None:
    # Neither the proxy nor the .curlrc of whoever runs the tests.
    environment = {**os.environ, "HOME": str(tmp_path), "no_proxy": "*"}
    with served(tmp_path) as (_, example):
        for key, said in (("second", '"content":"Two cats."'), ("third", '"code":"invalid_api_key"')):
            typed = subprocess.run(
                ["sh", "-c", example],
                env={**environment, KEY_VARIABLE: key},
                capture_output=True,
                check=False,
                text=True,
                timeout=20,
            )
            assert typed.returncode == 0, typed.stderr
            assert said in typed.stdout.replace(": ", ":")


def test_it_can_be_stopped_while_weights_are_read(tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(SLOW, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src")}
    command = [sys.executable, "serve.py", "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "opening\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--port", "70000"], "65535"),
        (["--name", "a b"], "letters, digits"),
        (["--allow-media-domain", "https://a.test/"], "not a host name"),
        (["--max-running", "0"], "max-running"),
    ],
)
def test_wrong_usage(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", "--port", "0", *arguments])
    assert caught.value.code == 2
    assert why in capsys.readouterr().err


def test_a_port_in_use_is_told_before_the_model_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SystemExit) as caught:
            main(["serve", "-m", "nowhere/at-all", "--port", str(taken.getsockname()[1])])
    assert caught.value.code == 1
    assert "cannot listen on 127.0.0.1 port" in capsys.readouterr().err


def test_keys_come_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert known_keys(None) == ()
    monkeypatch.setenv(KEY_VARIABLE, " secret\n")
    assert known_keys(None) == ("secret",)
    file = tmp_path / "keys"
    file.write_text("\n  \n", encoding="utf-8")
    with pytest.raises(UserError, match="holds no key"):
        known_keys(file)
    with pytest.raises(UserError, match="No such file"):
        known_keys(tmp_path / "none")
    monkeypatch.setenv(KEY_VARIABLE, "")
    with pytest.raises(UserError, match="CHIASM_API_KEY holds no key"):
        known_keys(None)
