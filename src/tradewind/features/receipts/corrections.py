"""Corrections of usage: another event of the same moment, with quantities below zero, that goes the
way of every event into the sums, to a receipt and to a settlement. The event itself stays.

Here and not in metering, because what a correction comes to is reckoned by the price of the call.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import Forbidden, InvalidInput
from tradewind.core.ids import uuid7_bytes
from tradewind.core.money import rate_nanos
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.metering import service as metering
from tradewind.features.metering.schemas import CorrectingEvent, KeptCorrection
from tradewind.features.receipts.canonical import canonical
from tradewind.features.receipts.errors import CorrectionKeyReused, NoSuchEvent
from tradewind.features.receipts.rules import rated_lines
from tradewind.features.receipts.schemas import CallFacts

LATEST = timedelta(days=35)
"""After it, what is wrong is a credit note and not a correction."""
_TOKENS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens")

ReadCalls = Callable[[Connection, Sequence[datetime], Sequence[UUID]], list[CallFacts]]


@dataclass(frozen=True, slots=True)
class Correction:
    event_id: UUID
    key: str
    """The same key again is the same correction."""
    quantities: Mapping[str, int]
    """By meter, each below zero: by how much there was less than was counted."""
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Corrected:
    event_id: UUID
    cost_nanos: int
    currency: str


class Corrections:
    def __init__(self, clock: Clock, read_calls: ReadCalls) -> None:
        self._clock = clock
        self._read_calls = read_calls

    def correct(self, tx: Connection, actor: Actor, asked: Correction) -> Corrected:
        """Take quantities back. Idempotent by the key.

        What a host took stays: it took it. Raises Forbidden for whoever does not run the platform,
        NoSuchEvent, InvalidInput for more than there is, CorrectionKeyReused.
        """
        require(actor, Permission.FINANCE_WRITE)
        if not is_platform_administrator(actor):
            raise Forbidden("only whoever runs the platform corrects usage")
        # One at a time for an event: each has to see what is left by the others.
        metering.lock_correction(tx, asked.event_id, asked.key)
        content = _content_of(asked)
        kept = metering.find_correction(tx, asked.key)
        if kept is not None:
            return _same(kept, content)
        events = metering.find_events(tx, asked.event_id)
        calls = self._read_calls(
            tx, [each.at for each in events], [each.event_id for each in events]
        )
        if not calls or calls[0].corrects is not None:
            raise NoSuchEvent
        now = self._clock.now()
        if now - calls[0].at > LATEST:
            raise InvalidInput(
                f"the call is more than {LATEST.days} days old", hint="write a credit note"
            )
        event = _event_of(calls, asked)
        kept = KeptCorrection(
            event_id=event.event_id,
            corrects=asked.event_id,
            key=asked.key,
            content=content,
            reason=asked.reason,
            by=asked.by,
            made_at=now,
            cost_nanos=event.cost_nanos,
            currency=event.currency,
        )
        metering.correct(tx, event, kept)
        return Corrected(event.event_id, event.cost_nanos, event.currency)


def _event_of(calls: Sequence[CallFacts], asked: Correction) -> CorrectingEvent:
    """Return the event that takes quantities back; `calls` are the event and its corrections."""
    call = calls[0]
    left = _sum(calls)
    after = _less(left, asked.quantities)
    if call.price is None:
        raise InvalidInput("the price of this call is not known")
    before_nanos, after_nanos = (
        rate_nanos(*((quantity, nanos) for _, quantity, nanos in rated_lines(each, call.price)))
        for each in (left, after)
    )
    return CorrectingEvent(
        event_id=UUID(bytes=uuid7_bytes(call.event_id.int >> 80)),
        at=call.at,
        organization_id=call.organization_id,
        project_id=call.project_id,
        key_id=call.key_id,
        operation=call.operation,
        model=call.model,
        deployment_id=call.deployment_id,
        price_id=call.price_id,
        currency=call.currency,
        cost_nanos=after_nanos - before_nanos,
        is_batch=call.is_batch,
        host=call.host,
        region=call.region,
        corrects=call.event_id,
        quantities=asked.quantities,
    )


def _sum(calls: Sequence[CallFacts]) -> CallFacts:
    meters: dict[str, int] = {}
    for call in calls:
        for meter, quantity in call.meters.items():
            meters[meter] = meters.get(meter, 0) + quantity
    tokens = {name: sum(getattr(call, name) for call in calls) for name in _TOKENS}
    return replace(calls[0], meters=meters, **tokens)


def _less(left: CallFacts, taken: Mapping[str, int]) -> CallFacts:
    """Raises InvalidInput where more is taken than there is."""
    there = {name: getattr(left, name) for name in _TOKENS} | dict(left.meters)
    for meter, quantity in taken.items():
        if not -there.get(meter, 0) <= quantity < 0:
            raise InvalidInput(
                f"{meter[:64]} is not between -{there.get(meter, 0)} and -1",
                hint="a correction takes back what was counted too much",
            )
    tokens = {name: there[name] + taken.get(name, 0) for name in _TOKENS}
    if tokens["cached_input_tokens"] + tokens["cache_write_tokens"] > tokens["input_tokens"]:
        raise InvalidInput(
            "cached and cache-written tokens would be more than input_tokens, of which they are",
            hint="take them back too",
        )
    meters = {meter: quantity + taken.get(meter, 0) for meter, quantity in left.meters.items()}
    return replace(left, meters=meters, **tokens)


def _content_of(asked: Correction) -> str:
    """Return what a repeat has to be equal in."""
    content = [asked.event_id.hex, dict(asked.quantities), asked.reason]
    return hashlib.sha256(canonical(content)).hexdigest()


def _same(kept: KeptCorrection, content: str) -> Corrected:
    if kept.content != content:
        raise CorrectionKeyReused(kept.key)
    return Corrected(kept.event_id, kept.cost_nanos, kept.currency)
