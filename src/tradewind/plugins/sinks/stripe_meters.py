"""Stripe Meters: docs.stripe.com/api/billing/meter-event/create, POST /v1/billing/meter_events, one
event a request.

`event_name` is `tradewind_<meter>`, the customer a `cus_…`. Stripe takes an `identifier` once
within at least 24 hours, and refuses a repetition with 400 and "An event already exists with
identifier …"; the `Idempotency-Key` is the same id. An event of more than 35 days ago is not taken;
a value below zero is not sent, as what comes of it is up to the meter there.
"""

from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import urlencode

from tradewind.plugins.sinks.base import Fate, Parcel, SinkRequest, SinkVerdict, usual_verdict

EVENT_PREFIX = "tradewind_"


class StripeMeters:
    name: ClassVar[str] = "stripe"
    label: ClassVar[str] = "Stripe Meters"
    needs_credential: ClassVar[bool] = True
    takes_back: ClassVar[bool] = False
    needs_customers: ClassVar[bool] = True
    default_url: ClassVar[str] = "https://api.stripe.com"

    def requests(self, credential: str, parcels: Sequence[Parcel]) -> list[SinkRequest]:
        return [
            SinkRequest(
                "/v1/billing/meter_events",
                {
                    "content-type": "application/x-www-form-urlencoded",
                    "authorization": f"Bearer {credential}",
                    "idempotency-key": parcel.parcel_id,
                },
                urlencode(
                    {
                        "event_name": EVENT_PREFIX + parcel.meter,
                        "identifier": parcel.parcel_id,
                        "timestamp": int(parcel.hour.timestamp()),
                        "payload[stripe_customer_id]": parcel.customer,
                        "payload[value]": parcel.quantity,
                    }
                ).encode(),
                (parcel.parcel_id,),
            )
            for parcel in parcels
        ]

    def verdict(self, request: SinkRequest, status: int | None, body: bytes) -> SinkVerdict:
        [parcel_id] = request.parcel_ids
        # The message names the identifier where that is what Stripe minds; an event that it does
        # not take for another reason is refused without one.
        if status == 400 and parcel_id.encode() in body and b"already exists" in body:
            return SinkVerdict(Fate.TAKEN)
        return usual_verdict(status)
