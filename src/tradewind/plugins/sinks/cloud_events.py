"""Any endpoint that takes CloudEvents 1.0: the HTTP protocol binding, batched content mode
(github.com/cloudevents/spec, cloudevents/bindings/http-protocol-binding.md, section 3.3).

Receivers tell a repetition by `source` and `id`. A credential, if there is one, is a bearer token.
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

EVENT_TYPE = "tradewind.usage"
_BATCH = 100


class CloudEvents:
    name: ClassVar[str] = "cloudevents"
    label: ClassVar[str] = "CloudEvents endpoint"
    needs_credential: ClassVar[bool] = False
    takes_back: ClassVar[bool] = True
    needs_customers: ClassVar[bool] = False
    default_url: ClassVar[str] = ""

    def requests(self, credential: str, parcels: Sequence[Parcel]) -> list[SinkRequest]:
        headers = {"content-type": "application/cloudevents-batch+json"}
        if credential:
            headers["authorization"] = f"Bearer {credential}"
        return [
            SinkRequest(
                "",
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
        "type": EVENT_TYPE,
        "subject": parcel.customer,
        "time": time_text(parcel.hour),
        "datacontenttype": "application/json",
        "data": {"meter": parcel.meter, "model": parcel.model, "quantity": parcel.quantity},
    }
