"""Stored responses, as this gateway reaches them: in the control plane, or here until they are
there.

The end of an answer waits for the store, but for two seconds at most. What the store has not taken
by then is kept in memory and brought again until it has, and reads look here first: a client that
got an answer finds it, through this gateway, whether the control plane is up or not. The memory is
bounded. A gateway that is killed loses what it had not delivered.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator

from tradewind.gateway.backstage import Backstage, BackstageAnswer
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError, unavailable
from tradewind.wire.stored_responses import (
    MOST_CHAIN_BYTES,
    MOST_CHAIN_LINKS,
    Chain,
    Place,
    Renewal,
    StoredResponse,
    decode_chain,
    decode_stored,
    encode,
)

_log = logging.getLogger(__name__)

MOST_WAITING = 10_000
MOST_WAITING_BYTES = 64 * 1024 * 1024
_PATIENCE_S = 2.0
_RETRY_S = 1.0
_AT_ONCE = 8
# A store that answers and refuses again and again will not take it tomorrow either.
_MOST_REFUSALS = 60

Key = tuple[str, str, str]
Done = Callable[[bool], None]
Answered = Callable[[StoredResponse | ApiError | None], None]
ChainAnswered = Callable[[Chain | ApiError | None], None]


class _Delivery:
    """One response on its way to the store."""

    __slots__ = ("body", "done", "is_under_way", "path", "refusals", "stored", "timer", "waiters")

    def __init__(self, stored: StoredResponse, path: str, done: Done) -> None:
        self.stored = stored
        self.path = path
        self.body = encode(stored)
        self.done: Done | None = done
        self.timer: asyncio.TimerHandle | None = None
        self.is_under_way = False
        self.refusals = 0
        self.waiters: list[Callable[[], None]] = []
        """Who has to wait until the attempt under way is over."""

    def release(self, *, is_kept: bool) -> None:
        """Let the end of the answer go out; the first call counts."""
        done, self.done = self.done, None
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if done is not None:
            done(is_kept)


class StoredResponses:
    def __init__(
        self,
        backstage: Backstage,
        *,
        most_waiting: int = MOST_WAITING,
        most_waiting_bytes: int = MOST_WAITING_BYTES,
        patience_s: float = _PATIENCE_S,
        retry_s: float = _RETRY_S,
    ) -> None:
        self._backstage = backstage
        self._most_waiting = most_waiting
        self._most_waiting_bytes = most_waiting_bytes
        self._patience_s = patience_s
        self._retry_s = retry_s
        self._deliveries: dict[Key, _Delivery] = {}
        """By age: the oldest is brought again first."""
        self._bytes = 0
        self._under_way = 0
        self._retry: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Event | None = None
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """How many the store has not confirmed yet."""
        return len(self._deliveries)

    @property
    def waiting_bytes(self) -> int:
        return self._bytes

    # Bringing.

    def keep(self, stored: StoredResponse, done: Done) -> None:
        """Store a new response. `done` is called once: with true when it is stored or waits here to
        be, with false when there is no room for it.
        """
        self._bring(stored, "/responses", done)

    def end(self, stored: StoredResponse, done: Done) -> None:
        """Store how a response that ran in the background ended, unless it was deleted or ended
        before. `done` as for `keep`.
        """
        self._bring(stored, "/responses/ended", done)

    def begin(self, stored: StoredResponse, done: Done) -> None:
        """Store a response that is about to run in the background. True only when it is stored:
        one that nobody can ask for must not run.
        """
        self._ask("PUT", "/responses", encode(stored), lambda answer: done(answer.status == 204))

    def renew(self, renewal: Renewal, answered: Callable[[bool], None]) -> None:
        """Say that a response still runs. False when it was cancelled or deleted meanwhile; a store
        that does not answer is no reason to stop.
        """
        self._ask(
            "POST",
            "/responses/renew",
            encode(renewal),
            lambda answer: answered(answer.status != 404),
        )

    async def close(self, timeout_s: float) -> None:
        """Bring what can be brought in this time; the rest is lost, and the log says how much."""
        if self._deliveries:
            self._emptied = asyncio.Event()
            self._deliver_more()
            try:
                await asyncio.wait_for(self._emptied.wait(), timeout_s)
            except TimeoutError:
                _log.error("%d stored responses were not delivered", len(self._deliveries))
        self._is_closed = True
        if self._retry is not None:
            self._retry.cancel()

    # Reading.

    def find(self, place: Place, answered: Answered) -> None:
        """Return the response, None when there is none, or the error when nobody answers."""
        here = self._deliveries.get(place.key)
        if here is not None:
            answered(here.stored)
            return

        def read(answer: BackstageAnswer) -> None:
            try:
                found = decode_stored(answer.body) if answer.status == 200 else None
            except UNREADABLE:
                found = None
            answered(found or _error_of(answer))

        self._ask("POST", "/responses/find", encode(place), read)

    def chain(self, place: Place, answered: ChainAnswered) -> None:
        """As `find`, with those before it."""
        here = list(self._links_here(place))
        before = here[-1].previous_id if here else place.id
        is_too_long = _is_too_long(here)
        if before is None or is_too_long:
            answered(Chain(here, is_too_long=is_too_long))
            return

        def read(answer: BackstageAnswer) -> None:
            try:
                found = decode_chain(answer.body) if answer.status == 200 else None
            except UNREADABLE:
                found = None
            error = _error_of(answer) if found is None else None
            if error is not None:
                answered(error)
            elif found is None:
                # What was before is gone; what is here goes on with what it holds.
                answered(Chain(here) if here else None)
            else:
                links = [*here, *found.links]
                answered(Chain(links, is_too_long=found.is_too_long or _is_too_long(links)))

        older = Place(place.organization_id, place.project_id, before, place.days)
        self._ask("POST", "/responses/chain", encode(older), read)

    def delete(self, place: Place, answered: Callable[[bool | ApiError], None]) -> None:
        """Delete a response wherever it is. False when there is none."""
        here = self._deliveries.get(place.key)
        if here is not None and here.is_under_way:
            # The store may be taking it at this moment: deleting comes after.
            here.waiters.append(lambda: self.delete(place, answered))
            return
        if here is not None:
            self._forget(here)

        def read(answer: BackstageAnswer) -> None:
            if answer.status in (204, 404):
                answered(answer.status == 204 or here is not None)
            else:
                answered(_error_of(answer) or _away())

        self._ask("POST", "/responses/delete", encode(place), read)

    def _links_here(self, place: Place) -> Iterator[StoredResponse]:
        key: Key = place.key
        for _ in range(MOST_CHAIN_LINKS + 1):
            found = self._deliveries.get(key)
            if found is None:
                return
            yield found.stored
            if found.stored.previous_id is None:
                return
            key = (place.organization_id, place.project_id, found.stored.previous_id)

    # One delivery.

    def _bring(self, stored: StoredResponse, path: str, done: Done) -> None:
        delivery = _Delivery(stored, path, done)
        size = len(delivery.body)
        former = self._deliveries.get(stored.key)
        if (
            former is not None
            or len(self._deliveries) >= self._most_waiting
            or self._bytes + size > self._most_waiting_bytes
        ):
            done(False)
            return
        self._deliveries[stored.key] = delivery
        self._bytes += size
        loop = asyncio.get_running_loop()
        delivery.timer = loop.call_later(self._patience_s, lambda: delivery.release(is_kept=True))
        self._send(delivery)

    def _send(self, delivery: _Delivery) -> None:
        delivery.is_under_way = True
        self._under_way += 1
        self._ask("PUT", delivery.path, delivery.body, lambda answer: self._sent(delivery, answer))

    def _sent(self, delivery: _Delivery, answer: BackstageAnswer) -> None:
        delivery.is_under_way = False
        self._under_way -= 1
        if answer.status in (204, 404):  # 404: it ran in the background and was deleted meanwhile
            self._forget(delivery)
            delivery.release(is_kept=answer.status == 204)
            self._deliver_more()
        else:
            self._put_off(delivery, is_refused=answer.status not in (0, 503))
        waiters, delivery.waiters = delivery.waiters, []
        for go_on in waiters:
            go_on()

    def _put_off(self, delivery: _Delivery, *, is_refused: bool) -> None:
        delivery.refusals += is_refused
        if delivery.stored.expires_at_ms < time.time_ns() // 1_000_000:
            self._forget(delivery)
        elif delivery.refusals >= _MOST_REFUSALS:
            _log.error("the store refuses response %s; it is given up", delivery.stored.id)
            self._forget(delivery)
        else:
            # To the end of the line, so that one that is refused does not stand before the others.
            self._deliveries[delivery.stored.key] = self._deliveries.pop(delivery.stored.key)
        delivery.release(is_kept=True)
        if self._retry is None and not self._is_closed:
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(self._retry_s, self._try_again)

    def _try_again(self) -> None:
        """Bring one; when the store takes it, the others follow."""
        self._retry = None
        for delivery in self._deliveries.values():
            if not delivery.is_under_way:
                self._send(delivery)
                return

    def _deliver_more(self) -> None:
        for delivery in list(self._waiting_ones(_AT_ONCE - self._under_way)):
            self._send(delivery)

    def _waiting_ones(self, most: int) -> Iterator[_Delivery]:
        if most <= 0 or len(self._deliveries) == self._under_way:
            return
        for delivery in self._deliveries.values():
            if not delivery.is_under_way:
                yield delivery
                most -= 1
                if not most:
                    return

    def _forget(self, delivery: _Delivery) -> None:
        if self._deliveries.pop(delivery.stored.key, None) is not None:
            self._bytes -= len(delivery.body)
        if self._emptied is not None and not self._deliveries:
            self._emptied.set()

    def _ask(
        self, method: str, path: str, body: bytes, answered: Callable[[BackstageAnswer], None]
    ) -> None:
        self._backstage.ask(method, path, body, answered)


def _is_too_long(links: list[StoredResponse]) -> bool:
    size = sum(len(bytes(link.input)) + len(bytes(link.response)) for link in links)
    return len(links) > MOST_CHAIN_LINKS or size > MOST_CHAIN_BYTES


def _error_of(answer: BackstageAnswer) -> ApiError | None:
    """Return the error where the store did not say that there is nothing."""
    return None if answer.status == 404 else _away()


def _away() -> ApiError:
    return unavailable(
        "Stored responses cannot be reached right now.", code="responses_unavailable"
    )
