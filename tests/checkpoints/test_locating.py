"""Names on the hub: what is on this machine is taken only when all of it is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chiasm.checkpoints.locating import TOWER, locate
from chiasm.errors import UserError

FILES = ["config.json", "tokenizer.json", "model.safetensors.index.json", "a.safetensors", "b.safetensors"]


class Hub:
    """Stands for the hub's client: a cache with some files, and a network that may bring the rest."""

    def __init__(self, cache: Path) -> None:
        self.cache, self.reachable, self.calls = cache, True, list[bool]()

    def put(self, *names: str) -> None:
        for name in names:
            shards = {"x": "a.safetensors", "y": "b.safetensors"}
            (self.cache / name).write_text(json.dumps({"weight_map": shards}) if "index" in name else "{}")

    def snapshot_download(self, name: str, *, allow_patterns: list[str], local_files_only: bool) -> str:
        self.calls.append(local_files_only)
        if not any(self.cache.iterdir()) and (local_files_only or not self.reachable):
            raise OSError("no route to host")
        if not local_files_only and self.reachable:
            self.put(*FILES)
        return str(self.cache)  # without a network: what there is, as the real one does


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    import huggingface_hub

    hub = Hub(tmp_path)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
    return hub


def test_a_whole_snapshot_asks_no_network(hub: Hub) -> None:
    hub.put(*FILES)
    assert locate("someone/something") == hub.cache
    assert hub.calls == [True]


@pytest.mark.parametrize("absent", FILES)
def test_an_interrupted_download_goes_on(hub: Hub, absent: str) -> None:
    hub.put(*(name for name in FILES if name != absent))
    assert locate("someone/something") == hub.cache
    assert (hub.cache / absent).is_file()


@pytest.mark.parametrize(
    ("present", "missing"),
    [
        (["config.json"], ["tokenizer.json", "model.safetensors"]),
        (FILES[:3], ["a.safetensors", "b.safetensors"]),
        (FILES[:4], ["b.safetensors"]),
        (FILES[1:], ["config.json"]),
    ],
    ids=str,
)
def test_without_a_network_the_error_names_what_is_missing(hub: Hub, present: list[str], missing: list[str]) -> None:
    hub.put(*present)
    hub.reachable = False
    with pytest.raises(UserError, match="someone/something' is incomplete on this machine") as caught:
        locate("someone/something")
    assert all(name in str(caught.value) for name in missing)


def test_a_vision_tower_needs_no_tokenizer(hub: Hub) -> None:
    hub.put("config.json", "model.safetensors")
    hub.reachable = False
    assert locate("someone/tower", what=TOWER) == hub.cache
    with pytest.raises(UserError, match=r"tokenizer\.json missing"):
        locate("someone/tower")
