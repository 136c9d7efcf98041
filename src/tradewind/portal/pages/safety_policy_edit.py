"""Writing a safety policy, or the next version of one: the form, and trying it before it holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, Forbidden, InvalidInput, PreconditionFailed
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.safety.rules.content import CATEGORIES
from tradewind.features.safety.schemas import CheckFacts, PolicyContent, PolicyRow, Tried
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields, FormFields
from tradewind.portal.pages.safety_policy import direction_of
from tradewind.portal.parts import Portal
from tradewind.portal.safety_form import (
    ACTIONS,
    DIRECTIONS,
    FAILING,
    STREAMING,
    THRESHOLDS,
    CheckChoice,
    DataChoice,
    PolicyForm,
    check_choices,
    content_of,
    form_of,
    read_policy_form,
)
from tradewind.portal.safety_spans import Piece, pieces_of

_Id = Annotated[str, Path(max_length=100)]
_PARTS_OF_PII = ("pii.email", "pii.phone", "pii.card", "pii.iban")
TAKES_DATA = {
    "blocklist": "/safety/blocklists",
    "custom_category": "/safety/categories",
    "protected_material": "/safety/corpora",
}
"""Checks that are given lists, categories or texts, and where these are made."""


@dataclass(frozen=True, slots=True)
class EditPage:
    form: PolicyForm
    checks: Sequence[CheckChoice]
    categories: Sequence[str]
    action: str
    policy: PolicyRow | None
    """None is a policy that is not there yet."""
    can_dry_run: bool
    is_stale: bool = False
    tried: Tried | None = None
    pieces: Sequence[Piece] = ()
    errors: FieldErrors = field(default_factory=FieldErrors)
    directions: Sequence[tuple[str, str]] = DIRECTIONS
    thresholds: Sequence[tuple[str, str]] = THRESHOLDS
    actions: Sequence[tuple[str, str]] = ACTIONS
    failing: Sequence[tuple[str, str]] = FAILING
    streaming: Sequence[tuple[str, str]] = STREAMING
    takes_data: Mapping[str, str] = field(default_factory=lambda: TAKES_DATA)

    def directions_of(self, facts: CheckFacts) -> set[str]:
        return {each.value for each in facts.directions}


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, safety = services.database, services.safety
    may_write = access.allowed(Permission.SAFETY_WRITE)
    own_form = [Depends(access.own_form)]

    def show(
        request: Request,
        viewer: Viewer,
        form: PolicyForm,
        policy: PolicyRow | None,
        errors: FieldErrors | None = None,
        *,
        tried: Tried | None = None,
        is_stale: bool = False,
        status: int = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            data = _data(tx, viewer)
        own = [f"custom:{each.name}" for each in data.get("custom_category", ())]
        page = EditPage(
            form=form,
            checks=check_choices(form, safety.policies.facts(), data),
            categories=[*CATEGORIES, *_PARTS_OF_PII, *own],
            action=_address(policy),
            policy=policy,
            can_dry_run=True,
            is_stale=is_stale,
            tried=tried,
            pieces=pieces_of(form.text, tried.findings) if tried is not None else (),
            errors=errors or FieldErrors(),
        )
        return portal.shell.page(
            request, "safety_policy_edit.html", page, viewer=viewer, status=status
        )

    def _data(tx: Connection, viewer: Viewer) -> dict[str, list[DataChoice]]:
        return {
            "blocklist": [
                DataChoice(row.blocklist_id, row.name)
                for row in safety.blocklists.list_blocklists(tx, viewer)
            ],
            "custom_category": [
                DataChoice(row.category_id, row.name)
                for row in safety.categories.list_categories(tx, viewer)
            ],
            "protected_material": [
                DataChoice(row.corpus_id, row.name)
                for row in safety.corpora.list_corpora(tx, viewer)
            ],
        }

    def send(
        request: Request, viewer: Viewer, fields: FormFields, policy: PolicyRow | None
    ) -> Response:
        """Do what the pressed button says: save, try, start a dry run, or give more rows."""
        form = read_policy_form(fields, safety.policies.facts().values())
        if fields.text("do") == "more":
            return show(request, viewer, replace(form, rules=form.rules), policy)
        errors = FieldErrors()
        content = content_of(form, errors)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if content is not None:
            try:
                match fields.text("do"):
                    case "try":
                        return _try(request, viewer, form, content, policy)
                    case "dry-run":
                        return _dry_run(viewer, form, content, policy)
                    case _:
                        return _save(viewer, form, content, policy)
            except PreconditionFailed:
                return show(
                    request,
                    viewer,
                    replace(form, version=str(policy.version) if policy else ""),
                    policy,
                    is_stale=True,
                    status=HTTPStatus.PRECONDITION_FAILED,
                )
            except (Conflict, Forbidden, InvalidInput) as error:
                errors.add(WHOLE_FORM, error)
                status = HTTPStatus(error.status)
        return show(request, viewer, form, policy, errors, status=status)

    def _try(
        request: Request,
        viewer: Viewer,
        form: PolicyForm,
        content: PolicyContent,
        policy: PolicyRow | None,
    ) -> Response:
        with database.transaction() as tx:
            tried = safety.trying.try_policy(
                tx, viewer, content, form.text, direction_of(form.direction)
            )
        return show(request, viewer, form, policy, tried=tried)

    def _dry_run(
        viewer: Viewer, form: PolicyForm, content: PolicyContent, policy: PolicyRow | None
    ) -> Response:
        with database.transaction() as tx:
            run = safety.dry_runs.start(
                tx,
                viewer,
                content,
                by=viewer.name,
                policy_id=policy.policy_id if policy else "",
                name=form.name,
            )
        return RedirectResponse(f"/safety/dry-runs/{run.run_id}", HTTPStatus.SEE_OTHER)

    def _save(
        viewer: Viewer, form: PolicyForm, content: PolicyContent, policy: PolicyRow | None
    ) -> Response:
        with database.transaction() as tx:
            if policy is None:
                saved = safety.policies.add_policy(
                    tx, viewer, form.name, content, by=viewer.name, why=form.why
                )
            else:
                saved = safety.policies.change_policy(
                    tx,
                    viewer,
                    policy.policy_id,
                    content,
                    by=viewer.name,
                    name=form.name,
                    why=form.why,
                    version=int(form.version) if form.version.isdecimal() else 0,
                )
        return RedirectResponse(f"/safety/policies/{saved.policy_id}", HTTPStatus.SEE_OTHER)

    @router.get("/safety/policies/new")
    def ask(request: Request, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        facts = safety.policies.facts().values()
        return show(request, viewer, form_of("", PolicyContent(), facts, 0), None)

    @router.post("/safety/policies", dependencies=own_form)
    def add(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        return send(request, viewer, fields, None)

    @router.get("/safety/policies/{policy_id}/edit")
    def ask_to_change(
        request: Request, policy_id: _Id, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        with database.transaction() as tx:
            policy = safety.policies.get_policy(tx, viewer, policy_id)
        facts = safety.policies.facts().values()
        form = form_of(policy.name, policy.content, facts, policy.version)
        return show(request, viewer, form, policy)

    @router.post("/safety/policies/{policy_id}/edit", dependencies=own_form)
    def change(
        request: Request,
        policy_id: _Id,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        with database.transaction() as tx:
            policy = safety.policies.get_policy(tx, viewer, policy_id)
        return send(request, viewer, fields, policy)

    return router


def _address(policy: PolicyRow | None) -> str:
    return "/safety/policies" if policy is None else f"/safety/policies/{policy.policy_id}/edit"
