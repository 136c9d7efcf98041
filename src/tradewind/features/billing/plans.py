"""What plans make of usage that was settled by its list price.

The usage of a term is rated from its first unit on, and an invoice charges the difference to what
was charged before: by the list price, and by adjustments on earlier invoices. So late events,
corrections and years with monthly invoices need no rule of their own.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from tradewind.core.money import format_nanos
from tradewind.core.pricing import rating
from tradewind.core.pricing.charges import METERS
from tradewind.core.pricing.rating import RatedLine, Used, rate
from tradewind.features.billing.ports import SubscribedTerm, TermCharge
from tradewind.features.billing.rules.taxes import PPM
from tradewind.features.billing.schemas import DraftLine, Evidence, LineKind

_RATED_SHOWN = 100


class TermUsage(NamedTuple):
    """What was used in a term until now."""

    used: Sequence[Used]
    list_nanos: int
    """What was settled for it."""


def source_key(term: SubscribedTerm) -> str:
    return f"plan:{term.subscription_id}:{term.since.isoformat()}"


def plan_lines(
    term: SubscribedTerm,
    usage: TermUsage,
    charged_before: Mapping[LineKind, int],
    *,
    period_end: datetime,
) -> list[DraftLine]:
    """Return the lines that a term adds to an invoice; none where nothing changed.

    The fee is not among them: it is charged ahead, by itself. A minimum counts once the term ended.
    """
    # Fees come as charges of their own, in advance.
    terms = msgspec.structs.replace(term.terms, fee_nanos=0)
    if term.until > period_end:
        terms = msgspec.structs.replace(terms, minimum_nanos=0)
    rated = rate(terms, usage.used)
    missing = sum(line.nanos for line in rated if line.kind is rating.LineKind.MINIMUM)
    of_usage = sum(line.nanos for line in rated) - missing
    told = tuple(_told(line, terms.currency) for line in rated[:_RATED_SHOWN])
    wanted = (
        (LineKind.ADJUSTMENT, of_usage - usage.list_nanos, "What the plan charges for this usage"),
        (LineKind.MINIMUM, missing, "Up to the least that this term costs"),
    )
    lines: list[DraftLine] = []
    for kind, nanos, words in wanted:
        difference = nanos - charged_before.get(kind, 0)
        if difference:
            lines.append(
                DraftLine(
                    kind=kind,
                    description=f"{words}, {_span(term.since, term.until)}",
                    quantity=1,
                    unit="",
                    exact_nanos=difference,
                    fee_nanos=fee_of(difference, term.fee_ppm),
                    project_id="",
                    model=", ".join(term.models)[:200],
                    operation="",
                    price_id="",
                    seller=term.seller,
                    hour_from=term.since,
                    hour_to=min(term.until, period_end),
                    source_key=source_key(term),
                    evidence=Evidence(
                        quantities=_quantities(usage.used),
                        subscription=term.subscription_id,
                        rated=told,
                    ),
                )
            )
    return lines


def charge_line(charge: TermCharge) -> DraftLine:
    return DraftLine(
        kind=LineKind.FEE,
        description=charge.description[:500],
        quantity=1,
        unit="",
        exact_nanos=charge.nanos,
        fee_nanos=fee_of(charge.nanos, charge.fee_ppm),
        project_id="",
        model="",
        operation="",
        price_id="",
        seller=charge.seller,
        hour_from=charge.since,
        hour_to=charge.until,
        source_key=charge.key,
        evidence=Evidence(subscription=charge.subscription_id),
    )


def fee_of(nanos: int, ppm: int) -> int:
    """Return the platform's part, towards zero: what is less than a nano is the publisher's."""
    part = abs(nanos) * ppm // PPM
    return part if nanos > 0 else -part


def _quantities(used: Sequence[Used]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for each in used:
        sums[each.meter] = sums.get(each.meter, 0) + each.quantity
    return {meter: quantity for meter, quantity in sums.items() if quantity}


def _told(line: RatedLine, currency: str) -> str:
    total = f"{format_nanos(line.nanos)} {currency}"
    if line.kind is rating.LineKind.USAGE:
        tier = f", tier {line.tier + 1}" if line.tier else ""
        per = " per million" if line.meter in METERS else ""
        unit = format_nanos(line.unit_nanos)
        return f"{line.quantity:,} {line.meter}{tier} at {unit}{per}: {total}"
    return f"{line.kind.value} {line.quantity:,} {line.meter}".rstrip() + f": {total}"


def _span(since: datetime, until: datetime) -> str:
    return f"{since:%Y-%m-%d} to {until:%Y-%m-%d}"
