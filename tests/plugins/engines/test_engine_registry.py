from pathlib import Path

import pytest

from tradewind.core.errors import StartupError
from tradewind.plugins.engines.base import Engine, Processes
from tradewind.plugins.engines.fake import FakeEngine
from tradewind.plugins.engines.registry import engines


class Added:
    """An entry point of some package."""

    value = "some_package:make"

    def __init__(self, name: str, loaded: object) -> None:
        self.name = name
        self._loaded = loaded

    def load(self) -> object:
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded


def make_other(processes: Processes) -> Engine:
    return FakeEngine(processes)


def test_own_members_are_there_by_name():
    family = engines(entry_points=())
    assert set(family) == {"llama_server", "fake"}
    assert all(engine.name == name for name, engine in family.items())


def test_engine_of_an_installed_package_joins_the_family():
    assert set(engines(entry_points=[Added("other", make_other)])) == {
        "llama_server",
        "fake",
        "other",
    }


def test_two_engines_of_one_name_are_refused():
    with pytest.raises(StartupError, match="two engines are called 'fake'"):
        engines(entry_points=[Added("fake", make_other)])


@pytest.mark.parametrize("broken", [ImportError("no module"), "not callable"])
def test_engine_that_cannot_be_loaded_is_named(broken: object):
    with pytest.raises(StartupError, match="'other' of some_package:make cannot be loaded"):
        engines(entry_points=[Added("other", broken)])


def test_own_program_is_handed_to_llama_server():
    family = engines(llama_server=Path("/nowhere/llama-server"), entry_points=())
    with pytest.raises(StartupError, match="/nowhere/llama-server"):
        family["llama_server"].check()
