"""What gateways ask of budgets: see `wire.leases` and `gateway.admission.budgets`."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from tradewind.control.backstage.services import BackstageServices
from tradewind.core.errors import InvalidInput
from tradewind.features.budgets.leasing import Leasing
from tradewind.readmodels.spend import read_spend
from tradewind.wire.leases import LeaseRequest

_MOST_BODY_BYTES = 256 * 1024
_decode = msgspec.json.Decoder(LeaseRequest).decode
_encode = msgspec.json.Encoder().encode

router = APIRouter()


async def _body(request: Request) -> bytes:
    """Return the body, which routes in threads cannot read themselves."""
    if int(request.headers.get("content-length", "0")) > _MOST_BODY_BYTES:
        return b""
    return await request.body()


def _services(request: Request) -> BackstageServices:
    services: BackstageServices = request.app.state.services
    return services


@router.post("/leases")
def renew_leases(
    services: Annotated[BackstageServices, Depends(_services)],
    body: Annotated[bytes, Depends(_body)],
) -> Response:
    """Renew the leases of one gateway. One transaction: it gets all of them or none."""
    asked = _decode(body)
    leasing = Leasing(services.clock, read_spend)
    try:
        with services.database.transaction() as tx:
            answer = leasing.answer(tx, asked)
    except InvalidInput:
        return Response(status_code=400)
    return Response(_encode(answer), media_type="application/json")
