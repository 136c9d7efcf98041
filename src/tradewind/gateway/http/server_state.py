"""What all connections of one server share."""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from tradewind.gateway.http.answer_head import DateLine
from tradewind.gateway.http.batch import WriteBatch
from tradewind.gateway.http.exchange import Application
from tradewind.gateway.http.limits import ServerLimits
from tradewind.gateway.http.sweep import Deadlined, Sweep


@dataclass(slots=True)
class ServerCounters:
    """Plain integers that only grow, for /metrics."""

    connections: int = 0
    connections_refused: int = 0
    requests: int = 0
    requests_refused: int = 0
    """Answered by the transport itself: malformed, too large, late."""
    clients_gone: int = 0
    idle_timeouts: int = 0
    head_timeouts: int = 0
    body_timeouts: int = 0
    write_timeouts: int = 0
    application_errors: int = 0


class OpenConnection(Deadlined, Protocol):
    def drain(self) -> None: ...

    def kill(self) -> None: ...


@dataclass(slots=True)
class ServerState:
    application: Application
    batch: WriteBatch
    limits: ServerLimits
    loop: asyncio.AbstractEventLoop
    sweep: Sweep
    date: DateLine
    counters: ServerCounters = field(default_factory=ServerCounters)
    connections: set[OpenConnection] = field(default_factory=set[OpenConnection])
    is_draining: bool = False
    on_last_closed: asyncio.Future[None] | None = None
