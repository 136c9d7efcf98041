"""Fake engines for tests of what runs them."""

from pathlib import Path

from tests.plugins.engines.asking import PATIENCE_S, SECRET, spec_of
from tradewind.plugins.engines.base import Launch, Process
from tradewind.plugins.engines.fake import FakeEngine
from tradewind.plugins.engines.health import await_ready
from tradewind.plugins.engines.local import LocalProcesses
from tradewind.snapshot.contents import Operation


class FakeReplicas:
    """Starts fake engines and remembers where things are."""

    def __init__(self, processes: LocalProcesses, run: Path) -> None:
        self.engine = FakeEngine(processes)
        self.run = run
        self.log = run / "logs" / "engine.log"
        self._count = 0

    def plan(self, *arguments: str, operation: Operation = Operation.CHAT) -> Launch:
        self._count += 1
        spec = spec_of("fake", Path("/none"), operation=operation, extra_arguments=arguments)
        return self.engine.plan(spec, replica_id=f"rep_{self._count}", run=self.run, secret=SECRET)

    def start(self, launch: Launch) -> Process:
        return self.engine.start(launch, self.log)

    def ready(
        self, *arguments: str, operation: Operation = Operation.CHAT
    ) -> "tuple[Launch, Process]":
        launch = self.plan(*arguments, operation=operation)
        process = self.start(launch)
        seen = await_ready(self.engine, launch, process, PATIENCE_S)
        assert seen.ready, seen.detail
        return launch, process
