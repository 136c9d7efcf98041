"""Limits: what the organization, its projects and single models may use, and the organization's
policy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import InvalidInput, NotFound, PreconditionFailed
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.budgets.schemas import NewTerms, TermsRow
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.limits_form import (
    LimitsForm,
    LimitTexts,
    PolicyForm,
    limits_form_of,
    policy_form_of,
    read_limits_form,
    read_policy_form,
    terms_with_limits,
    terms_with_policy,
    unknown_models,
)
from tradewind.portal.parts import Portal
from tradewind.portal.revisions import STALE, revision_of
from tradewind.readmodels.limits import (
    PROJECTS_SHOWN,
    LimitedModel,
    limited_models,
    list_projects,
    model_names,
)


@dataclass(frozen=True, slots=True)
class Subject:
    """The organization or one of its projects, with its form."""

    id: str
    name: str
    row: TermsRow
    form: LimitsForm
    errors: FieldErrors = field(default_factory=FieldErrors)
    is_stale: bool = False

    @property
    def saved(self) -> Mapping[str, LimitTexts]:
        """What is so now, by model; the place itself is under no name."""
        form = limits_form_of(self.row)
        return {"": form.own} | {texts.model: texts for texts in form.models if texts.model}

    @property
    def is_unlimited(self) -> bool:
        return all(texts.is_empty for texts in self.saved.values())


@dataclass(frozen=True, slots=True)
class LimitsPage:
    organization: Subject
    projects: Sequence[Subject]
    are_projects_cut: bool
    models: Sequence[LimitedModel]
    """Those with limits of their own, for all callers together."""
    names: Sequence[str]
    """Of models, to choose from; empty for whoever may not change anything."""
    policy: PolicyForm
    saved_policy: PolicyForm
    can_write: bool
    can_set_model: bool
    policy_errors: FieldErrors = field(default_factory=FieldErrors)
    is_policy_stale: bool = False

    @property
    def is_unlimited(self) -> bool:
        subjects = (self.organization, *self.projects)
        return not self.models and all(each.is_unlimited for each in subjects)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A form that was not taken, and why."""

    subject_id: str
    errors: FieldErrors
    limits: LimitsForm | None = None
    policy: PolicyForm | None = None
    status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, budgets = services.database, services.budgets
    may_read = access.allowed(Permission.LIMITS_READ)
    may_write = access.allowed(Permission.LIMITS_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/limits")
    def limits(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return _answer(request, viewer)

    @router.post("/limits/policy", dependencies=own_form)
    def change_policy(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        form, errors = read_policy_form(fields), FieldErrors()
        subject_id = viewer.organization_id
        with database.transaction() as tx:
            row = _find(tx, viewer, subject_id)
        status = _put(
            viewer, row, terms_with_policy(form, row, errors), revision_of(fields), errors
        )
        if status is None:
            return RedirectResponse("/limits#policy", HTTPStatus.SEE_OTHER)
        return _answer(request, viewer, _Sent(subject_id, errors, policy=form, status=status))

    @router.post("/limits/{subject_id}", dependencies=own_form)
    def change_limits(
        request: Request,
        subject_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        form, errors = read_limits_form(fields), FieldErrors()
        with database.transaction() as tx:
            row = _find(tx, viewer, subject_id)
            asked = unknown_models(form, row)
            missing = asked - set(model_names(tx, viewer.organization_id, asked))
        status = _put(
            viewer, row, terms_with_limits(form, row, missing, errors), revision_of(fields), errors
        )
        if status is None:
            return RedirectResponse(f"/limits#{subject_id}", HTTPStatus.SEE_OTHER)
        return _answer(request, viewer, _Sent(subject_id, errors, limits=form, status=status))

    def _put(
        viewer: Viewer,
        row: TermsRow,
        terms: NewTerms | None,
        revision: int,
        errors: FieldErrors,
    ) -> HTTPStatus | None:
        """Save, or return the status of why not."""
        if revision != row.revision:
            # The other half of the terms comes from `row`: it must be what the person saw.
            return STALE
        if terms is None:
            return HTTPStatus.UNPROCESSABLE_ENTITY
        try:
            with database.transaction() as tx:
                budgets.put_terms(tx, viewer, row.subject_id, terms, revision=revision)
        except PreconditionFailed:
            return STALE
        except InvalidInput as error:
            errors.add(WHOLE_FORM, error)
            return HTTPStatus.UNPROCESSABLE_ENTITY
        return None

    def _find(tx: Connection, viewer: Viewer, subject_id: str) -> TermsRow:
        return _rows(tx, viewer)[_known(tx, viewer, subject_id)]

    def _known(tx: Connection, viewer: Viewer, subject_id: str) -> str:
        projects = {project.id for project in list_projects(tx, viewer.organization_id)}
        if subject_id not in {viewer.organization_id, *projects}:
            raise NotFound("there is no such project", hint="go back to the page of limits")
        return subject_id

    def _rows(tx: Connection, viewer: Viewer) -> dict[str, TermsRow]:
        """Return what holds for the organization and each project, said or not."""
        said = {row.subject_id: row for row in budgets.list_terms(tx, viewer)}
        subjects = [(viewer.organization_id, False)]
        subjects += [(project.id, True) for project in list_projects(tx, viewer.organization_id)]
        return {
            subject_id: said.get(subject_id)
            or TermsRow(subject_id, is_project, NewTerms(), revision=0, updated_at=None)
            for subject_id, is_project in subjects
        }

    def _answer(request: Request, viewer: Viewer, sent: _Sent | None = None) -> Response:
        can_write = viewer.may(Permission.LIMITS_WRITE)
        with database.transaction() as tx:
            rows = _rows(tx, viewer)
            projects = list_projects(tx, viewer.organization_id)
            models = limited_models(tx, viewer.organization_id)
            names = model_names(tx, viewer.organization_id) if can_write else ()
        organization = rows[viewer.organization_id]
        policy = policy_form_of(organization)
        page = LimitsPage(
            organization=_subject(organization, viewer.organization_name, sent),
            projects=[_subject(rows[each.id], each.name, sent) for each in projects],
            are_projects_cut=len(projects) == PROJECTS_SHOWN,
            models=models,
            names=names,
            policy=policy,
            saved_policy=policy,
            can_write=can_write,
            can_set_model=viewer.may(Permission.ENDPOINTS_WRITE),
        )
        if sent is not None and sent.policy is not None:
            page = replace(
                page,
                policy=replace(sent.policy, revision=policy.revision)
                if sent.status == STALE
                else sent.policy,
                policy_errors=sent.errors,
                is_policy_stale=sent.status == STALE,
            )
        status = HTTPStatus.OK if sent is None else sent.status
        return portal.shell.page(request, "limits.html", page, viewer=viewer, status=status)

    return router


def _subject(row: TermsRow, name: str, sent: _Sent | None) -> Subject:
    form = limits_form_of(row)
    if sent is None or sent.subject_id != row.subject_id or sent.limits is None:
        return Subject(row.subject_id, name, row, form)
    is_stale = sent.status == STALE
    typed = replace(sent.limits, revision=form.revision) if is_stale else sent.limits
    errors = FieldErrors() if is_stale else sent.errors
    return Subject(row.subject_id, name, row, typed, errors, is_stale)
