"""Where a key may go: addresses, files and variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from chiasm.backends.openai_access import access
from chiasm.errors import UserError

KEY = "sk-test-0123456789"
LAN = "http://192.168.1.5:8000/v1"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CHIASM_KEY_OVER_HTTP"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "http://127.8.8.8/v1",
        "http://localhost:11434/v1/",
        "http://LOCALHOST/v1",
        "http://[::1]:8080/v1",
        "http://0.0.0.0:8000/v1",
        "https://localhost/v1",
    ],
)
def test_a_server_on_this_machine_needs_no_key_and_may_get_one(url: str) -> None:
    assert access(url, None).key is None
    found = access(url, KEY)
    assert (found.key, found.on_this_machine, found.base_url) == (KEY, True, url.rstrip("/"))


@pytest.mark.parametrize(
    "url",
    [LAN, "http://localhost.evil.com/v1", "http://127.0.0.1.nip.io/v1", "http://10.0.0.1/v1", "http://[::2]/v1"],
)
def test_plain_http_to_another_machine_carries_no_key_unless_forced(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert access(url, None).key is None  # TA19
    with pytest.raises(UserError, match=r"plain http.*https.*CHIASM_KEY_OVER_HTTP=1") as raised:
        access(url, KEY)
    assert KEY not in str(raised.value)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(UserError, match="OPENAI_API_KEY would be sent"):
        access(url, None)
    assert access(url, None, key_over_http=True).key == KEY
    monkeypatch.setenv("CHIASM_KEY_OVER_HTTP", "1")
    assert access(url, None).key == KEY


def test_openai_itself_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"OPENAI_API_KEY is not set.*api\.openai\.com.*--api-key-file"):
        access(None, None)
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    assert (access(None, None).key, access(None, None).base_url) == (KEY, "https://api.openai.com/v1")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://example.org/api/v1/")
    assert access(None, None).base_url == "https://example.org/api/v1"
    assert access(LAN, None, key_over_http=True).base_url == LAN


def test_a_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    (tmp_path / "key").write_text(f"{KEY}\r\n")
    assert access(None, None, tmp_path / "key").key == KEY
    with pytest.raises(UserError, match="cannot read the key file"):
        access(None, None, tmp_path / "absent")
    (tmp_path / "film").write_bytes(b"x" * 20_000)
    with pytest.raises(UserError, match="longer than 10000 bytes"):
        access(None, None, tmp_path / "film")


@pytest.mark.parametrize(
    "bad", ["sk-te st-secret", "sk-te\nst-secret", "sk-té-secret", "sk\x00-secret", "“sk-secret”", "\udcff-secret"]
)
def test_keys_no_header_can_carry(bad: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # TA20: said clearly, shown never
    with pytest.raises(UserError, match="the API key holds a space, a line break or a letter outside ASCII") as raised:
        access(None, bad)
    assert "secret" not in str(raised.value)
    (tmp_path / "key").write_bytes(bad.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=r"key file .* holds a space") as raised:
        access(None, None, tmp_path / "key")
    assert "secret" not in str(raised.value)
    if "\x00" not in bad:
        monkeypatch.setenv("OPENAI_API_KEY", bad)
        with pytest.raises(UserError, match="OPENAI_API_KEY holds a space") as raised:
            access(None, None)
        assert "secret" not in str(raised.value)


@pytest.mark.parametrize("empty", ["", " \n"])
def test_an_empty_key(empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="the API key is empty"):
        access(None, empty)
    (tmp_path / "key").write_text(empty)
    with pytest.raises(UserError, match=r"key file .* is empty"):
        access(None, None, tmp_path / "key")
    monkeypatch.setenv("OPENAI_API_KEY", empty)
    with pytest.raises(UserError, match="is not set"):
        access(None, None)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://me:passw0rd@example.org/v1", "user name or password before example.org"),
        ("https://passw0rd@example.org/v1", "user name or password"),
        ("https://:passw0rd@example.org/v1", "user name or password"),
        ("http://me:passw0rd@127.0.0.1/v1", "user name or password"),
        ("ftp://example.org/v1", "must look like"),
        ("example.org/v1", "must look like"),
        ("//example.org/v1", "must look like"),
        ("https://", "must look like"),
        ("http://[::1/v1", "must look like"),
        ("http://example.org:99999/v1", "must look like"),
        ("https://example.org/v1?key=passw0rd", "without"),
        ("https://example.org/v1#x", "without"),
    ],
)
def test_addresses_that_are_refused(url: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        access(url, KEY)
    assert "passw0rd" not in str(raised.value)


def test_the_key_is_not_in_the_repr() -> None:
    assert KEY not in repr(access(None, KEY))
