"""One deployment: how far it is, its replicas, logs and revisions, and everything to do with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.deployments.errors import DoesNotFit
from tradewind.features.deployments.schemas import DeploymentChanges, Strategy
from tradewind.plugins.engines.engine_logs import Tail
from tradewind.portal.deployment_form import (
    DeploymentForm,
    changes_of,
    read_deployment_form,
    strategy_of,
    whole_number,
)
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.pages.deployments import may_deploy
from tradewind.portal.parts import Portal
from tradewind.portal.replica_stages import Step, steps_of
from tradewind.readmodels.deployments import (
    DeploymentView,
    RevisionView,
    get_deployment,
    list_revisions,
)

_Replica = Annotated[int, Query(ge=1, le=1024)]
STRATEGIES = (
    ("", "As it fits"),
    (Strategy.START_FIRST.value, "Start the new one first"),
    (Strategy.STOP_FIRST.value, "Stop the former first"),
)


@dataclass(frozen=True, slots=True)
class DeploymentPage:
    deployment: DeploymentView
    steps: Mapping[str, Sequence[Step]]
    """Of each replica, by its id."""
    revisions: Sequence[RevisionView]
    log: Tail
    first_error: str
    log_of: int
    """Number of the replica whose log is shown."""
    logs: Sequence[int]
    can_write: bool
    form: DeploymentForm
    scale: str
    errors: FieldErrors = field(default_factory=FieldErrors)
    scale_errors: FieldErrors = field(default_factory=FieldErrors)
    refusal: Conflict | InvalidInput | None = None
    stops_first: bool = False
    """Whether two copies do not fit, so that a change by default ends the former first."""
    strategies: tuple[tuple[str, str], ...] = STRATEGIES

    @property
    def is_without(self) -> bool:
        """Whether nothing of it answers because the former copy was stopped for the new one."""
        one = self.deployment
        return (
            one.strategy == Strategy.STOP_FIRST
            and one.replicas_wanted > 0
            and one.replicas_ready == 0
            and one.revision != one.good_revision
        )

    @property
    def current(self) -> RevisionView | None:
        return next(
            (each for each in self.revisions if each.number == self.deployment.revision), None
        )

    @property
    def can_roll_back(self) -> bool:
        return any(
            each.state == "good" and each.number != self.deployment.revision
            for each in self.revisions
        )


@dataclass(frozen=True, slots=True)
class DeleteDeploymentPage:
    deployment: DeploymentView


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, orders, logs = services.database, services.orders, services.engine_logs
    may_read = access.allowed(Permission.DEPLOYMENTS_READ)
    may_write = access.allowed(Permission.DEPLOYMENTS_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/deployments/{deployment_id}")
    def deployment(
        request: Request,
        deployment_id: str,
        viewer: Annotated[Viewer, Depends(may_read)],
        log: _Replica = 1,
    ) -> Response:
        return _answer(request, viewer, deployment_id, log_of=log)

    @router.get("/deployments/{deployment_id}/log")
    def news(
        deployment_id: str,
        viewer: Annotated[Viewer, Depends(may_read)],
        replica: _Replica = 1,
        since: Annotated[int, Query(ge=0)] = 0,
    ) -> Response:
        with database.transaction() as tx:
            found = get_deployment(tx, viewer.organization_id, deployment_id)
        tail = logs.news(found.deployment_id, replica, since)
        return JSONResponse({"text": tail.text, "position": tail.position})

    @router.get("/deployments/{deployment_id}/log/download")
    def download(
        deployment_id: str,
        viewer: Annotated[Viewer, Depends(may_read)],
        replica: _Replica = 1,
    ) -> Response:
        with database.transaction() as tx:
            found = get_deployment(tx, viewer.organization_id, deployment_id)
        name = f"{found.deployment_id}-{replica}.log"
        return StreamingResponse(
            logs.whole(found.deployment_id, replica),
            media_type="text/plain; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )

    @router.post("/deployments/{deployment_id}", dependencies=own_form)
    def change(
        request: Request,
        deployment_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        form, errors = read_deployment_form(fields), FieldErrors()
        changes = changes_of(form, errors)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if changes is not None:
            try:
                with database.transaction() as tx:
                    orders.change(tx, viewer, deployment_id, changes, by=viewer.name)
            except (Conflict, InvalidInput) as error:
                errors.add("override" if isinstance(error, DoesNotFit) else WHOLE_FORM, error)
                status = HTTPStatus(error.status)
            else:
                return _to(deployment_id)
        return _answer(request, viewer, deployment_id, form=form, errors=errors, status=status)

    @router.post("/deployments/{deployment_id}/scale", dependencies=own_form)
    def scale(
        request: Request,
        deployment_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        errors, typed = FieldErrors(), fields.text("replicas")
        replicas = whole_number(errors, "replicas", typed)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if not errors:
            try:
                with database.transaction() as tx:
                    orders.scale(
                        tx,
                        viewer,
                        deployment_id,
                        replicas,
                        is_override=fields.is_checked("override"),
                    )
            except (Conflict, InvalidInput) as error:
                errors.add("replicas", error)
                status = HTTPStatus(error.status)
            else:
                return _to(deployment_id)
        return _answer(
            request, viewer, deployment_id, scale=typed, scale_errors=errors, status=status
        )

    @router.post("/deployments/{deployment_id}/stop", dependencies=own_form)
    def stop(
        deployment_id: str, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        with database.transaction() as tx:
            orders.stop(tx, viewer, deployment_id)
        return _back(fields, deployment_id)

    @router.post("/deployments/{deployment_id}/start", dependencies=own_form)
    def start(
        request: Request,
        deployment_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        try:
            with database.transaction() as tx:
                orders.start(tx, viewer, deployment_id)
        except Conflict as error:
            return _refused(request, viewer, deployment_id, error)
        return _back(fields, deployment_id)

    @router.post("/deployments/{deployment_id}/rollback", dependencies=own_form)
    def roll_back(
        request: Request,
        deployment_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        errors, typed = FieldErrors(), fields.text("revision")
        number = whole_number(errors, "revision", typed) if typed else None
        strategy = strategy_of(errors, fields.text("strategy"))
        try:
            with database.transaction() as tx:
                orders.roll_back(tx, viewer, deployment_id, number, strategy)
        except Conflict as error:
            return _refused(request, viewer, deployment_id, error)
        return _to(deployment_id)

    @router.get("/deployments/{deployment_id}/delete")
    def ask_to_delete(
        request: Request, deployment_id: str, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        with database.transaction() as tx:
            found = get_deployment(tx, viewer.organization_id, deployment_id)
        page = DeleteDeploymentPage(found)
        return portal.shell.page(request, "deployment_delete.html", page, viewer=viewer)

    @router.post("/deployments/{deployment_id}/delete", dependencies=own_form)
    def delete(deployment_id: str, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        with database.transaction() as tx:
            orders.delete(tx, viewer, deployment_id)
        return RedirectResponse("/deployments", HTTPStatus.SEE_OTHER)

    def _refused(request: Request, viewer: Viewer, deployment_id: str, error: Conflict) -> Response:
        return _answer(
            request, viewer, deployment_id, refusal=error, status=HTTPStatus(error.status)
        )

    def _answer(
        request: Request,
        viewer: Viewer,
        deployment_id: str,
        *,
        log_of: int = 1,
        form: DeploymentForm | None = None,
        errors: FieldErrors | None = None,
        scale: str | None = None,
        scale_errors: FieldErrors | None = None,
        refusal: Conflict | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            found = get_deployment(tx, viewer.organization_id, deployment_id)
            revisions = list_revisions(tx, found.deployment_id)
            stops_first = may_deploy(viewer) and _stops_first(tx, viewer, deployment_id)
        page = DeploymentPage(
            deployment=found,
            steps={each.replica_id: steps_of(each) for each in found.replicas},
            revisions=revisions,
            log=logs.tail(found.deployment_id, log_of),
            first_error=logs.first_error(found.deployment_id, log_of),
            log_of=log_of,
            logs=logs.numbers(found.deployment_id),
            can_write=may_deploy(viewer),
            form=form or _form_of(found),
            scale=scale if scale is not None else str(found.replicas_wanted),
            errors=errors or FieldErrors(),
            scale_errors=scale_errors or FieldErrors(),
            refusal=refusal,
            stops_first=stops_first,
        )
        return portal.shell.page(request, "deployment.html", page, viewer=viewer, status=status)

    def _stops_first(tx: Connection, viewer: Viewer, deployment_id: str) -> bool:
        try:
            seen = orders.look_at_change(tx, viewer, deployment_id, DeploymentChanges())
        except (Conflict, InvalidInput, NotFound):
            return False  # its weights are not here any more: nothing can be changed anyway
        return seen.strategy is Strategy.STOP_FIRST

    return router


def _form_of(found: DeploymentView) -> DeploymentForm:
    return DeploymentForm(
        model=found.model,
        version=found.version,
        slots=str(found.slots),
        context=str(found.context_tokens),
        threads=str(found.threads),
        replicas=str(found.replicas_wanted),
    )


def _to(deployment_id: str) -> Response:
    return RedirectResponse(f"/deployments/{deployment_id}", HTTPStatus.SEE_OTHER)


def _back(fields: Fields, deployment_id: str) -> Response:
    """Return to the list when the button was there."""
    if fields.text("from") == "list":
        return RedirectResponse("/deployments", HTTPStatus.SEE_OTHER)
    return _to(deployment_id)
