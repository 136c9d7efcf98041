"""How an invoice is drawn up from exact lines, and what it then says."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import sha256

import msgspec

from tradewind.core.money import format_nanos
from tradewind.features.billing.rules.minor_units import (
    minor_digits,
    nanos_per_minor,
    shares_in_minor,
)
from tradewind.features.billing.rules.taxes import tax_minor
from tradewind.features.billing.schemas import (
    BillingAccount,
    Content,
    DraftLine,
    Drawn,
    Frozen,
    Issuer,
    LineContent,
    LineKind,
    Tax,
    TaxContent,
    Watermark,
)

_ORDER = {LineKind.FEE: 0, LineKind.USAGE: 1, LineKind.ADJUSTMENT: 2, LineKind.MINIMUM: 3}


def draw(
    account: BillingAccount,
    currency: str,
    lines: Iterable[DraftLine],
    tax: Tax,
    *,
    period: tuple[datetime, datetime],
    up_to: int,
    after: Watermark,
) -> Drawn:
    ordered = tuple(sorted(lines, key=_place))
    shares = tuple(shares_in_minor([line.exact_nanos for line in ordered], currency))
    net = sum(shares)
    return Drawn(
        account=account,
        currency=currency,
        period_start=period[0],
        period_end=period[1],
        up_to=up_to,
        after=after,
        lines=ordered,
        shares=shares,
        tax=tax,
        net_minor=net,
        tax_minor=tax_minor(net, tax.rate_ppm),
    )


def _place(line: DraftLine) -> tuple[bool, int, str, str, str, str, datetime, str]:
    return (
        line.evidence.is_late,
        _ORDER[line.kind],
        line.model,
        line.operation,
        line.project_id,
        line.price_id,
        line.hour_from,
        line.source_key,
    )


def amount(minor: int, currency: str) -> str:
    """Return minor units as people write them: 1234 cents are 12.34."""
    return format(Decimal(minor).scaleb(-minor_digits(currency)), "f")


def minor_of(text: str, currency: str) -> int:
    """Return what `amount` wrote."""
    return int(Decimal(text).scaleb(minor_digits(currency)))


class Heads(msgspec.Struct, frozen=True):
    """What stands above and below the lines."""

    id: str
    number: str
    issuer: Issuer
    account: BillingAccount
    currency: str
    issued_at: datetime
    due_at: datetime
    period: tuple[datetime, datetime]
    tax: Tax


def invoice_content(
    heads: Heads, lines: Sequence[DraftLine], shares: Sequence[int], tax_in_minor: int
) -> Content:
    currency = heads.currency
    exact, net = sum(line.exact_nanos for line in lines), sum(shares)
    return Content(
        document="invoice",
        id=heads.id,
        number=heads.number,
        organization=str(heads.account.organization_id),
        currency=currency,
        issuer=heads.issuer.party,
        payment_details=heads.issuer.payment_details,
        buyer=heads.account.party,
        buyer_reference=heads.account.buyer_reference,
        issued_at=heads.issued_at,
        due_at=heads.due_at,
        period_start=heads.period[0],
        period_end=heads.period[1],
        lines=tuple(
            LineContent(
                seq=seq,
                kind=line.kind,
                description=line.description,
                quantity=line.quantity,
                unit=line.unit,
                exact=format_nanos(line.exact_nanos),
                amount=amount(share, currency),
                project=line.project_id,
                model=line.model,
                operation=line.operation,
                price=line.price_id,
                seller=line.seller,
                hour_from=line.hour_from,
                hour_to=line.hour_to,
                evidence=line.evidence,
            )
            for seq, (line, share) in enumerate(zip(lines, shares, strict=True), start=1)
        ),
        exact=format_nanos(exact),
        rounding=format_nanos(net * nanos_per_minor(currency) - exact),
        net=amount(net, currency),
        tax=TaxContent(
            treatment=heads.tax.treatment.value,
            rate_ppm=heads.tax.rate_ppm,
            jurisdiction=heads.tax.jurisdiction,
            reason=heads.tax.reason,
            amount=amount(tax_in_minor, currency),
        ),
        total=amount(net + tax_in_minor, currency),
    )


def credit_content(
    original: Content,
    credited: Mapping[int, int],
    tax_in_minor: int,
    *,
    id: str,  # noqa: A002  as the document names it
    number: str,
    reason: str,
    issued_at: datetime,
) -> Content:
    """Return what a credit note says. `credited` is in minor units by the line's number."""
    currency, net = original.currency, sum(credited.values())
    lines = tuple(
        msgspec.structs.replace(
            line,
            exact=format_nanos(credited[line.seq] * nanos_per_minor(currency)),
            amount=amount(credited[line.seq], currency),
        )
        for line in original.lines
        if credited.get(line.seq)
    )
    net_text = amount(net, currency)
    return msgspec.structs.replace(
        original,
        document="credit_note",
        id=id,
        number=number,
        issued_at=issued_at,
        due_at=issued_at,
        lines=lines,
        exact=format_nanos(net * nanos_per_minor(currency)),
        rounding="0",
        net=net_text,
        tax=msgspec.structs.replace(original.tax, amount=amount(tax_in_minor, currency)),
        total=amount(net + tax_in_minor, currency),
        credits=original.number,
        reason=reason,
    )


def freeze(content: Content) -> Frozen:
    """Return the bytes that stay as they are, and their SHA-256."""
    data = msgspec.json.encode(content, order="sorted")
    return Frozen(content, data, sha256(data).digest())


def thaw(data: bytes, digest: bytes) -> Frozen:
    return Frozen(msgspec.json.decode(data, type=Content), data, digest)
