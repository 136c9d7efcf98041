"""Margins: prices that follow what providers take, in whichever currency they take it.

A cost in another currency than the model's price is exchanged at the stored rate in force. Without
one nothing is guessed: the model waits for a review, with the rate that is missing.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput, NotFound
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Actor
from tradewind.features.market.ports import PriceReaders
from tradewind.features.market.repository import margins as margin_rows
from tradewind.features.market.repository import prices, proposals
from tradewind.features.market.rights import require_of_the_book
from tradewind.features.market.rules.margins import (
    check_margin,
    converted,
    currency_of,
    dearest,
    follows,
    problem_of,
    rule_of,
    terms_of,
)
from tradewind.features.market.rules.timeline import Moment, spoken
from tradewind.features.market.schemas import (
    MarginOutcome,
    MarginPreview,
    MarginRow,
    MarginRun,
    NewMargin,
    PriceRow,
    PriceSource,
    PriceTerms,
    ProviderCost,
    Quote,
    Rate,
)
from tradewind.features.market.versions import Known, Versions, by_model

MOST_MARGINS = 1_000
MOST_SHOWN = 200
_PREVIEW = "preview"
_SOURCE = PriceSource.MARGIN


class Margins:
    """Every method but `run` raises Forbidden for whoever does not run the platform."""

    def __init__(
        self, versions: Versions, clock: Clock, readers: PriceReaders, currency: str
    ) -> None:
        """`currency` is of models without a price whose places take different ones."""
        self._versions = versions
        self._clock = clock
        self._readers = readers
        self._currency = currency

    def all(self, tx: Connection, actor: Actor) -> list[MarginRow]:
        require_of_the_book(actor, Permission.FINANCE_READ)
        return margin_rows.margins(tx, limit=MOST_MARGINS)

    def put(self, tx: Connection, actor: Actor, new: NewMargin, *, by: str) -> MarginRow:
        """Let prices follow what providers take. It holds from the next run on, for models whose
        price nobody sets after it. Raises InvalidInput.
        """
        require_of_the_book(actor, Permission.FINANCE_WRITE)
        check_margin(new)
        prices.lock_book(tx)
        if len(margin_rows.margins(tx, limit=MOST_MARGINS)) >= MOST_MARGINS:
            raise InvalidInput(f"there are {MOST_MARGINS} margins already")
        return margin_rows.put_margin(tx, new, by=by, now=self._clock.now())

    def stop(self, tx: Connection, actor: Actor, margin_id: str) -> None:
        """Let prices stay as they are. Idempotent. Raises NotFound."""
        require_of_the_book(actor, Permission.FINANCE_WRITE)
        prices.lock_book(tx)
        now = self._clock.now()
        if not margin_rows.stop_margin(tx, margin_id, now=now):
            raise NotFound(f"there is no margin {margin_id[:64]!r}")
        proposals.withdraw_of(tx, margin_id, now)

    def preview(self, tx: Connection, actor: Actor, new: NewMargin) -> MarginPreview:
        """Return what a margin would make of today's costs; changes nothing. Raises
        InvalidInput.
        """
        require_of_the_book(actor, Permission.FINANCE_READ)
        check_margin(new)
        now = self._clock.now()
        wanted = MarginRow(_PREVIEW, new.scope, new.target, new.margin, True, 0, "", now)
        others = [
            row for row in self._enabled(tx) if (row.scope, row.target) != (new.scope, new.target)
        ]
        found = [
            outcome
            for rule, outcome, _ in self._outcomes(tx, [*others, wanted], now)
            if rule.margin_id == _PREVIEW
        ]
        found.sort(key=lambda outcome: outcome.model)
        return MarginPreview(tuple(found[:MOST_SHOWN]), max(0, len(found) - MOST_SHOWN))

    def run(self, tx: Connection) -> MarginRun:
        """Set the price of each model whose cost, rate or margin has changed. Idempotent; for the
        worker.

        A rise takes effect after the notice; what looks unusual, or needs a rate that is not
        stored, is put up for review.
        """
        rows = self._enabled(tx)
        if not rows:
            return MarginRun(0, 0)
        prices.lock_book(tx)
        now = self._clock.now()
        set_prices = held = 0
        waiting: list[str] = []
        for rule, outcome, known in self._outcomes(tx, rows, now):
            if outcome.is_held:
                waiting.append(outcome.model_id)
                held += self._propose(tx, outcome, rule, known.last, now)
            elif outcome.quote is not None:
                quote = outcome.quote
                after = spoken(known.moments, Moment(quote.effective_at, quote.terms))
                written = self._versions.write(
                    tx,
                    quote.model_id,
                    known.moments,
                    after,
                    source=_SOURCE,
                    subject=rule.margin_id,
                    by="margin",
                )
                set_prices += bool(written)
        proposals.withdraw_all_but(tx, _SOURCE, waiting, now)
        return MarginRun(set_prices, held)

    def _enabled(self, tx: Connection) -> list[MarginRow]:
        return [row for row in margin_rows.margins(tx, limit=MOST_MARGINS) if row.is_enabled]

    def _outcomes(
        self, tx: Connection, rows: Sequence[MarginRow], now: datetime
    ) -> Iterator[tuple[MarginRow, MarginOutcome, Known]]:
        """Yield what the margins make of the models that follow one."""
        costs = list(self._readers.costs(tx))
        known = self._versions.known(tx, {cost.model_id for cost in costs})
        exchange = _Exchange(tx, self._readers, now)
        for model_id, of_model in by_model(costs).items():
            rule = rule_of(rows, of_model)
            if rule is not None and follows(rule, known[model_id].rows):
                outcome = self._outcome(of_model, rule, known[model_id], exchange, now)
                yield rule, outcome, known[model_id]

    def _outcome(
        self,
        costs: Sequence[ProviderCost],
        rule: MarginRow,
        known: Known,
        exchange: "_Exchange",
        now: datetime,
    ) -> MarginOutcome:
        model, model_id = costs[0].model, costs[0].model_id
        currency = currency_of(costs, known.last, self._currency)
        rates = {
            other: exchange.rate(other, currency)
            for other in sorted({cost.currency for cost in costs} - {currency})
        }
        missing = [other for other, rate in rates.items() if rate is None]
        if missing:
            reason = f"no rate of {' and '.join(missing)} in {currency} is stored"
            return MarginOutcome(model, model_id, currency, {}, None, reason, is_held=True)
        takes = dearest(
            cost.meters
            if (rate := rates.get(cost.currency)) is None
            else converted(cost.meters, rate)
            for cost in costs
        )
        terms = terms_of(takes, rule.margin, currency, known.last)
        if problem := problem_of(terms):
            return MarginOutcome(model, model_id, currency, takes, None, problem, is_held=False)
        change = self._versions.change(known.moments, terms, None, now)
        quote = Quote(model, model_id, terms, *change)
        unusual = quote.difference.unusual
        return MarginOutcome(
            model, model_id, currency, takes, quote, unusual, is_held=quote.is_held
        )

    def _propose(
        self,
        tx: Connection,
        outcome: MarginOutcome,
        rule: MarginRow,
        former: PriceRow | None,
        now: datetime,
    ) -> bool:
        """Put it up for review; without a rate as what has no price yet."""
        if outcome.quote is not None:
            return self._versions.propose(tx, outcome.quote, source=_SOURCE, subject=rule.margin_id)
        seller, is_charged = ("", True) if former is None else (former.seller, former.is_charged)
        return proposals.propose(
            tx,
            outcome.model_id,
            PriceTerms(outcome.currency, {}, seller, is_charged),
            source=_SOURCE,
            subject=rule.margin_id,
            effective_at=now,
            reason=outcome.reason,
            now=now,
        )


class _Exchange:
    """The rates of one run, each asked for once."""

    def __init__(self, tx: Connection, readers: PriceReaders, now: datetime) -> None:
        self._tx = tx
        self._readers = readers
        self._now = now
        self._known: dict[tuple[str, str], Rate | None] = {}

    def rate(self, base: str, quote: str) -> Rate | None:
        if (base, quote) not in self._known:
            self._known[base, quote] = self._readers.rates.rate(self._tx, base, quote, self._now)
        return self._known[base, quote]
