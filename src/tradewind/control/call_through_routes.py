"""The routes that have a model called at a provider in one step."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Response

from tradewind.control.access import Call, Routes
from tradewind.control.call_through_answers import (
    CalledThroughAnswer,
    CallThroughBody,
    CallThroughLookAnswer,
)
from tradewind.control.services import ControlServices
from tradewind.core.permissions import Permission

_PLACE = "/catalog/models/{publisher}/{slug}/call-through"
_Publisher = Annotated[str, Path(max_length=64)]
_Slug = Annotated[str, Path(max_length=100)]


def add_call_through_routes(routes: Routes, services: ControlServices) -> None:
    """Add looking and doing; the portal's form does the same."""
    call_throughs = services.call_throughs
    reads, writes = Permission.PROVIDERS_READ, Permission.ENDPOINTS_WRITE

    @routes.get(_PLACE, permission=reads, summary="Where a model can be called through")
    def look(call: Call, publisher: _Publisher, slug: _Slug) -> CallThroughLookAnswer:
        found = call_throughs.look(call.tx, call.holder, f"{publisher}/{slug}")
        return CallThroughLookAnswer.of(found)

    @routes.post(
        _PLACE,
        permission=writes,
        summary="Call a model through a provider: account, price, endpoint and target in one."
        " Asked again it changes nothing and answers 200",
        at_times=HTTPStatus.OK,
    )
    def call_through(
        call: Call, publisher: _Publisher, slug: _Slug, body: CallThroughBody, response: Response
    ) -> CalledThroughAnswer:
        asked = body.to_asked(f"{publisher}/{slug}")
        done = call_throughs.call_through(call.tx, call.holder, asked)
        response.headers["location"] = f"/api/endpoints/{done.endpoint.id}"
        if not done.is_new:
            response.status_code = HTTPStatus.OK
        return CalledThroughAnswer.of(done)
