"""What other features may ask of the market."""

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.ids import ModelId, PriceId
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
    ) -> PriceId:
        """Add a price version that is in force from now on. The former one stays for past
        events.
        """
        return repository.add_price(
            tx,
            model_id,
            currency,
            input_nanos=input_nanos,
            output_nanos=output_nanos,
            cached_input_nanos=cached_input_nanos,
            now=self._clock.now(),
        )
