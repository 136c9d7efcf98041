"""Options of these tests: `pytest tests/fuzz --seconds 600 --examples 500 --corpus FOLDER`."""

import sys
from pathlib import Path

import pytest
import uvloop

# The gateway's own test parts, which import each other by their plain names.
sys.path += [str(Path(__file__).parents[1] / "gateway" / part) for part in ("", "http")]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seconds", type=int, default=5, help="of fuzzing for each parser")
    parser.addoption("--examples", type=int, default=3, help="of Schemathesis for each operation")
    parser.addoption("--corpus", type=Path, default=None, help="folder to keep what fuzzing found")


@pytest.fixture
def seconds(pytestconfig: pytest.Config) -> int:
    # The default stands here too: a run of all tests reads this file after the command line.
    return int(pytestconfig.getoption("seconds", default=5) or 5)


@pytest.fixture
def examples(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.getoption("examples", default=3) or 3)


@pytest.fixture
def corpus(pytestconfig: pytest.Config, tmp_path: Path) -> Path:
    given = pytestconfig.getoption("corpus", default=None)
    return tmp_path if given is None else Path(given)


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop}
