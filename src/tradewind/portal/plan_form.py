"""The form of a plan: what was typed, and the terms that it says. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tradewind.core.errors import InvalidInput
from tradewind.core.money import format_nanos
from tradewind.core.pricing.charges import (
    METERS,
    MOST_CHARGES,
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
    check_terms,
)
from tradewind.features.sales.schemas import PlanRow
from tradewind.portal.amounts import amount, count
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import FormFields

KINDS = (
    ("per_unit", "For 1,000,000 units"),
    ("graduated", "By tiers, each unit in its own"),
    ("volume", "By tiers, all units in the last"),
    ("package", "By packages"),
    ("flat", "Once a term"),
)
KNOWN_METERS = tuple(sorted(METERS))
_LEAST_ROWS = 2
_LONGEST = 100
_TEXT_MAX = 4_000
_WHOLE_PERCENT = 100
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIER = re.compile(r"(rest|[0-9,]{1,20})\s*:\s*([0-9.,]{1,24})(?:\s*\+\s*([0-9.,]{1,24}))?")
_WINDOW = re.compile(
    r"(?P<days>[a-z]{3}(?:[-,][a-z]{3})*) (?P<first>[0-9]{1,2})-(?P<last>[0-9]{1,2}):"
    r" (?P<percent>[0-9]{1,4})"
)


@dataclass(frozen=True, slots=True)
class ChargeFields:
    """One meter, as typed."""

    meter: str = ""
    kind: str = "per_unit"
    price: str = ""
    size: str = ""
    is_started_whole: bool = False
    tiers: str = ""
    included: str = ""
    batch: str = ""
    cached: str = ""
    windows: str = ""

    @property
    def is_empty(self) -> bool:
        return self == replace(ChargeFields(), kind=self.kind)

    @property
    def has_more(self) -> bool:
        """Whether something rare is said, so that it has to be seen."""
        return bool(self.tiers or self.batch or self.cached or self.windows)


@dataclass(frozen=True, slots=True)
class PlanForm:
    name: str = ""
    text: str = ""
    is_public: bool = True
    currency: str = "USD"
    term: str = Term.MONTH.value
    fee: str = ""
    minimum: str = ""
    trial_days: str = ""
    notice_days: str = "30"
    charges: Sequence[ChargeFields] = field(default_factory=lambda: (ChargeFields(),) * _LEAST_ROWS)

    def with_another(self) -> "PlanForm":
        """Return it with room for one more meter."""
        return replace(self, charges=(*self.charges, ChargeFields())[:MOST_CHARGES])


def form_of(plan: PlanRow) -> PlanForm:
    """Return the form with what a plan says, for its next version."""
    terms = plan.terms
    rows = [_fields_of(charge) for charge in terms.charges]
    rows += [ChargeFields()] * max(1, _LEAST_ROWS - len(rows))
    return PlanForm(
        plan.name,
        plan.text,
        plan.is_public,
        terms.currency,
        terms.term.value,
        _optional(terms.fee_nanos),
        _optional(terms.minimum_nanos),
        str(terms.trial_days or ""),
        str(terms.notice_days),
        tuple(rows[:MOST_CHARGES]),
    )


def read(fields: FormFields) -> PlanForm:
    """Return what was typed."""
    rows = min(MOST_CHARGES, max(_LEAST_ROWS, _number(fields.text("rows"))))
    return PlanForm(
        fields.text("name").strip()[:_LONGEST],
        fields.text("text")[:_TEXT_MAX],
        fields.is_checked("is_public"),
        fields.text("currency").strip().upper()[:3],
        fields.text("term")[:10],
        fields.text("fee").strip()[:24],
        fields.text("minimum").strip()[:24],
        fields.text("trial_days").strip()[:4],
        fields.text("notice_days").strip()[:4],
        tuple(
            ChargeFields(
                fields.text(f"meter-{at}").strip()[:64],
                fields.text(f"kind-{at}")[:20],
                fields.text(f"price-{at}").strip()[:24],
                fields.text(f"size-{at}").strip()[:20],
                fields.is_checked(f"whole-{at}"),
                fields.text(f"tiers-{at}")[:_TEXT_MAX],
                fields.text(f"included-{at}").strip()[:20],
                fields.text(f"batch-{at}").strip()[:4],
                fields.text(f"cached-{at}").strip()[:4],
                fields.text(f"windows-{at}")[:_TEXT_MAX],
            )
            for at in range(rows)
        ),
    )


def terms_of(form: PlanForm, errors: FieldErrors) -> PlanTerms | None:
    """Return the terms that a form says, or None with its errors told."""
    fee = minimum = trial = notice = 0
    with errors.at("fee"):
        fee = amount(form.fee, "the fee") or 0
    with errors.at("minimum"):
        minimum = amount(form.minimum, "the minimum") or 0
    with errors.at("trial_days"):
        trial = count(form.trial_days, "the trial") or 0
    with errors.at("notice_days"):
        notice = count(form.notice_days, "the notice") or 0
    if form.term not in {term.value for term in Term}:
        errors.say("term", "this is no term")
    charges: list[MeterCharge] = []
    for at, row in enumerate(form.charges):
        if not row.is_empty:
            charge = _charge_of(at, row, errors)
            charges += [] if charge is None else [charge]
    if errors:
        return None
    terms = PlanTerms(form.currency, tuple(charges), Term(form.term), fee, minimum, trial, notice)
    try:
        check_terms(terms)
    except InvalidInput as error:
        errors.add(WHOLE_FORM, error)
        return None
    return terms


def _charge_of(at: int, row: ChargeFields, errors: FieldErrors) -> MeterCharge | None:
    charge: Charge | None = None
    included, batch, cached = 0, _WHOLE_PERCENT, None
    windows: tuple[Window, ...] = ()
    if not row.meter:
        errors.say(f"meter-{at}", "say what is counted", "such as output_tokens")
    with errors.at(f"{'tiers' if row.kind in {'graduated', 'volume'} else 'price'}-{at}"):
        charge = _priced(row)
    with errors.at(f"included-{at}"):
        included = count(row.included, "what is included") or 0
    with errors.at(f"batch-{at}"):
        said = count(row.batch, "the percentage")
        batch = _WHOLE_PERCENT if said is None else said
    with errors.at(f"cached-{at}"):
        cached = count(row.cached, "the percentage")
    with errors.at(f"windows-{at}"):
        windows = tuple(_window_of(line) for line in row.windows.splitlines() if line.strip())
    if charge is None:
        return None
    return MeterCharge(row.meter, charge, included, batch, cached, windows)


def _priced(row: ChargeFields) -> Charge:
    match row.kind:
        case "graduated":
            return Graduated(_tiers_of(row.tiers))
        case "volume":
            return Volume(_tiers_of(row.tiers))
        case "package":
            size = count(row.size, "the size of a package")
            if size is None:
                raise InvalidInput("a package has no size", hint="write it like 100")
            return Package(size, _price(row.price), row.is_started_whole)
        case "flat":
            return Flat(_price(row.price))
        case _:
            return PerUnit(_price(row.price))


def _price(text: str) -> int:
    nanos = amount(text, "the price")
    if nanos is None:
        raise InvalidInput("there is no price", hint="write 0 for what costs nothing")
    return nanos


def _tiers_of(text: str) -> tuple[Tier, ...]:
    tiers: list[Tier] = []
    for line in text.strip().splitlines():
        found = _TIER.fullmatch(line.strip().lower())
        if found is None:
            raise InvalidInput(
                f"{line.strip()[:60]!r} is no tier", hint="write 1,000,000: 2.50 and rest: 2"
            )
        end, nanos, flat = found.groups()
        up_to = None if end == "rest" else count(end, "the end of a tier")
        tiers.append(Tier(_price(nanos), up_to, _price(flat) if flat else 0))
    if not tiers:
        raise InvalidInput("there are no tiers", hint="write 1,000,000: 2.50 and rest: 2")
    return tuple(tiers)


def _window_of(line: str) -> Window:
    found = _WINDOW.fullmatch(line.strip().lower().removesuffix("%").strip())
    if found is None:
        raise InvalidInput(
            f"{line.strip()[:60]!r} is no time of the week", hint="write mon-fri 20-24: 50 %"
        )
    days: list[int] = []
    for part in found["days"].split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            raise InvalidInput(f"{part[:20]!r} is no day", hint="write mon to sun")
        days += range(_DAYS.index(first), _DAYS.index(last or first) + 1)
    return Window(
        int(found["percent"]), tuple(sorted(set(days))), int(found["first"]), int(found["last"])
    )


def _fields_of(charge: MeterCharge) -> ChargeFields:
    row = ChargeFields(
        charge.meter,
        included=str(charge.included or ""),
        batch="" if charge.batch_percent == _WHOLE_PERCENT else str(charge.batch_percent),
        cached="" if charge.cached_percent is None else str(charge.cached_percent),
        windows="\n".join(
            f"{','.join(_DAYS[day] for day in window.days)} {window.from_hour}-{window.to_hour}:"
            f" {window.percent}"
            for window in charge.windows
        ),
    )
    match charge.charge:
        case PerUnit(nanos=nanos):
            return replace(row, kind="per_unit", price=format_nanos(nanos))
        case Flat(nanos=nanos):
            return replace(row, kind="flat", price=format_nanos(nanos))
        case Package(size=size, nanos=nanos, is_started_whole=whole):
            return replace(
                row,
                kind="package",
                price=format_nanos(nanos),
                size=str(size),
                is_started_whole=whole,
            )
        case Graduated(tiers=tiers):
            return replace(row, kind="graduated", tiers=_tier_lines(tiers))
        case Volume(tiers=tiers):
            return replace(row, kind="volume", tiers=_tier_lines(tiers))


def _tier_lines(tiers: tuple[Tier, ...]) -> str:
    return "\n".join(
        f"{'rest' if tier.up_to is None else tier.up_to}: {format_nanos(tier.nanos)}"
        + (f" + {format_nanos(tier.flat_nanos)}" if tier.flat_nanos else "")
        for tier in tiers
    )


def _optional(nanos: int) -> str:
    return format_nanos(nanos) if nanos else ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < len("1000") else 0
