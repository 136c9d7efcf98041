"""Responses that run detached from the client that asked for them.

The store knows such a response before it runs, and until when it counts as running: its gateway
says every few seconds that it still does. One whose gateway died is thereby lost, and readers see
it as failed. A response ends once: whoever ends it first in the store (its own call, or a cancel at
any gateway) has the last word, and a gateway that finds its response ended or deleted stops it.
"""

import asyncio
import functools
import time
from collections.abc import Callable

import msgspec
from msgspec import Raw

from tradewind.gateway.dialects.responses import ResponsesInbound
from tradewind.gateway.dialects.responses_writer import failed
from tradewind.gateway.http.answer_head import DateLine
from tradewind.gateway.http.exchange import Exchange
from tradewind.gateway.http.request import Request
from tradewind.gateway.stored_responses import Key, StoredResponses
from tradewind.wire.chat import encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError
from tradewind.wire.stored_responses import Place, Renewal, StoredResponse

MOST_RUNS = 1000
_RENEW_S = 5.0
_LOST_AFTER_S = 30.0


class DetachedExchange(Exchange):
    """An exchange without a client. Only whole answers are given in it."""

    __slots__ = ("_answered",)

    def __init__(self, request: Request, answered: Callable[[int, bytes], None]) -> None:
        super().__init__(request, _Nowhere())
        self._answered = answered

    def respond(self, status: int, headers: bytes, body: bytes) -> None:  # noqa: ARG002
        if self.client_gone:
            return
        assert not self.started, "an exchange is answered once"
        self.started = self.ended = True
        self._answered(status, body)

    def leave(self) -> None:
        """Do as if the client had left."""
        gone, self.on_client_gone = self.on_client_gone, None
        self.client_gone = True
        if gone is not None:
            gone()


class _Nowhere:
    """Carries an answer to nobody."""

    def __init__(self) -> None:
        self.date = DateLine()
        self.is_write_paused = False

    def write(self, data: bytes) -> None:
        pass

    def decide_reuse(self, *, may_reuse: bool) -> bytes:  # noqa: ARG002
        return b""

    def answer_ended(self) -> None:
        pass

    def cut(self, *, is_reset: bool) -> None:
        pass


class _Run:
    __slots__ = ("exchange", "inbound", "stored")

    def __init__(
        self, stored: StoredResponse, inbound: ResponsesInbound, exchange: DetachedExchange
    ) -> None:
        self.stored = stored
        self.inbound = inbound
        self.exchange = exchange


class BackgroundResponses:
    """Those that run in this gateway."""

    def __init__(
        self, store: StoredResponses, *, most: int = MOST_RUNS, renew_s: float = _RENEW_S
    ) -> None:
        self._store = store
        self._most = most
        self._renew_s = renew_s
        self._runs: dict[Key, _Run] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Event | None = None

    @property
    def running(self) -> int:
        return len(self._runs)

    @property
    def is_full(self) -> bool:
        return len(self._runs) >= self._most

    def begin(
        self, stored: StoredResponse, inbound: ResponsesInbound, request: Request
    ) -> DetachedExchange:
        """Return the exchange to run the call in. `stored` is what the store was told."""
        key = stored.key
        exchange = DetachedExchange(request, functools.partial(self._answered, key))
        self._runs[key] = _Run(stored, inbound, exchange)
        self._renew_later()
        return exchange

    def stop(self, key: Key) -> None:
        """Stop the call, if it runs here; it is recorded as one whose client left."""
        run = self._take(key)
        if run is not None:
            run.exchange.leave()

    async def close(self, timeout_s: float) -> None:
        """Let what runs end in this time; what does not is stopped and stored as failed."""
        if self._runs:
            self._emptied = asyncio.Event()
            try:
                await asyncio.wait_for(self._emptied.wait(), timeout_s)
            except TimeoutError:
                for run in tuple(self._runs.values()):
                    self.stop(run.stored.key)
                    self._end(run, _failed(run.inbound, "The gateway that ran it was stopped."))
        if self._timer is not None:
            self._timer.cancel()

    def _answered(self, key: Key, status: int, body: bytes) -> None:
        run = self._take(key)
        if run is None:
            return
        self._end(run, Raw(body) if status == 200 else _failed(run.inbound, _message_of(body)))

    def _end(self, run: _Run, response: Raw) -> None:
        ended = msgspec.structs.replace(run.stored, response=response, running_until_ms=None)
        self._store.end(ended, lambda _is_kept: None)

    def _take(self, key: Key) -> _Run | None:
        run = self._runs.pop(key, None)
        if self._emptied is not None and not self._runs:
            self._emptied.set()
        return run

    def _renew_later(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._renew_s, self._renew)

    def _renew(self) -> None:
        self._timer = None
        until = running_until_ms()
        for key in tuple(self._runs):
            renewal = Renewal(Place(*key, days=0), until)
            self._store.renew(renewal, functools.partial(self._renewed, key))
        if self._runs:
            self._renew_later()

    def _renewed(self, key: Key, is_running: bool) -> None:
        if not is_running:
            self.stop(key)


def running_until_ms() -> int:
    """Return until when a response counts as running that is known to run now."""
    return int((time.time() + _LOST_AFTER_S) * 1000)


def _failed(inbound: ResponsesInbound, message: str) -> Raw:
    error = ApiError(502, message, type="server_error")
    return Raw(encode(msgspec.structs.replace(failed(inbound.draft, error), store=True)))


class _Message(msgspec.Struct, frozen=True):
    message: str = ""


class _HasError(msgspec.Struct, frozen=True):
    error: _Message = _Message()


def _message_of(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_HasError).error.message
    except UNREADABLE:
        return "The model failed."
