"""One safety policy: what it says, where it holds, how it came to that, and what it makes of a
text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import pairwise
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer, is_platform_administrator
from tradewind.features.safety.rules.words import words_of_policy
from tradewind.features.safety.schemas import (
    BindingRow,
    PolicyRow,
    Standing,
    SubjectKind,
    Tried,
    VersionRow,
)
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.safety_deletion import Doomed, add_deletion
from tradewind.portal.safety_form import DIRECTIONS
from tradewind.portal.safety_spans import Piece, pieces_of
from tradewind.snapshot.safety import Direction

_Id = Annotated[str, Path(max_length=100)]
_VERSIONS_SHOWN = 20
_LONGEST_ID = 100


@dataclass(frozen=True, slots=True)
class PolicyPage:
    policy: PolicyRow
    sentences: Sequence[str]
    versions: Sequence[tuple[VersionRow, list[str], list[str]]]
    """Each with the sentences that it added and those that it took away."""
    bindings: Sequence[BindingRow]
    subjects: Sequence[tuple[str, str]]
    """What it may be bound to, and is not."""
    can_write: bool
    can_change: bool
    """Whether what it says is the viewer's to change."""
    text: str = ""
    direction: str = Direction.PROMPT.value
    tried: Tried | None = None
    pieces: Sequence[Piece] = ()
    errors: FieldErrors = field(default_factory=FieldErrors)
    directions: Sequence[tuple[str, str]] = DIRECTIONS


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, safety = services.database, services.safety
    may_read = access.allowed(Permission.SAFETY_READ)
    may_write = access.allowed(Permission.SAFETY_WRITE)
    own_form = [Depends(access.own_form)]

    def show(
        request: Request,
        viewer: Viewer,
        policy_id: str,
        errors: FieldErrors | None = None,
        *,
        text: str = "",
        direction: str = Direction.PROMPT.value,
        tried: Tried | None = None,
        status: int = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            policy = safety.policies.get_policy(tx, viewer, policy_id)
            versions = safety.policies.list_versions(
                tx, viewer, policy_id, limit=_VERSIONS_SHOWN + 1
            )
            bindings = safety.bindings.list_bindings(tx, viewer, policy_id)
            subjects = _subjects(tx, viewer, bindings)
        page = PolicyPage(
            policy=policy,
            sentences=words_of_policy(policy.content),
            versions=_with_changes(versions)[:_VERSIONS_SHOWN],
            bindings=bindings,
            subjects=subjects,
            can_write=viewer.may(Permission.SAFETY_WRITE),
            can_change=may_change(viewer, policy),
            text=text,
            direction=direction,
            tried=tried,
            pieces=pieces_of(text, tried.findings) if tried is not None else (),
            errors=errors or FieldErrors(),
        )
        return portal.shell.page(request, "safety_policy.html", page, viewer=viewer, status=status)

    def _subjects(
        tx: Connection, viewer: Viewer, bindings: Sequence[BindingRow]
    ) -> list[tuple[str, str]]:
        bound = {f"{row.kind.value}:{row.subject_id}" for row in bindings}
        organization = f"{SubjectKind.ORGANIZATION.value}:{viewer.organization_id}"
        found = [(organization, f"All of {viewer.organization_name}")]
        if viewer.may(Permission.ACCOUNTS_READ):
            found += [
                (f"{SubjectKind.PROJECT.value}:{row.project_id}", f"Project {row.name}")
                for row in services.people.list_projects(tx, viewer)
            ]
        if viewer.may(Permission.ENDPOINTS_READ):
            found += [
                (f"{SubjectKind.ENDPOINT.value}:{row.id}", f"Endpoint {row.name}")
                for row in services.endpoints.list_endpoints(tx, viewer)
                if row.organization_id is not None or is_platform_administrator(viewer)
            ]
        return [each for each in found if each[0] not in bound]

    @router.get("/safety/policies/{policy_id}")
    def policy(
        request: Request, policy_id: _Id, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        return show(request, viewer, policy_id)

    @router.post("/safety/policies/{policy_id}/try", dependencies=own_form)
    def try_text(
        request: Request,
        policy_id: _Id,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_read)],
    ) -> Response:
        text, direction = fields.text("text"), direction_of(fields.text("direction"))
        errors = FieldErrors()
        tried, status = None, HTTPStatus.OK
        try:
            with database.transaction() as tx:
                found = safety.policies.get_policy(tx, viewer, policy_id)
                tried = safety.trying.try_policy(tx, viewer, found.content, text, direction)
        except InvalidInput as error:
            errors.add(WHOLE_FORM, error)
            status = HTTPStatus(error.status)
        return show(
            request,
            viewer,
            policy_id,
            errors,
            text=text,
            direction=direction.value,
            tried=tried,
            status=status,
        )

    @router.post("/safety/policies/{policy_id}/bind", dependencies=own_form)
    def bind(
        request: Request,
        policy_id: _Id,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        name, _, subject_id = fields.text("subject").partition(":")
        return _bound(request, viewer, policy_id, name, subject_id, is_bound=True)

    @router.post("/safety/policies/{policy_id}/unbind", dependencies=own_form)
    def unbind(
        request: Request,
        policy_id: _Id,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        subject_id = fields.text("subject")
        return _bound(request, viewer, policy_id, fields.text("kind"), subject_id, is_bound=False)

    def _bound(
        request: Request,
        viewer: Viewer,
        policy_id: str,
        name: str,
        subject_id: str,
        *,
        is_bound: bool,
    ) -> Response:
        kind = next((each for each in SubjectKind if each.value == name), None)
        errors = FieldErrors()
        if kind is None or len(subject_id) > _LONGEST_ID:
            errors.say(WHOLE_FORM, "there is no such thing to bind a policy to")
            status = HTTPStatus.UNPROCESSABLE_ENTITY
        else:
            change = safety.bindings.bind if is_bound else safety.bindings.unbind
            try:
                with database.transaction() as tx:
                    change(tx, viewer, policy_id, kind, subject_id, by=viewer.name)
            except (Conflict, Forbidden, NotFound) as error:
                errors.add(WHOLE_FORM, error)
                status = HTTPStatus(error.status)
            else:
                return RedirectResponse(f"/safety/policies/{policy_id}", HTTPStatus.SEE_OTHER)
        return show(request, viewer, policy_id, errors, status=status)

    def doomed(tx: Connection, viewer: Viewer, doomed_id: str) -> Doomed:
        row = safety.policies.get_policy(tx, viewer, doomed_id)
        return Doomed(
            row.name,
            "It has to be bound to nothing. Its versions are kept for what they decided.",
            f"/safety/policies/{row.policy_id}",
        )

    add_deletion(
        router,
        portal,
        "/safety/policies",
        find=doomed,
        delete=safety.policies.delete_policy,
        then="/safety",
    )

    return router


def may_change(viewer: Viewer, policy: PolicyRow) -> bool:
    """Say whether what a policy says is this person's to change."""
    if not viewer.may(Permission.SAFETY_WRITE):
        return False
    return policy.standing is Standing.OWN or is_platform_administrator(viewer)


def direction_of(value: str) -> Direction:
    return next((each for each in Direction if each.value == value), Direction.PROMPT)


def _with_changes(
    versions: Sequence[VersionRow],
) -> list[tuple[VersionRow, list[str], list[str]]]:
    """`versions` are the newest first; the last of them is shown with all that it says when it is
    the first there was.
    """
    shown = [(newer, *_changes(older, newer)) for newer, older in pairwise(versions)]
    if versions and versions[-1].version == 1:
        shown.append((versions[-1], words_of_policy(versions[-1].content), []))
    return shown


def _changes(older: VersionRow, newer: VersionRow) -> tuple[list[str], list[str]]:
    before, after = words_of_policy(older.content), words_of_policy(newer.content)
    added = [line for line in after if line not in before]
    return added, [line for line in before if line not in after]
