"""Whether a new version of a plan is worse for who has the old one."""

from tradewind.core.pricing.charges import (
    CACHED_INPUT,
    Charge,
    Flat,
    Graduated,
    MeterCharge,
    Package,
    PerUnit,
    PlanTerms,
    Tier,
    Volume,
)


def is_worse(old: PlanTerms, new: PlanTerms) -> bool:
    """Tell whether somebody could pay more, or is told later. Where that cannot be seen at a
    glance, it is worse: the notice then costs the publisher some days, and nobody any money.
    """
    if (old.currency, old.term) != (new.currency, new.term):
        return True
    if new.fee_nanos > old.fee_nanos or new.minimum_nanos > old.minimum_nanos:
        return True
    if new.notice_days < old.notice_days:
        return True
    before = {charge.meter: charge for charge in old.charges}
    after = {charge.meter for charge in new.charges}
    # Without a price of their own, cached tokens may be charged as others are.
    if CACHED_INPUT in before and CACHED_INPUT not in after:
        return True
    return any(
        charge.meter not in before or _is_dearer(before[charge.meter], charge)
        for charge in new.charges
    )


def _is_dearer(old: MeterCharge, new: MeterCharge) -> bool:
    return (
        new.included < old.included
        or new.batch_percent > old.batch_percent
        or new.cached_percent != old.cached_percent
        or new.windows != old.windows
        or not _costs_no_more(old.charge, new.charge)
    )


def _costs_no_more(old: Charge, new: Charge) -> bool:
    match old, new:
        case (PerUnit(), PerUnit()) | (Flat(), Flat()):
            return new.nanos <= old.nanos
        case (Package(), Package()):
            is_split = old.is_started_whole or not new.is_started_whole
            return new.size == old.size and new.nanos <= old.nanos and is_split
        case (Graduated(), Graduated()) | (Volume(), Volume()):
            return len(old.tiers) == len(new.tiers) and all(
                _is_no_dearer_tier(*pair) for pair in zip(old.tiers, new.tiers, strict=True)
            )
        case _:
            return False


def _is_no_dearer_tier(old: Tier, new: Tier) -> bool:
    return old.up_to == new.up_to and new.nanos <= old.nanos and new.flat_nanos <= old.flat_nanos
