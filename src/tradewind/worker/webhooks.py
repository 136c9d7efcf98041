"""Delivers events to webhooks: claims what is due, makes the requests side by side, notes what came
of them.

No transaction is open while a receiver is waited for. A worker that dies in between leaves a claim
that others take over a minute later: the event is sent again under the same id, never lost.
"""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from tradewind.core.errors import Unavailable
from tradewind.core.ids import WebhookId
from tradewind.db.database import Database
from tradewind.features.webhooks.courier import Courier
from tradewind.features.webhooks.schemas import Attempt, EventUrl, Outcome

MOST_AT_ONCE = 32
"""Requests on their way, over all destinations."""
_POLL_S = 1.0
_LEAVE_S = 3.0
"""For requests on their way when the worker is told to stop; what is cut is sent again."""
_SWEEP_EVERY_S = 600.0
_log = logging.getLogger(__name__)

Wait = Callable[[float], object]
"""Returns when a delivery was announced, or after a time."""


class Post(Protocol):
    async def post(
        self, url: EventUrl, headers: Mapping[str, str], body: bytes, *, must_be_public: bool
    ) -> Outcome: ...


class Deliveries:
    """The loop. `run` once, in a thread of its own."""

    def __init__(self, database: Database, courier: Courier, poster: Post) -> None:
        self._database = database
        self._courier = courier
        self._poster = poster
        self._on_their_way: dict[asyncio.Task[None], WebhookId] = {}

    def run(self, wait: Wait, stop: threading.Event) -> None:
        """Deliver until `stop` is set. The database may go away and come back."""
        asyncio.run(self._run(wait, stop))

    async def _run(self, wait: Wait, stop: threading.Event) -> None:
        loop = asyncio.get_running_loop()
        sweep_at = loop.time()
        waiting: asyncio.Task[object] | None = None
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                if loop.time() >= sweep_at:
                    has_more = await asyncio.to_thread(self._sweep)
                    sweep_at = loop.time() + (0 if has_more else _SWEEP_EVERY_S)
                if await self._begin(group):
                    continue
                if waiting is None or waiting.done():
                    waiting = group.create_task(asyncio.to_thread(wait, _POLL_S))
                # A place that becomes free is as good as news.
                await asyncio.wait(
                    {waiting, *self._on_their_way}, return_when=asyncio.FIRST_COMPLETED
                )
            if self._on_their_way:
                await asyncio.wait(self._on_their_way, timeout=_LEAVE_S)
            for task in tuple(self._on_their_way):
                task.cancel()

    async def _begin(self, group: asyncio.TaskGroup) -> bool:
        """Begin with requests that are due, as far as there is room. Return whether any were."""
        room = MOST_AT_ONCE - len(self._on_their_way)
        if not room:
            return False
        busy = frozenset(Counter(self._on_their_way.values()))
        attempts = await asyncio.to_thread(self._claim, room, busy)
        for attempt in attempts:
            task = group.create_task(self._deliver(attempt))
            self._on_their_way[task] = attempt.webhook_id
            task.add_done_callback(self._on_their_way.pop)
        return bool(attempts)

    async def _deliver(self, attempt: Attempt) -> None:
        outcome = await self._outcome(attempt)
        await asyncio.to_thread(self._settle, attempt, outcome)

    async def _outcome(self, attempt: Attempt) -> Outcome:
        if attempt.url is None:
            return Outcome(None, "its URL is none that may be called")
        if not attempt.secrets:
            return Outcome(None, "its signing secret does not open; rotate it")
        try:
            return await self._poster.post(
                attempt.url,
                self._courier.headers(attempt),
                attempt.body,
                must_be_public=not attempt.is_private_network,
            )
        except Exception:  # noqa: BLE001 - one delivery's edge: a bug must not hold up the others
            _log.exception("the delivery %s failed", attempt.delivery_id)
            return Outcome(None, "it could not be sent; the log of the worker says why")

    def _claim(self, room: int, busy: frozenset[WebhookId]) -> list[Attempt]:
        try:
            with self._database.transaction() as tx:
                return self._courier.claim(tx, room, but=busy)
        except Unavailable as error:
            _log.warning("webhooks are not delivered: %s", error)
            return []

    def _settle(self, attempt: Attempt, outcome: Outcome) -> None:
        try:
            with self._database.transaction() as tx:
                self._courier.settle(tx, attempt, outcome)
        except Unavailable as error:
            # It may have arrived; it is sent again, and its id tells.
            _log.warning("what came of %s was not noted: %s", attempt.delivery_id, error)

    def _sweep(self) -> bool:
        try:
            with self._database.transaction() as tx:
                return self._courier.sweep(tx)
        except Unavailable as error:
            _log.warning("old deliveries were not forgotten: %s", error)
            return False
