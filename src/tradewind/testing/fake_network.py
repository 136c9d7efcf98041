"""A name server that says what a test wants, and a network in which every address is this machine.

With both a test reaches a "public" host without leaving loopback, and the rule on public addresses
stays as it is in production: there is no switch that turns it off.
"""

import asyncio
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence

from tradewind.core.checked_hosts import LoopConnector


class FakeResolver:
    """Gives the answers to a name one after another, the last one for ever.

    Two answers for a name are a DNS rebinding: `{"host": [["8.8.8.8"], ["127.0.0.1"]]}`.
    """

    def __init__(self, answers: Mapping[str, Sequence[list[str]]]) -> None:
        self._answers = {name: list(lists) for name, lists in answers.items()}
        self.questions: list[tuple[str, int]] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return the next answer. Raises OSError for a name it was not told."""
        self.questions.append((host, port))
        await asyncio.sleep(0)  # as a real one, it never answers at once
        answers = self._answers.get(host)
        if answers is None:
            raise OSError(f"{host} is not a name")
        return answers.pop(0) if len(answers) > 1 else answers[0]


class FakeConnector:
    """Notes which address was asked for and connects to a port of loopback."""

    def __init__(
        self,
        port: int,
        *,
        refusing: Collection[str] = (),
        silent: Collection[str] = (),
    ) -> None:
        """Addresses in `refusing` refuse, those in `silent` never answer."""
        self._real = LoopConnector()
        self._port = port
        self._refusing = refusing
        self._silent = silent
        self.asked: list[tuple[str, int, str | None]] = []
        """Address, port and name for the certificate, of every attempt."""

    async def connect(
        self,
        factory: Callable[[], asyncio.Protocol],
        ip: str,
        port: int,
        tls: ssl.SSLContext | None,
        server_name: str | None,
    ) -> None:
        self.asked.append((ip, port, server_name))
        if ip in self._refusing:
            raise ConnectionRefusedError(f"{ip} refuses")
        if ip in self._silent:
            await asyncio.get_running_loop().create_future()
        await self._real.connect(factory, "127.0.0.1", self._port, tls, server_name)
