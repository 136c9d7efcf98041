"""Prices that wait for a review: whoever runs the platform sets them or leaves them out."""

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import NotFound
from tradewind.core.ids import ModelId, PriceId
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Actor
from tradewind.features.market.errors import PriceRefused, ProposalDecided
from tradewind.features.market.repository import prices
from tradewind.features.market.repository import proposals as rows
from tradewind.features.market.rights import require_of_the_book
from tradewind.features.market.rules.timeline import Moment, spoken
from tradewind.features.market.schemas import ProposalRow
from tradewind.features.market.service import Market
from tradewind.features.market.versions import Versions

MOST_PROPOSALS = 1_000


class Proposals:
    """Every method raises Forbidden for whoever does not run the platform."""

    def __init__(self, market: Market, versions: Versions, clock: Clock) -> None:
        self._market = market
        self._versions = versions
        self._clock = clock

    def waiting(self, tx: Connection, actor: Actor) -> list[ProposalRow]:
        """Return the prices that wait for a review, the oldest first."""
        require_of_the_book(actor, Permission.FINANCE_READ)
        return rows.proposals(tx, limit=MOST_PROPOSALS)

    def decide(
        self, tx: Connection, actor: Actor, proposal_id: str, *, is_accepted: bool, by: str
    ) -> PriceId | None:
        """Set a price that waited, after the notice if it is a rise, or refuse it.

        Raises NotFound, ProposalDecided (409), PriceRefused for one that is no price yet.
        """
        require_of_the_book(actor, Permission.FINANCE_WRITE)
        prices.lock_book(tx)
        row = rows.lock_proposal(tx, proposal_id)
        if row is None:
            raise NotFound(f"there is no price {proposal_id[:64]!r} that waits")
        if row.state != "waiting":
            raise ProposalDecided(f"{proposal_id} was {row.state} already")
        if is_accepted and not row.can_be_set:
            raise PriceRefused(
                f"there is no price to set: {row.reason}",
                hint="store the rate; the margin makes a price of it within a minute",
            )
        price_id = self._set(tx, row, by) if is_accepted else None
        rows.decide(tx, proposal_id, price_id=price_id, by=by, now=self._clock.now())
        return price_id

    def _set(self, tx: Connection, row: ProposalRow, by: str) -> PriceId:
        before = self._versions.known(tx, [row.model_id])[row.model_id].moments
        change = self._versions.change(before, row.terms, None, self._clock.now())
        at = max(change.effective_at, row.effective_at)
        # Added even where the same would be in force: it is what the review ended with.
        price_id = self._market.add_price(
            tx,
            ModelId(row.model_id),
            row.terms,
            effective_at=at,
            source=row.source,
            subject=row.subject,
            by=by,
        )
        after = spoken(before, Moment(at, row.terms))
        self._versions.write(
            tx,
            row.model_id,
            after + [moment for moment in before if moment.at > at],
            after,
            source=row.source,
            subject=row.subject,
            by=by,
        )
        return price_id
