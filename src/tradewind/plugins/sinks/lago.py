"""Lago: getlago.com/docs/api-reference/events/batch, POST /api/v1/events/batch, at most 100 events,
all or nothing.

An event's `code` is the meter (the code of a billable metric), its `transaction_id` our id, and the
customer is an `external_subscription_id`. A batch in which some were taken before is refused with
422 and `error_details` by place: those are known to be there, and the rest goes again without them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from tradewind.plugins.sinks.base import (
    Fate,
    Parcel,
    SinkRequest,
    SinkVerdict,
    in_batches,
    usual_verdict,
)

_BATCH = 100
_TAKEN = "value_already_exist"


class Lago:
    name: ClassVar[str] = "lago"
    label: ClassVar[str] = "Lago"
    needs_credential: ClassVar[bool] = True
    takes_back: ClassVar[bool] = True
    needs_customers: ClassVar[bool] = False
    default_url: ClassVar[str] = "https://api.getlago.com"

    def requests(self, credential: str, parcels: Sequence[Parcel]) -> list[SinkRequest]:
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer {credential}",
        }
        return [
            SinkRequest(
                "/api/v1/events/batch",
                headers,
                json.dumps({"events": [_event(parcel) for parcel in some]}).encode(),
                tuple(parcel.parcel_id for parcel in some),
            )
            for some in in_batches(parcels, _BATCH)
        ]

    def verdict(self, request: SinkRequest, status: int | None, body: bytes) -> SinkVerdict:
        if status != 422:
            return usual_verdict(status)
        details = _details(body)
        if not details:
            return SinkVerdict(Fate.REFUSED, "Lago refused the events (422)")
        taken: set[str] = set()
        refused: set[str] = set()
        for place, problems in details.items():
            if place.isdigit() and int(place) < len(request.parcel_ids):
                of = taken if _TAKEN in json.dumps(problems) else refused
                of.add(request.parcel_ids[int(place)])
        if not taken and not refused:
            return SinkVerdict(Fate.REFUSED, "Lago refused the events (422)")
        # All or nothing: the others were not taken, and go again without these.
        why = "Lago does not take some of the events" if refused else ""
        return SinkVerdict(Fate.AGAIN, why, frozenset(taken), frozenset(refused))


def _event(parcel: Parcel) -> dict[str, object]:
    return {
        "transaction_id": parcel.parcel_id,
        "external_subscription_id": parcel.customer,
        "code": parcel.meter,
        "timestamp": int(parcel.hour.timestamp()),
        "properties": {"value": parcel.quantity, "model": parcel.model},
    }


def _details(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    details: Any = cast("dict[str, Any]", found).get("error_details")
    return cast("dict[str, Any]", details) if isinstance(details, dict) else {}
