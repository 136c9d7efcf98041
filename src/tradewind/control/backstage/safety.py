"""What gateways fetch for checks: blocklists, weights, indices, by their digest; and which those of
a name are.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from tradewind.control.backstage.services import BackstageServices
from tradewind.features.safety.keeping import find_data
from tradewind.readmodels.safety_references import find_references
from tradewind.wire.safety_references import Found, decode_asked, encode

_MOST_BODY_BYTES = 64 * 1024

router = APIRouter(prefix="/safety")


def _services(request: Request) -> BackstageServices:
    services: BackstageServices = request.app.state.services
    return services


async def _body(request: Request) -> bytes:
    """Return the body, which routes in threads cannot read themselves."""
    if int(request.headers.get("content-length", "0")) > _MOST_BODY_BYTES:
        return b""
    return await request.body()


Services = Annotated[BackstageServices, Depends(_services)]
Body = Annotated[bytes, Depends(_body)]


@router.get("/data/{digest}")
def safety_data(
    services: Services, digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
) -> Response:
    """Answer the bytes, 404 where nothing names them any more."""
    with services.database.transaction() as tx:
        found = find_data(tx, digest)
    if found is None:
        return Response(status_code=404)
    return Response(found, media_type="application/octet-stream")


@router.post("/references")
def safety_references(services: Services, body: Body) -> Response:
    """Answer which data these names of an organization stand for, as far as they are there."""
    asked = decode_asked(body)
    with services.database.transaction() as tx:
        found = find_references(tx, asked)
    return Response(encode(Found(found)), media_type="application/json")
