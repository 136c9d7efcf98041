"""Usage that publishers report: taken once, charged by the plan, amended with a signature."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput, NotFound
from tradewind.core.ids import MeteredUsageId, SubscriptionId
from tradewind.core.permissions import Permission, require
from tradewind.core.pricing.charges import MOST_UNITS
from tradewind.core.pricing.rating import Used
from tradewind.features.accounts.schemas import Actor
from tradewind.features.marketplace.ports import SaleDesk, Signs
from tradewind.features.marketplace.repository import usage as repository
from tradewind.features.marketplace.rules import usage as rules
from tradewind.features.marketplace.rules.actions import status_of
from tradewind.features.marketplace.rules.guids import id_of
from tradewind.features.marketplace.schemas import (
    Amendment,
    AzureStatus,
    NewUsage,
    UsageDay,
    UsageQuestion,
    UsageStatus,
    Verdict,
)
from tradewind.features.sales.schemas import Sold

_REASON_MAX = 500
_DAYS_MAX = 10_000


class Metering:
    def __init__(self, desk: SaleDesk, signer: Signs, clock: Clock) -> None:
        self._desk = desk
        self._signer = signer
        self._clock = clock

    def report(self, tx: Connection, actor: Actor, by: By, event: NewUsage) -> Verdict:
        """Take an event of an own offer's subscription, or say why not. Sent again, it is a
        duplicate, whatever it says: what was accepted first stands until it is amended.
        """
        require(actor, Permission.SALES_WRITE)
        now = self._clock.now()
        subscription_id = id_of(SubscriptionId, event.resource_id)
        if subscription_id is None:
            return Verdict(UsageStatus.BAD_ARGUMENT, message="The resourceId is not one.")
        refused = rules.refusal(event, now)
        if refused is not None:
            return Verdict(refused[0], message=refused[1])
        # Locked, so that no move that was due before ends a time in which this is charged.
        try:
            sold = self._desk.get(tx, actor, subscription_id, locks=True)
        except NotFound:
            return Verdict(UsageStatus.RESOURCE_NOT_FOUND, message="There is no such resource.")
        if status_of(sold.subscription.state) is not AzureStatus.SUBSCRIBED:
            return Verdict(
                UsageStatus.RESOURCE_NOT_ACTIVE, message="The resource is not in Subscribed status."
            )
        terms = self._desk.terms_at(tx, subscription_id, event.at)
        if terms is None:
            return Verdict(
                UsageStatus.RESOURCE_NOT_ACTIVE,
                message="The resource was not in Subscribed status at the effectiveStartTime.",
            )
        if event.plan not in {terms.plan_name, terms.plan_id}:
            return Verdict(
                UsageStatus.BAD_ARGUMENT,
                message=f"The plan at the effectiveStartTime was {terms.plan_name}.",
            )
        if not rules.is_dimension(terms.terms, event.dimension):
            return Verdict(
                UsageStatus.INVALID_DIMENSION, message="The plan has no such custom dimension."
            )
        return self._accept(tx, sold, by, event, terms.plan_name, now)

    def _accept(  # noqa: PLR0917  all that is kept of one event
        self, tx: Connection, sold: Sold, by: By, event: NewUsage, plan_name: str, now: datetime
    ) -> Verdict:
        row = sold.subscription
        hour = rules.hour_of(event.at)
        is_new = repository.add(
            tx,
            {
                **_values(sold, by, now),
                "id": MeteredUsageId.new(),
                "plan_name": plan_name,
                "dimension": event.dimension,
                "hour": hour,
                "at": event.at,
                "at_text": event.at_text,
                "quantity_micros": event.quantity_micros,
                "reason": "",
                "statement": b"",
                "signature": b"",
                "public_key": b"",
            },
        )
        there = repository.of_hour(tx, row.subscription_id, plan_name, event.dimension, hour)
        assert there is not None, "it was just written, or kept another one out"
        if is_new:
            return Verdict(UsageStatus.ACCEPTED, there)
        return Verdict(UsageStatus.DUPLICATE, there, "This usage event already exist.")

    def amend(  # noqa: PLR0917  as the wire names them
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        usage_id: str,
        new_micros: int,
        reason: str,
    ) -> Amendment:
        """Say that an accepted event was for another quantity, 0 for none. It is signed, and the
        difference is on the buyer's next invoice. The same quantity again changes nothing.

        Raises NotFound, InvalidInput.
        """
        require(actor, Permission.SALES_WRITE)
        if not 0 <= new_micros <= MOST_UNITS * rules.MICROS:
            raise InvalidInput("the new quantity is below zero, or too much")
        if not 1 <= len(reason) <= _REASON_MAX or "\x00" in reason:
            raise InvalidInput(f"the reason has 1 to {_REASON_MAX} characters")
        wanted = id_of(MeteredUsageId, usage_id)
        former = None if wanted is None else repository.lock(tx, wanted, actor.organization_id)
        if wanted is None or former is None:
            raise NotFound(f"there is no usage event {usage_id[:64]!r}", hint="list usage events")
        now = self._clock.now()
        current = repository.current_micros(tx, wanted)
        if new_micros == current:
            return Amendment(wanted, current, current, reason, b"", b"", b"")
        statement = _canonical(
            {
                "kind": "credit_note" if new_micros < current else "debit_note",
                "usage_event": wanted,
                "subscription": former.subscription_id,
                "dimension": former.dimension,
                "plan": former.plan_name,
                "hour": former.hour.astimezone(UTC).isoformat(),
                "former_micros": current,
                "new_micros": new_micros,
                "reason": reason,
                "amended_by": by.name,
                "amended_at": now.astimezone(UTC).isoformat(),
            }
        )
        signed = self._signer.sign(statement)
        repository.add(
            tx,
            {
                **{
                    name: getattr(former, name)
                    for name in (
                        "subscription_id",
                        "organization_id",
                        "seller_organization_id",
                        "offer_id",
                        "plan_name",
                        "dimension",
                        "hour",
                        "at",
                        "at_text",
                    )
                },
                "id": MeteredUsageId.new(),
                "quantity_micros": new_micros - current,
                "amends": wanted,
                "reason": reason,
                "statement": statement,
                "signature": signed.signature,
                "public_key": signed.public_key,
                "by_name": by.name,
                "reported_at": now,
            },
        )
        return Amendment(
            wanted, current, new_micros, reason, statement, signed.signature, signed.public_key
        )

    def days(self, tx: Connection, actor: Actor, question: UsageQuestion) -> Sequence[UsageDay]:
        """Return what was reported to own offers, by day."""
        require(actor, Permission.SALES_READ)
        if question.limit > _DAYS_MAX:
            raise InvalidInput(f"at most {_DAYS_MAX:,} days of usage at once")
        return repository.days(tx, actor.organization_id, question)


def used(tx: Connection, subscription_id: str, since: datetime, until: datetime) -> list[Used]:
    """Return what was reported of a subscription, in whole units, with all amendments.

    What is less than a unit is carried on within the span, and never rounded up.
    """
    sums = repository.sums(tx, subscription_id, since, until)
    return [Used(dimension, hour, units) for dimension, hour, units in rules.whole_units(sums)]


def _values(sold: Sold, by: By, now: datetime) -> dict[str, Any]:
    return {
        "subscription_id": sold.subscription.subscription_id,
        "organization_id": sold.subscription.organization_id,
        "seller_organization_id": sold.offer.organization_id,
        "offer_id": sold.offer.offer_id,
        "amends": None,
        "by_name": by.name,
        "reported_at": now,
    }


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
