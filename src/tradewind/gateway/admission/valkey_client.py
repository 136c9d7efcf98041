"""One connection to a Valkey or Redis server, on which everything of a loop turn goes out at once.

Answers come in the order of the questions. One that takes too long is given up: whoever asked goes
on without it, and is told again when it comes after all, because by then the server has done it.
"""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, cast
from urllib.parse import unquote, urlsplit

from tradewind.core.errors import StartupError
from tradewind.gateway.admission.resp import ErrorReply, MalformedReply, Replies, Reply, command

MOST_PENDING = 10_000
_MOST_UNSENT_BYTES = 4 * 1024 * 1024
_PATIENCE_S = 0.05
_LOOK_S = 0.01
_DEAD_S = 2.0
_CONNECT_S = 2.0
_RETRY_MIN_S = 0.1
_RETRY_MAX_S = 5.0
_REST_S = 1.0
"""How long nothing is asked after answers were late; then one question tries."""
_LATE_IN_A_ROW = 3
_PORT = 6379
_log = logging.getLogger(__name__)

Answered = Callable[[Reply], None]


class Address(NamedTuple):
    """Where a server is, and how to get in."""

    host: str
    port: int
    path: str | None
    """Of a unix socket, instead of host and port."""
    is_tls: bool
    greeting: tuple[tuple[bytes, ...], ...]
    """Commands that open the session. They hold the password: never logged."""


def parse_address(url: str) -> Address:
    """Return what `valkey://[user:password@]host[:port][/db]` means; also `redis`, `valkeys` and
    `rediss` for TLS, and `unix:///path`. Raises StartupError, without the URL: it holds a password.
    """
    hint = "write valkey://user:password@host:6379/0"
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
    except ValueError:
        raise StartupError("TRADEWIND_VALKEY_URL is not a URL", hint=hint) from None
    greeting: list[tuple[bytes, ...]] = []
    if parts.password is not None:
        user = unquote(parts.username or "default")
        greeting.append((b"AUTH", user.encode(), unquote(parts.password).encode()))
    if parts.scheme == "unix":
        return Address("", 0, parts.path, is_tls=False, greeting=tuple(greeting))
    if parts.scheme not in {"valkey", "redis", "valkeys", "rediss"} or not parts.hostname:
        raise StartupError("TRADEWIND_VALKEY_URL does not name a Valkey server", hint=hint)
    database = parts.path.strip("/")
    if database:
        if not database.isdigit():
            raise StartupError("TRADEWIND_VALKEY_URL names a database that is no number", hint=hint)
        greeting.append((b"SELECT", database.encode()))
    is_tls = parts.scheme in {"valkeys", "rediss"}
    return Address(parts.hostname, port, None, is_tls=is_tls, greeting=tuple(greeting))


class _Asked:
    __slots__ = ("answered", "given_up", "is_late", "sent_at")

    def __init__(
        self, sent_at: float, answered: Answered | None, given_up: Callable[[], None] | None
    ) -> None:
        self.sent_at = sent_at
        self.answered = answered
        self.given_up = given_up
        self.is_late = False


class ValkeyClient:
    """Connects, and connects again, by itself. Used from the event loop's thread only."""

    def __init__(
        self,
        address: Address,
        loop: asyncio.AbstractEventLoop,
        *,
        on_open: Callable[[], None],
        scripts: tuple[bytes, ...],
        patience_s: float = _PATIENCE_S,
    ) -> None:
        """`on_open` is called on each new connection, before anything else is asked on it, with the
        scripts loaded.
        """
        self._address = address
        self._loop = loop
        self._on_open = on_open
        self._scripts = scripts
        self._patience_s = patience_s
        self._transport: asyncio.Transport | None = None
        self._pending: deque[_Asked] = deque()
        self._unsent: list[bytes] = []
        self._replies = Replies()
        self._is_open = self._is_flushing_soon = self._is_looking = False
        self._rests_until = 0.0
        self._late_in_a_row = 0
        self._lost = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.connections = 0
        self.late = 0
        """Questions that were given up."""
        self.errors = 0
        """Answers that were a refusal."""

    def start(self) -> None:
        """Begin to connect. Until `is_up`, nothing can be asked."""
        self._task = self._loop.create_task(self._keep_connected(), name="valkey")

    def close(self) -> None:
        """Send what waits, and let go of the connection."""
        if self._task is not None:
            self._task.cancel()
        self._flush()
        if self._transport is not None:
            self._transport.close()

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to close, in use or not."""
        return self._transport is not None

    @property
    def is_up(self) -> bool:
        return self._is_open and self._loop.time() >= self._rests_until

    def ask(
        self,
        encoded: bytes,
        answered: Answered | None = None,
        given_up: Callable[[], None] | None = None,
    ) -> bool:
        """Send a command; false when it cannot be, and nothing is called then.

        `given_up` is called when no answer came in time; `answered` may still be called after it,
        when the answer comes late.
        """
        if not self.is_up or len(self._pending) >= MOST_PENDING:
            return False
        self._send(encoded, answered, given_up)
        return True

    def tell(self, encoded: bytes) -> bool:
        """Send a command whose answer nobody waits for; also while the server rests."""
        if not self._is_open or len(self._pending) >= 2 * MOST_PENDING:
            return False
        self._send(encoded, None, None)
        return True

    def _send(
        self, encoded: bytes, answered: Answered | None, given_up: Callable[[], None] | None
    ) -> None:
        self._unsent.append(encoded)
        self._pending.append(_Asked(self._loop.time(), answered, given_up))
        if not self._is_flushing_soon:
            self._is_flushing_soon = True
            self._loop.call_soon(self._flush)
        if not self._is_looking:
            self._is_looking = True
            self._loop.call_later(_LOOK_S, self._look)

    def _flush(self) -> None:
        self._is_flushing_soon = False
        unsent, self._unsent = self._unsent, []
        transport = self._transport
        if transport is None or not unsent:
            return
        if transport.get_write_buffer_size() > _MOST_UNSENT_BYTES:
            self._drop("the server does not read")
            return
        transport.write(b"".join(unsent))

    def _look(self) -> None:
        """Give up what has taken too long. One timer for all, because answers keep their order."""
        self._is_looking = False
        if not self._pending:
            return
        self._is_looking = True
        self._loop.call_later(_LOOK_S, self._look)
        now = self._loop.time()
        if now - self._pending[0].sent_at > _DEAD_S:
            self._drop("the server does not answer")
            return
        for asked in list(self._pending):
            if now - asked.sent_at < self._patience_s:
                break
            if not asked.is_late:
                asked.is_late = True
                self._give_up(asked, now)

    def _give_up(self, asked: _Asked, now: float) -> None:
        self.late += 1
        self._late_in_a_row += 1
        if self._late_in_a_row >= _LATE_IN_A_ROW:
            self._rests_until = now + _REST_S
        if asked.given_up is not None:
            asked.given_up()

    async def _keep_connected(self) -> None:
        retry_s = _RETRY_MIN_S
        while True:
            self._lost.clear()
            reason = await self._connect()
            if reason is None:
                retry_s = _RETRY_MIN_S
                await self._lost.wait()
            else:
                _log.warning("limits are not shared: %s", reason)
            await asyncio.sleep(retry_s)
            retry_s = min(retry_s * 2, _RETRY_MAX_S)

    async def _connect(self) -> str | None:
        """Return what went wrong."""
        address = self._address
        try:
            async with asyncio.timeout(_CONNECT_S):
                if address.path is not None:
                    await self._loop.create_unix_connection(lambda: _Wire(self), address.path)
                else:
                    context = ssl.create_default_context() if address.is_tls else None
                    await self._loop.create_connection(
                        lambda: _Wire(self), address.host, address.port, ssl=context
                    )
                return await self._greet()
        except TimeoutError:
            self._drop("the server does not answer")
            return "the server does not answer"
        except OSError as error:
            return f"the server cannot be reached: {error}"

    async def _greet(self) -> str | None:
        commands = [*self._address.greeting]
        commands += [(b"SCRIPT", b"LOAD", script) for script in self._scripts]
        done = self._loop.create_future()
        for number, parts in enumerate(commands, start=1):

            def answered(reply: Reply, *, is_last: bool = number == len(commands)) -> None:
                if not done.done() and (is_last or isinstance(reply, ErrorReply)):
                    done.set_result(reply)

            self._send(command(parts), answered, None)
        reply = await done
        if isinstance(reply, ErrorReply):
            self._drop("the server refuses us")
            return f"the server refuses us: {reply}"
        self._is_open = True
        self._rests_until = 0.0
        self.connections += 1
        self._on_open()
        return None

    def _drop(self, reason: str) -> None:
        transport = self._transport
        if transport is not None:
            _log.warning("limits are not shared: %s", reason)
            transport.abort()

    # What the wire calls.

    def opened(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._replies = Replies()

    def received(self, data: bytes) -> None:
        try:
            replies = self._replies.feed(data)
        except MalformedReply as error:
            self._drop(f"the server sends what is no answer: {error}")
            return
        for reply in replies:
            if not self._pending:
                self._drop("the server answers what was not asked")
                return
            asked = self._pending.popleft()
            if isinstance(reply, ErrorReply):
                self._refused(reply)
            if not asked.is_late:
                self._late_in_a_row = 0
            if asked.answered is not None:
                asked.answered(reply)

    def _refused(self, error: ErrorReply) -> None:
        self.errors += 1
        if str(error).startswith("NOSCRIPT") and self._is_open:
            # Somebody has flushed them. What is asked meanwhile is decided here.
            for script in self._scripts:
                self.tell(command((b"SCRIPT", b"LOAD", script)))

    def lost(self) -> None:
        self._transport = None
        self._is_open = False
        self._unsent.clear()
        pending, self._pending = self._pending, deque()
        self._lost.set()
        for asked in pending:
            if not asked.is_late and asked.given_up is not None:
                asked.given_up()


class _Wire(asyncio.Protocol):
    def __init__(self, client: ValkeyClient) -> None:
        self._client = client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._client.opened(cast("asyncio.Transport", transport))

    def data_received(self, data: bytes) -> None:
        self._client.received(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._client.lost()
