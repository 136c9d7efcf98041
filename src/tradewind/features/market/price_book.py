"""The price book for people: what is set by hand, and what is known of each model.

Prices of models are everybody's, so that only administrators of the platform change them. What
looks like a mistake has to be meant; a rise keeps the notice.
"""

from datetime import timedelta

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput, NotFound
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Actor
from tradewind.features.market.errors import (
    NoticeTooShort,
    PriceMoved,
    PriceRefused,
    PriceUnusual,
)
from tradewind.features.market.ports import ModelIds
from tradewind.features.market.repository import prices
from tradewind.features.market.rights import require_of_the_book
from tradewind.features.market.rules.prices import problems_of
from tradewind.features.market.rules.timeline import Moment, spoken
from tradewind.features.market.schemas import NewPrice, PriceRow, PriceSource, Quote
from tradewind.features.market.versions import LATE, Versions

MOST_VERSIONS = 1_000


class PriceBook:
    """Changing it raises Forbidden for whoever does not run the platform."""

    def __init__(self, versions: Versions, clock: Clock, ids_of: ModelIds) -> None:
        self._versions = versions
        self._clock = clock
        self._ids_of = ids_of

    @property
    def notice(self) -> timedelta:
        """Between telling of a rise and its taking effect."""
        return self._versions.notice

    def quote(self, tx: Connection, actor: Actor, new: NewPrice) -> Quote:
        """Return what setting a price would change, and from when; changes nothing.

        Raises NotFound, PriceRefused, InvalidInput.
        """
        require_of_the_book(actor, Permission.FINANCE_READ)
        return self._quote(tx, new)

    def set_price(self, tx: Connection, actor: Actor, new: NewPrice, *, by: str) -> Quote:
        """Add a price version; none where the same would be in force anyway.

        Raises NotFound, PriceRefused, InvalidInput, PriceMoved (409) when the last price is not the
        expected one, PriceUnusual (409) and NoticeTooShort (409) unless it says that it is meant.
        """
        require_of_the_book(actor, Permission.FINANCE_WRITE)
        prices.lock_book(tx)
        quote = self._quote(tx, new)
        timeline = self._versions.known(tx, [quote.model_id])[quote.model_id]
        if new.expected is not None and new.expected != timeline.last_id:
            raise PriceMoved(
                f"the price of {new.model} has changed meanwhile", hint="look at it again"
            )
        if quote.difference.unusual and not new.is_meant:
            raise PriceUnusual(
                f"this looks like a mistake: {quote.difference.unusual}",
                hint="say that it is meant, if it is",
            )
        if quote.effective_at < quote.earliest_at and not new.waives_notice:
            raise NoticeTooShort(
                f"{new.model} would cost more before the notice of {self.notice.days} days has"
                " passed",
                hint=f"let it take effect on {quote.earliest_at:%Y-%m-%d}, or waive the notice",
            )
        before = timeline.moments
        after = spoken(before, Moment(quote.effective_at, quote.terms))
        source = PriceSource.ORDER
        self._versions.write(tx, quote.model_id, before, after, source=source, subject="", by=by)
        return quote

    def _quote(self, tx: Connection, new: NewPrice) -> Quote:
        found = self._ids_of(tx, [new.model]).get(new.model)
        if found is None:
            raise NotFound(
                f"there is no model {new.model[:200]!r}", hint="search the catalog for its name"
            )
        problems = list(problems_of(new.terms))
        if problems:
            raise PriceRefused(
                f"this is no price: {'; '.join(problems)}", hint="correct what is named"
            )
        now = self._clock.now()
        if new.effective_at is not None and new.effective_at < now - LATE:
            raise InvalidInput(
                "a price cannot be in force from a moment that has passed",
                hint="what was used already is corrected by credit notes",
            )
        timeline = self._versions.known(tx, [found])[found]
        asked = now if new.waives_notice and new.effective_at is None else new.effective_at
        change = self._versions.change(timeline.moments, new.terms, asked, now)
        return Quote(new.model, found, new.terms, *change)

    def history(self, tx: Connection, model_id: str) -> list[PriceRow]:
        """Return all versions of a model's price, the one that is in force last first. Who may see
        the model may see its prices.
        """
        return prices.prices_of(tx, model_id, limit=MOST_VERSIONS)
