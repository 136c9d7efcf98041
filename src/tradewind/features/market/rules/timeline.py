"""What a model costs from which moment on, and how that may be changed. Pure.

A *timeline* is the price in force now and those that follow, in the order of their moments. A new
price takes the place of all that would follow it: who speaks last is heard, and a rise that was
announced does not come back behind a later word.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from tradewind.features.market.rules.prices import difference
from tradewind.features.market.schemas import Difference, PriceTerms


class Moment(NamedTuple):
    """From when on a price is in force."""

    at: datetime
    terms: PriceTerms


Timeline = Sequence[Moment]


class Change(NamedTuple):
    difference: Difference
    """To what would be in force at that moment."""
    effective_at: datetime
    earliest_at: datetime
    """From when it may be in force."""


def terms_at(timeline: Timeline, at: datetime) -> PriceTerms | None:
    """Return what is in force at a moment."""
    found = None
    for moment in timeline:
        if moment.at > at:
            break
        found = moment.terms
    return found


def change_of(
    timeline: Timeline,
    terms: PriceTerms,
    asked: datetime | None,
    *,
    now: datetime,
    with_notice: datetime,
) -> Change:
    """Compare a price with what would be in force without it.

    `asked` is None for as soon as may be. Nobody is to pay more at any moment before `with_notice`
    than they would have paid at it.
    """
    rises_now = _rises(timeline, terms, now, with_notice)
    at = (with_notice if rises_now else now) if asked is None else max(asked, now)
    may_be_so = at >= with_notice or not _rises(timeline, terms, at, with_notice)
    return Change(difference(terms_at(timeline, at), terms), at, at if may_be_so else with_notice)


def spoken(timeline: Timeline, moment: Moment) -> list[Moment]:
    """Return the timeline once `moment` is in it: what would follow is gone."""
    return [former for former in timeline if former.at < moment.at] + [moment]


def to_write(before: Timeline, after: Timeline) -> list[Moment]:
    """Return the versions that make one timeline of the other.

    Versions are only ever added: one that is not to take effect gets another of its own moment.
    """
    there = {moment.at: moment.terms for moment in before}
    written: list[Moment] = []
    current: PriceTerms | None = None
    for at in sorted({moment.at for moment in (*before, *after)}):
        wanted = terms_at(after, at)
        if wanted is None:
            continue
        is_so = _is_same(there.get(at, current), wanted)
        if not is_so:
            written.append(Moment(at, wanted))
        current = wanted
    return written


def _rises(timeline: Timeline, terms: PriceTerms, at: datetime, until: datetime) -> bool:
    met = [terms_at(timeline, at)]
    met += [moment.terms for moment in timeline if at < moment.at < until]
    return any(difference(old, terms).is_rise for old in met)


def _is_same(old: PriceTerms | None, new: PriceTerms) -> bool:
    return old is not None and difference(old, new).is_same
