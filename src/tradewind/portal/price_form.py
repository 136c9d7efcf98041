"""The form of a price: what was typed, and the price that it says. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tradewind.core.errors import InvalidInput
from tradewind.core.money import format_nanos
from tradewind.features.market.schemas import NewPrice, PriceRow, PriceTerms
from tradewind.portal.amounts import amount
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.form_fields import FormFields

MAIN = (
    ("input_tokens", "Input tokens"),
    ("output_tokens", "Output tokens"),
    ("cached_input_tokens", "Cached input"),
    ("cache_write_tokens", "Cache writes"),
)
"""Meters with a field of their own."""
_LINE = re.compile(r"([a-z][a-z0-9_]{0,62})\s+(\S{1,24})")
_MOST_LINES = 64


@dataclass(frozen=True, slots=True)
class PriceForm:
    currency: str
    amounts: Mapping[str, str]
    """Of MAIN, as typed."""
    others: str
    """One meter and its price a line."""
    from_day: str
    is_free: bool
    is_shown_only: bool
    pays_publisher: bool
    waives_notice: bool
    is_meant: bool
    expected: str
    """Id of the last price that was seen."""


def form_of(price: PriceRow | None, currency: str, last_id: str) -> PriceForm:
    """Return the form as it opens: with what is so."""
    meters: Mapping[str, int] = {} if price is None else price.terms.meters
    main = dict(MAIN)
    return PriceForm(
        currency if price is None else price.currency,
        {meter: format_nanos(meters[meter]) if meter in meters else "" for meter in main},
        "\n".join(
            f"{meter} {format_nanos(nanos)}" for meter, nanos in meters.items() if meter not in main
        ),
        "",
        price is not None and price.is_free,
        price is not None and not price.is_charged,
        price is not None and bool(price.seller),
        waives_notice=False,
        is_meant=False,
        expected=last_id,
    )


def read(fields: FormFields) -> PriceForm:
    """Return what was typed."""
    return PriceForm(
        fields.text("currency").strip().upper()[:3],
        {meter: fields.text(meter)[:24] for meter, _ in MAIN},
        fields.text("others")[:4000],
        fields.text("from_day").strip()[:10],
        fields.is_checked("is_free"),
        fields.is_checked("is_shown_only"),
        fields.is_checked("pays_publisher"),
        fields.is_checked("waives_notice"),
        fields.is_checked("is_meant"),
        fields.text("expected")[:100],
    )


def price_of(form: PriceForm, model: str, errors: FieldErrors) -> NewPrice | None:
    """Return the price that a form says, or None with its errors told."""
    meters: dict[str, int] = {}
    for meter, label in MAIN:
        with errors.at(meter):
            nanos = amount(form.amounts[meter], label)
            if nanos is not None:
                meters[meter] = nanos
    with errors.at("others"):
        meters |= _others(form.others)
    effective_at = None
    with errors.at("from_day"):
        effective_at = _day(form.from_day)
    if errors:
        return None
    if form.is_free and not meters:
        meters = {"input_tokens": 0, "output_tokens": 0}
    terms = PriceTerms(
        form.currency,
        meters,
        model.partition("/")[0] if form.pays_publisher else "",
        not form.is_shown_only,
        form.is_free,
    )
    return NewPrice(model, terms, effective_at, form.expected, form.waives_notice, form.is_meant)


def _others(text: str) -> dict[str, int]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > _MOST_LINES:
        raise InvalidInput(f"there are more than {_MOST_LINES} meters")
    found: dict[str, int] = {}
    for line in lines:
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise InvalidInput(
                f"{line[:40]!r} is not a meter and its price", hint="write one a line: images 0.04"
            )
        if parts[1] in found or parts[1] in dict(MAIN):
            raise InvalidInput(f"{parts[1]} is there twice")
        nanos = amount(parts[2], parts[1])
        assert nanos is not None
        found[parts[1]] = nanos
    return found


def _day(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidInput("the day is none", hint="write it like 2030-01-31") from error
