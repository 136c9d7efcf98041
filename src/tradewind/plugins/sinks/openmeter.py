"""OpenMeter: openmeter.io/docs/metering/events/overview, POST /api/v1/events with a batch of
CloudEvents.

An event's `type` is `tradewind.usage`; its data has the meter as a field of its own, so that a
meter there is `SUM` over `$.input_tokens`, grouped by `$.model`. Deduplicated by `source` and `id`.
"""

from collections.abc import Sequence
from typing import ClassVar

from tradewind.plugins.sinks.base import Parcel, SinkRequest, SinkVerdict, usual_verdict
from tradewind.plugins.sinks.cloud_event_batches import batches


class OpenMeter:
    name: ClassVar[str] = "openmeter"
    label: ClassVar[str] = "OpenMeter"
    needs_credential: ClassVar[bool] = False
    takes_back: ClassVar[bool] = True
    needs_customers: ClassVar[bool] = False
    default_url: ClassVar[str] = "https://openmeter.cloud"

    def requests(self, credential: str, parcels: Sequence[Parcel]) -> list[SinkRequest]:
        return batches("/api/v1/events", credential, parcels, _data)

    def verdict(self, request: SinkRequest, status: int | None, body: bytes) -> SinkVerdict:  # noqa: ARG002  the family's
        return usual_verdict(status)


def _data(parcel: Parcel) -> dict[str, object]:
    return {"model": parcel.model, parcel.meter: parcel.quantity}
