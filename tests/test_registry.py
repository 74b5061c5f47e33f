"""Components found by file name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chiasm.errors import UserError
from chiasm.registry import Registry


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A folder of three components, one of which must not be imported to be listed."""
    folder = tmp_path / "made_up_parts"
    folder.mkdir()
    files = {"__init__": "", "plain": "x = 1", "mlpNx_gelu": "", "gridNxN": "", "broken": "1 / 0", "_hidden": ""}
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    (tmp_path / "made_up_plugin.py").write_text("x = 2")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Registry("made_up_parts", "part")
    for name in [name for name in sys.modules if name.startswith("made_up_")]:
        del sys.modules[name]


def test_names_are_file_names_and_nothing_is_imported(registry: Registry) -> None:
    assert registry.names() == ["broken", "gridNxN", "mlpNx_gelu", "plain"]
    assert "made_up_parts.broken" not in sys.modules


def test_a_new_file_is_a_new_component(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "made_up_parts" / "another.py").write_text("x = 3")
    assert "another" in registry.names()
    assert registry.find("another").module.x == 3


def test_a_capital_n_stands_for_a_number(registry: Registry) -> None:
    found = registry.find("mlp12x_gelu")
    assert (found.name, found.numbers) == ("mlp12x_gelu", (12,))
    assert registry.find("grid2x3").numbers == (2, 3)
    for wrong in ("mlpx_gelu", "mlp2x_gelu2", "mlp-1x_gelu", "mlp²x_gelu"):
        with pytest.raises(UserError):
            registry.find(wrong)


def test_a_misspelt_name_gets_the_nearest(registry: Registry) -> None:
    with pytest.raises(UserError, match=r"no part called 'plian': did you mean 'plain'\? known: broken, gridNxN"):
        registry.find("plian")


@pytest.mark.parametrize("name", ["", "_hidden", "__init__", "../plain", "plain\n", "PLAIN"])
def test_what_is_no_component_is_refused(registry: Registry, name: str) -> None:
    with pytest.raises(UserError):
        registry.find(name)


@pytest.mark.parametrize("name", ["os.", "a..b", "made up.x", ".plain", ".."])
def test_a_malformed_dotted_name_is_an_error_for_people(registry: Registry, name: str) -> None:
    with pytest.raises(UserError, match="part"):
        registry.find(name)


def test_a_dotted_name_comes_from_outside(registry: Registry) -> None:
    assert registry.find("made_up_parts.plain").module.x == 1
    with pytest.raises(UserError, match=r"made_up_plugin\.part"):
        registry.find("made_up_plugin.part")


def test_a_component_that_lacks_what_it_must_offer_is_refused(registry: Registry) -> None:
    asking = Registry(registry.package, registry.kind, ("x", "build"))
    with pytest.raises(UserError, match=r"made_up_parts\.plain is no part: it does not define build"):
        asking.find("plain")
    with pytest.raises(UserError, match=r"posixpath is no part: it does not define x, build"):
        asking.find("os.path")


def test_a_broken_component_shows_its_own_error(registry: Registry) -> None:
    with pytest.raises(ZeroDivisionError):
        registry.find("broken")
