"""Webhooks: the list, and adding one; its signing secret is shown once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import InvalidInput
from tradewind.core.permissions import Permission
from tradewind.db.outbox import SetAside
from tradewind.features.accounts.schemas import Viewer, is_platform_administrator
from tradewind.features.webhooks.errors import TooManyWebhooks
from tradewind.features.webhooks.schemas import DestinationRow, DestinationWithSecret
from tradewind.features.webhooks.service import WEBHOOKS_MAX
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.webhook_form import (
    KIND_LABELS,
    WebhookForm,
    new_destination_of,
    read_webhook_form,
)


@dataclass(frozen=True, slots=True)
class WebhooksPage:
    webhooks: Sequence[DestinationRow]
    set_aside: Sequence[SetAside]
    """Events that came to no webhook at all."""
    can_write: bool
    most: int = WEBHOOKS_MAX


@dataclass(frozen=True, slots=True)
class NewWebhookPage:
    form: WebhookForm
    may_be_private: bool
    errors: FieldErrors = field(default_factory=FieldErrors)
    kinds: Mapping[str, str] = field(default_factory=lambda: KIND_LABELS)


@dataclass(frozen=True, slots=True)
class SecretPage:
    """The one page that holds a signing secret."""

    made: DestinationWithSecret
    is_new: bool

    @property
    def text(self) -> str:
        return self.made.secret.reveal()


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, webhooks = services.database, services.webhooks
    may_read = access.allowed(Permission.WEBHOOKS_READ)
    may_write = access.allowed(Permission.WEBHOOKS_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/webhooks")
    def all_webhooks(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        with database.transaction() as tx:
            rows = webhooks.list_webhooks(tx, viewer)
            set_aside = webhooks.list_set_aside(tx, viewer)
        page = WebhooksPage(rows, set_aside, viewer.may(Permission.WEBHOOKS_WRITE))
        return portal.shell.page(request, "webhooks.html", page, viewer=viewer)

    @router.get("/webhooks/new")
    def ask(request: Request, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        page = NewWebhookPage(WebhookForm(), is_platform_administrator(viewer))
        return portal.shell.page(request, "webhook_new.html", page, viewer=viewer)

    @router.post("/webhooks", dependencies=own_form)
    def add(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        form, errors = read_webhook_form(fields), FieldErrors()
        may_be_private = is_platform_administrator(viewer)
        new = new_destination_of(form, errors, may_be_private=may_be_private)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if new is not None:
            try:
                with database.transaction() as tx:
                    made = webhooks.add_webhook(tx, viewer, new)
            except (TooManyWebhooks, InvalidInput) as error:
                errors.add(WHOLE_FORM, error)
                status = HTTPStatus(error.status)
            else:
                # Answered in place: a redirect would have to carry the secret in its address.
                shown = SecretPage(made, is_new=True)
                return portal.shell.page(request, "webhook_secret.html", shown, viewer=viewer)
        page = NewWebhookPage(form, may_be_private, errors)
        return portal.shell.page(request, "webhook_new.html", page, viewer=viewer, status=status)

    @router.post("/webhooks/set-aside", dependencies=own_form)
    def put_back(viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        with database.transaction() as tx:
            webhooks.put_back(tx, viewer)
        return RedirectResponse("/webhooks", HTTPStatus.SEE_OTHER)

    return router
