"""One provider: what it is, who uses it, changing it, its key, switching it off, deleting it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput, PreconditionFailed
from tradewind.core.permissions import Permission
from tradewind.db.sealing import Secret
from tradewind.features.accounts.schemas import Viewer, is_platform_administrator
from tradewind.features.endpoints.errors import ConnectionInUse
from tradewind.features.providers import rules
from tradewind.features.providers.errors import CredentialRequired
from tradewind.features.providers.schemas import ConnectionChanges, KnownHost
from tradewind.portal.connection_form import ConnectionForm, changes_of, form_of, read_form
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.revisions import STALE, revision_of
from tradewind.readmodels.connections import (
    ConnectionUse,
    ConnectionView,
    get_connection,
    uses_of,
)


@dataclass(frozen=True, slots=True)
class ProviderPage:
    connection: ConnectionView
    host: KnownHost | None
    uses: Sequence[ConnectionUse]
    can_see_account: bool
    can_write: bool
    can_add_models: bool
    may_be_private: bool
    form: ConnectionForm
    """What the form of changes holds: what is so now, or what was typed."""
    saved: ConnectionForm
    """What is so now, to show beside what was typed into a form that is out of date."""
    errors: FieldErrors = field(default_factory=FieldErrors)
    key_errors: FieldErrors = field(default_factory=FieldErrors)
    is_stale: bool = False


@dataclass(frozen=True, slots=True)
class DeleteProviderPage:
    connection: ConnectionView
    uses: Sequence[ConnectionUse]
    errors: FieldErrors = field(default_factory=FieldErrors)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, known = services.database, services.providers
    may_read = access.allowed(Permission.MODELS_READ)
    may_write = access.allowed(Permission.PROVIDERS_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/providers/{connection_id}")
    def provider(
        request: Request, connection_id: str, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        return _answer(request, viewer, connection_id)

    @router.post("/providers/{connection_id}", dependencies=own_form)
    def change(
        request: Request,
        connection_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        form, credential = read_form(fields), fields.text("credential")
        errors = FieldErrors()
        with database.transaction() as tx:
            former = get_connection(tx, viewer.organization_id, connection_id)
        changes = changes_of(
            form,
            credential,
            former,
            is_platform_administrator=is_platform_administrator(viewer),
            errors=errors,
        )
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if changes is not None:
            try:
                with database.transaction() as tx:
                    known.update_connection(
                        tx, viewer, former.id, changes, revision=revision_of(fields)
                    )
            except PreconditionFailed as error:
                return _answer(request, viewer, connection_id, form, stale=error)
            except Conflict as error:
                errors.add("name", error)
                status = HTTPStatus.CONFLICT
            except CredentialRequired as error:
                errors.add("credential", error)
                status = HTTPStatus.CONFLICT
            except InvalidInput as error:
                errors.add(WHOLE_FORM, error)
            else:
                return _to(connection_id)
        return _answer(request, viewer, connection_id, form, errors=errors, status=status)

    @router.post("/providers/{connection_id}/credential", dependencies=own_form)
    def replace_credential(
        request: Request,
        connection_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        errors = FieldErrors()
        text, takes_none = fields.text("credential"), fields.is_checked("takes_none")
        secret: Secret | None = None
        if not text.strip() and not takes_none:
            errors.say("credential", "the new key is missing", "or say that the host takes none")
        elif not takes_none:
            with errors.at("credential"):
                secret = Secret(rules.clean_credential(text))
        if errors:
            return _answer(
                request,
                viewer,
                connection_id,
                key_errors=errors,
                status=HTTPStatus.UNPROCESSABLE_ENTITY,
            )
        try:
            with database.transaction() as tx:
                known.replace_credential(
                    tx, viewer, connection_id, secret, revision=revision_of(fields)
                )
        except PreconditionFailed as error:
            return _answer(request, viewer, connection_id, stale=error)
        return _to(connection_id)

    @router.post("/providers/{connection_id}/enabled", dependencies=own_form)
    def enable(
        request: Request,
        connection_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        changes = ConnectionChanges(is_enabled=fields.text("is_enabled") == "yes")
        try:
            with database.transaction() as tx:
                known.update_connection(
                    tx, viewer, connection_id, changes, revision=revision_of(fields)
                )
        except PreconditionFailed as error:
            return _answer(request, viewer, connection_id, stale=error)
        return _to(connection_id)

    @router.get("/providers/{connection_id}/delete")
    def ask_to_delete(
        request: Request, connection_id: str, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        return _deletion(request, viewer, connection_id)

    @router.post("/providers/{connection_id}/delete", dependencies=own_form)
    def delete(
        request: Request,
        connection_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        try:
            with database.transaction() as tx:
                services.endpoints.delete_connection(
                    tx, viewer, connection_id, revision=revision_of(fields)
                )
        except (ConnectionInUse, PreconditionFailed) as error:
            errors = FieldErrors()
            errors.add(WHOLE_FORM, error)
            return _deletion(request, viewer, connection_id, errors, HTTPStatus(error.status))
        return RedirectResponse("/providers", HTTPStatus.SEE_OTHER)

    def _answer(
        request: Request,
        viewer: Viewer,
        connection_id: str,
        form: ConnectionForm | None = None,
        *,
        errors: FieldErrors | None = None,
        key_errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
        stale: PreconditionFailed | None = None,
    ) -> Response:
        with database.transaction() as tx:
            connection = get_connection(tx, viewer.organization_id, connection_id)
            uses = uses_of(tx, viewer.organization_id, connection.id)
        saved = form_of(connection)
        is_theirs = not connection.is_shared or is_platform_administrator(viewer)
        page = ProviderPage(
            connection=connection,
            host=known.known_host(connection.host) if connection.host else None,
            uses=uses,
            can_see_account=is_theirs and viewer.may(Permission.PROVIDERS_READ),
            can_write=is_theirs and viewer.may(Permission.PROVIDERS_WRITE),
            can_add_models=viewer.may(Permission.ENDPOINTS_WRITE)
            and is_platform_administrator(viewer),
            may_be_private=is_platform_administrator(viewer),
            form=_shown(form, saved, is_stale=stale is not None),
            saved=saved,
            errors=errors or FieldErrors(),
            key_errors=key_errors or FieldErrors(),
            is_stale=stale is not None,
        )
        return portal.shell.page(
            request,
            "provider.html",
            page,
            viewer=viewer,
            status=STALE if stale is not None else status,
        )

    def _deletion(
        request: Request,
        viewer: Viewer,
        connection_id: str,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            connection = get_connection(tx, viewer.organization_id, connection_id)
            uses = uses_of(tx, viewer.organization_id, connection.id)
        page = DeleteProviderPage(connection, uses, errors or FieldErrors())
        return portal.shell.page(
            request, "provider_delete.html", page, viewer=viewer, status=status
        )

    return router


def _shown(form: ConnectionForm | None, saved: ConnectionForm, *, is_stale: bool) -> ConnectionForm:
    """Return what the form holds. Whoever is shown what somebody else has changed may overwrite it;
    any other form keeps the revision that it was made from.
    """
    if form is None:
        return saved
    return replace(form, revision=saved.revision) if is_stale else form


def _to(connection_id: str) -> Response:
    return RedirectResponse(f"/providers/{connection_id}", HTTPStatus.SEE_OTHER)
