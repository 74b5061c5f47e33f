"""Checkpoints of a stage in progress: whole or not there, and only ever put back where they belong."""

from __future__ import annotations

import errno
import hashlib
import json
import random
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors
import torch
from torch import nn

from chiasm.errors import UserError
from chiasm.training import state
from chiasm.training.state import Position


def _trained(seed: int = 0) -> tuple[dict[str, nn.Parameter], torch.optim.AdamW]:
    """Two parameters, one of which never got a gradient, with an optimiser three steps on."""
    generator = torch.Generator().manual_seed(seed)
    named = {name: nn.Parameter(torch.randn(4, 3, generator=generator)) for name in ("used", "idle")}
    optimizer = torch.optim.AdamW(named.values(), lr=0.1)
    for _ in range(3):
        named["used"].grad = torch.randn(4, 3, generator=generator)
        optimizer.step()
    return named, optimizer


def _save(folder: Path, step: int = 3, run_id: str = "run", stage: str = "align") -> Path:
    named, optimizer = _trained()
    target = folder / f"{stage}-{step:07d}"
    state.save_state(target, Position(run_id, stage, step), named, optimizer)
    return target


def rewrite_record(folder: Path, **changes: Any) -> None:
    """Change what a checkpoint says of itself, as whoever wrote it would have."""
    path = folder / "complete.json"
    content = {key: value for key, value in json.loads(path.read_text()).items() if key != "self"} | changes
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps({**content, "self": digest}))


def test_everything_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(5)
    folder = _save(tmp_path)
    expected = torch.rand(3)
    torch.manual_seed(6)
    named, optimizer = _trained(seed=1)
    assert state.load_state(folder, "run", named, optimizer) == Position("run", "align", 3)
    original, before = _trained()
    assert torch.equal(torch.rand(3), expected)
    for name, parameter in named.items():
        assert torch.equal(parameter, original[name])
        old, new = before.state.get(original[name], {}), optimizer.state.get(parameter, {})
        assert old.keys() == new.keys()
        assert all(torch.equal(old[key], new[key]) for key in old)
    for both in ((named, optimizer), (original, before)):
        both[0]["used"].grad = torch.ones(4, 3)
        both[1].step()
    assert torch.equal(named["used"], original["used"])


def test_steps_are_counted_where_the_parameter_lies(tmp_path: Path) -> None:
    """A fused AdamW has them there; on a GPU it refuses any other place."""
    folder = _save(tmp_path)
    away = {name: nn.Parameter(torch.empty(4, 3, device="meta")) for name in ("used", "idle")}
    optimizer = torch.optim.AdamW(away.values(), lr=0.1)
    state.put_back(folder, away, optimizer)
    kept = optimizer.state[away["used"]]
    assert set(kept) == {"step", "exp_avg", "exp_avg_sq"}
    assert {value.device.type for value in kept.values()} == {"meta"}


def test_no_bit_of_a_checkpoint_can_flip_unseen(tmp_path: Path) -> None:
    folder = _save(tmp_path)
    rng = random.Random(0)
    sound, _ = _trained()
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        for _ in range(30):
            place = rng.randrange(len(content))
            flipped = bytearray(content)
            flipped[place] ^= 1 << rng.randrange(8)
            path.write_bytes(bytes(flipped))
            named, optimizer = _trained(seed=1)
            before = {name: parameter.detach().clone() for name, parameter in named.items()}
            error = None
            try:
                state.load_state(folder, "run", named, optimizer)
            except UserError as refused:
                error = str(refused)
            # A bit of the record's white space, or of a name nobody reads, may pass: then what was loaded is right.
            assert error is not None or path.name == "complete.json"
            assert error is None or str(folder) in error
            expected = sound if error is None else before
            assert all(torch.equal(named[name], expected[name]) for name in named)
        path.write_bytes(content)
    state.load_state(folder, "run", *_trained(seed=1))


@pytest.mark.parametrize("record", ["", "[]", "3", "null", "{}", '{"sha256": 3}', '{"sha256": {}}', '{"format": "x"}'])
def test_a_record_of_another_shape_is_no_record(tmp_path: Path, record: str) -> None:
    folder = _save(tmp_path)
    (folder / "complete.json").write_text(record)
    with pytest.raises(UserError, match=r"complete\.json"):
        state.load_state(folder, "run", *_trained())


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.safetensors", "position.json", "complete.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = _save(tmp_path)
    (folder / name).unlink()
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        state.load_state(folder, "run", *_trained())


def test_files_of_two_steps_do_not_mix(tmp_path: Path) -> None:
    ten, twenty = _save(tmp_path, 10), _save(tmp_path, 20)
    shutil.copy(ten / "position.json", twenty / "position.json")
    with pytest.raises(UserError, match=r"position\.json"):
        state.load_state(twenty, "run", *_trained())


def test_a_renamed_checkpoint_is_refused_with_both_names(tmp_path: Path) -> None:
    folder = _save(tmp_path, 10)
    for name, says in (("align-0000020", r"align-0000020.*step 10"), ("instruct-0000010", r"instruct.*'align'")):
        moved = shutil.copytree(folder, tmp_path / name)
        with pytest.raises(UserError, match=says):
            state.load_state(moved, "run", *_trained())


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"belongs to run theirs.*mine"):
        state.load_state(_save(tmp_path, run_id="theirs"), "mine", *_trained())


def test_a_newer_format_is_refused_with_both_versions(tmp_path: Path) -> None:
    folder = _save(tmp_path)
    rewrite_record(folder, format=state.FORMAT + 1)
    with pytest.raises(state.NewerFormat, match=rf"format {state.FORMAT + 1}.*up to {state.FORMAT}"):
        state.load_state(folder, "run", *_trained())


@pytest.mark.parametrize("change", ["name", "shape", "more"])
def test_other_parameters_are_refused_with_the_first_difference(tmp_path: Path, change: str) -> None:
    folder = _save(tmp_path)
    named, optimizer = _trained(seed=1)
    if change == "name":
        named["renamed"] = named.pop("idle")
    elif change == "more":
        named["another"] = nn.Parameter(torch.zeros(2))
    else:
        named["idle"] = nn.Parameter(torch.zeros(4, 5))
    before = {name: parameter.detach().clone() for name, parameter in named.items()}
    says = {"name": "idle", "more": "another", "shape": r"idle.*\(4, 3\).*\(4, 5\)"}[change]
    with pytest.raises(UserError, match=says):
        state.load_state(folder, "run", named, optimizer)
    assert all(torch.equal(named[name], before[name]) for name in named)  # nothing was touched


def test_checkpoints_are_found_newest_first(tmp_path: Path) -> None:
    for name in ("align-0000009", "align-0000010", "align-two-0000011", "align-x", ".align-0000012.writing"):
        (tmp_path / name).mkdir()
    assert [path.name for path in state.newest_first(tmp_path, "align")] == ["align-0000010", "align-0000009"]
    assert state.newest_first(tmp_path / "absent", "align") == []


# ---- disks -----------------------------------------------------------------------------------------------------------


def _no_space(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _safetensors_no_space(*_: Any, **__: Any) -> None:
    raise safetensors.SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize(
    ("where", "what"),
    [("save_file", _no_space), ("save_file", _safetensors_no_space), ("_sync", _no_space), ("_sha256", _no_space)],
)
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, what: Any
) -> None:
    before = _save(tmp_path, 1)
    content = {path.name: path.read_bytes() for path in before.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(state, where, what)
        for step in (1, 2):  # the same name again, and a new one
            with pytest.raises(UserError, match=r"No space left.*untouched"):
                _save(tmp_path, step)
    assert {path.name: path.read_bytes() for path in before.iterdir()} == content
    assert [path.name for path in tmp_path.iterdir()] == [before.name]


_FILL = """
import resource, sys
from pathlib import Path
import torch
from torch import nn
from chiasm.errors import UserError
from chiasm.training import state
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
parameter = nn.Parameter(torch.zeros(1000, 100))
optimizer = torch.optim.AdamW([parameter])
parameter.grad = torch.ones(1000, 100)
optimizer.step()
try:
    state.save_state(Path(sys.argv[1]) / "a-0000001", state.Position("r", "a", 1), {"p": parameter}, optimizer)
except UserError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
def test_a_file_that_cannot_grow_is_told_in_one_line(tmp_path: Path) -> None:
    limit = 500_000  # between 0.4 MB of weights and 0.8 MB of optimiser
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    source = Path(__file__).resolve().parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-c", _FILL, str(tmp_path), str(limit)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", "PATH": ""},
    )
    assert "cannot write" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_folder_vanished_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write"):
        _save(tmp_path / "gone" / "checkpoints")
