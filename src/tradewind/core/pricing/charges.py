"""The terms of a plan: which meters it charges, and how.

Prices are nanos per 1,000,000 units, packages and fees are nanos. Whatever is read from outside is
decoded into these structs (unknown fields are refused) and then checked by `check_terms`.
"""

import re
from collections.abc import Iterator
from enum import StrEnum

import msgspec

from tradewind.core.errors import InvalidInput

MOST_CHARGES = 64
MOST_TIERS = 32
MOST_WINDOWS = 16
MOST_UNITS = 2**50
"""A quantity no meter reaches in a term; with MOST_NANOS no sum leaves what can be printed."""
MOST_NANOS = 10**15
_WHOLE = 100
_HOURS = 24
METER = re.compile(r"[a-z][a-z0-9_]{0,62}")
_CURRENCY = re.compile(r"[A-Z]{3}")

INPUT = "input_tokens"
CACHED_INPUT = "cached_input_tokens"

METERS = frozenset(
    {
        INPUT,
        CACHED_INPUT,
        "cache_write_tokens",
        "output_tokens",
        "reasoning_tokens",
        "audio_input_tokens",
        "audio_output_tokens",
        "images",
        "requests",
        "characters",
        "audio_ms",
        "gpu_seconds",
        "training_tokens",
    }
)
"""What the platform counts itself. Every other name is a custom meter, reported by its publisher.

Each unit is counted by one meter alone: `input_tokens` are those that are neither cached nor
written to a cache."""


class Term(StrEnum):
    """How long a fee pays for, and how long included quantities and tiers are counted."""

    MONTH = "month"
    YEAR = "year"


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Tier(_Part, frozen=True):
    nanos: int
    """Per 1,000,000 units."""
    up_to: int | None = None
    """The last unit of the term that is in it; None is all that follow."""
    flat_nanos: int = 0
    """Once, when the tier is reached."""


class PerUnit(_Part, frozen=True, tag_field="kind", tag="per_unit"):
    nanos: int
    """Per 1,000,000 units."""


class Graduated(_Part, frozen=True, tag_field="kind", tag="graduated"):
    """Each unit costs what its own tier says."""

    tiers: tuple[Tier, ...]


class Volume(_Part, frozen=True, tag_field="kind", tag="volume"):
    """All units cost what the tier of the last one says."""

    tiers: tuple[Tier, ...]


class Package(_Part, frozen=True, tag_field="kind", tag="package"):
    """So much for each `size` units."""

    size: int
    nanos: int
    """Of one package."""
    is_started_whole: bool
    """Whether a started package is charged whole, or in proportion."""


class Flat(_Part, frozen=True, tag_field="kind", tag="flat"):
    """Once in a term in which the meter was used at all."""

    nanos: int


Charge = PerUnit | Graduated | Volume | Package | Flat


class Window(_Part, frozen=True):
    """Hours of the week, in UTC, in which units cost another part of the price."""

    percent: int
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    """0 is Monday."""
    from_hour: int = 0
    to_hour: int = _HOURS
    """The first hour after it."""

    def hours(self) -> Iterator[int]:
        """Yield the hours of the week that are in it, 0 to 167."""
        for day in self.days:
            yield from range(day * _HOURS + self.from_hour, day * _HOURS + self.to_hour)


class MeterCharge(_Part, frozen=True):
    meter: str
    charge: Charge
    included: int = 0
    """Units of each term that the fee pays for."""
    batch_percent: int = _WHOLE
    """What units of batches cost of the price."""
    cached_percent: int | None = None
    """What cached input costs of the price of input, where it has no charge of its own."""
    windows: tuple[Window, ...] = ()


class PlanTerms(_Part, frozen=True):
    """What a plan costs. Immutable: a change is a new version of the plan."""

    currency: str
    charges: tuple[MeterCharge, ...] = ()
    term: Term = Term.MONTH
    fee_nanos: int = 0
    """For each term, in advance."""
    minimum_nanos: int = 0
    """What the usage of a term costs at least."""
    trial_days: int = 0
    notice_days: int = 30
    """Between telling of a change to the worse and its taking effect."""


class TermsRefused(InvalidInput):
    """The terms of a plan contradict themselves."""

    code = "plan_terms_refused"


def check_terms(terms: PlanTerms) -> None:
    """Raise TermsRefused, naming everything that is wrong, unless usage can be rated by `terms`."""
    problems = list(_problems(terms))
    if problems:
        raise TermsRefused(
            "these terms cannot be charged: " + "; ".join(problems[:20]),
            hint="correct the named fields",
        )


def _problems(terms: PlanTerms) -> Iterator[str]:
    if not _CURRENCY.fullmatch(terms.currency):
        yield "currency is not three capital letters"
    for name, nanos in (("fee_nanos", terms.fee_nanos), ("minimum_nanos", terms.minimum_nanos)):
        yield from _amount(name, nanos)
    for name, days in (("trial_days", terms.trial_days), ("notice_days", terms.notice_days)):
        if not 0 <= days <= 366:
            yield f"{name} is not between 0 and 366"
    if len(terms.charges) > MOST_CHARGES:
        yield f"there are more than {MOST_CHARGES} charges"
    meters = [charge.meter for charge in terms.charges]
    for meter in sorted({meter[:64] for meter in meters if meters.count(meter) > 1}):
        yield f"{meter} is charged twice"
    for charge in terms.charges:
        for problem in _charge_problems(charge):
            yield f"{charge.meter[:64]}: {problem}"
        if charge.cached_percent is not None and CACHED_INPUT in meters:
            yield f"{charge.meter[:64]}: cached_percent, and {CACHED_INPUT} has its own charge"


def _charge_problems(charge: MeterCharge) -> Iterator[str]:
    if not METER.fullmatch(charge.meter):
        yield "a meter's name is of a-z, 0-9 and _, and begins with a letter"
    if not 0 <= charge.included <= MOST_UNITS:
        yield "included is out of range"
    if not 0 <= charge.batch_percent <= _WHOLE:
        yield "batch_percent is not between 0 and 100"
    if charge.cached_percent is not None:
        if charge.meter != INPUT:
            yield f"cached_percent is for {INPUT} alone"
        if not 0 <= charge.cached_percent <= _WHOLE:
            yield "cached_percent is not between 0 and 100"
    yield from _window_problems(charge)
    match charge.charge:
        case PerUnit(nanos=nanos) | Flat(nanos=nanos):
            yield from _amount("nanos", nanos)
        case Graduated(tiers=tiers) | Volume(tiers=tiers):
            yield from _tier_problems(tiers)
        case Package(size=size, nanos=nanos):
            yield from _amount("nanos", nanos)
            if not 1 <= size <= MOST_UNITS:
                yield "size is out of range"


def _window_problems(charge: MeterCharge) -> Iterator[str]:
    if len(charge.windows) > MOST_WINDOWS:
        yield f"there are more than {MOST_WINDOWS} windows"
        return
    has_parts = (
        bool(charge.windows) or charge.batch_percent != _WHOLE or charge.cached_percent is not None
    )
    if has_parts and not isinstance(charge.charge, PerUnit | Graduated):
        # What a part of a package, of a flat amount or of a price found at the end would be, no
        # two readers agree about.
        yield "windows and percentages go with per_unit and graduated alone"
    taken: set[int] = set()
    for window in charge.windows:
        if not 0 <= window.percent <= 1000:
            yield "a window's percent is not between 0 and 1000"
        if not 0 <= window.from_hour < window.to_hour <= _HOURS:
            yield "a window's hours are not 0 <= from_hour < to_hour <= 24"
            continue
        if not window.days or not set(window.days) <= set(range(7)):
            yield "a window's days are not 0 (Monday) to 6"
            continue
        hours = set(window.hours())
        if taken & hours:
            yield "two windows overlap"
        taken |= hours


def _tier_problems(tiers: tuple[Tier, ...]) -> Iterator[str]:
    if not 1 <= len(tiers) <= MOST_TIERS:
        yield f"there must be 1 to {MOST_TIERS} tiers"
        return
    for tier in tiers:
        yield from _amount("a tier's nanos", tier.nanos)
        yield from _amount("a tier's flat_nanos", tier.flat_nanos)
    if tiers[-1].up_to is not None:
        yield "the last tier has an end (up_to), so that more than that has no price"
    ends = [tier.up_to for tier in tiers[:-1]]
    if None in ends:
        yield "a tier before the last has no end (up_to)"
    known = [end for end in ends if end is not None]
    if known != sorted(set(known)) or any(not 1 <= end <= MOST_UNITS for end in known):
        yield "the ends of the tiers (up_to) do not rise"


def _amount(name: str, nanos: int) -> Iterator[str]:
    if not 0 <= nanos <= MOST_NANOS:
        yield f"{name} is not between 0 and {MOST_NANOS}"
