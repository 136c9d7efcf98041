"""What gateways ask of files at providers: see `gateway.files_store`.

Questions and answers are the structs of `wire.stored_files` as JSON. 204 is done, 404 is that there
is none, 409 says why not; everything else means: nobody knows, ask again later.
"""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from tradewind.control.backstage.services import BackstageServices
from tradewind.features.files import service
from tradewind.wire.stored_files import (
    NotKept,
    Refusal,
    decode_file,
    decode_list,
    decode_names,
    decode_owner,
    encode,
)

_MOST_BODY_BYTES = 256 * 1024
_DONE, _NONE, _NOT_KEPT = 204, 404, 409

router = APIRouter(prefix="/files")


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


@router.post("/room")
def has_room(services: Services, body: Body) -> Response:
    owner = decode_owner(body)
    with services.database.transaction() as tx:
        is_room = service.has_room(tx, owner, services.clock.now())
    return _done(None if is_room else NotKept.FULL)


@router.put("")
def keep(services: Services, body: Body) -> Response:
    file = decode_file(body)
    with services.database.transaction() as tx:
        why = service.keep(tx, file, services.clock.now())
    return _done(why)


@router.post("/find")
def find(services: Services, body: Body) -> Response:
    named = decode_names(body)
    with services.database.transaction() as tx:
        found = service.find(tx, named.owner, named.ids, services.clock.now())
    return _answer(found)


@router.post("/list")
def find_page(services: Services, body: Body) -> Response:
    asked = decode_list(body)
    with services.database.transaction() as tx:
        return _answer(service.find_page(tx, asked, services.clock.now()))


@router.post("/delete")
def delete(services: Services, body: Body) -> Response:
    named = decode_names(body)
    with services.database.transaction() as tx:
        is_deleted = service.delete(tx, named.owner, named.ids)
    return Response(status_code=_DONE if is_deleted else _NONE)


def _done(why: NotKept | None) -> Response:
    if why is None:
        return Response(status_code=_DONE)
    return Response(encode(Refusal(why)), _NOT_KEPT, media_type="application/json")


def _answer(found: msgspec.Struct | None) -> Response:
    if found is None:
        return Response(status_code=_NONE)
    return Response(encode(found), media_type="application/json")
