"""Red team: campaigns against models, what is repeated, and own data sets."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, UploadFile
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput, LimitExceeded
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.redteam.schemas import CampaignRow, DatasetRow, ScheduleRow
from tradewind.features.redteam.seeds import MOST_BYTES
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.parts import Portal

_SHOWN = 50
_PATH = "/red-team"


@dataclass(frozen=True, slots=True)
class RedTeamPage:
    campaigns: Sequence[CampaignRow]
    schedules: Sequence[ScheduleRow]
    datasets: Sequence[DatasetRow]
    can_write: bool
    errors: FieldErrors = field(default_factory=FieldErrors)
    name: str = ""
    shown: int = _SHOWN
    most_mib: int = MOST_BYTES // 1024**2

    @property
    def is_news_coming(self) -> bool:
        return any(not row.state.is_over for row in self.campaigns)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, red_team = services.database, services.red_team
    may_read = access.allowed(Permission.REDTEAM_READ)
    may_write = access.allowed(Permission.REDTEAM_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get(_PATH)
    def show(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return _answer(request, viewer)

    @router.post(f"{_PATH}/datasets", dependencies=own_form)
    def take(
        request: Request,
        file: UploadFile,
        name: Annotated[str, Form(max_length=200)],
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        data = file.file.read(MOST_BYTES + 1)
        try:
            with database.transaction() as tx:
                red_team.add_dataset(
                    tx,
                    viewer,
                    viewer.by,
                    name,
                    data,
                    file_name=file.filename or "",
                )
        except (InvalidInput, Conflict, LimitExceeded) as error:
            errors = FieldErrors()
            errors.add("name" if isinstance(error, Conflict) or not name.strip() else "file", error)
            return _answer(
                request, viewer, errors=errors, name=name, status=HTTPStatus(error.status)
            )
        return RedirectResponse(f"{_PATH}#datasets", HTTPStatus.SEE_OTHER)

    @router.post(f"{_PATH}/datasets/{{dataset_id}}/delete", dependencies=own_form)
    def forget(dataset_id: str, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        with database.transaction() as tx:
            red_team.delete_dataset(tx, viewer, dataset_id)
        return RedirectResponse(f"{_PATH}#datasets", HTTPStatus.SEE_OTHER)

    @router.post(f"{_PATH}/schedules/{{schedule_id}}", dependencies=own_form)
    def set_schedule(
        schedule_id: str,
        act: Annotated[str, Form(max_length=10)],
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        with database.transaction() as tx:
            if act == "delete":
                red_team.delete_schedule(tx, viewer, schedule_id)
            else:
                red_team.set_schedule(tx, viewer, schedule_id, is_enabled=act == "go_on")
        return RedirectResponse(f"{_PATH}#schedules", HTTPStatus.SEE_OTHER)

    def _answer(
        request: Request,
        viewer: Viewer,
        *,
        errors: FieldErrors | None = None,
        name: str = "",
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            page = RedTeamPage(
                campaigns=red_team.list_campaigns(tx, viewer, limit=_SHOWN),
                schedules=red_team.list_schedules(tx, viewer),
                datasets=red_team.list_datasets(tx, viewer),
                can_write=viewer.may(Permission.REDTEAM_WRITE),
                errors=errors or FieldErrors(),
                name=name,
            )
        return portal.shell.page(request, "redteam.html", page, viewer=viewer, status=status)

    return router
