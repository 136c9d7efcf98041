"""The routes of known hosts and of connections to them."""

from typing import Annotated

from fastapi import Path, Query, Response

from tradewind.control.access import Call, Routes
from tradewind.control.endpoint_answers import AddedModels, HostedModelsBody
from tradewind.control.pages import After, Limit, page_of
from tradewind.control.provider_answers import (
    ConnectionAnswer,
    ConnectionBody,
    ConnectionPage,
    ConnectionPatch,
    CredentialBody,
    Host,
    HostModelPage,
    HostPage,
    ModelOfHost,
    secret_of,
)
from tradewind.control.services import ControlServices
from tradewind.control.versions import IfMatch, etag, revision_of
from tradewind.core.permissions import Permission
from tradewind.features.providers.schemas import ConnectionRow

_Text = Annotated[str, Query(max_length=100, description="Words of the name, in any order.")]
_HostId = Annotated[str, Path(max_length=100)]
_ConnectionId = Annotated[str, Path(max_length=100)]


def add_provider_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/hosts` and `/connections`."""
    providers, endpoints = services.providers, services.endpoints
    reads, writes = Permission.PROVIDERS_READ, Permission.PROVIDERS_WRITE

    @routes.get("/hosts", permission=reads, summary="Hosts that are known by name")
    def hosts(_call: Call, query: _Text = "", limit: Limit = 100, after: After = None) -> HostPage:
        found = providers.search_hosts(query)
        page = page_of(found, lambda host: host.id, limit=limit, after=after)
        return HostPage(hosts=[Host.of(host) for host in page.entries], next=page.next)

    @routes.get("/hosts/{host_id}/models", permission=reads, summary="Models of a known host")
    def models_of_host(
        _call: Call,
        host_id: _HostId,
        query: _Text = "",
        limit: Limit = 100,
        after: After = None,
    ) -> HostModelPage:
        found = providers.search_models(host_id, query)
        page = page_of(found, lambda model: model.id, limit=limit, after=after)
        return HostModelPage(
            models=[ModelOfHost.of(model) for model in page.entries], next=page.next
        )

    @routes.get("/connections", permission=reads, summary="Accounts at providers")
    def connections(call: Call, limit: Limit = 100, after: After = None) -> ConnectionPage:
        rows = providers.list_connections(call.tx, call.holder)
        page = page_of(rows, lambda row: row.id, limit=limit, after=after)
        return ConnectionPage(
            connections=[ConnectionAnswer.of(row) for row in page.entries], next=page.next
        )

    @routes.post("/connections", permission=writes, summary="Add an account at a provider")
    def add_connection(call: Call, body: ConnectionBody, response: Response) -> ConnectionAnswer:
        row = providers.add_connection(call.tx, call.holder, body.to_new())
        response.headers["location"] = f"/api/connections/{row.id}"
        return _shown(row, response)

    @routes.get("/connections/{connection_id}", permission=reads, summary="An account")
    def connection(
        call: Call, connection_id: _ConnectionId, response: Response
    ) -> ConnectionAnswer:
        return _shown(providers.get_connection(call.tx, call.holder, connection_id), response)

    @routes.patch("/connections/{connection_id}", permission=writes, summary="Change an account")
    def change_connection(
        call: Call,
        connection_id: _ConnectionId,
        body: ConnectionPatch,
        response: Response,
        if_match: IfMatch = None,
    ) -> ConnectionAnswer:
        row = providers.update_connection(
            call.tx,
            call.holder,
            connection_id,
            body.to_changes(),
            revision=revision_of(if_match),
        )
        return _shown(row, response)

    @routes.put(
        "/connections/{connection_id}/credential",
        permission=writes,
        summary="Replace the credential of an account",
    )
    def replace_credential(
        call: Call,
        connection_id: _ConnectionId,
        body: CredentialBody,
        response: Response,
        if_match: IfMatch = None,
    ) -> ConnectionAnswer:
        row = providers.replace_credential(
            call.tx,
            call.holder,
            connection_id,
            secret_of(body.credential),
            revision=revision_of(if_match),
        )
        return _shown(row, response)

    @routes.delete("/connections/{connection_id}", permission=writes, summary="Delete an account")
    def delete_connection(
        call: Call, connection_id: _ConnectionId, if_match: IfMatch = None
    ) -> None:
        endpoints.delete_connection(
            call.tx, call.holder, connection_id, revision=revision_of(if_match)
        )

    @routes.post(
        "/connections/{connection_id}/models",
        permission=Permission.ENDPOINTS_WRITE,
        summary="Have models of an account called",
    )
    def add_models(call: Call, connection_id: _ConnectionId, body: HostedModelsBody) -> AddedModels:
        added = endpoints.add_from_host(call.tx, call.holder, connection_id, body.to_wanted())
        return AddedModels.of(added)


def _shown(row: ConnectionRow, response: Response) -> ConnectionAnswer:
    response.headers["etag"] = etag(row.revision)
    return ConnectionAnswer.of(row)
