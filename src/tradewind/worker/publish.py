"""Publishes the gateway's snapshot: what has changed in the database is appended to its files.

Two ways lead to a change. The *feed* names what a transaction has changed, so that only that is
compiled; it carries a new or revoked key to the gateways within a second. The *comparison* goes
through everything now and then and finds what no feed named: a change made by hand in SQL, a key
that has expired. It only ever raises suspicion: what it finds is compiled again like something
from the feed, because what it has read is older by then, and must not bring back a revoked key.
"""

import logging
import threading
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import Unavailable
from tradewind.db.change_feed import KEPT, FeedPosition, read_feed, trim_feed
from tradewind.db.database import Database
from tradewind.snapshot.base_writer import BaseContents
from tradewind.snapshot.changes import Change
from tradewind.snapshot.contents import Budget, Endpoint, Grant, Terms
from tradewind.snapshot.difference import budget_changes, endpoint_changes, policy_changes
from tradewind.snapshot.roll_call import RollCall
from tradewind.snapshot.safety import Policy
from tradewind.snapshot.store import SnapshotStore

_log = logging.getLogger(__name__)

# An announcement can be lost with its connection, so that the feed is also read this often. With
# the gateway's own poll it bounds how long a revoked key can live: below 2 s.
_POLL_S = 1.0
_COMPARING_POLL_S = 0.01
_COMPARE_EVERY_S = 600.0
# How much is compared before the feed is looked at again: 0.2 s of work.
_COMPARED_AT_ONCE = 20_000
_COMPILED_AT_ONCE = 1_000

_Item = TypeVar("_Item")
_GrantsSource = Callable[[Connection, Collection[str] | None], Iterable[Grant]]
_TermsSource = Callable[[Connection, Collection[str] | None], Iterable[Terms]]


def _no_terms(_tx: Connection, _ids: Collection[str] | None) -> Iterable[Terms]:
    return ()


def _no_policies(_tx: Connection) -> Iterable[Policy]:
    return ()


def _no_budgets(_tx: Connection) -> Iterable[Budget]:
    return ()


@dataclass(frozen=True, slots=True)
class _Suspects:
    """What may have changed."""

    compared: int = 0
    """How many were looked at to find it."""
    grants: Collection[str] = ()
    terms: Collection[str] = ()
    endpoints: bool = False
    budgets: bool = False
    policies: bool = False
    is_comparison: bool = False


class Publisher:
    """The only writer of a snapshot's files."""

    def __init__(
        self,
        database: Database,
        path: Path,
        clock: Clock,
        *,
        grants: _GrantsSource,
        endpoints: Callable[[Connection], Iterable[Endpoint]],
        terms: _TermsSource = _no_terms,
        budgets: Callable[[Connection], Iterable[Budget]] = _no_budgets,
        policies: Callable[[Connection], Iterable[Policy]] = _no_policies,
        store: SnapshotStore | None = None,
    ) -> None:
        """`grants` and `terms` compile those of some ids, or all of them for None: as a stream,
        for they may be millions. `endpoints`, in catalog order, `budgets` and `policies` always
        come whole.
        """
        self._database = database
        self._clock = clock
        self._grants = grants
        self._endpoints = endpoints
        self._terms = terms
        self._budgets = budgets
        self._policies = policies
        self._store = store or SnapshotStore(path)
        self._is_open = False
        self._unbound: frozenset[str] = frozenset()
        self._position: FeedPosition | None = None
        self._read_at = clock.monotonic()
        self._comparison: Generator[_Suspects] | None = None
        self._compare_at = clock.monotonic()
        self.published_at = 0.0
        """Unix seconds of the last publication that changed something, while `run`."""
        self.published_in_s = 0.0
        self.failures = 0

    def publish(self) -> bool:
        """Bring the files up to date with the feed, and compare a part of everything when that is
        due. Returns whether something was written.

        Raises Unavailable or OSError; nothing is lost by trying again.
        """
        store = self._store
        if not self._is_open:
            store.open(self._now_ms())
            self._is_open = True
        if store.view is None:
            self._build()
            return True
        former = store.view.version
        self._follow_feed()
        self._go_on_comparing()
        store.tend()
        return store.view.version != former

    def compare(self) -> bool:
        """Compare everything now. Returns whether something was written."""
        self._compare_at = self._clock.monotonic()
        has_written = self.publish()
        while self._comparison is not None:
            has_written |= self.publish()
        return has_written

    def run(self, wait_for_change: Callable[[float], None], stop: threading.Event) -> None:
        """Publish until stopped. `wait_for_change` returns on an announcement or after its
        seconds.
        """
        try:
            while not stop.is_set():
                began = self._clock.monotonic()
                try:
                    has_written = self.publish()
                except (Unavailable, OSError) as error:
                    self.failures += 1
                    _log.warning("the snapshot was not published: %s", error)
                    stop.wait(0.5)
                else:
                    if has_written:
                        self.published_in_s = self._clock.monotonic() - began
                        self.published_at = self._clock.now().timestamp()
                    wait_for_change(_POLL_S if self._comparison is None else _COMPARING_POLL_S)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the files and of the database. What is published stays."""
        self._stop_comparing()
        self._store.close()

    def _build(self) -> None:
        """Write the first base, from everything there is."""
        with self._database.transaction() as tx:
            # The position comes first: what changes while the rest is read is read again.
            position = read_feed(tx, None).position
            now_ms = self._now_ms()
            self._store.write_base(
                BaseContents(
                    # Gateways ignore a version below the one in force. Where no former one is
                    # known, the time is past any that was ever published.
                    version=now_ms,
                    compiled_at_ms=now_ms,
                    grants=self._grants(tx, None),
                    terms=self._terms(tx, None),
                    budgets=self._budgets(tx),
                    endpoints=self._endpoints(tx),
                    policies=self._policies(tx),
                )
            )
        self._position = position
        self._read_at = self._clock.monotonic()
        self._stop_comparing()
        self._compare_at = self._clock.monotonic() + _COMPARE_EVERY_S
        _log.info("snapshot %d is written anew", now_ms)

    def _follow_feed(self) -> None:
        now = self._clock.monotonic()
        with self._database.transaction() as tx:
            feed = read_feed(tx, self._position)
            self._publish_changed(
                tx,
                _Suspects(0, feed.grants, feed.terms, feed.endpoints, feed.budgets, feed.policies),
            )
        # Only now: what could not be published is read again.
        self._position = feed.position
        if feed.may_have_missed or now - self._read_at > KEPT.total_seconds() / 2:
            self._compare_at = now
        self._read_at = now

    def _go_on_comparing(self) -> None:
        if self._comparison is None:
            if self._clock.monotonic() < self._compare_at:
                return
            self._compare_at = self._clock.monotonic() + _COMPARE_EVERY_S
            self._store.check()
            self._comparison = self._compared()
        compared = 0
        try:
            while compared < _COMPARED_AT_ONCE:
                suspects = next(self._comparison, None)
                if suspects is None:
                    self._comparison = None
                    return
                with self._database.transaction() as tx:
                    self._publish_changed(tx, suspects)
                compared += suspects.compared
        except (Unavailable, OSError):
            self._stop_comparing()
            self._compare_at = self._clock.monotonic()
            raise

    def _stop_comparing(self) -> None:
        comparison, self._comparison = self._comparison, None
        if comparison is not None:
            comparison.close()

    def _compared(self) -> Generator[_Suspects]:
        """Go through everything, and yield what differs from the view of this moment. In parts,
        between which the feed goes on; the transaction stays open meanwhile.
        """
        view, position = self._store.view, self._position
        assert view is not None
        assert position is not None
        base, overlay = view.base, view.overlay
        grants = RollCall(overlay.grants, None if base is None else base.grants)
        terms = RollCall(overlay.terms, None if base is None else base.terms)
        with self._database.transaction() as tx:
            trim_feed(tx, position)
        with self._database.transaction() as tx:
            for part in _batches(self._grants(tx, None), _COMPARED_AT_ONCE):
                ids = [grant.key_id for grant in part if not grants.is_known(grant.key_id, grant)]
                yield _Suspects(len(part), grants=ids)
            for gone in _batches(grants.not_called(), _COMPARED_AT_ONCE):
                yield _Suspects(len(gone), grants=gone)
            for part in _batches(self._terms(tx, None), _COMPARED_AT_ONCE):
                ids = [each.id for each in part if not terms.is_known(each.id, each)]
                yield _Suspects(len(part), terms=ids, policies=bool(ids))
            for gone in _batches(terms.not_called(), _COMPARED_AT_ONCE):
                yield _Suspects(len(gone), terms=gone)
        yield _Suspects(endpoints=True, budgets=True, policies=True, is_comparison=True)

    def _publish_changed(self, tx: Connection, suspects: _Suspects) -> None:
        """Compile what may have changed, and append what has. Idempotent."""
        view = self._store.view
        assert view is not None
        for ids in _batches(suspects.grants, _COMPILED_AT_ONCE):
            found = {grant.key_id: grant for grant in self._grants(tx, ids)}
            self._append(
                Change(
                    grants={
                        key_id: found.get(key_id)
                        for key_id in ids
                        if found.get(key_id) != view.grant(key_id)
                    }
                )
            )
        # A call under a policy that gateways do not know is refused. So policies are read after all
        # that names them, which may have changed just now, and are told of before it.
        naming: list[Change] = []
        for ids in _batches(suspects.terms, _COMPILED_AT_ONCE):
            held = {terms.id: terms for terms in self._terms(tx, ids)}
            naming.append(
                Change(
                    terms={
                        each: held.get(each) for each in ids if held.get(each) != view.terms(each)
                    }
                )
            )
        if suspects.endpoints:
            wanted = tuple(self._endpoints(tx))
            naming.append(endpoint_changes(tuple(view.every_endpoint()), wanted))
        if suspects.policies:
            self._append(Change(policies=self._policies_changed(tx, suspects)))
        for change in naming:
            self._append(change)
        if suspects.budgets:
            self._append(Change(budgets=budget_changes(view.every_budget(), self._budgets(tx))))

    def _policies_changed(self, tx: Connection, suspects: _Suspects) -> dict[str, Policy | None]:
        """Return what is different of the policies. What nothing is bound to any more goes when two
        comparisons, minutes apart, have found it so: by then nothing published names it.
        """
        assert self._store.view is not None
        changed = policy_changes(self._store.view.every_policy(), self._policies(tx))
        found: dict[str, Policy | None] = {
            key: policy for key, policy in changed.items() if policy is not None
        }
        if not suspects.is_comparison:
            return found
        unbound = changed.keys() - found.keys()
        leaving = self._unbound & unbound
        self._unbound = frozenset(unbound - leaving)
        return {**found, **dict.fromkeys(leaving)}

    def _append(self, change: Change) -> None:
        if change.is_empty:
            return
        self._store.append(change, self._now_ms())
        assert self._store.view is not None
        _log.info(
            "snapshot %d: %d keys, %d models, %d terms, %d budgets, %d policies changed",
            self._store.view.version,
            len(change.grants),
            len(change.endpoints),
            len(change.terms),
            len(change.budgets),
            len(change.policies),
        )

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


def _batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
