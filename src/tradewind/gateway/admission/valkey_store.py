"""Limits of gateways on several hosts, counted in a Valkey or Redis server.

Exact while it answers: one round trip decides on the whole chain. While it is away or slow, calls
are counted in this process against its share of every limit, one n-th of n gateways, so that all of
them together admit what was allowed; nobody is refused for want of the server.
"""

import asyncio
import time
from collections.abc import Callable

from tradewind.gateway.admission.chain import Limit, Scope, Unit
from tradewind.gateway.admission.local_store import LocalChain, LocalStore, until_one_ends_s
from tradewind.gateway.admission.resp import Reply, command
from tradewind.gateway.admission.shared_table import digest_of
from tradewind.gateway.admission.store import Answered, Counted, ReadNumbers, Refusal, StopAsking
from tradewind.gateway.admission.valkey_client import Address, ValkeyClient
from tradewind.gateway.admission.valkey_scripts import ADD, ALL, BEAT, LEAVE, TAKE, name_of

_PREFIX = b"tradewind:"
_ALIVE = _PREFIX + b"alive:"
_GATEWAYS = _PREFIX + b"gateways"
_BEAT_S = 2.0
_DEAD_MS = b"10000"
_MICROSECONDS = 1_000_000
_TAKE, _ADD, _BEAT, _LEAVE = map(name_of, (TAKE, ADD, BEAT, LEAVE))


class ValkeyStore:
    """`gateway` names this process among all that count there; unique for each start."""

    def __init__(
        self,
        address: Address,
        loop: asyncio.AbstractEventLoop,
        *,
        gateway: str,
        clock: Callable[[], float] = time.monotonic,
        patience_s: float | None = None,
    ) -> None:
        self._loop = loop
        self._gateway = gateway
        self._epoch = 0
        self.clock = clock
        options = {} if patience_s is None else {"patience_s": patience_s}
        self.client = ValkeyClient(address, loop, on_open=self._opened, scripts=ALL, **options)
        self.gateways = 1
        """How many gateways count there: by the last sign of life, and at least as many as this
        one was told of, which knows also when the server was never there."""
        self._answered = self._expected = 1
        self.running: dict[bytes, int] = {}
        """Concurrent calls of this process there, by their key."""
        self.alone = LocalStore()
        self.decided_alone = 0
        """Calls that were decided here because the server did not."""
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self.client.start()

    @property
    def counters(self) -> dict[str, int]:
        return {
            "valkey_connections": self.client.connections,
            "valkey_errors": self.client.errors,
            "valkey_late": self.client.late,
            "decided_alone": self.decided_alone,
        }

    @property
    def is_up(self) -> bool:
        return self.client.is_up

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.client.tell(_eval(_LEAVE, [_GATEWAYS], [self.name, _ALIVE]))
        self.client.close()

    def bind(self, scopes: tuple[Scope, ...]) -> "ValkeyChain":
        return ValkeyChain(self, scopes)

    def expect(self, gateways: int) -> None:
        self._expected = gateways
        self._share()

    @property
    def name(self) -> bytes:
        """Of this process on this connection: what was counted on a broken one is in doubt, so it
        is counted anew under another name.
        """
        return f"{self._gateway}.{self._epoch}".encode()

    def _opened(self) -> None:
        if self._epoch:
            self.client.tell(_eval(_LEAVE, [_GATEWAYS], [self.name, _ALIVE]))
        self._epoch += 1
        self._beat()
        for key, calls in self.running.items():
            self.client.tell(_eval(_ADD, [key], [self.name, b"c", b"%d" % calls]))

    def _beat(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(_BEAT_S, self._beat)
        self.client.ask(_eval(_BEAT, [_GATEWAYS], [self.name, _ALIVE, _DEAD_MS]), self._counted)

    def _counted(self, reply: Reply) -> None:
        if isinstance(reply, int) and reply > 0:
            self._answered = reply
            self._share()

    def _share(self) -> None:
        gateways = max(self._answered, self._expected)
        if gateways != self.gateways:
            self.gateways = gateways
            self.alone = LocalStore(share=1 / gateways)


class ValkeyChain:
    """The keys of one chain. Used from the event loop's thread only."""

    def __init__(self, store: ValkeyStore, scopes: tuple[Scope, ...]) -> None:
        self._store = store
        self._scopes = scopes
        self._alone: tuple[LocalStore, LocalChain] | None = None
        self._limits: list[Limit] = []
        self._keys: list[bytes] = []
        self._worths: list[float] = []
        for scope in scopes:
            base = _PREFIX + digest_of(scope.name).hex().encode()
            for limit in scope.limits():
                self._limits.append(limit)
                self._keys.append(base + _SUFFIX[limit.unit])
                self._worths.append(_worth(scope, limit))
        self._values: dict[bytes, float] = {}
        """By key: arrivals on this process's clock, and numbers of calls."""
        self._held_s = 0.0

    def take_later(self, tokens: int, most_wait_s: float, answered: Answered) -> StopAsking | None:
        taking = _Taking(self, tokens, most_wait_s, answered)
        encoded = self._command(b"take", tokens, most_wait_s)
        if not self._store.client.ask(encoded, taking.answered, taking.given_up):
            taking.given_up()
            return None
        return taking.stop

    def enter_later(
        self, counted: Counted, answered: Callable[[Limit | None], None]
    ) -> StopAsking | None:
        if isinstance(counted, LocalChain):
            answered(counted.enter(self._store.clock()))
            return None
        entering = _Entering(self, answered)
        calls = [place for place, limit in enumerate(self._limits) if limit.unit is Unit.CALLS]
        arguments = [b"enter", self._store.name, _ALIVE, b"0"]
        for place in calls:
            arguments += [b"c", b"%d" % self._limits[place].amount]
        encoded = _eval(_TAKE, [self._keys[place] for place in calls], arguments)
        if not self._store.client.ask(encoded, entering.answered, entering.given_up):
            entering.given_up()
            return None
        return entering.stop

    def refresh_later(self, answered: Callable[[Counted], None]) -> None:
        is_answered = False

        def once() -> None:
            nonlocal is_answered
            if not is_answered:
                is_answered = True
                answered(self)

        def looked(reply: Reply) -> None:
            self.read(reply)
            once()

        if not self._store.client.ask(self._command(b"look", 0, 0.0), looked, once):
            once()

    def settle(self, surplus_tokens: int, now: float, held_s: float) -> None:  # noqa: ARG002
        self._held_s += (held_s - self._held_s) * 0.1
        self.add(0, surplus_tokens, -1)

    def give_back(self, tokens: int, now: float, *, has_entered: bool) -> None:  # noqa: ARG002
        self.add(-1, -tokens, -1 if has_entered else 0)

    def readings(self) -> list[ReadNumbers]:
        """As of the last answer; time goes on by itself."""
        found: list[ReadNumbers] = []
        place = 0
        for scope in self._scopes:
            by_unit: dict[Unit, float] = {}
            for limit in scope.limits():
                by_unit[limit.unit] = self._values.get(self._keys[place], 0.0)
                place += 1
            found.append(
                ReadNumbers(
                    scope,
                    by_unit.get(Unit.REQUESTS, 0.0),
                    by_unit.get(Unit.TOKENS, 0.0),
                    int(by_unit.get(Unit.CALLS, 0.0)),
                )
            )
        return found

    def add(self, requests: int, tokens: int, calls: int) -> None:
        """Count, whatever the limits say; nobody waits for it. Lost when the server is away: rates
        flow off by themselves, and calls are counted anew on the next connection.
        """
        arguments = [self._store.name]
        for place, limit in enumerate(self._limits):
            match limit.unit:
                case Unit.REQUESTS:
                    arguments += [b"r", b"%.3f" % (requests * self._worths[place])]
                case Unit.TOKENS:
                    arguments += [b"r", b"%.3f" % (tokens * self._worths[place])]
                case Unit.CALLS:
                    arguments += [b"c", b"%d" % calls]
        if calls:
            self.note_running(calls)
        self._store.client.tell(_eval(_ADD, self._keys, arguments))

    def note_running(self, calls: int) -> None:
        running = self._store.running
        for key, limit in zip(self._keys, self._limits, strict=True):
            if limit.unit is Unit.CALLS:
                left = running.get(key, 0) + calls
                if left > 0:
                    running[key] = left
                else:
                    running.pop(key, None)

    def alone(self) -> LocalChain:
        """Return the chain that counts in this process only."""
        store = self._store.alone
        if self._alone is None or self._alone[0] is not store:
            self._alone = store, store.bind(self._scopes)
        return self._alone[1]

    def take_alone(self, tokens: int, most_wait_s: float, answered: Answered) -> None:
        store = self._store
        store.decided_alone += 1
        chain = self.alone()
        answered(chain, chain.take(tokens, store.clock(), most_wait_s))

    def now(self) -> float:
        return self._store.clock()

    def read(self, reply: Reply, keys: list[bytes] | None = None) -> "_Answer | None":
        """Take in the values of an answer; None when it is none."""
        answer = _answer_of(reply)
        if answer is None:
            return None
        now = self._store.clock()
        for key, value in zip(self._keys if keys is None else keys, answer.values, strict=False):
            is_rate = not key.endswith(_SUFFIX[Unit.CALLS])
            behind_s = (value - answer.now_us) / _MICROSECONDS
            self._values[key] = now + behind_s if is_rate else value
        return answer

    def refusal_of(self, answer: "_Answer") -> Refusal:
        full = self._limits[answer.full - 1] if answer.full else None
        if full is not None:
            until_free_s = until_one_ends_s(self._held_s, full.amount)
            if not answer.binding or answer.wait_s <= until_free_s:
                return Refusal(full, until_free_s, full)
        return Refusal(self._limits[answer.binding - 1], answer.wait_s, full)

    def full_of(self, answer: "_Answer") -> Limit:
        calls = [limit for limit in self._limits if limit.unit is Unit.CALLS]
        return calls[answer.full - 1]

    def _command(self, mode: bytes, tokens: int, most_wait_s: float) -> bytes:
        most_wait = b"%.3f" % (most_wait_s * _MICROSECONDS)
        arguments = [mode, self._store.name, _ALIVE, most_wait]
        for place, limit in enumerate(self._limits):
            worth = self._worths[place]
            match limit.unit:
                case Unit.REQUESTS:
                    arguments += [b"r", b"%.3f" % worth]
                case Unit.TOKENS:
                    arguments += [b"r", b"%.3f" % (tokens * worth)]
                case Unit.CALLS:
                    arguments += [b"c", b"%d" % limit.amount]
        return _eval(_TAKE, self._keys, arguments)


class _Taking:
    """One `take` that the server was asked for."""

    __slots__ = ("_answered", "_chain", "_is_over", "_most_wait_s", "_tokens")

    def __init__(
        self, chain: ValkeyChain, tokens: int, most_wait_s: float, answered: Answered
    ) -> None:
        self._chain = chain
        self._tokens = tokens
        self._most_wait_s = most_wait_s
        self._answered = answered
        self._is_over = False

    def answered(self, reply: Reply) -> None:
        chain = self._chain
        answer = chain.read(reply)
        if answer is None:
            self.given_up()
            return
        if answer.taken and not answer.wait_s:
            chain.note_running(1)
        if self._is_over:
            # Decided without it, or nobody wants it any more: what it took is given back.
            if answer.taken:
                chain.give_back(self._tokens, chain.now(), has_entered=not answer.wait_s)
            return
        self._is_over = True
        self._answered(chain, answer.wait_s if answer.taken else chain.refusal_of(answer))

    def given_up(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._chain.take_alone(self._tokens, self._most_wait_s, self._answered)

    def stop(self) -> None:
        self._is_over = True


class _Entering:
    """One `enter` that the server was asked for."""

    __slots__ = ("_answered", "_chain", "_is_over")

    def __init__(self, chain: ValkeyChain, answered: Callable[[Limit | None], None]) -> None:
        self._chain = chain
        self._answered = answered
        self._is_over = False

    def answered(self, reply: Reply) -> None:
        chain = self._chain
        answer = _answer_of(reply)
        if answer is None:
            self.given_up()
            return
        if answer.taken:
            chain.note_running(1)
        if self._is_over:
            if answer.taken:
                chain.add(0, 0, -1)
            return
        self._is_over = True
        self._answered(None if answer.taken else chain.full_of(answer))

    def given_up(self) -> None:
        """The rates are taken already, so the call goes on; it is counted when that can be told."""
        if not self._is_over:
            self._is_over = True
            self._chain.add(0, 0, 1)
            self._answered(None)

    def stop(self) -> None:
        self._is_over = True


class _Answer:
    __slots__ = ("binding", "full", "now_us", "taken", "values", "wait_s")

    def __init__(self, items: list[Reply]) -> None:
        taken, wait, binding, full, now, *values = items
        self.taken = taken == 1
        self.wait_s = _float(wait) / _MICROSECONDS
        self.binding = _int(binding)
        """Which key binds, counted from 1; 0 is none."""
        self.full = _int(full)
        self.now_us = _float(now)
        self.values = [_float(value) for value in values]


def _answer_of(reply: Reply) -> _Answer | None:
    """Return what the script answered; None for an error, or for what no script of ours says."""
    if not isinstance(reply, list) or len(reply) < 5:
        return None
    try:
        return _Answer(reply)
    except ValueError:
        return None


def _float(item: Reply) -> float:
    if not isinstance(item, bytes):
        raise ValueError("not a text")  # noqa: TRY004  as any other text that is no number
    return float(item)


def _int(item: Reply) -> int:
    if not isinstance(item, int):
        raise ValueError("not a number")  # noqa: TRY004
    return item


_SUFFIX = {Unit.REQUESTS: b":r", Unit.TOKENS: b":t", Unit.CALLS: b":c"}


def _worth(scope: Scope, limit: Limit) -> float:
    """Return microseconds' worth of one unit."""
    match limit.unit:
        case Unit.REQUESTS:
            return scope.request_s * _MICROSECONDS
        case Unit.TOKENS:
            return scope.token_s * _MICROSECONDS
        case Unit.CALLS:
            return 0.0


def _eval(name: bytes, keys: list[bytes], arguments: list[bytes]) -> bytes:
    return command([b"EVALSHA", name, b"%d" % len(keys), *keys, *arguments])
