"""The routes by which usage is corrected: for whoever runs the platform."""

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from tradewind.control.access import Call, Routes
from tradewind.control.services import ControlServices
from tradewind.core.errors import MalformedId
from tradewind.core.ids import event_id_of_request
from tradewind.core.ids import request_id as request_id_of
from tradewind.core.money import format_nanos
from tradewind.core.permissions import Permission
from tradewind.features.receipts.corrections import Correction
from tradewind.features.receipts.errors import NoSuchEvent

_MOST_UNITS = 2**40
_Meter = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
_Less = Annotated[int, Field(ge=-_MOST_UNITS, lt=0, strict=True)]
_Text = r"^[^\x00]*$"


class CorrectionBody(BaseModel):
    """By how much less was used than was counted."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(
        min_length=1,
        max_length=200,
        pattern=_Text,
        description="The same key again is the same correction, made once.",
    )
    reason: str = Field(min_length=1, max_length=1000, pattern=_Text)
    quantities: dict[_Meter, _Less] = Field(
        min_length=1, max_length=32, description="By meter, each below zero."
    )


class CorrectionAnswer(BaseModel):
    id: str = Field(description="Of the event that corrects; it has a receipt of its own.")
    corrects: str
    cost: str = Field(description="What the call costs less, as an amount below zero.")
    currency: str


def add_usage_event_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/usage-events`."""

    @routes.post(
        "/usage-events/{request_id}:correct",
        permission=Permission.FINANCE_WRITE,
        summary="Take back quantities of a call, or return the correction that did",
    )
    def correct(
        call: Call,
        request_id: Annotated[str, Path(max_length=100)],
        body: CorrectionBody,
    ) -> CorrectionAnswer:
        try:
            event_id = event_id_of_request(request_id)
        except MalformedId:
            raise NoSuchEvent from None
        key = services.accounts.get_key(call.tx, call.holder, call.holder.key_id)
        person = key.created_by_name or "somebody"
        corrected = services.corrections.correct(
            call.tx,
            call.holder,
            Correction(
                event_id=event_id,
                key=body.key,
                quantities=body.quantities,
                reason=body.reason,
                by=f"{person[:80]} (the key {key.name[:80]})",
            ),
        )
        return CorrectionAnswer(
            id=request_id_of(corrected.event_id.bytes),
            corrects=request_id_of(event_id.bytes),
            cost=format_nanos(corrected.cost_nanos),
            currency=corrected.currency,
        )
