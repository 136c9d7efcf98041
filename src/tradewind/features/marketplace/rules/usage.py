"""Which usage events are taken. Azure's rules, and one more: an event lies in a time in which its
plan was in force, so that whatever is taken is charged.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tradewind.core.pricing.charges import METER, METERS, MOST_UNITS, PlanTerms
from tradewind.features.marketplace.schemas import NewUsage, UsageStatus

OLDEST = timedelta(hours=24)
AHEAD = timedelta(minutes=5)
"""How far a publisher's clock may be ahead."""
MICROS = 1_000_000
"""Of one unit: quantities are kept in millionths, as a tenth has no exact float."""
BATCH_MAX = 25


def read_quantity(number: Decimal) -> int | None:
    """Return millionths of a unit; None for what is finer, no number, or too much."""
    if not number.is_finite() or abs(number) > MOST_UNITS:
        return None
    scaled = number * MICROS
    return int(scaled) if scaled == scaled.to_integral_value() else None


def read_time(text: str) -> datetime | None:
    """Return a time as Azure's clients write it: ISO 8601, in UTC where nothing is said."""
    # .NET writes seven digits of a second, one more than can be meant here.
    whole, point, fraction = text[:40].partition(".")
    digits = fraction[: len(fraction) - len(fraction.lstrip("0123456789"))]
    zone = fraction[len(digits) :]
    try:
        at = datetime.fromisoformat(whole + point + digits[:6] + zone if point else whole)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def refusal(event: NewUsage, now: datetime) -> tuple[UsageStatus, str] | None:
    """Return why an event is not taken, whatever it is for; None where nothing is wrong with it."""
    if event.quantity_micros <= 0:
        return UsageStatus.INVALID_QUANTITY, "The quantity is not greater than 0."
    if event.at <= now - OLDEST:
        return UsageStatus.EXPIRED, "The effectiveStartTime is more than 24 hours in the past."
    if event.at > now + AHEAD:
        return UsageStatus.BAD_ARGUMENT, "The effectiveStartTime is in the future."
    return None


def is_dimension(terms: PlanTerms, dimension: str) -> bool:
    """Say whether a plan charges a custom meter of this name. What the platform counts itself no
    publisher reports.
    """
    return (
        METER.fullmatch(dimension) is not None
        and dimension not in METERS
        and any(charge.meter == dimension for charge in terms.charges)
    )


def whole_units(micros_by_hour: dict[tuple[str, datetime], int]) -> list[tuple[str, datetime, int]]:
    """Return (dimension, hour, whole units), hour by hour, such that the sum of a dimension is its
    sum of millionths without what is less than one unit: a rest is carried into the next hour.
    """
    left: dict[str, int] = {}
    found: list[tuple[str, datetime, int]] = []
    for (dimension, hour), micros in sorted(micros_by_hour.items()):
        total = left.get(dimension, 0) + micros
        units = total // MICROS
        left[dimension] = total - units * MICROS
        if units:
            found.append((dimension, hour, units))
    return found
