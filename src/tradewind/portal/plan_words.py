"""What a plan costs, in words. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from tradewind.core.money import format_nanos
from tradewind.core.pricing.charges import (
    Charge,
    Flat,
    Graduated,
    MeterCharge,
    Package,
    PerUnit,
    PlanTerms,
    Term,
    Tier,
    Volume,
    Window,
)

_MILLION = 1_000_000
_WHOLE = 100
_CENTS = 2
TERM_WORDS = {Term.MONTH: "month", Term.YEAR: "year"}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WEEK = tuple(range(7))


@dataclass(frozen=True, slots=True)
class PlanWords:
    fee: str
    charges: tuple[str, ...]
    """One for each meter."""
    conditions: tuple[str, ...]
    """Trial, minimum, notice."""

    @property
    def sentence(self) -> str:
        return "; ".join((self.fee, *self.charges, *self.conditions))


def plan_words(terms: PlanTerms, quantity: int = 1) -> PlanWords:
    """Say what `quantity` of a plan cost."""
    term = TERM_WORDS[terms.term]
    fee = "No fee"
    if terms.fee_nanos:
        fee = f"{money(terms.fee_nanos * quantity)} {terms.currency} each {term}, in advance"
        if quantity > 1:
            fee += f" ({quantity:,} x {money(terms.fee_nanos)})"
    return PlanWords(
        fee,
        tuple(_charge_words(charge, terms, quantity) for charge in terms.charges),
        tuple(_conditions(terms, quantity)),
    )


def money(nanos: int) -> str:
    """Return an amount exactly, with at least two decimals and its thousands apart."""
    text = format_nanos(nanos)
    whole, _, part = text.partition(".")
    sign = "-" if text.startswith("-") else ""
    return f"{sign}{abs(int(whole)):,}.{part.ljust(_CENTS, '0')}"


def _conditions(terms: PlanTerms, quantity: int) -> Iterator[str]:
    term = TERM_WORDS[terms.term]
    if terms.trial_days:
        yield f"The first {terms.trial_days} days are a trial without a fee"
    if terms.minimum_nanos:
        least = money(terms.minimum_nanos * quantity)
        yield f"At least {least} {terms.currency} for the usage of each {term}"
    yield f"A change to the worse is told {terms.notice_days} days ahead"


def _charge_words(charge: MeterCharge, terms: PlanTerms, quantity: int) -> str:
    words = charge.meter.replace("_", " ")
    said = f"{words}: {', '.join(_prices(charge.charge, words, terms.currency))}"
    if charge.included:
        included = charge.included * quantity
        said += f"; {included:,} of each {TERM_WORDS[terms.term]} are included"
    if charge.batch_percent != _WHOLE:
        said += f"; {charge.batch_percent} % of that in batches"
    if charge.cached_percent is not None:
        said += f"; {charge.cached_percent} % of that for cached input"
    for window in charge.windows:
        said += f"; {window.percent} % of that {_window_words(window)}"
    return said


def _prices(charge: Charge, words: str, currency: str) -> Iterator[str]:
    match charge:
        case PerUnit(nanos=nanos):
            yield f"{money(nanos)} {currency} for 1,000,000"
        case Flat(nanos=nanos):
            yield f"{money(nanos)} {currency} once in a term in which they are used"
        case Package(size=size, nanos=nanos, is_started_whole=whole):
            started = "a started one is charged whole" if whole else "in proportion"
            yield f"{money(nanos)} {currency} for each {size:,} {words}, {started}"
        case Graduated(tiers=tiers):
            yield from _tiers(tiers, currency)
        case Volume(tiers=tiers):
            yield "all of them at the price of the last one"
            yield from _tiers(tiers, currency)


def _tiers(tiers: tuple[Tier, ...], currency: str) -> Iterator[str]:
    for tier in tiers:
        upto = "after that" if tier.up_to is None else f"up to {tier.up_to:,}"
        flat = f" and {money(tier.flat_nanos)} once" if tier.flat_nanos else ""
        yield f"{upto} {money(tier.nanos)} {currency} for 1,000,000{flat}"


def _window_words(window: Window) -> str:
    days = "every day" if window.days == _WEEK else ", ".join(_DAYS[day] for day in window.days)
    return f"{days} {window.from_hour:02}:00 to {window.to_hour:02}:00 UTC"
