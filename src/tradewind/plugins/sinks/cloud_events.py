"""Any endpoint that takes CloudEvents 1.0, see `cloud_event_batches`."""

from collections.abc import Sequence
from typing import ClassVar

from tradewind.plugins.sinks.base import Parcel, SinkRequest, SinkVerdict, usual_verdict
from tradewind.plugins.sinks.cloud_event_batches import batches


class CloudEvents:
    name: ClassVar[str] = "cloudevents"
    label: ClassVar[str] = "CloudEvents endpoint"
    needs_credential: ClassVar[bool] = False
    takes_back: ClassVar[bool] = True
    needs_customers: ClassVar[bool] = False
    default_url: ClassVar[str] = ""

    def requests(self, credential: str, parcels: Sequence[Parcel]) -> list[SinkRequest]:
        return batches("", credential, parcels, _data)

    def verdict(self, request: SinkRequest, status: int | None, body: bytes) -> SinkVerdict:  # noqa: ARG002  the family's
        return usual_verdict(status)


def _data(parcel: Parcel) -> dict[str, object]:
    return {"meter": parcel.meter, "model": parcel.model, "quantity": parcel.quantity}
