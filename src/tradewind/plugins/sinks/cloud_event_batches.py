"""CloudEvents 1.0 by the batch, as several sinks take them: the HTTP protocol binding, batched
content mode (github.com/cloudevents/spec, cloudevents/bindings/http-protocol-binding.md, section
3.3). Receivers tell a repetition by `source` and `id`.
"""

import json
from collections.abc import Callable, Sequence

from tradewind.plugins.sinks.base import SOURCE, Parcel, SinkRequest, in_batches, time_text

EVENT_TYPE = "tradewind.usage"
_BATCH = 100


def batches(
    path: str,
    credential: str,
    parcels: Sequence[Parcel],
    data_of: Callable[[Parcel], dict[str, object]],
) -> list[SinkRequest]:
    """Return what is sent to `path`. A credential, if there is one, is a bearer token."""
    headers = {"content-type": "application/cloudevents-batch+json"}
    if credential:
        headers["authorization"] = f"Bearer {credential}"
    return [
        SinkRequest(
            path,
            headers,
            json.dumps([_event(parcel, data_of(parcel)) for parcel in some]).encode(),
            tuple(parcel.parcel_id for parcel in some),
        )
        for some in in_batches(parcels, _BATCH)
    ]


def _event(parcel: Parcel, data: dict[str, object]) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": parcel.parcel_id,
        "source": SOURCE,
        "type": EVENT_TYPE,
        "subject": parcel.customer,
        "time": time_text(parcel.hour),
        "datacontenttype": "application/json",
        "data": data,
    }
