"""The checks that lead from usage to invoices, for `tradewind ledger verify`.

Events to hourly sums, sums to settlement lines, lines to entries, entries and lines to invoices.
Each derives one side again from the one below and tells every difference.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.money import format_nanos
from tradewind.features.billing.drawing import freeze, minor_of, thaw
from tradewind.features.billing.repository import deferrals, invoice_checks, settling, settling_more
from tradewind.features.billing.rules.minor_units import nanos_per_minor
from tradewind.features.ledger.schemas import Difference, NamedCheck, Tell


def billing_checks() -> tuple[NamedCheck, ...]:
    return (
        NamedCheck("usage", _usage),
        NamedCheck("settlement", _settlement),
        NamedCheck("settled", _settled),
        NamedCheck("meters", _meters),
        NamedCheck("hosts", _hosts),
        NamedCheck("unbilled", _unbilled),
        NamedCheck("deferred", _deferred),
        NamedCheck("invoices", _invoices),
        NamedCheck("numbers", _numbers),
    )


def _usage(tx: Connection, tell: Tell) -> Iterator[Difference]:
    yield from _hours("usage", settling.unrolled(tx), "an hour and its events", tell)


def _settlement(tx: Connection, tell: Tell) -> Iterator[Difference]:
    yield from _hours("settlement", settling.unsettled(tx), "an hour and what is settled", tell)


def _hours(check: str, rows: Iterable[Row[Any]], what: str, tell: Tell) -> Iterator[Difference]:
    for row in rows:
        apart = {name: int(getattr(row, name)) for name in settling.MEASURES}
        listed = ", ".join(f"{name} {value:+}" for name, value in apart.items() if value)
        yield Difference(
            check,
            f"{row.organization_id} {row.hour.isoformat()}",
            f"{what} differ for {row.model}, key {row.key_id}: {listed}",
            apart["cost_nanos"],
        )
    tell(1, 1)


def _settled(tx: Connection, tell: Tell) -> Iterator[Difference]:
    for row in settling.unentered(tx):
        yield Difference(
            "settled",
            row.subject,
            f"{row.kind} {row.owner} {row.currency}: the ledger differs from the settlement by"
            f" {format_nanos(int(row.nanos))}",
            int(row.nanos),
        )
    tell(1, 1)


def _meters(tx: Connection, tell: Tell) -> Iterator[Difference]:
    for row in settling_more.unsettled_meters(tx):
        yield Difference(
            "meters",
            f"{row.organization_id} {row.hour.isoformat()}",
            f"{row.meter} of {row.model}, key {row.key_id}, differs from what is settled by"
            f" {int(row.quantity):+}",
        )
    tell(1, 1)


def _hosts(tx: Connection, tell: Tell) -> Iterator[Difference]:
    for row in settling_more.unsettled_hosts(tx):
        yield Difference(
            "hosts",
            f"{row.organization_id} {row.hour.isoformat()}",
            f"what {row.host} took differs from what is settled by {int(row.cost_nanos):+} nanos of"
            f" {row.currency}, {int(row.requests):+} requests",
            int(row.cost_nanos),
        )
    tell(1, 2)
    for row in settling_more.unentered_hosts(tx):
        yield Difference(
            "hosts",
            row.subject,
            f"{row.kind} {row.owner} {row.currency}: the ledger differs from the settlement by"
            f" {format_nanos(int(row.nanos))}",
            int(row.nanos),
        )
    tell(2, 2)


def _unbilled(tx: Connection, tell: Tell) -> Iterator[Difference]:
    for row in invoice_checks.uninvoiced(tx):
        yield Difference(
            "unbilled",
            row.owner,
            f"the balance in {row.currency} differs from what is on no invoice by"
            f" {format_nanos(int(row.nanos))}",
            int(row.nanos),
        )
    tell(1, 1)


def _deferred(tx: Connection, tell: Tell) -> Iterator[Difference]:
    for row in deferrals.unmatched(tx):
        yield Difference(
            "deferred",
            row.owner,
            f"the balance in {row.currency} differs from what is not earned yet by"
            f" {format_nanos(int(row.nanos))}",
            int(row.nanos),
        )
    tell(1, 1)


def _invoices(tx: Connection, tell: Tell) -> Iterator[Difference]:
    for row in invoice_checks.entered_invoices(tx):
        for words, nanos in _wrong(row):
            yield Difference("invoices", row.number, words, nanos)
    tell(1, 1)


def _wrong(row: Row[Any]) -> Iterator[tuple[str, int]]:
    unit = nanos_per_minor(row.currency)
    exact, minor = int(row.exact or 0), int(row.minor or 0)
    pairs: tuple[tuple[str, int, int], ...] = (
        ("its lines do not add up to it", minor * unit, row.net_minor * unit),
        ("its exact lines do not add up", exact, int(row.exact_nanos)),
        ("its usage is not what its lines say", int(row.usage or 0), int(row.usage_nanos)),
        ("what left UNBILLED is not its usage", -int(row.unbilled), int(row.usage_nanos)),
        ("what became RECEIVABLE is not its total", int(row.receivable), row.total_minor * unit),
        ("the TAX entered is not its tax", -int(row.tax), row.tax_minor * unit),
        ("the ROUNDING is not what was rounded", -int(row.rounding), row.net_minor * unit - exact),
    )
    for words, found, wanted in pairs:
        if found != wanted:
            yield words, found - wanted
    data = row.content.encode()
    if sha256(data).digest() != bytes(row.sha256):
        yield "its content is not what was hashed", 0
        return
    content = thaw(data, bytes(row.sha256)).content
    if freeze(content).data != data:
        yield "its content is not canonical", 0
    told = minor_of(content.total, row.currency)
    if told != row.total_minor:
        yield "its paper says another total", (told - row.total_minor) * unit


def _numbers(tx: Connection, tell: Tell) -> Iterator[Difference]:
    for row in invoice_checks.gaps(tx):
        yield Difference(
            "numbers", row.series, f"{row.last} numbers were taken, and {row.count} are used"
        )
    tell(1, 1)
