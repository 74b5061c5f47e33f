"""Fixtures every folder of tests may use."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent

if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes, which would wait for each other's threads
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports torch


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden anew; read the difference before you commit it"
    )


@pytest.fixture(scope="session", autouse=True)
def heard_signals() -> None:
    """A shell that starts the tests in the background makes them, and all they start, deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real photographs, annotations and golden numbers beside the checkout; skips where they are absent."""
    folder = TESTS.parents[1] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real data (../shared/data) is not here")
    return folder


@pytest.fixture
def check_golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`check_golden(name, text)`: text equals the file tests/golden/name, or becomes it with --update-golden."""

    def check(name: str, text: str) -> None:
        path = TESTS / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        if not path.is_file():
            pytest.fail(f"tests/golden/{name} does not exist yet: run pytest --update-golden and read what it writes")
        assert text == path.read_text(encoding="utf-8"), f"differs from tests/golden/{name}"

    return check


@pytest.fixture(scope="session")
def micro_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a drawn world of 40 pictures to train on, of 64 pixels, and 4 to ask about. Not to be changed.

    `instruct_train.json` holds one conversation a picture, of two short questions, so that runs on it are quick.
    """
    from chiasm.scenes.writing import write_world

    folder = tmp_path_factory.mktemp("micro") / "world"
    write_world(folder, num=40, num_val=4, num_test=2, num_text=40, size=64, workers=1)
    mixture = json.loads((folder / "mixture_train.json").read_bytes())
    short = [
        {**record, "conversations": record["conversations"][:4]}
        for record in mixture
        if record["id"].startswith("short_")
    ]
    (folder / "instruct_train.json").write_text(json.dumps(short))
    return folder


@pytest.fixture(scope="session")
def demo_parts(tmp_path_factory: pytest.TempPathFactory, micro_world: Path) -> Path:
    """The folder of the tower and language model that small demos begin from. Not to be changed."""
    from tests.demo import standins

    folder = tmp_path_factory.mktemp("demo_parts")
    standins.write_parts(folder, micro_world)
    return folder
