"""What gateways ask of stored responses: see `gateway.stored_responses`.

Questions and answers are the structs of `wire.stored_responses` as JSON. 204 is done, 404 is that
there is none; everything else means: ask again later.
"""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from tradewind.control.backstage.services import BackstageServices
from tradewind.features.responses import service
from tradewind.wire.stored_responses import (
    decode_place,
    decode_renewal,
    decode_stored,
    encode,
)

# A whole answer and its whole input, escaped once more than needed.
_MOST_BODY_BYTES = 160 * 1024 * 1024
_DONE, _NONE = 204, 404

router = APIRouter(prefix="/responses")


async def _body(request: Request) -> bytes:
    """Return the body, which routes in threads cannot read themselves."""
    if int(request.headers.get("content-length", "0")) > _MOST_BODY_BYTES:
        return b""
    return await request.body()


def _services(request: Request) -> BackstageServices:
    services: BackstageServices = request.app.state.services
    return services


Body = Annotated[bytes, Depends(_body)]
Services = Annotated[BackstageServices, Depends(_services)]


@router.put("")
def keep(services: Services, body: Body) -> Response:
    stored = decode_stored(body)
    with services.database.transaction() as tx:
        service.keep(tx, stored)
    return Response(status_code=_DONE)


@router.put("/ended")
def end(services: Services, body: Body) -> Response:
    stored = decode_stored(body)
    with services.database.transaction() as tx:
        return _done(service.end(tx, stored))


@router.post("/renew")
def renew(services: Services, body: Body) -> Response:
    renewal = decode_renewal(body)
    with services.database.transaction() as tx:
        return _done(service.renew(tx, renewal.place, renewal.running_until_ms))


@router.post("/find")
def find(services: Services, body: Body) -> Response:
    place = decode_place(body)
    with services.database.transaction() as tx:
        return _answer(service.find(tx, place, services.clock.now()))


@router.post("/chain")
def find_chain(services: Services, body: Body) -> Response:
    place = decode_place(body)
    with services.database.transaction() as tx:
        return _answer(service.find_chain(tx, place, services.clock.now()))


@router.post("/delete")
def delete(services: Services, body: Body) -> Response:
    place = decode_place(body)
    with services.database.transaction() as tx:
        return _done(service.delete(tx, place))


def _done(is_done: bool) -> Response:
    return Response(status_code=_DONE if is_done else _NONE)


def _answer(found: msgspec.Struct | None) -> Response:
    if found is None:
        return Response(status_code=_NONE)
    return Response(encode(found), media_type="application/json")
