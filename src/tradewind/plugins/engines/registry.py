"""The members of the family by name: ours, and those of installed packages.

A package adds an engine with an entry point in the group `tradewind.engines`: the engine's name,
and a function that takes a `Processes` and returns the `Engine`.
"""

import importlib.metadata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, cast

from tradewind.core.errors import StartupError
from tradewind.plugins.engines.base import Engine, Processes
from tradewind.plugins.engines.fake import FakeEngine
from tradewind.plugins.engines.llama_server import LlamaServer, find_program
from tradewind.plugins.engines.local import LocalProcesses

GROUP = "tradewind.engines"


class EntryPoint(Protocol):
    """What is used of `importlib.metadata.EntryPoint`."""

    @property
    def name(self) -> str: ...

    @property
    def value(self) -> str: ...

    def load(self) -> object: ...


def engines(
    *,
    llama_server: Path | None = None,
    processes: Processes | None = None,
    entry_points: Iterable[EntryPoint] | None = None,
) -> dict[str, Engine]:
    """Return every engine by its name. Starts nothing; `Engine.check` says which can run here.

    Raises StartupError when an installed package's engine cannot be loaded.
    """
    where = LocalProcesses() if processes is None else processes
    family: dict[str, Engine] = {
        LlamaServer.name: LlamaServer(where, find_program(llama_server)),
        FakeEngine.name: FakeEngine(where),
    }
    added = importlib.metadata.entry_points(group=GROUP) if entry_points is None else entry_points
    for entry_point in added:
        if entry_point.name in family:
            raise StartupError(
                f"two engines are called '{entry_point.name}', one from {entry_point.value}",
                hint="uninstall one of the packages",
            )
        family[entry_point.name] = _load(entry_point, where)
    return family


def _load(entry_point: EntryPoint, processes: Processes) -> Engine:
    try:
        make = cast("Callable[[Processes], Engine]", entry_point.load())
        return make(processes)
    except Exception as error:
        # The edge to code that is not ours: whatever it raises, it is named, and the start ends.
        raise StartupError(
            f"the engine '{entry_point.name}' of {entry_point.value} cannot be loaded: {error}"
        ) from error
