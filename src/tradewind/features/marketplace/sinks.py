"""Sinks: where usage is sent, and what is sent there next."""

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.base_urls import BaseUrl
from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, Forbidden, InvalidInput, NotFound, PreconditionFailed
from tradewind.core.ids import OrganizationId, SinkId, SinkParcelId
from tradewind.core.permissions import Permission, require
from tradewind.core.pricing.charges import METER
from tradewind.db.sealing import Place, SealBroken, Secret
from tradewind.db.vault import Sealed, Vault
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.marketplace.errors import TooManySinks
from tradewind.features.marketplace.ports import HourDifferences, Wanted
from tradewind.features.marketplace.repository import sinks as repository
from tradewind.features.marketplace.rules.places import parse_place
from tradewind.features.marketplace.rules.usage import hour_of
from tradewind.features.marketplace.schemas import (
    Covers,
    NewSink,
    SinkChanges,
    SinkOutcome,
    SinkRow,
    SinkWork,
)
from tradewind.plugins.sinks.base import Parcel, Sink

SINKS_MAX = 10
LOOK_EVERY = timedelta(minutes=1)
DEEP_EVERY = timedelta(days=1)
LOOK_BACK = timedelta(days=3)
"""For late and corrected events, at every look."""
DEEP_BACK = timedelta(days=34)
"""Once a day. Stripe takes nothing that is older than 35 days."""
SETTLED_AFTER = timedelta(minutes=5)
"""After its end an hour is summed: what is shipped later is a parcel of its own."""
CLAIM = timedelta(minutes=5)
AT_ONCE = 1_000
"""Differences of one look, and parcels of one sending."""
_NAME_MAX = 100
_CUSTOMERS_MAX = 10_000
_CUSTOMER_MAX = 200
_CREDENTIAL_MAX = 4_000
_LONGEST_WAIT_S = 3600
_log = logging.getLogger(__name__)


class Sinks:
    """Sinks of the actor's own organization."""

    def __init__(self, vault: Vault, members: dict[str, Sink], clock: Clock) -> None:
        self._vault = vault
        self._members = members
        self._clock = clock

    @property
    def members(self) -> list[Sink]:
        """The kinds of sinks there are."""
        return list(self._members.values())

    def list_sinks(self, tx: Connection, actor: Actor) -> list[SinkRow]:
        require(actor, Permission.BILLING_READ)
        return repository.of_organization(tx, actor.organization_id, SINKS_MAX)

    def get(self, tx: Connection, actor: Actor, sink_id: str) -> SinkRow:
        """Raises NotFound, also for another organization's."""
        require(actor, Permission.BILLING_READ)
        return repository.sink_row(tx, self._find(tx, actor, sink_id))

    def add(self, tx: Connection, actor: Actor, new: NewSink) -> SinkRow:
        """Send usage somewhere from this hour on.

        Raises InvalidInput, Forbidden for what only a platform administrator may, Conflict.
        """
        require(actor, Permission.BILLING_WRITE)
        member = self._members.get(new.kind)
        if member is None:
            known = ", ".join(sorted(self._members))
            raise InvalidInput(f"there is no sink {new.kind[:64]!r}", hint=f"choose among {known}")
        is_platforms = new.covers is Covers.PLATFORM or new.is_private_network
        if is_platforms and not is_platform_administrator(actor):
            raise Forbidden(
                "only an administrator of the platform may send what others used, or have a"
                " private network called"
            )
        name, base_url = new.name.strip(), new.base_url.strip() or member.default_url
        if not 1 <= len(name) <= _NAME_MAX or not name.isprintable():
            raise InvalidInput(f"the name is not up to {_NAME_MAX} printable characters")
        parse_place("URL", base_url, is_private_network=new.is_private_network)
        if member.needs_credential and new.credential is None:
            raise InvalidInput(f"{member.label} needs a credential")
        if any(METER.fullmatch(meter) is None for meter in new.meters) or len(new.meters) > 64:
            raise InvalidInput("a meter's name is of a-z, 0-9 and _")
        _check_credential(new.credential)
        owner, now = actor.organization_id, self._clock.now()
        repository.lock_owner(tx, owner)
        if repository.count(tx, owner) >= SINKS_MAX:
            raise TooManySinks(f"this organization has {SINKS_MAX} sinks", hint="delete one")
        if repository.has_name(tx, owner, name):
            raise Conflict(f"there is a sink {name!r} already", hint="choose another name")
        sink_id, hour = SinkId.new(), hour_of(now)
        repository.add(
            tx,
            {
                "id": sink_id,
                "organization_id": owner,
                "name": name,
                "kind": new.kind,
                "base_url": base_url,
                "covers": new.covers.value,
                "meters": list(new.meters),
                "customers": _customers(new.customers),
                "is_private_network": new.is_private_network,
                "is_enabled": True,
                **self._sealed(tx, new.credential, sink_id, owner, 1, base_url),
                "since": hour,
                "sent_until": hour,
                "look_at": now,
                "deep_look_at": now + DEEP_EVERY,
                "next_try_at": now,
                "failures": 0,
                "last_error": "",
                "revision": 1,
                "created_at": now,
                "updated_at": now,
            },
        )
        return self.get(tx, actor, sink_id)

    def change(
        self,
        tx: Connection,
        actor: Actor,
        sink_id: str,
        changes: SinkChanges,
        *,
        revision: int | None = None,
    ) -> SinkRow:
        """Change what is named. What waits is tried at once. Raises NotFound, InvalidInput."""
        require(actor, Permission.BILLING_WRITE)
        row = self._find(tx, actor, sink_id, locks=True)
        if revision is not None and revision != row.revision:
            raise PreconditionFailed("the sink changed since you read it", hint="read it again")
        now = self._clock.now()
        values: dict[str, Any] = {
            "revision": row.revision + 1,
            "updated_at": now,
            "look_at": now,
            "next_try_at": now,
        }
        if changes.is_enabled is not None:
            values["is_enabled"] = changes.is_enabled
        if changes.customers is not None:
            values["customers"] = _customers(changes.customers)
        if changes.credential is not None:
            _check_credential(changes.credential)
            values |= self._sealed(
                tx,
                changes.credential,
                SinkId(row.id),
                OrganizationId(row.organization_id),
                row.credential_version + 1,
                row.base_url,
            )
        repository.change(tx, row.id, values)
        return self.get(tx, actor, sink_id)

    def delete(self, tx: Connection, actor: Actor, sink_id: str) -> None:
        """Delete a sink, and what waits for it. Raises NotFound."""
        require(actor, Permission.BILLING_WRITE)
        repository.remove(tx, self._find(tx, actor, sink_id, locks=True).id)

    def _find(self, tx: Connection, actor: Actor, sink_id: str, *, locks: bool = False) -> Row[Any]:
        row = repository.find(tx, sink_id, actor.organization_id, locks=locks)
        if row is None:
            raise NotFound(f"there is no sink {sink_id[:64]!r}", hint="list the sinks")
        return row

    def _sealed(  # noqa: PLR0917  where it opens
        self,
        tx: Connection,
        credential: Secret | None,
        sink_id: SinkId,
        owner: OrganizationId,
        version: int,
        base_url: str,
    ) -> dict[str, Any]:
        if credential is None:
            return {"credential_version": version}
        place = _place(sink_id, owner, version, base_url)
        sealed = self._vault.seal(tx, credential, place)
        return {
            "credential_version": version,
            "data_key_id": sealed.data_key_id,
            "sealed_credential": sealed.content,
        }


class Sending:
    """What the worker asks of sinks. Acts for every organization."""

    def __init__(
        self,
        vault: Vault,
        members: dict[str, Sink],
        differences: HourDifferences,
        clock: Clock,
    ) -> None:
        self._vault = vault
        self._members = members
        self._differences = differences
        self._clock = clock

    def look(self, tx: Connection) -> bool:
        """Write down what hours differ by from what was sent of them, for one sink; tell whether
        there was one. From then on each difference has an id, under which it goes out.
        """
        now = self._clock.now()
        row = repository.take_to_look_at(tx, now)
        if row is None:
            return False
        member = self._members.get(row.kind)
        if member is None:
            # It was added by a version that knew more.
            repository.change(
                tx, row.id, {"look_at": now + DEEP_EVERY, "last_error": "this kind is not known"}
            )
            return True
        until = hour_of(now - SETTLED_AFTER)
        is_deep = row.deep_look_at <= now
        since = max(row.since, min(row.sent_until, until - (DEEP_BACK if is_deep else LOOK_BACK)))
        customers: dict[str, str] = dict(row.customers)
        found = self._differences(
            tx,
            Wanted(
                sink_id=row.id,
                organization_id=row.organization_id if row.covers == "organization" else "",
                since=since,
                until=until,
                meters=tuple(row.meters),
                subjects=tuple(customers) if member.needs_customers else None,
                takes_back=member.takes_back,
                limit=AT_ONCE,
            ),
        )
        repository.add_parcels(
            tx,
            [
                {
                    "id": SinkParcelId.new(),
                    "sink_id": row.id,
                    "hour": each.hour,
                    "subject": each.subject,
                    "customer": customers.get(each.subject, each.subject),
                    "model": each.model,
                    "meter": each.meter,
                    "quantity": each.quantity,
                    "state": "waiting",
                    "error": "",
                    "made_at": now,
                }
                for each in found
            ],
        )
        if len(found) == AT_ONCE:
            return True  # there is more: it is looked at again at once
        values: dict[str, Any] = {
            "sent_until": max(row.sent_until, until),
            "look_at": now + LOOK_EVERY,
        }
        if is_deep:
            values["deep_look_at"] = now + DEEP_EVERY
        repository.change(tx, row.id, values)
        return True

    def claim(self, tx: Connection) -> SinkWork | None:
        """Return parcels to send now. Whoever claimed them tells what came of it by `settle`, or
        they go out again after five minutes, under the same ids.
        """
        now = self._clock.now()
        row = repository.claim(tx, now, until=now + CLAIM)
        if row is None:
            return None
        return SinkWork(
            sink_id=SinkId(row.id),
            kind=row.kind,
            base_url=_base_url(row),
            is_private_network=row.is_private_network,
            credential=self._credential(tx, row),
            parcels=tuple(
                Parcel(
                    each.id,
                    each.hour,
                    each.subject,
                    each.customer,
                    each.model,
                    each.meter,
                    each.quantity,
                )
                for each in repository.waiting(tx, row.id, AT_ONCE)
            ),
        )

    def settle(self, tx: Connection, work: SinkWork, outcome: SinkOutcome) -> None:
        """Note what came of a sending. What was not taken waits, ever longer, up to an hour."""
        row = repository.find(tx, work.sink_id, locks=True)
        if row is None:
            return  # deleted meanwhile
        now = self._clock.now()
        repository.end_parcels(tx, row.id, outcome.taken, "sent", "", now)
        repository.end_parcels(tx, row.id, outcome.refused, "refused", outcome.why[:200], now)
        failures = row.failures + 1 if outcome.is_to_wait else 0
        wait_s = min(_LONGEST_WAIT_S, 5 * 2 ** min(failures - 1, 12)) if failures else 0
        values: dict[str, Any] = {
            "failures": failures,
            "next_try_at": now + timedelta(seconds=wait_s),
            "last_error": outcome.why[:200],
        }
        if outcome.taken:
            values["last_sent_at"] = now
        repository.change(tx, row.id, values)

    def _credential(self, tx: Connection, row: Row[Any]) -> Secret | None:
        if row.sealed_credential is None:
            return None
        place = _place(row.id, row.organization_id, row.credential_version, row.base_url)
        try:
            return self._vault.open(
                tx, Sealed(row.data_key_id, bytes(row.sealed_credential)), place
            )
        except SealBroken as error:
            _log.error("nothing is sent to the sink %s: %s", row.id, error)
            return None


def _place(sink_id: str, organization_id: str, version: int, base_url: str) -> Place:
    # Bound to the address, so that a row that was changed sends it nowhere else.
    return Place("sink", sink_id, organization_id, version, base_url)


def _base_url(row: Row[Any]) -> BaseUrl | None:
    try:
        return parse_place("URL", row.base_url, is_private_network=row.is_private_network)
    except InvalidInput as error:
        _log.error("nothing is sent to the sink %s: %s", row.id, error)
        return None


def _customers(lines: Iterable[tuple[str, str]]) -> dict[str, str]:
    found = {subject.strip(): customer.strip() for subject, customer in lines}
    if len(found) > _CUSTOMERS_MAX or any(
        not 1 <= len(each) <= _CUSTOMER_MAX or not each.isprintable()
        for pair in found.items()
        for each in pair
    ):
        raise InvalidInput(
            f"customers are up to {_CUSTOMERS_MAX:,} pairs of up to {_CUSTOMER_MAX} characters"
        )
    return found


def _check_credential(credential: Secret | None) -> None:
    if credential is None:
        return
    text = credential.reveal()
    if not 1 <= len(text) <= _CREDENTIAL_MAX or not text.isascii() or not text.isprintable():
        raise InvalidInput("the credential is not of printable ASCII characters")
