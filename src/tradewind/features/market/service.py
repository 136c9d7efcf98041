"""What other features may ask of the market."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.ids import ModelId, OrganizationId, PriceId
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.market.repository import effects, prices
from tradewind.features.market.schemas import PriceRow, PriceSource, PriceTerms


class Market:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def set_price(
        self,
        tx: Connection,
        model_id: ModelId,
        currency: str,
        *,
        input_nanos: int,
        output_nanos: int,
        cached_input_nanos: int,
        cache_write_nanos: int | None = None,
        meters: Mapping[str, int] | None = None,
        effective_at: datetime | None = None,
        seller: str = "",
        is_charged: bool = True,
        is_free: bool = False,
        source: PriceSource = PriceSource.ORDER,
        subject: str = "",
        by: str = "",
    ) -> PriceId:
        """Add a price version that is in force from `effective_at` on, None from now on. The
        former one stays for past events. `cache_write_nanos` is for input that the host keeps,
        None as any input; `meters` are nanos per 1,000,000 units of other meters (`images`,
        `characters`, `audio_ms`).
        """
        named = {
            "input_tokens": input_nanos,
            "output_tokens": output_nanos,
            "cached_input_tokens": cached_input_nanos,
        }
        if cache_write_nanos is not None:
            named["cache_write_tokens"] = cache_write_nanos
        terms = PriceTerms(currency, {**(meters or {}), **named}, seller, is_charged, is_free)
        return self.add_price(
            tx, model_id, terms, effective_at=effective_at, source=source, subject=subject, by=by
        )

    def add_price(
        self,
        tx: Connection,
        model_id: ModelId,
        terms: PriceTerms,
        *,
        effective_at: datetime | None = None,
        source: PriceSource = PriceSource.ORDER,
        subject: str = "",
        by: str = "",
        organization_id: OrganizationId | None = None,
    ) -> PriceId:
        """Add a price version by its meters, as `set_price` does.

        With `organization_id` it is for what that organization calls over its own accounts and
        pays itself: it is shown, and not charged.
        """
        now = self._clock.now()
        # Also for one that is in force later: when it commits late, that moment may have passed.
        record_change(tx, ChangeKind.ENDPOINTS)
        return prices.add_price(
            tx,
            model_id,
            terms,
            now=now,
            effective_at=now if effective_at is None else effective_at,
            source=source,
            subject=subject,
            created_by=by,
            organization_id=organization_id,
        )

    def show_price(
        self,
        tx: Connection,
        model_id: ModelId,
        organization_id: OrganizationId,
        terms: PriceTerms,
    ) -> bool:
        """Have calls of a model over accounts of this organization counted at these terms, which
        nobody charges. False when they are already.
        """
        former = self.shown_price_of(tx, model_id, organization_id)
        terms = replace(terms, seller="", is_charged=False)
        if former is not None and former.terms == terms:
            return False
        self.add_price(tx, model_id, terms, organization_id=organization_id)
        return True

    def shown_price_of(
        self, tx: Connection, model_id: ModelId, organization_id: OrganizationId
    ) -> PriceRow | None:
        """Return what calls over accounts of this organization are counted at."""
        return prices.price_at(tx, model_id, self._clock.now(), organization_id)

    def price_of(self, tx: Connection, model_id: ModelId) -> PriceRow | None:
        """Return the price in force."""
        return prices.price_at(tx, model_id, self._clock.now())

    def has_price(self, tx: Connection, model_id: ModelId) -> bool:
        """Say whether a price was ever set, in force by now or not."""
        return prices.has_price(tx, model_id)

    def tell_effects(self, tx: Connection) -> datetime | None:
        """Tell the gateways and the search of prices that took effect since the last time.

        Returns when the next one will, or None. Two may do it at once: one waits for the other.
        """
        now = self._clock.now()
        former = effects.told_until(tx)
        models = effects.models_between(tx, former, now)
        if models:
            record_change(tx, ChangeKind.ENDPOINTS)
            effects.tell_until(tx, now, models)
        return effects.next_effect(tx, now)

    def note_alarms(self, tx: Connection, models: Collection[str]) -> set[str]:
        """Note that somebody is told today that these have no price; return those of whom nobody
        was told yet.
        """
        return effects.add_alarms(tx, models, self._clock.now())
