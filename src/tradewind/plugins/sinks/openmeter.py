"""OpenMeter: openmeter.io/docs/metering/events/overview, POST /api/v1/events with a batch of
CloudEvents.

An event's `type` is `tradewind.usage`; its data has the meter as a field of its own, so that a
meter there is `SUM` over `$.input_tokens`, grouped by `$.model`. Deduplicated by `source` and `id`.
"""

import json
from collections.abc import Sequence
from typing import ClassVar

from tradewind.plugins.sinks.base import (
    SOURCE,
    Parcel,
    SinkRequest,
    SinkVerdict,
    in_batches,
    time_text,
    usual_verdict,
)

_BATCH = 100


class OpenMeter:
    name: ClassVar[str] = "openmeter"
    label: ClassVar[str] = "OpenMeter"
    needs_credential: ClassVar[bool] = False
    takes_back: ClassVar[bool] = True
    needs_customers: ClassVar[bool] = False
    default_url: ClassVar[str] = "https://openmeter.cloud"

    def requests(self, credential: str, parcels: Sequence[Parcel]) -> list[SinkRequest]:
        headers = {"content-type": "application/cloudevents-batch+json"}
        if credential:
            headers["authorization"] = f"Bearer {credential}"
        return [
            SinkRequest(
                "/api/v1/events",
                headers,
                json.dumps([_event(parcel) for parcel in some]).encode(),
                tuple(parcel.parcel_id for parcel in some),
            )
            for some in in_batches(parcels, _BATCH)
        ]

    def verdict(self, request: SinkRequest, status: int | None, body: bytes) -> SinkVerdict:  # noqa: ARG002  the family's
        return usual_verdict(status)


def _event(parcel: Parcel) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": parcel.parcel_id,
        "source": SOURCE,
        "type": "tradewind.usage",
        "subject": parcel.customer,
        "time": time_text(parcel.hour),
        "data": {"model": parcel.model, parcel.meter: parcel.quantity},
    }
