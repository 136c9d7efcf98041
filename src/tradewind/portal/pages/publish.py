"""The publisher's console: names of publishers, and the listings of the organization."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.catalog.schemas import PublisherRow
from tradewind.features.publishing import rules
from tradewind.features.publishing.errors import NotPublisher
from tradewind.features.publishing.schemas import ApplicationRow, ApplicationState, ListingRow
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.publishing_form import (
    ApplicationForm,
    new_application_of,
    read_application_form,
)

ON_A_PAGE = 50


@dataclass(frozen=True, slots=True)
class PublishPage:
    publishers: Sequence[PublisherRow]
    applications: Sequence[ApplicationRow]
    """Those that wait, and those that were refused."""
    listings: Sequence[ListingRow]
    older: str | None
    is_first: bool
    can_write: bool
    is_news_coming: bool


@dataclass(frozen=True, slots=True)
class ApplyPage:
    form: ApplicationForm
    errors: FieldErrors = field(default_factory=FieldErrors)


@dataclass(frozen=True, slots=True)
class ApplicationPage:
    application: ApplicationRow
    can_write: bool
    place: str
    """Where the file has to be."""


@dataclass(frozen=True, slots=True)
class NewListingPage:
    publishers: Sequence[PublisherRow]
    publisher: str
    slug: str
    errors: FieldErrors = field(default_factory=FieldErrors)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database = services.database
    publishers, listings = services.publishing.publishers, services.publishing.listings
    may_read = access.allowed(Permission.PUBLISHING_READ)
    may_write = access.allowed(Permission.PUBLISHING_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/publish")
    def console(
        request: Request,
        viewer: Annotated[Viewer, Depends(may_read)],
        before: Annotated[str | None, Query(max_length=100)] = None,
    ) -> Response:
        with database.transaction() as tx:
            owned = publishers.owned(tx, viewer)
            asked = publishers.list_own(tx, viewer)
            rows = listings.list_listings(tx, viewer, before=before, limit=ON_A_PAGE + 1)
        shown = rows[:ON_A_PAGE]
        page = PublishPage(
            publishers=owned,
            applications=[row for row in asked if row.state is not ApplicationState.VERIFIED],
            listings=shown,
            older=shown[-1].listing_id if len(rows) > ON_A_PAGE else None,
            is_first=before is None,
            can_write=viewer.may(Permission.PUBLISHING_WRITE),
            is_news_coming=any(row.last_run is not None and row.last_run.is_open for row in shown),
        )
        return portal.shell.page(request, "publish.html", page, viewer=viewer)

    @router.get("/publish/apply")
    def ask(request: Request, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        page = ApplyPage(ApplicationForm(contact=viewer.email))
        return portal.shell.page(request, "publish_apply.html", page, viewer=viewer)

    @router.post("/publish/apply", dependencies=own_form)
    def apply(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        form, errors = read_application_form(fields), FieldErrors()
        new = new_application_of(form, errors)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if new is not None:
            try:
                with database.transaction() as tx:
                    row = publishers.apply(tx, viewer, viewer.by, new)
            except (Conflict, InvalidInput) as error:
                errors.add("slug" if isinstance(error, Conflict) else WHOLE_FORM, error)
                status = HTTPStatus(error.status)
            else:
                return _go(f"/publish/applications/{row.application_id}")
        page = ApplyPage(form, errors)
        return portal.shell.page(request, "publish_apply.html", page, viewer=viewer, status=status)

    @router.get("/publish/applications/{application_id}")
    def application(
        request: Request, application_id: str, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        with database.transaction() as tx:
            row = publishers.get(tx, viewer, application_id)
        page = ApplicationPage(
            row, viewer.may(Permission.PUBLISHING_WRITE), _host_of(row.website) + rules.WELL_KNOWN
        )
        return portal.shell.page(request, "publish_application.html", page, viewer=viewer)

    @router.post("/publish/applications/{application_id}/proof", dependencies=own_form)
    def prove(application_id: str, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        with database.transaction() as tx:
            publishers.look_for_proof(tx, viewer, application_id)
        return _go(f"/publish/applications/{application_id}")

    @router.get("/publish/new")
    def ask_name(
        request: Request,
        viewer: Annotated[Viewer, Depends(may_write)],
        publisher: Annotated[str, Query(max_length=100)] = "",
        model: Annotated[str, Query(max_length=100)] = "",
    ) -> Response:
        with database.transaction() as tx:
            owned = publishers.owned(tx, viewer)
        page = NewListingPage(owned, publisher, model)
        return portal.shell.page(request, "listing_new.html", page, viewer=viewer)

    @router.post("/publish/new", dependencies=own_form)
    def begin(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        publisher, slug = fields.text("publisher")[:100], fields.text("slug").strip()[:200]
        errors = FieldErrors()
        with errors.at("slug"):
            rules.check_slug(slug)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if not errors:
            try:
                with database.transaction() as tx:
                    row = listings.begin(tx, viewer, viewer.by, publisher, slug)
            except (Conflict, InvalidInput, NotPublisher) as error:
                errors.add("publisher" if isinstance(error, NotPublisher) else WHOLE_FORM, error)
                status = HTTPStatus(error.status)
            else:
                return _go(f"/publish/listings/{row.listing_id}/model")
        with database.transaction() as tx:
            owned = publishers.owned(tx, viewer)
        page = NewListingPage(owned, publisher, slug, errors)
        return portal.shell.page(request, "listing_new.html", page, viewer=viewer, status=status)

    return router


def _host_of(website: str) -> str:
    scheme, _, rest = website.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _go(path: str) -> Response:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)
