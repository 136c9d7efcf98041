"""Limits of all gateway processes of one host, exactly, through one mapped file.

A call costs one lock and a few loads and stores, twice. When a lock cannot be had, because its
holder was stopped in the middle of its 5 us, calls are admitted and what they owe is written into
the file later: it then holds what was used, and the next calls wait for it.
"""
# ruff: noqa: FURB136  a call of max() costs five times its comparison, and this is the hot path

from collections import deque
from pathlib import Path
from typing import NamedTuple

from tradewind.gateway.admission.chain import Limit, Scope, Unit
from tradewind.gateway.admission.file_locks import LockBusy
from tradewind.gateway.admission.local_store import NEW_SHARE, until_one_ends_s
from tradewind.gateway.admission.rates import TOLERANCE_S, WINDOW_S
from tradewind.gateway.admission.shared_table import (
    ALL_SHARDS,
    NAME_BYTES,
    NO_SHARDS,
    WORKERS,
    SharedTable,
    digest_of,
    name_place,
    shard_lock,
    shard_of,
    shard_unlock,
)
from tradewind.gateway.admission.store import ReadNumbers, Refusal

_LOOK_FOR_DEAD_S = 1.0
_BUSY_S = 2.0
"""How long nobody tries a lock again that could not be had: each try may hold up the loop."""
_MOST_OWED = 100_000


class _Owed(NamedTuple):
    """What could not be written when it happened."""

    chain: "SharedChain"
    requests: int
    tokens: int
    calls: int


class SharedStore:
    def __init__(self, path: Path) -> None:
        """Raises StartupError."""
        self.table = SharedTable(path)
        self.share = 1.0
        """The part of every limit that this host may give out."""
        self.busy_until = 0.0
        self.owed: deque[_Owed] = deque(maxlen=_MOST_OWED)
        self.unlocked = 0
        """Calls that were counted late because a lock could not be had."""
        self._dead_looked_for_at = 0.0

    def bind(self, scopes: tuple[Scope, ...]) -> "SharedChain":
        return SharedChain(self, scopes)

    def forget_idle(self, now: float) -> bool:  # noqa: ARG002
        """The table keeps its size by itself, slot by slot."""
        return False

    def give_out(self, share: float) -> None:
        self.share = share

    def owe(self, owed: _Owed, now: float) -> None:
        self.owed.append(owed)
        self.unlocked += 1
        if now >= self.busy_until:
            self.busy_until = now + _BUSY_S

    def pay(self, now: float) -> None:
        """Write what is owed. Stops, and goes on another time, when a lock cannot be had."""
        while self.owed:
            chain, requests, tokens, calls = self.owed[0]
            if not chain.add(requests, tokens, calls, now):
                self.busy_until = now + _BUSY_S
                return
            self.owed.popleft()

    def look_for_dead(self, now: float) -> bool:
        """Say whether calls of dead processes were found and taken out. Holds no lock before."""
        if now - self._dead_looked_for_at < _LOOK_FOR_DEAD_S:
            return False
        self._dead_looked_for_at = now
        return self.table.bury_the_dead()

    @property
    def counters(self) -> dict[str, int]:
        return {"counted_late": self.unlocked}

    def close(self) -> None:
        self.table.close()


class _Link:
    """One scope of a chain, and where it is in the table; 0 is no limit."""

    __slots__ = (
        "digest",
        "held_s",
        "most_calls",
        "name_at",
        "request_s",
        "scope",
        "slot",
        "token_s",
    )

    def __init__(self, scope: Scope, share: float) -> None:
        self.scope = scope
        self.digest = digest_of(scope.name)
        self.request_s = scope.request_s / share
        self.token_s = scope.token_s / share
        most_calls = scope.concurrent_requests or 0
        self.most_calls = max(1, int(most_calls * share)) if most_calls else 0
        self.slot = 0
        self.name_at = 0
        self.held_s = 0.0


class SharedChain:
    """The slots of one chain. Used from the event loop's thread only."""

    __slots__ = ("_counts_calls", "_holds_all", "_links", "_locks", "_store", "_unlocks")

    def __init__(self, store: SharedStore, scopes: tuple[Scope, ...]) -> None:
        self._store = store
        self._links = tuple(_Link(scope, store.share) for scope in scopes)
        self._counts_calls = any(link.most_calls for link in self._links)
        self._holds_all = False
        # In one order everywhere, so that no two wait for each other.
        shards = sorted({shard_of(scope.organization_id) for scope in scopes})
        self._locks = tuple(map(shard_lock, shards))
        self._unlocks = tuple(map(shard_unlock, shards))

    def take(self, tokens: int, now: float, most_wait_s: float = 0.0) -> float | Refusal:
        """As CountedHere says; about 5 us for one scope."""
        store = self._store
        if store.owed and now >= store.busy_until:
            store.pay(now)
        if not self._lock(now):
            store.owe(_Owed(self, 1, tokens, 1), now)
            return 0.0
        try:
            verdict = self._take(tokens, now, most_wait_s)
        finally:
            self._unlock()
        is_full = isinstance(verdict, Refusal) and verdict.full is not None
        if is_full and store.look_for_dead(now):
            return self.take(tokens, now, most_wait_s)
        return verdict

    def enter(self, now: float) -> Limit | None:
        if not self._lock(now):
            self._store.owe(_Owed(self, 0, 0, 1), now)
            return None
        try:
            table = self._store.table
            for link in self._links:
                if link.most_calls and table.calls_of(link.slot) >= link.most_calls:
                    return link.scope.limit(Unit.CALLS)
            self._add_calls(1)
            return None
        finally:
            self._unlock()

    def settle(self, surplus_tokens: int, now: float, held_s: float) -> None:
        for link in self._links:
            if link.most_calls:
                link.held_s += (held_s - link.held_s) * NEW_SHARE
        if surplus_tokens or self._counts_calls:
            self._add_or_owe(0, surplus_tokens, -1, now)

    def give_back(self, tokens: int, now: float, *, has_entered: bool) -> None:
        self._add_or_owe(-1, -tokens, -1 if has_entered else 0, now)

    def readings(self) -> list[ReadNumbers]:
        """Read without a lock: each number is one load."""
        table = self._store.table
        found: list[ReadNumbers] = []
        for link in self._links:
            if table.mapped[link.name_at : link.name_at + NAME_BYTES] != link.digest:
                found.append(ReadNumbers(link.scope, 0.0, 0.0, 0))
                continue
            slot = link.slot
            calls = table.calls_of(slot) if link.most_calls else 0
            found.append(ReadNumbers(link.scope, table.requests[slot], table.tokens[slot], calls))
        return found

    def add(self, requests: int, tokens: int, calls: int, now: float) -> bool:
        """Count, whatever the limits say. False when the lock cannot be had."""
        if not self._lock(now):
            return False
        try:
            table = self._store.table
            for link in self._links:
                slot = link.slot
                if requests and link.request_s:
                    table.requests[slot] = (
                        max(table.requests[slot], now) + requests * link.request_s
                    )
                if tokens and link.token_s:
                    table.tokens[slot] = max(table.tokens[slot], now) + tokens * link.token_s
            if calls:
                self._add_calls(calls)
        finally:
            self._unlock()
        return True

    # What follows is private.

    def _take(self, tokens: int, now: float, most_wait_s: float) -> float | Refusal:
        table = self._store.table
        requests_at, tokens_at = table.requests, table.tokens
        wait_s, binding, unit, full = TOLERANCE_S, None, Unit.REQUESTS, None
        for link in self._links:
            if link.request_s:
                used_s = requests_at[link.slot] - now
                needed_s = (used_s if used_s > 0.0 else 0.0) + link.request_s - WINDOW_S
                if needed_s > wait_s:
                    wait_s, binding, unit = needed_s, link, Unit.REQUESTS
            if link.token_s:
                used_s = tokens_at[link.slot] - now
                worth_s = tokens * link.token_s
                # Of a share of the limit, a call takes the whole burst at most: it would never fit.
                needed_s = used_s if used_s > 0.0 else 0.0
                needed_s += (worth_s if worth_s < WINDOW_S else WINDOW_S) - WINDOW_S
                if needed_s > wait_s:
                    wait_s, binding, unit = needed_s, link, Unit.TOKENS
            if link.most_calls and full is None and table.calls_of(link.slot) >= link.most_calls:
                full = link
        if binding is None:
            wait_s = 0.0
        if full is not None or wait_s > most_wait_s:
            return self._refuse(wait_s, binding, unit, full)
        for link in self._links:
            slot = link.slot
            table.touched[slot] = now
            if link.request_s:
                arrival = requests_at[slot]
                requests_at[slot] = (arrival if arrival > now else now) + link.request_s
            if link.token_s:
                arrival = tokens_at[slot]
                tokens_at[slot] = (arrival if arrival > now else now) + tokens * link.token_s
            if link.most_calls and not wait_s:
                table.calls[slot * WORKERS + table.worker] += 1
        return wait_s

    def _refuse(
        self, wait_s: float, binding: _Link | None, unit: Unit, full: _Link | None
    ) -> Refusal:
        limit = None
        if full is not None:
            limit = full.scope.limit(Unit.CALLS)
            until_free_s = until_one_ends_s(full.held_s, full.most_calls)
            if binding is None or wait_s <= until_free_s:
                return Refusal(limit, until_free_s, limit)
        assert binding is not None
        return Refusal(binding.scope.limit(unit), wait_s, limit)

    def _add_or_owe(self, requests: int, tokens: int, calls: int, now: float) -> None:
        store = self._store
        # In the order in which it happened: what a settling call took may be owed itself.
        if store.owed and now >= store.busy_until:
            store.pay(now)
        if store.owed or not self.add(requests, tokens, calls, now):
            store.owe(_Owed(self, requests, tokens, calls), now)

    def _add_calls(self, calls: int) -> None:
        """Of this worker, which nobody else writes; never below zero, which would wrap."""
        table = self._store.table
        for link in self._links:
            if link.most_calls:
                at = link.slot * WORKERS + table.worker
                table.calls[at] = max(0, table.calls[at] + calls)

    def _lock(self, now: float) -> bool:
        """Take the locks of this chain, with its slots found. False when that cannot be."""
        if now < self._store.busy_until:
            return False
        locks = self._store.table.locks
        taken = 0
        try:
            for command in self._locks:
                locks.take(command)
                taken += 1
            if self._is_found():
                return True
            self._unlock()
            taken = 0
            # What is found is used under the same lock: another process may push it out again.
            locks.take(ALL_SHARDS)
            self._holds_all = True
        except LockBusy:
            for command in self._unlocks[:taken]:
                locks.release(command)
            return False
        self._find(now)
        return True

    def _unlock(self) -> None:
        locks = self._store.table.locks
        if self._holds_all:
            self._holds_all = False
            locks.release(NO_SHARDS)
            return
        for command in self._unlocks:
            locks.release(command)

    def _is_found(self) -> bool:
        mapped = self._store.table.mapped
        for link in self._links:
            if mapped[link.name_at : link.name_at + NAME_BYTES] != link.digest:
                return False
        return True

    def _find(self, now: float) -> None:
        table = self._store.table
        for link in self._links:
            link.slot = table.find_or_make(link.digest, now)
            link.name_at = name_place(link.slot)
