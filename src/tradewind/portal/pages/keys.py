"""API keys: the list, creating one (its text is shown once) and revoking one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.accounts.errors import TooManyKeys
from tradewind.features.accounts.schemas import (
    PURPOSES_OF_PEOPLE,
    CreatedKey,
    KeyPurpose,
    KeyRow,
    Viewer,
)
from tradewind.features.budgets.schemas import TermsRow
from tradewind.portal.binding import Binding, Bound, binding_of_key, bounds_of
from tradewind.portal.parts import Portal
from tradewind.readmodels.limits import BudgetOwner, budget_owners, limited_models
from tradewind.snapshot.contents import Limits

# What the form offers; an empty value never expires.
LIFETIMES = (
    ("30", "In 30 days"),
    ("90", "In 90 days"),
    ("365", "In one year"),
    ("", "Never"),
)
_DEFAULT_LIFETIME = "90"


class Bounds(NamedTuple):
    """What binds a key, in short."""

    rates: tuple[Bound, ...]
    budgets: int
    """How many pay for its calls."""


@dataclass(frozen=True, slots=True)
class KeysPage:
    keys: Sequence[KeyRow]
    """Keys that people made, unrevoked ones first; the portal's own short-lived ones are left
    out."""
    bounds: Mapping[str, Bounds]
    """By key."""
    can_write: bool


@dataclass(frozen=True, slots=True)
class KeyForm:
    """What the person typed, as typed."""

    name: str = ""
    purpose: str = KeyPurpose.CLIENT.value
    lifetime: str = _DEFAULT_LIFETIME
    requests_per_minute: str = ""
    tokens_per_minute: str = ""
    concurrent_requests: str = ""


@dataclass(frozen=True, slots=True)
class CreateKeyPage:
    can_manage: bool
    """Whether the viewer may make keys that run the platform."""
    form: KeyForm = field(default_factory=KeyForm)
    lifetimes: tuple[tuple[str, str], ...] = LIFETIMES
    error: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class CreatedKeyPage:
    created: CreatedKey
    base_url: str


@dataclass(frozen=True, slots=True)
class KeyPage:
    key: KeyRow
    binding: Binding
    can_write: bool
    can_budget: bool


@dataclass(frozen=True, slots=True)
class RevokeKeyPage:
    key: KeyRow


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    accounts, budgets, database = services.accounts, services.budgets, services.database
    may_read = access.allowed(Permission.KEYS_READ)
    may_write = access.allowed(Permission.KEYS_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/keys")
    def keys(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        with database.transaction() as tx:
            rows = accounts.list_keys(tx, viewer)
            project, organization = _terms(tx, viewer)
            owners = budget_owners(tx, viewer.organization_id)
        paying = _budgets_by_owner(owners)
        shared = paying[viewer.organization_id] + paying[viewer.project_id]
        bounds = {
            key.key_id: Bounds(
                bounds_of(
                    (
                        ("key", key.limits),
                        ("project", project.terms.limits),
                        ("organization", organization.terms.limits),
                    )
                ),
                shared + paying[key.key_id],
            )
            for key in rows
        }
        page = KeysPage(rows, bounds, viewer.may(Permission.KEYS_WRITE))
        return portal.shell.page(request, "keys.html", page, viewer=viewer)

    @router.get("/keys/new")
    def ask(request: Request, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        page = CreateKeyPage(viewer.may(Permission.ACCOUNTS_WRITE))
        return portal.shell.page(request, "key_new.html", page, viewer=viewer)

    @router.post("/keys", dependencies=own_form)
    def create(
        *,
        request: Request,
        viewer: Annotated[Viewer, Depends(may_write)],
        name: Annotated[str, Form()] = "",
        purpose: Annotated[str, Form()] = KeyPurpose.CLIENT.value,
        lifetime: Annotated[str, Form()] = _DEFAULT_LIFETIME,
        requests_per_minute: Annotated[str, Form()] = "",
        tokens_per_minute: Annotated[str, Form()] = "",
        concurrent_requests: Annotated[str, Form()] = "",
    ) -> Response:
        form = KeyForm(
            name, purpose, lifetime, requests_per_minute, tokens_per_minute, concurrent_requests
        )
        try:
            limits, days = _parse(form)
            expires_at = None if days is None else services.clock.now() + timedelta(days=days)
            with database.transaction() as tx:
                created = accounts.create_key(
                    tx,
                    viewer,
                    name=name,
                    expires_at=expires_at,
                    limits=limits,
                    purpose=_purpose(form.purpose),
                )
        except (InvalidInput, TooManyKeys) as error:
            page = CreateKeyPage(
                viewer.may(Permission.ACCOUNTS_WRITE), form, error=error.message, hint=error.hint
            )
            return portal.shell.page(
                request, "key_new.html", page, viewer=viewer, status=error.status
            )
        # Answered in place: a redirect would have to carry the key in its address.
        is_management = created.row.purpose is KeyPurpose.MANAGEMENT
        base = "api" if is_management else "v1"
        shown = CreatedKeyPage(created, f"{services.public_url()}/{base}")
        return portal.shell.page(request, "key_created.html", shown, viewer=viewer)

    @router.get("/keys/{key_id}")
    def key(
        request: Request, key_id: str, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        with database.transaction() as tx:
            row = accounts.get_key(tx, viewer, key_id)
            binding = binding_of_key(
                row,
                (viewer.project_name, viewer.organization_name),
                _terms(tx, viewer),
                limited_models(tx, viewer.organization_id),
                budgets.budgets_of_key(tx, viewer, key_id),
            )
        page = KeyPage(
            row,
            binding,
            can_write=viewer.may(Permission.KEYS_WRITE),
            can_budget=viewer.may(Permission.LIMITS_WRITE),
        )
        return portal.shell.page(request, "key.html", page, viewer=viewer)

    @router.get("/keys/{key_id}/revoke")
    def ask_to_revoke(
        request: Request, key_id: str, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        with database.transaction() as tx:
            key = accounts.get_key(tx, viewer, key_id)
        return portal.shell.page(request, "key_revoke.html", RevokeKeyPage(key), viewer=viewer)

    @router.post("/keys/{key_id}/revoke", dependencies=own_form)
    def revoke(key_id: str, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        with database.transaction() as tx:
            accounts.revoke_key(tx, viewer, key_id)
        return RedirectResponse("/keys", HTTPStatus.SEE_OTHER)

    def _terms(tx: Connection, viewer: Viewer) -> tuple[TermsRow, TermsRow]:
        return (
            budgets.get_terms(tx, viewer, viewer.project_id),
            budgets.get_terms(tx, viewer, viewer.organization_id),
        )

    return router


def _budgets_by_owner(owners: Sequence[BudgetOwner]) -> Counter[str]:
    return Counter(each.key_id or each.project_id or each.organization_id for each in owners)


def _parse(form: KeyForm) -> tuple[Limits, int | None]:
    """Return the limits and the lifetime in days. Raises InvalidInput and names the field."""
    if form.lifetime not in {value for value, _ in LIFETIMES}:
        raise InvalidInput("this lifetime is not offered", hint="choose one from the list")
    limits = Limits(
        _number(form.requests_per_minute, "requests per minute"),
        _number(form.tokens_per_minute, "tokens per minute"),
        _number(form.concurrent_requests, "requests at once"),
    )
    return limits, int(form.lifetime) if form.lifetime else None


def _purpose(text: str) -> KeyPurpose:
    """Return one of those that people make; who may make which is for accounts to say."""
    for purpose in PURPOSES_OF_PEOPLE:
        if text == purpose.value:
            return purpose
    raise InvalidInput("there is no such kind of key", hint="choose one from the list")


def _number(text: str, what: str) -> int | None:
    text = text.strip().replace(",", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise InvalidInput(
            f"the limit of {what} is not a whole number", hint="leave it empty for no limit"
        )
    return int(text)
