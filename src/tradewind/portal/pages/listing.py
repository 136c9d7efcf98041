"""One listing of the organization: its state, the steps of its wizard, preview and submission."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    TradewindError,
)
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.artifacts.schemas import ArtifactRow
from tradewind.features.catalog.rules.lifecycle import Lifecycle, LifecycleMove
from tradewind.features.publishing import rules
from tradewind.features.publishing.schemas import ListingDetail, ListingRow, State
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.life_form import LifeCard, LifeForm, ending_of
from tradewind.portal.life_form import read as read_life
from tradewind.portal.parts import Portal
from tradewind.portal.publishing_form import (
    CAPABILITIES,
    CHECK_LABELS,
    FIELD_LABELS,
    MOVE_LABELS,
    TASKS,
    VISIBILITIES,
    ListingForm,
    content_with,
    listing_form_of,
    problems_by_step,
    read_step,
)
from tradewind.portal.revisions import STALE, revision_of

_STEPS = tuple((name, label) for name, label, _ in rules.STEPS)
_NAMES = tuple(name for name, _ in _STEPS)
_ARTIFACTS_SHOWN = 200
_MOVES = {"ga": Lifecycle.GA, "legacy": Lifecycle.LEGACY}
"""Where a publisher brings a model by a button; its end takes days and a form."""
_ACTIONS = ("submit", "withdraw", "discard", "delist", "validate", "cancel", "change", *_MOVES)


@dataclass(frozen=True, slots=True)
class ListingPage:
    detail: ListingDetail
    can_write: bool
    problems: Mapping[str, int]
    refusal: TradewindError | None = None
    """Why nothing was done."""
    life: LifeCard | None = None
    """Of what is listed, for who may bring it further."""
    steps: Sequence[tuple[str, str]] = _STEPS
    labels: Mapping[str, str] = field(default_factory=lambda: FIELD_LABELS)
    moves: Mapping[str, str] = field(default_factory=lambda: MOVE_LABELS)
    checks: Mapping[str, str] = field(default_factory=lambda: CHECK_LABELS)

    @property
    def listing(self) -> ListingRow:
        return self.detail.row

    @property
    def is_news_coming(self) -> bool:
        """A run is under way; the page looks again by itself."""
        return bool(self.detail.runs) and self.detail.runs[0].is_open

    @property
    def is_complete(self) -> bool:
        return not any(self.problems.values())


@dataclass(frozen=True, slots=True)
class StepPage:
    listing: ListingRow
    step: str
    label: str
    form: ListingForm
    problems: Mapping[str, int]
    connections: Sequence[tuple[str, str]]
    artifacts: Sequence[tuple[str, str]]
    errors: FieldErrors = field(default_factory=FieldErrors)
    saved: ListingForm | None = None
    """What is so now, when somebody else has changed it."""
    filled: Sequence[str] = ()
    """What was read from the files a moment ago."""
    can_upload: bool = False
    steps: Sequence[tuple[str, str]] = _STEPS
    tasks: Sequence[tuple[str, str]] = TASKS
    capabilities: Mapping[str, str] = field(default_factory=lambda: CAPABILITIES)
    visibilities: Sequence[tuple[str, str]] = VISIBILITIES


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, listings = services.database, services.publishing.listings
    validations = services.publishing.validations
    may_read = access.allowed(Permission.PUBLISHING_READ)
    may_write = access.allowed(Permission.PUBLISHING_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/publish/listings/{listing_id}")
    def listing(
        request: Request, listing_id: str, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        return _overview(request, viewer, listing_id)

    @router.get("/publish/listings/{listing_id}/preview")
    def preview(
        request: Request, listing_id: str, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        return _overview(request, viewer, listing_id, template="listing_preview.html")

    @router.get("/publish/listings/{listing_id}/{step}")
    def ask(
        request: Request,
        listing_id: str,
        step: str,
        viewer: Annotated[Viewer, Depends(may_write)],
        filled: Annotated[str, Query(max_length=500)] = "",
    ) -> Response:
        _check_step(step)
        with database.transaction() as tx:
            row = listings.get_listing(tx, viewer, listing_id).row
        if row.state is not State.DRAFT:
            return _go(f"/publish/listings/{listing_id}")
        form = listing_form_of(row.content, row.revision)
        return _step(request, viewer, row, step, form, filled=filled.split(","))

    @router.post("/publish/listings/{listing_id}/actions/announce", dependencies=own_form)
    def announce(
        request: Request,
        listing_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        form, errors = read_life(fields), FieldErrors()
        ending = ending_of(form, errors)
        if ending is not None:
            try:
                with database.transaction() as tx:
                    row = _listed(tx, viewer, listing_id)
                    services.lives.announce(
                        tx,
                        viewer,
                        row.name,
                        ending.deprecates_on,
                        retires_on=ending.retires_on,
                        replacement=ending.replacement,
                    )
                return _go(f"/publish/listings/{listing_id}#life")
            except InvalidInput as error:
                errors.add("replacement", error)
            except LifecycleMove as error:
                errors.add(WHOLE_FORM, error)
        return _overview(request, viewer, listing_id, form=form, errors=errors)

    @router.post("/publish/listings/{listing_id}/actions/{action}", dependencies=own_form)
    def act(
        request: Request,
        listing_id: str,
        action: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        if action not in _ACTIONS:
            raise NotFound("there is no such action")
        try:
            with database.transaction() as tx:
                path = _act(tx, viewer, listing_id, action, fields.text("reason"))
        except (Conflict, Forbidden, InvalidInput, PreconditionFailed) as error:
            return _overview(request, viewer, listing_id, refusal=error)
        return _go(path)

    @router.post("/publish/listings/{listing_id}/{step}", dependencies=own_form)
    def save(
        request: Request,
        listing_id: str,
        step: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        _check_step(step)
        form, errors = read_step(fields, step), FieldErrors()
        try:
            with database.transaction() as tx:
                former = listings.get_listing(tx, viewer, listing_id).row
                content = content_with(former.content, form, step, errors)
                row = listings.save(tx, viewer, listing_id, content, revision=revision_of(fields))
        except PreconditionFailed:
            with database.transaction() as tx:
                row = listings.get_listing(tx, viewer, listing_id).row
            now = listing_form_of(row.content, row.revision)
            form = ListingForm(form.values, form.chosen, now.revision)
            return _step(request, viewer, row, step, form, saved=now, status=STALE)
        except Conflict as error:
            return _overview(request, viewer, listing_id, refusal=error)
        if errors:
            form = ListingForm(form.values, form.chosen, str(row.revision))
            return _step(
                request,
                viewer,
                row,
                step,
                form,
                errors=errors,
                status=HTTPStatus.UNPROCESSABLE_ENTITY,
            )
        place = _NAMES.index(step) + 1
        following = _NAMES[place] if place < len(_NAMES) else "preview"
        return _go(f"/publish/listings/{listing_id}/{following}")

    def _act(tx: Connection, viewer: Viewer, listing_id: str, action: str, reason: str) -> str:
        """Do it; return where to go."""
        by, here = viewer.by, f"/publish/listings/{listing_id}"
        match action:
            case "submit":
                listings.submit(tx, viewer, by, listing_id)
            case "withdraw":
                listings.withdraw(tx, viewer, by, listing_id)
            case "discard":
                listings.discard(tx, viewer, listing_id)
                return "/publish"
            case "delist":
                listings.delist(tx, viewer, by, listing_id, reason)
            case "validate":
                validations.begin_again(tx, viewer, listing_id)
            case "ga" | "legacy":
                name = _listed(tx, viewer, listing_id).name
                services.lives.move(tx, viewer, name, _MOVES[action])
                return f"{here}#life"
            case "cancel":
                validations.cancel(tx, viewer, by, listing_id)
            case _:
                row = listings.get_listing(tx, viewer, listing_id).row
                begun = listings.begin(tx, viewer, by, row.publisher, row.slug)
                return f"/publish/listings/{begun.listing_id}/model"
        return here

    def _listed(tx: Connection, viewer: Viewer, listing_id: str) -> ListingRow:
        """Return a listing of the viewer's that is listed. Raises NotFound."""
        row = listings.get_listing(tx, viewer, listing_id).row
        if row.organization_id != viewer.organization_id or row.state is not State.LISTED:
            raise NotFound("only what is listed has a life to go on with")
        return row

    def _life(
        tx: Connection, viewer: Viewer, row: ListingRow, form: LifeForm, errors: FieldErrors
    ) -> LifeCard | None:
        if row.state is not State.LISTED or not viewer.may(Permission.CATALOG_WRITE):
            return None
        life, schedule = services.lives.show(tx, row.name)
        if schedule is None:
            return None
        return LifeCard(life, schedule, services.clock.now(), form, errors)

    def _overview(
        request: Request,
        viewer: Viewer,
        listing_id: str,
        *,
        template: str = "listing.html",
        refusal: TradewindError | None = None,
        form: LifeForm | None = None,
        errors: FieldErrors | None = None,
    ) -> Response:
        with database.transaction() as tx:
            detail = listings.get_listing(tx, viewer, listing_id)
            can_write = (
                viewer.may(Permission.PUBLISHING_WRITE)
                and detail.row.organization_id == viewer.organization_id
            )
            life = None
            if can_write:
                life = _life(tx, viewer, detail.row, form or LifeForm(), errors or FieldErrors())
        page = ListingPage(detail, can_write, problems_by_step(detail.row.content), refusal, life)
        status = HTTPStatus.OK if refusal is None else HTTPStatus(refusal.status)
        if errors:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
        return portal.shell.page(request, template, page, viewer=viewer, status=status)

    def _step(
        request: Request,
        viewer: Viewer,
        row: ListingRow,
        step: str,
        form: ListingForm,
        *,
        errors: FieldErrors | None = None,
        saved: ListingForm | None = None,
        filled: Sequence[str] = (),
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        connections: list[tuple[str, str]] = []
        artifacts: list[ArtifactRow] = []
        if step == "source":
            with database.transaction() as tx:
                if viewer.may(Permission.PROVIDERS_READ):
                    connections = [
                        (one.id, one.name)
                        for one in services.providers.list_connections(tx, viewer)
                    ]
                if viewer.may(Permission.ARTIFACTS_READ):
                    artifacts = services.artifacts.list_artifacts(
                        tx, viewer, limit=_ARTIFACTS_SHOWN
                    )
        page = StepPage(
            listing=row,
            step=step,
            label=dict(_STEPS)[step],
            form=form,
            problems=problems_by_step(row.content),
            connections=connections,
            artifacts=[(one.digest, _artifact_label(one)) for one in artifacts],
            errors=errors or FieldErrors(),
            saved=saved,
            filled=[FIELD_LABELS[name] for name in filled if name in FIELD_LABELS],
            can_upload=viewer.may(Permission.ARTIFACTS_WRITE),
        )
        return portal.shell.page(request, "listing_step.html", page, viewer=viewer, status=status)

    return router


def _artifact_label(row: ArtifactRow) -> str:
    files = "1 file" if row.file_count == 1 else f"{row.file_count} files"
    state = ", in quarantine" if row.is_quarantined else ""
    size = f"{row.size / 1024**2:,.1f} MiB"
    return f"{row.digest[:19]}… ({files}, {size}, {row.created_at:%Y-%m-%d}{state})"


def _check_step(step: str) -> None:
    if step not in _NAMES:
        raise NotFound(f"there is no step {step[:40]!r}")


def _go(path: str) -> Response:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)
