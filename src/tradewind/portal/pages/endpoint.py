"""One endpoint: its targets by tier, how calls are routed, trying a route, changing all of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput, PreconditionFailed
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer, is_platform_administrator
from tradewind.features.endpoints.schemas import EndpointChanges
from tradewind.portal.code_samples import Sample, samples
from tradewind.portal.endpoint_form import (
    SORTS,
    EndpointForm,
    changes_of,
    form_of,
    read_form,
)
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.revisions import STALE, revision_of
from tradewind.portal.tiers import Moves, moves_of
from tradewind.readmodels.endpoints import EndpointView, get_endpoint
from tradewind.snapshot.contents import Operation

_POLICIES = ("floor", "quick", "nitro", "own")
TRIED_AT = {Operation.CHAT: "/v1/chat/completions", Operation.EMBEDDINGS: "/v1/embeddings"}
"""Kinds of models that one can try from the page, and where they are called."""


@dataclass(frozen=True, slots=True)
class EndpointPage:
    endpoint: EndpointView
    samples: Sequence[Sample]
    """Empty for a kind of model that there is no sample of."""
    can_write: bool
    can_see_costs: bool
    can_call: bool
    """Whether the viewer may have a key to try the route with."""
    try_at: str | None
    """Path of the call that tries it; None for a kind that is not tried from here."""
    form: EndpointForm
    saved: EndpointForm
    """What is so now, to show beside what was typed into a form that is out of date."""
    moves: Mapping[str, Moves]
    weights: Mapping[str, str]
    """What was typed, by target; others have the weight they have."""
    sorts: tuple[tuple[str, str], ...] = SORTS
    errors: FieldErrors = field(default_factory=FieldErrors)
    target_errors: FieldErrors = field(default_factory=FieldErrors)
    is_stale: bool = False
    are_targets_stale: bool = False

    @property
    def names_to_try(self) -> tuple[str, ...]:
        """Return the names that lead here, and the first of them with each policy."""
        name = self.endpoint.name
        return (name, *self.endpoint.aliases, *(f"{name}:{policy}" for policy in _POLICIES))

    @property
    def sort_label(self) -> str:
        return dict(self.sorts).get(self.endpoint.routing.sort, self.endpoint.routing.sort)


@dataclass(frozen=True, slots=True)
class DeleteEndpointPage:
    endpoint: EndpointView
    error: PreconditionFailed | None = None


class EndpointPages:
    """Renders the page of an endpoint, for its own handlers and for those of its targets."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    def answer(
        self,
        request: Request,
        viewer: Viewer,
        endpoint_id: str,
        *,
        form: EndpointForm | None = None,
        errors: FieldErrors | None = None,
        weights: Mapping[str, str] | None = None,
        target_errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        """Return the page; with STALE as the status, what was typed stands beside what is so."""
        services = self._portal.services
        with services.database.transaction() as tx:
            endpoint = get_endpoint(tx, viewer.organization_id, endpoint_id)
        saved = form_of(endpoint)
        is_stale = status == STALE
        if form is not None and is_stale:
            form = replace(form, revision=saved.revision)
        operation = Operation(endpoint.operation)
        page = EndpointPage(
            endpoint=endpoint,
            samples=(
                samples(operation, model=endpoint.name, base_url=f"{services.public_url()}/v1")
                if operation in TRIED_AT
                else ()
            ),
            can_write=may_change(viewer, endpoint),
            can_see_costs=viewer.may(Permission.ENDPOINTS_READ),
            can_call=viewer.may(Permission.KEYS_WRITE),
            try_at=TRIED_AT.get(operation),
            form=form or saved,
            saved=saved,
            moves=moves_of({target.id: target.tier for target in endpoint.targets}),
            weights=weights or {},
            errors=errors or FieldErrors(),
            target_errors=target_errors or FieldErrors(),
            is_stale=is_stale and weights is None,
            are_targets_stale=is_stale and weights is not None,
        )
        return self._portal.shell.page(request, "endpoint.html", page, viewer=viewer, status=status)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, endpoints = services.database, services.endpoints
    pages = EndpointPages(portal)
    may_read = access.allowed(Permission.MODELS_READ)
    may_write = access.allowed(Permission.ENDPOINTS_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/endpoints/{endpoint_id}")
    def endpoint(
        request: Request, endpoint_id: str, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        return pages.answer(request, viewer, endpoint_id)

    @router.post("/endpoints/{endpoint_id}", dependencies=own_form)
    def change(
        request: Request,
        endpoint_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        form, errors = read_form(fields), FieldErrors()
        with database.transaction() as tx:
            former = get_endpoint(tx, viewer.organization_id, endpoint_id)
        changes = changes_of(form, former.name, errors)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if changes is not None:
            try:
                with database.transaction() as tx:
                    endpoints.update_endpoint(
                        tx, viewer, endpoint_id, changes, revision=revision_of(fields)
                    )
            except PreconditionFailed:
                status = STALE
            except Conflict as error:
                errors.add("aliases", error)
                status = HTTPStatus.CONFLICT
            except InvalidInput as error:
                errors.add(WHOLE_FORM, error)
            else:
                return to_endpoint(endpoint_id)
        return pages.answer(request, viewer, endpoint_id, form=form, errors=errors, status=status)

    @router.post("/endpoints/{endpoint_id}/enabled", dependencies=own_form)
    def enable(
        request: Request,
        endpoint_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        changes = EndpointChanges(is_enabled=fields.text("is_enabled") == "yes")
        try:
            with database.transaction() as tx:
                endpoints.update_endpoint(
                    tx, viewer, endpoint_id, changes, revision=revision_of(fields)
                )
        except PreconditionFailed:
            return pages.answer(request, viewer, endpoint_id, status=STALE)
        return to_endpoint(endpoint_id)

    @router.get("/endpoints/{endpoint_id}/delete")
    def ask_to_delete(
        request: Request, endpoint_id: str, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        return _deletion(request, viewer, endpoint_id)

    @router.post("/endpoints/{endpoint_id}/delete", dependencies=own_form)
    def delete(
        request: Request,
        endpoint_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        try:
            with database.transaction() as tx:
                endpoints.delete_endpoint(tx, viewer, endpoint_id, revision=revision_of(fields))
        except PreconditionFailed as error:
            return _deletion(request, viewer, endpoint_id, error)
        return RedirectResponse("/endpoints", HTTPStatus.SEE_OTHER)

    def _deletion(
        request: Request,
        viewer: Viewer,
        endpoint_id: str,
        error: PreconditionFailed | None = None,
    ) -> Response:
        with database.transaction() as tx:
            found = get_endpoint(tx, viewer.organization_id, endpoint_id)
        return portal.shell.page(
            request,
            "endpoint_delete.html",
            DeleteEndpointPage(found, error),
            viewer=viewer,
            status=HTTPStatus.OK if error is None else STALE,
        )

    return router


def may_change(viewer: Viewer, endpoint: EndpointView) -> bool:
    is_theirs = not endpoint.is_shared or is_platform_administrator(viewer)
    return is_theirs and viewer.may(Permission.ENDPOINTS_WRITE)


def to_endpoint(endpoint_id: str) -> Response:
    return RedirectResponse(f"/endpoints/{endpoint_id}", HTTPStatus.SEE_OTHER)
