"""What other features may ask of the market."""

from collections.abc import Mapping

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.ids import ModelId, PriceId
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.market import repository


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
    ) -> PriceId:
        """Add a price version that is in force from now on. The former one stays for past
        events. `cache_write_nanos` is for input that the host keeps, None as any input; `meters`
        are nanos per 1,000,000 units of other meters (`images`, `characters`, `audio_ms`).
        """
        record_change(tx, ChangeKind.ENDPOINTS)
        return repository.add_price(
            tx,
            model_id,
            currency,
            input_nanos=input_nanos,
            output_nanos=output_nanos,
            cached_input_nanos=cached_input_nanos,
            cache_write_nanos=cache_write_nanos,
            meters=meters or {},
            now=self._clock.now(),
        )

    def has_price(self, tx: Connection, model_id: ModelId) -> bool:
        return repository.has_price(tx, model_id)
