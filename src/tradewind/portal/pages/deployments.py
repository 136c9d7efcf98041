"""Deployments: what runs on this machine; and a new one, with what it takes shown before."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer, is_platform_administrator
from tradewind.features.catalog.errors import LicenceNotAccepted
from tradewind.features.deployments.errors import DoesNotFit, NothingToDeploy
from tradewind.features.deployments.schemas import Deployable
from tradewind.portal.deployment_form import DeploymentForm, new_of, read_deployment_form
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.readmodels.deployments import DeploymentView, list_deployments

_Number = Annotated[str, Query(max_length=20)]


@dataclass(frozen=True, slots=True)
class DeploymentsPage:
    deployments: Sequence[DeploymentView]
    can_write: bool

    @property
    def is_news_coming(self) -> bool:
        return any(each.is_moving for each in self.deployments)


@dataclass(frozen=True, slots=True)
class NewDeploymentPage:
    form: DeploymentForm
    found: Deployable | None
    """None when nothing can be deployed, or was asked for."""
    refusal: Conflict | NotFound | InvalidInput | None = None
    """Why nothing can be."""
    errors: FieldErrors = field(default_factory=FieldErrors)

    @property
    def version_choices(self) -> list[tuple[str, str]]:
        return [] if self.found is None else [(each, each) for each in self.found.versions]


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    may_read = access.allowed(Permission.DEPLOYMENTS_READ)
    may_write = access.allowed(Permission.DEPLOYMENTS_WRITE)

    @router.get("/deployments")
    def deployments(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        with services.database.transaction() as tx:
            found = list_deployments(tx, viewer.organization_id)
        page = DeploymentsPage(found, may_deploy(viewer))
        return portal.shell.page(request, "deployments.html", page, viewer=viewer)

    @router.get("/deployments/new")
    def ask(  # noqa: PLR0917  fields of a form
        request: Request,
        viewer: Annotated[Viewer, Depends(may_write)],
        model: Annotated[str, Query(max_length=200)] = "",
        version: Annotated[str, Query(max_length=100)] = "",
        slots: _Number = "4",
        context: _Number = "",
        threads: _Number = "1",
        replicas: _Number = "1",
    ) -> Response:
        form = DeploymentForm(model, version, slots, context, threads, replicas)
        return _form(request, viewer, form)

    @router.post("/deployments/new", dependencies=[Depends(access.own_form)])
    def deploy(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        form, errors = read_deployment_form(fields), FieldErrors()
        asked = new_of(form, errors)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if asked is not None:
            try:
                with services.database.transaction() as tx:
                    made = services.orders.deploy(tx, viewer, asked, by=viewer.name)
            except (Conflict, InvalidInput, LicenceNotAccepted) as error:
                errors.add("override" if isinstance(error, DoesNotFit) else WHOLE_FORM, error)
                status = HTTPStatus(error.status)
            else:
                return RedirectResponse(f"/deployments/{made.deployment_id}", HTTPStatus.SEE_OTHER)
        return _form(request, viewer, form, errors, status)

    def _form(
        request: Request,
        viewer: Viewer,
        form: DeploymentForm,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        typed = FieldErrors()
        found: Deployable | None = None
        refusal: Conflict | NotFound | InvalidInput | None = None
        asked = new_of(form, typed)
        errors = errors or typed
        if asked is None:
            # What can be estimated is: with the numbers of an untouched form.
            asked = new_of(DeploymentForm(model=form.model, version=form.version), FieldErrors())
        if form.model and asked is not None:
            try:
                with services.database.transaction() as tx:
                    found = services.orders.look(tx, viewer, asked)
            except InvalidInput as error:
                errors.add(WHOLE_FORM, error)
                found, refusal = _untouched(viewer, form)
            except (NotFound, Conflict) as error:
                refusal = error
        if found is not None and not form.version:
            form = replace(form, version=found.version)
        page = NewDeploymentPage(form, found, refusal, errors)
        if errors and status == HTTPStatus.OK:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
        return portal.shell.page(request, "deployment_new.html", page, viewer=viewer, status=status)

    def _untouched(
        viewer: Viewer, form: DeploymentForm
    ) -> tuple[Deployable | None, NothingToDeploy | None]:
        asked = new_of(DeploymentForm(model=form.model, version=form.version), FieldErrors())
        assert asked is not None
        try:
            with services.database.transaction() as tx:
                return services.orders.look(tx, viewer, asked), None
        except NothingToDeploy as error:
            return None, error

    return router


def may_deploy(viewer: Viewer) -> bool:
    return viewer.may(Permission.DEPLOYMENTS_WRITE) and is_platform_administrator(viewer)
