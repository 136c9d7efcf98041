"""A fake engine, shipped: answers at once, always the same, and fails on request.

For tests, demonstrations and measurements; `fake_server` says what it serves and `fake_answers` how
to ask for faults. It needs no model file. One is started by hand with
`python -m tradewind.plugins.engines.fake --port 9000 --api-key k`.
"""

import sys
from pathlib import Path
from typing import ClassVar

from tradewind.plugins.engines import fake_server
from tradewind.plugins.engines.base import (
    Exit,
    Launch,
    LaunchFile,
    LaunchSpec,
    Probe,
    Process,
    Processes,
    checked,
    socket_path,
)
from tradewind.plugins.engines.health import ask_one_thing, probe_health
from tradewind.snapshot.contents import Operation

_SOURCE_ROOT = str(Path(fake_server.__file__).parents[3])


class FakeEngine:
    name: ClassVar[str] = "fake"
    provider: ClassVar[str] = "openai_compatible"

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def check(self) -> None:
        """Runs wherever we run."""

    def plan(self, spec: LaunchSpec, *, replica_id: str, run: Path, secret: str) -> Launch:
        checked(spec, replica_id=replica_id, secret=secret)
        listen = socket_path(run, replica_id)
        key_file = listen.with_suffix(".key")
        return Launch(
            argv=(
                # Without site-packages, which it does not need, it starts in a third of the time.
                *(sys.executable, "-S", "-P", "-m", fake_server.__name__),
                *spec.extra_arguments,
                *("--socket", str(listen)),
                *("--api-key-file", str(key_file)),
                *("--alias", spec.alias),
                *("--operation", spec.operation),
                *("--context-tokens", str(spec.context_tokens)),
            ),
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": _SOURCE_ROOT},
            address=str(listen),
            credential=secret,
            files=(LaunchFile(key_file, secret + "\n"),),
        )

    def start(self, launch: Launch, log: Path) -> Process:
        return self._processes.start(launch, log)

    def probe(self, launch: Launch) -> Probe:
        return probe_health(launch)

    def warm_up(self, launch: Launch, operation: Operation, alias: str) -> Probe:
        return ask_one_thing(launch, operation, alias)

    def stop(self, process: Process, grace_s: float) -> Exit:
        return self._processes.stop(process, grace_s)


if __name__ == "__main__":
    fake_server.main(sys.argv[1:])
