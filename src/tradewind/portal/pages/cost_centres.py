"""Cost centres and tags of projects: what invoices carry beside each project's usage."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.billing.schemas import Label
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields, FormFields
from tradewind.portal.parts import Portal
from tradewind.readmodels.limits import list_projects

_LONGEST = 8_000
"""Of all that is typed into one field; what a label may say is billing's to decide."""


@dataclass(frozen=True, slots=True)
class CostCentresPage:
    projects: Mapping[str, str]
    """Names by id."""
    typed: Mapping[str, tuple[str, str]]
    """By project: its cost centre, and its tags line by line."""
    can_write: bool
    errors: FieldErrors = field(default_factory=FieldErrors)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, office = services.database, services.office
    may_read = access.allowed(Permission.BILLING_READ)
    may_write = access.allowed(Permission.BILLING_WRITE)

    def answer(
        request: Request,
        viewer: Viewer,
        typed: Mapping[str, tuple[str, str]] | None = None,
        errors: FieldErrors | None = None,
    ) -> Response:
        with database.transaction() as tx:
            labels = office.own_labels(tx, viewer)
            projects = dict[str, str](list_projects(tx, viewer.organization_id))
        stored = {each: _lines(labels.get(each, Label())) for each in projects}
        page = CostCentresPage(
            projects,
            stored | dict(typed or {}),
            viewer.may(Permission.BILLING_WRITE),
            errors or FieldErrors(),
        )
        status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
        return portal.shell.page(request, "cost_centres.html", page, viewer=viewer, status=status)

    @router.get("/cost-centres")
    def labels(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return answer(request, viewer)

    @router.post("/cost-centres/{project_id}", dependencies=[Depends(access.own_form)])
    def set_label(
        request: Request,
        project_id: Annotated[str, Path(max_length=100)],
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        errors = FieldErrors()
        try:
            label = _label(fields)
            with database.transaction() as tx:
                office.set_own_label(tx, viewer, project_id, label)
        except InvalidInput as error:
            errors.add(WHOLE_FORM, error)
            sent = fields.text("cost_centre")[:_LONGEST], fields.text("tags")[:_LONGEST]
            return answer(request, viewer, {project_id: sent}, errors)
        return RedirectResponse("/cost-centres", HTTPStatus.SEE_OTHER)

    return router


def _label(fields: FormFields) -> Label:
    """Read `name: value`, one a line. Raises InvalidInput."""
    tags: dict[str, str] = {}
    for line in fields.text("tags")[:_LONGEST].splitlines():
        if not line.strip():
            continue
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon:
            raise InvalidInput(f"the tag {line[:64]!r} has no colon", hint="write team: research")
        if name in tags:
            raise InvalidInput(f"the tag {name[:64]!r} is there twice")
        tags[name] = value
    return Label(fields.text("cost_centre")[:_LONGEST].strip(), tags)


def _lines(label: Label) -> tuple[str, str]:
    tags = "\n".join(f"{name}: {value}" for name, value in sorted(label.tags.items()))
    return label.cost_centre, tags
