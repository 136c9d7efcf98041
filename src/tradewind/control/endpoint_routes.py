"""The routes of endpoints."""

from typing import Annotated

from fastapi import Path, Response

from tradewind.control.access import Call, Routes
from tradewind.control.endpoint_answers import (
    EndpointAnswer,
    EndpointBody,
    EndpointPage,
    EndpointPatch,
    TargetsBody,
)
from tradewind.control.pages import After, Limit, page_of
from tradewind.control.services import ControlServices
from tradewind.control.versions import IfMatch, etag, revision_of
from tradewind.core.permissions import Permission
from tradewind.features.endpoints.schemas import EndpointRow

_EndpointId = Annotated[str, Path(max_length=100)]


def add_endpoint_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/endpoints`."""
    endpoints = services.endpoints
    reads, writes = Permission.ENDPOINTS_READ, Permission.ENDPOINTS_WRITE

    @routes.get("/endpoints", permission=reads, summary="Names that clients call")
    def all_endpoints(call: Call, limit: Limit = 100, after: After = None) -> EndpointPage:
        rows = endpoints.list_endpoints(call.tx, call.holder)
        page = page_of(rows, lambda row: row.id, limit=limit, after=after)
        return EndpointPage(
            endpoints=[EndpointAnswer.of(row) for row in page.entries], next=page.next
        )

    @routes.post("/endpoints", permission=writes, summary="Add a name for a model")
    def add_endpoint(call: Call, body: EndpointBody, response: Response) -> EndpointAnswer:
        row = endpoints.add_endpoint(call.tx, call.holder, body.to_new())
        response.headers["location"] = f"/api/endpoints/{row.id}"
        return _shown(row, response)

    @routes.get("/endpoints/{endpoint_id}", permission=reads, summary="An endpoint")
    def endpoint(call: Call, endpoint_id: _EndpointId, response: Response) -> EndpointAnswer:
        return _shown(endpoints.get_endpoint(call.tx, call.holder, endpoint_id), response)

    @routes.patch("/endpoints/{endpoint_id}", permission=writes, summary="Change an endpoint")
    def change_endpoint(
        call: Call,
        endpoint_id: _EndpointId,
        body: EndpointPatch,
        response: Response,
        if_match: IfMatch = None,
    ) -> EndpointAnswer:
        row = endpoints.update_endpoint(
            call.tx, call.holder, endpoint_id, body.to_changes(), revision=revision_of(if_match)
        )
        return _shown(row, response)

    @routes.put(
        "/endpoints/{endpoint_id}/targets",
        permission=writes,
        summary="Replace the places that answer for an endpoint",
    )
    def set_targets(
        call: Call,
        endpoint_id: _EndpointId,
        body: TargetsBody,
        response: Response,
        if_match: IfMatch = None,
    ) -> EndpointAnswer:
        row = endpoints.set_targets(
            call.tx,
            call.holder,
            endpoint_id,
            [target.to_new() for target in body.targets],
            revision=revision_of(if_match),
        )
        return _shown(row, response)

    @routes.delete("/endpoints/{endpoint_id}", permission=writes, summary="Delete an endpoint")
    def delete_endpoint(call: Call, endpoint_id: _EndpointId, if_match: IfMatch = None) -> None:
        endpoints.delete_endpoint(call.tx, call.holder, endpoint_id, revision=revision_of(if_match))


def _shown(row: EndpointRow, response: Response) -> EndpointAnswer:
    response.headers["etag"] = etag(row.revision)
    return EndpointAnswer.of(row)
