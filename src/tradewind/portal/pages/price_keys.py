"""Keys of price files: whose signed prices are believed, and for which models."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Forbidden
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer, is_platform_administrator
from tradewind.features.market.schemas import KeyRow
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.form_fields import Fields, FormFields
from tradewind.portal.parts import Portal

_PATH = "/price-keys"
_LETTERS = 4
"""Of a fingerprint between two blanks: people compare it by eye."""


@dataclass(frozen=True, slots=True)
class KeyForm:
    name: str = ""
    pem: str = ""
    publisher: str = ""


@dataclass(frozen=True, slots=True)
class PriceKeysPage:
    keys: Sequence[KeyRow]
    form: KeyForm
    can_write: bool
    added: KeyRow | None = None
    errors: FieldErrors = field(default_factory=FieldErrors)

    def fingerprint(self, key: KeyRow) -> str:
        """Return the SHA-256 of the public key, in pieces."""
        text = key.key_id
        return " ".join(text[at : at + _LETTERS] for at in range(0, len(text), _LETTERS))


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, files = services.database, services.prices.files
    may_read = access.allowed(Permission.FINANCE_READ)
    may_write = access.allowed(Permission.FINANCE_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get(_PATH)
    def keys(
        request: Request, viewer: Annotated[Viewer, Depends(may_read)], added: str = ""
    ) -> Response:
        return _page(request, viewer, added=added)

    @router.post(_PATH, dependencies=own_form)
    def add(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        form, errors = _read(fields), FieldErrors()
        if not form.name:
            errors.say("name", "the name is missing", "say whose key it is")
        if not errors:
            with errors.at("pem"):
                with database.transaction() as tx:
                    row = files.add_key(
                        tx,
                        viewer,
                        name=form.name,
                        pem=form.pem.encode(),
                        publisher=form.publisher,
                        by=viewer.name,
                    )
                return RedirectResponse(f"{_PATH}?added={row.key_id}", HTTPStatus.SEE_OTHER)
        return _page(request, viewer, form=form, errors=errors)

    @router.post(f"{_PATH}/{{key_id}}/revoke", dependencies=own_form)
    def revoke(key_id: str, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        with database.transaction() as tx:
            files.revoke_key(tx, viewer, key_id, by=viewer.name)
        return RedirectResponse(_PATH, HTTPStatus.SEE_OTHER)

    def _page(
        request: Request,
        viewer: Viewer,
        *,
        form: KeyForm | None = None,
        errors: FieldErrors | None = None,
        added: str = "",
    ) -> Response:
        if not is_platform_administrator(viewer):
            raise Forbidden("only administrators of the platform see the keys of its prices")
        with database.transaction() as tx:
            rows = files.keys(tx, viewer)
        page = PriceKeysPage(
            rows,
            form or KeyForm(),
            viewer.may(Permission.FINANCE_WRITE),
            next((row for row in rows if row.key_id == added), None),
            errors or FieldErrors(),
        )
        status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
        return portal.shell.page(request, "price_keys.html", page, viewer=viewer, status=status)

    return router


def _read(fields: FormFields) -> KeyForm:
    return KeyForm(
        fields.text("name").strip()[:200],
        fields.text("pem")[:4000],
        fields.text("publisher").strip()[:200],
    )
