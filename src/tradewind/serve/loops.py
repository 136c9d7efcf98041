"""Threads of a process that live and die together."""

import threading
from collections.abc import Callable


class Loops:
    """Each body returns once `stop` is set; one that raises sets it, so that the process ends."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._threads: list[threading.Thread] = []
        self._died: list[BaseException] = []

    def start(self, name: str, body: Callable[[], None]) -> None:
        def run() -> None:
            try:
                body()
            except BaseException as error:  # noqa: BLE001  a thread's edge: `join` raises it again
                self._died.append(error)
                self._stop.set()

        thread = threading.Thread(target=run, name=name)
        thread.start()
        self._threads.append(thread)

    def join(self) -> None:
        """Wait for the end of all. Raises what the first one died of."""
        self._stop.wait()
        for thread in self._threads:
            thread.join()
        if self._died:
            raise self._died[0]
