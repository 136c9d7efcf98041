"""A list that follows what is new: server-sent events from a look at the database each second.

A tail is one open answer. It costs one short query a second and no thread in between; how many
there are at once, and how long each lives, is bounded, because browsers forget tabs.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tradewind.core.clock import Clock
from tradewind.core.errors import LimitExceeded, TradewindError
from tradewind.portal.formats import sentence

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds."""

    between_looks_s: float = 1.0
    longest_silence_s: float = 15.0
    """The gateway in front ends an answer that says nothing for two minutes, others do sooner."""
    lifetime_s: float = 600.0


class LiveTails:
    """The tails of this process."""

    def __init__(self, *, most: int = 20, pace: Pace | None = None) -> None:
        self.most = most
        self.pace = pace or Pace()
        self.open = 0

    @contextmanager
    def one_more(self) -> Generator[None]:
        """Hold one of the places. Raises LimitExceeded when all are taken."""
        if self.open >= self.most:
            raise LimitExceeded(
                f"{self.open} live lists are open already",
                hint="close one, or reload this page now and then",
            )
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


class Identified(Protocol):
    @property
    def event_id(self) -> Any: ...


T = TypeVar("T", bound=Identified)


class News(NamedTuple):
    """What a look found that the one before did not."""

    entries: Sequence[Any]
    """The newest first; as they go to the browser."""
    is_cut: bool
    """There was more than is shown."""


class Follower:
    """Tells what is new from one look to the next. `show` is asked for new entries only.

    Looks ask for the newest entries there are by the time they began, and an entry appears when it
    has ended: a long call appears below ones that began later. Hence no "newer than the last one",
    which would miss it. What has fallen out of the newest never comes back into them, so it is
    enough to remember the last look.
    """

    def __init__(
        self, look: Callable[[], Sequence[T]], show: Callable[[T], Any], *, most_shown: int
    ) -> None:
        self._look: Callable[[], Sequence[Any]] = look
        self._show: Callable[[Any], Any] = show
        self._most_shown = most_shown
        self._seen: frozenset[Any] | None = None

    def news(self) -> News:
        found = self._look()
        seen, self._seen = self._seen, frozenset(entry.event_id for entry in found)
        fresh = [entry for entry in found if seen is None or entry.event_id not in seen]
        shown = [self._show(entry) for entry in fresh[: self._most_shown]]
        # What the first look finds is what the page shows anyway.
        return News(shown, is_cut=len(fresh) > len(shown) and seen is not None)


class TailResponse(StreamingResponse):
    """A tail as an answer. The place is taken and given back around the whole of it, so that a
    client who leaves at once keeps none.
    """

    def __init__(self, tails: LiveTails, follower: Follower, clock: Clock) -> None:
        super().__init__(
            follow(follower, tails.pace, clock),
            media_type="text/event-stream",
            # For a proxy in front of the gateway: some collect answers before they pass them on.
            headers={"x-accel-buffering": "no"},
        )
        self._tails = tails

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._tails.one_more():
            await super().__call__(scope, receive, send)


async def follow(follower: Follower, pace: Pace, clock: Clock) -> AsyncIterator[bytes]:
    """Yield events until the time is over or a look fails; the last one says why it ended."""
    started = spoke_at = clock.monotonic()
    yield _event({"is_open": True})
    while True:
        try:
            news = await run_in_threadpool(follower.news)
        except TradewindError as error:
            yield _end(error.message, error.hint)
            return
        now = clock.monotonic()
        if news.entries:
            yield _event({"entries": news.entries, "is_cut": news.is_cut})
            spoke_at = now
        elif now - spoke_at >= pace.longest_silence_s:
            yield b": still here\n\n"
            spoke_at = now
        if now - started >= pace.lifetime_s:
            minutes = round(pace.lifetime_s / 60)
            yield _end(f"the list was live for {minutes} minutes", "resume it to go on")
            return
        await asyncio.sleep(pace.between_looks_s)


def _end(message: str, hint: str | None) -> bytes:
    return _event({"end": f"{sentence(message)} {sentence(hint or '')}".strip()})


def _event(content: Any) -> bytes:
    return b"data: " + _encode(content) + b"\n\n"
