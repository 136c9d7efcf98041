"""The versions of prices as they stand, and what is added to them: by hand, by files, by margins.

One change of the book follows the other: whoever adds holds `lock_book`.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.ids import ModelId
from tradewind.features.market.repository import prices, proposals
from tradewind.features.market.rules.timeline import Change, Moment, Timeline, change_of, to_write
from tradewind.features.market.schemas import PriceRow, PriceSource, PriceTerms, Quote
from tradewind.features.market.service import Market

NOTICE_DAYS = 30
LATE = timedelta(minutes=10)
"""A moment that has passed by so little is now: a file takes a while from its writer to here."""


class Known:
    """The price in force of a model and those that follow."""

    def __init__(self, rows: Sequence[PriceRow]) -> None:
        self.rows = rows
        self.moments = [Moment(row.effective_at, row.terms) for row in rows]

    @property
    def last(self) -> PriceRow | None:
        return self.rows[-1] if self.rows else None

    @property
    def last_id(self) -> str:
        return self.rows[-1].price_id if self.rows else ""


class Versions:
    def __init__(self, market: Market, clock: Clock, notice: timedelta) -> None:
        self._market = market
        self._clock = clock
        self.notice = notice
        """Between telling of a rise and its taking effect."""

    def known(self, tx: Connection, model_ids: Collection[str]) -> dict[str, Known]:
        """Return what is in force now and what follows, of each of these models."""
        now = self._clock.now()
        in_force = prices.prices_at(tx, model_ids, now)
        coming = prices.coming_prices(tx, model_ids, now)
        found: dict[str, Known] = {}
        for model_id in model_ids:
            rows = [in_force[model_id]] if model_id in in_force else []
            rows += coming.get(model_id, [])
            found[model_id] = Known(rows)
        return found

    def change(
        self, timeline: Timeline, terms: PriceTerms, asked: datetime | None, now: datetime
    ) -> Change:
        return change_of(timeline, terms, asked, now=now, with_notice=self._with_notice(now))

    def write(
        self,
        tx: Connection,
        model_id: str,
        before: Timeline,
        after: Timeline,
        *,
        source: PriceSource,
        subject: str,
        by: str,
    ) -> int:
        """Add the versions that make one timeline of the other; return how many."""
        written = to_write(before, after)
        for moment in written:
            self._market.add_price(
                tx,
                ModelId(model_id),
                moment.terms,
                effective_at=moment.at,
                source=source,
                subject=subject,
                by=by,
            )
        return len(written)

    def propose(self, tx: Connection, quote: Quote, *, source: PriceSource, subject: str) -> bool:
        """Put a price up for review. Returns False when the same waits already."""
        return proposals.propose(
            tx,
            quote.model_id,
            quote.terms,
            source=source,
            subject=subject,
            effective_at=quote.effective_at,
            reason=quote.difference.unusual,
            now=self._clock.now(),
        )

    def _with_notice(self, now: datetime) -> datetime:
        """Return the first day that begins after the notice."""
        if not self.notice:
            return now
        begins = (now + self.notice).astimezone(UTC)
        day = begins.replace(hour=0, minute=0, second=0, microsecond=0)
        return day if day == begins else day + timedelta(days=1)


class _OfModel(Protocol):
    @property
    def model_id(self) -> str: ...


_Each = TypeVar("_Each", bound=_OfModel)


def by_model(each: Iterable[_Each]) -> dict[str, list[_Each]]:
    found: dict[str, list[_Each]] = {}
    for one in each:
        found.setdefault(one.model_id, []).append(one)
    return found
