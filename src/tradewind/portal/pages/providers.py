"""Providers: the accounts at other hosts, finding a host, and adding an account there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer, is_platform_administrator
from tradewind.features.providers.errors import TooManyConnections
from tradewind.features.providers.schemas import KnownHost
from tradewind.portal.connection_form import (
    FORMS,
    ConnectionForm,
    OfferedOption,
    blank_form,
    is_address_editable,
    new_connection,
    offered_options,
    read_form,
)
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.readmodels.connections import ConnectionView, list_connections

MOST_SHOWN = 200
_LONGEST_SEARCH = 100
_LONGEST_ID = 100


@dataclass(frozen=True, slots=True)
class ProvidersPage:
    connections: Sequence[ConnectionView]
    """At most MOST_SHOWN of the `found`."""
    found: int
    total: int
    query: str
    can_see_accounts: bool
    """Whether addresses and what is told of credentials are shown."""
    can_write: bool


@dataclass(frozen=True, slots=True)
class HostsPage:
    hosts: Sequence[KnownHost]
    unsupported: Sequence[KnownHost]
    usable: int
    """How many there are without a search."""
    query: str


@dataclass(frozen=True, slots=True)
class ConnectPage:
    host: KnownHost | None
    """None is a host that is given by its address."""
    form: ConnectionForm
    options: tuple[OfferedOption, ...]
    is_address_editable: bool
    may_be_private: bool
    forms: tuple[tuple[str, str], ...] = FORMS
    errors: FieldErrors = field(default_factory=FieldErrors)
    had_credential: bool = False
    """A credential was typed that has to be typed again."""


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, known = services.database, services.providers
    # Where calls go, and what happens to data there, is for everybody who may see the models.
    may_read = access.allowed(Permission.MODELS_READ)
    may_write = access.allowed(Permission.PROVIDERS_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/providers")
    def providers(
        request: Request,
        viewer: Annotated[Viewer, Depends(may_read)],
        q: Annotated[str, Query(max_length=_LONGEST_SEARCH)] = "",
    ) -> Response:
        with database.transaction() as tx:
            rows = list_connections(tx, viewer.organization_id)
        found = [row for row in rows if _matches(row, q)]
        page = ProvidersPage(
            connections=found[:MOST_SHOWN],
            found=len(found),
            total=len(rows),
            query=q,
            can_see_accounts=viewer.may(Permission.PROVIDERS_READ),
            can_write=viewer.may(Permission.PROVIDERS_WRITE),
        )
        return portal.shell.page(request, "providers.html", page, viewer=viewer)

    @router.get("/providers/new")
    def find_host(
        request: Request,
        viewer: Annotated[Viewer, Depends(may_write)],
        q: Annotated[str, Query(max_length=_LONGEST_SEARCH)] = "",
    ) -> Response:
        found = known.search_hosts(q)
        page = HostsPage(
            hosts=[host for host in found if host.provider is not None],
            unsupported=[host for host in found if host.provider is None],
            usable=sum(host.provider is not None for host in known.search_hosts()),
            query=q,
        )
        return portal.shell.page(request, "provider_new.html", page, viewer=viewer)

    @router.get("/providers/connect")
    def ask(
        request: Request,
        viewer: Annotated[Viewer, Depends(may_write)],
        host: Annotated[str, Query(max_length=_LONGEST_ID)] = "",
    ) -> Response:
        chosen = _host(host)
        page = _page(chosen, blank_form(chosen), viewer)
        return portal.shell.page(request, "provider_connect.html", page, viewer=viewer)

    @router.post("/providers", dependencies=own_form)
    def connect(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        host = _host(fields.text("host"))
        form, credential = read_form(fields), fields.text("credential")
        errors = FieldErrors()
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        new = new_connection(
            form,
            credential,
            host,
            is_platform_administrator=is_platform_administrator(viewer),
            errors=errors,
        )
        if new is not None:
            try:
                with database.transaction() as tx:
                    row = known.add_connection(tx, viewer, new)
            except Conflict as error:
                errors.add("name", error)
                status = HTTPStatus.CONFLICT
            except (InvalidInput, TooManyConnections) as error:
                errors.add(WHOLE_FORM, error)
                status = HTTPStatus(error.status)
            else:
                return RedirectResponse(f"/providers/{row.id}/models", HTTPStatus.SEE_OTHER)
        page = _page(host, form, viewer, errors, had_credential=bool(credential))
        return portal.shell.page(
            request, "provider_connect.html", page, viewer=viewer, status=status
        )

    def _host(host_id: str) -> KnownHost | None:
        if not host_id:
            return None
        host = known.known_host(host_id)
        if host is None:
            raise NotFound(
                f"there is no known host {host_id[:_LONGEST_ID]!r}",
                hint="search for it, or add it by its address",
            )
        if host.provider is None:
            raise NotFound(f"{host.name} cannot be used: {host.unsupported_reason}")
        return host

    return router


def _matches(row: ConnectionView, query: str) -> bool:
    # Not by the address: whoever may not see it could still ask for it letter by letter.
    text = f"{row.name} {row.host or ''} {row.region} {row.zone}".casefold()
    return all(word in text for word in query.casefold().split())


def _page(
    host: KnownHost | None,
    form: ConnectionForm,
    viewer: Viewer,
    errors: FieldErrors | None = None,
    *,
    had_credential: bool = False,
) -> ConnectPage:
    return ConnectPage(
        host=host,
        form=form,
        options=offered_options(host),
        is_address_editable=is_address_editable(host),
        may_be_private=is_platform_administrator(viewer),
        errors=errors or FieldErrors(),
        had_credential=had_credential,
    )
