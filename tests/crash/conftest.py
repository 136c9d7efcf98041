"""Options of the crash test: `pytest tests/crash --kills 1000 --seed 7`."""

import random

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=20, help="processes to kill in the crash test")
    parser.addoption("--seed", type=int, default=None, help="of the crash test, to repeat a run")


@pytest.fixture
def kills(pytestconfig: pytest.Config) -> int:
    # The default stands here too: a run of all tests reads this file after the command line.
    return int(pytestconfig.getoption("kills", default=20) or 0)


@pytest.fixture
def seed(pytestconfig: pytest.Config) -> int:
    given = pytestconfig.getoption("seed", default=None)
    return random.SystemRandom().randrange(10**6) if given is None else given
