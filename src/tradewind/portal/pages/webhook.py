"""One webhook: what was sent, testing, changing, its secret, switching it off, deleting it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import InvalidInput, PreconditionFailed
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer, is_platform_administrator
from tradewind.features.webhooks.errors import TooManyDeliveries, WebhookDisabled
from tradewind.features.webhooks.schemas import (
    DeliveryRow,
    DeliveryState,
    DestinationChanges,
    DestinationRow,
)
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.pages.webhooks import SecretPage
from tradewind.portal.parts import Portal
from tradewind.portal.revisions import STALE, revision_of
from tradewind.portal.webhook_form import (
    KIND_LABELS,
    WebhookForm,
    destination_changes_of,
    read_webhook_form,
    webhook_form_of,
)

ON_A_PAGE = 50


@dataclass(frozen=True, slots=True)
class WebhookPage:
    webhook: DestinationRow
    deliveries: Sequence[DeliveryRow]
    older: str | None
    is_first: bool
    is_news_coming: bool
    """An attempt is about to be made; the list looks again by itself."""
    can_write: bool
    may_be_private: bool
    form: WebhookForm
    saved: WebhookForm
    errors: FieldErrors = field(default_factory=FieldErrors)
    refusal: TooManyDeliveries | WebhookDisabled | None = None
    """Why nothing was sent."""
    is_stale: bool = False
    kinds: Mapping[str, str] = field(default_factory=lambda: KIND_LABELS)


@dataclass(frozen=True, slots=True)
class ConfirmPage:
    """Before deleting a webhook, and before replacing its secret."""

    webhook: DestinationRow
    error: PreconditionFailed | None = None


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, webhooks = services.database, services.webhooks
    may_read = access.allowed(Permission.WEBHOOKS_READ)
    may_write = access.allowed(Permission.WEBHOOKS_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/webhooks/{webhook_id}")
    def webhook(
        request: Request,
        webhook_id: str,
        viewer: Annotated[Viewer, Depends(may_read)],
        before: Annotated[str | None, Query(max_length=100)] = None,
    ) -> Response:
        return _answer(request, viewer, webhook_id, before=before)

    @router.post("/webhooks/{webhook_id}", dependencies=own_form)
    def change(
        request: Request,
        webhook_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        form, errors = read_webhook_form(fields), FieldErrors()
        with database.transaction() as tx:
            may_be_private = _may_be_private(viewer, webhooks.get_webhook(tx, viewer, webhook_id))
        changes = destination_changes_of(form, errors, may_be_private=may_be_private)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if changes is not None:
            try:
                _update(viewer, webhook_id, changes, revision_of(fields))
            except PreconditionFailed:
                status = STALE
            except InvalidInput as error:
                errors.add(WHOLE_FORM, error)
            else:
                return _to(webhook_id)
        return _answer(request, viewer, webhook_id, form=form, errors=errors, status=status)

    @router.post("/webhooks/{webhook_id}/enabled", dependencies=own_form)
    def enable(
        request: Request,
        webhook_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        changes = DestinationChanges(is_enabled=fields.text("is_enabled") == "yes")
        try:
            _update(viewer, webhook_id, changes, revision_of(fields))
        except PreconditionFailed:
            return _answer(request, viewer, webhook_id, status=STALE)
        return _to(webhook_id)

    @router.post("/webhooks/{webhook_id}/test", dependencies=own_form)
    def send_test(
        request: Request, webhook_id: str, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        try:
            with database.transaction() as tx:
                webhooks.send_test(tx, viewer, webhook_id)
        except TooManyDeliveries as error:
            return _answer(request, viewer, webhook_id, refusal=error)
        return _to(webhook_id)

    @router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}", dependencies=own_form)
    def redeliver(
        request: Request,
        webhook_id: str,
        delivery_id: str,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        try:
            with database.transaction() as tx:
                webhooks.redeliver(tx, viewer, webhook_id, delivery_id)
        except (TooManyDeliveries, WebhookDisabled) as error:
            return _answer(request, viewer, webhook_id, refusal=error)
        return _to(webhook_id)

    @router.get("/webhooks/{webhook_id}/secret")
    def ask_to_rotate(
        request: Request, webhook_id: str, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        return _confirm(request, viewer, webhook_id, "webhook_rotate.html")

    @router.post("/webhooks/{webhook_id}/secret", dependencies=own_form)
    def rotate(
        request: Request,
        webhook_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        try:
            with database.transaction() as tx:
                made = webhooks.rotate_secret(tx, viewer, webhook_id, revision=revision_of(fields))
        except PreconditionFailed as error:
            return _confirm(request, viewer, webhook_id, "webhook_rotate.html", error)
        shown = SecretPage(made, is_new=False)
        return portal.shell.page(request, "webhook_secret.html", shown, viewer=viewer)

    @router.get("/webhooks/{webhook_id}/delete")
    def ask_to_delete(
        request: Request, webhook_id: str, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        return _confirm(request, viewer, webhook_id, "webhook_delete.html")

    @router.post("/webhooks/{webhook_id}/delete", dependencies=own_form)
    def delete(
        request: Request,
        webhook_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        try:
            with database.transaction() as tx:
                webhooks.delete_webhook(tx, viewer, webhook_id, revision=revision_of(fields))
        except PreconditionFailed as error:
            return _confirm(request, viewer, webhook_id, "webhook_delete.html", error)
        return RedirectResponse("/webhooks", HTTPStatus.SEE_OTHER)

    def _update(
        viewer: Viewer, webhook_id: str, changes: DestinationChanges, revision: int
    ) -> None:
        with database.transaction() as tx:
            webhooks.update_webhook(tx, viewer, webhook_id, changes, revision=revision)

    def _answer(
        request: Request,
        viewer: Viewer,
        webhook_id: str,
        *,
        before: str | None = None,
        form: WebhookForm | None = None,
        errors: FieldErrors | None = None,
        refusal: TooManyDeliveries | WebhookDisabled | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            row = webhooks.get_webhook(tx, viewer, webhook_id)
            deliveries = _deliveries(tx, viewer, webhook_id, before)
        saved = webhook_form_of(row)
        is_stale = status == STALE
        if form is not None and is_stale:
            form = replace(form, revision=saved.revision)
        shown = deliveries[:ON_A_PAGE]
        page = WebhookPage(
            webhook=row,
            deliveries=shown,
            older=shown[-1].delivery_id if len(deliveries) > ON_A_PAGE else None,
            is_first=before is None,
            is_news_coming=before is None and any(map(_is_under_way, shown)),
            can_write=viewer.may(Permission.WEBHOOKS_WRITE),
            may_be_private=_may_be_private(viewer, row),
            form=form or saved,
            saved=saved,
            errors=errors or FieldErrors(),
            refusal=refusal,
            is_stale=is_stale,
        )
        return portal.shell.page(
            request,
            "webhook.html",
            page,
            viewer=viewer,
            status=status if refusal is None else refusal.status,
        )

    def _deliveries(
        tx: Connection, viewer: Viewer, webhook_id: str, before: str | None
    ) -> list[DeliveryRow]:
        return webhooks.list_deliveries(tx, viewer, webhook_id, before=before, limit=ON_A_PAGE + 1)

    def _confirm(
        request: Request,
        viewer: Viewer,
        webhook_id: str,
        template: str,
        error: PreconditionFailed | None = None,
    ) -> Response:
        with database.transaction() as tx:
            row = webhooks.get_webhook(tx, viewer, webhook_id)
        status = HTTPStatus.OK if error is None else STALE
        return portal.shell.page(
            request, template, ConfirmPage(row, error), viewer=viewer, status=status
        )

    return router


def _may_be_private(viewer: Viewer, row: DestinationRow) -> bool:
    return is_platform_administrator(viewer) or row.is_private_network


def _is_under_way(row: DeliveryRow) -> bool:
    """Say whether a delivery is new: one that has failed before may take hours."""
    return row.state is DeliveryState.PENDING and row.attempts <= 1


def _to(webhook_id: str) -> Response:
    return RedirectResponse(f"/webhooks/{webhook_id}", HTTPStatus.SEE_OTHER)
