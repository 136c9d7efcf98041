"""The routes of safety policies."""

from typing import Annotated

from fastapi import Path, Response

from tradewind.control.access import Call, Routes
from tradewind.control.acting import acting
from tradewind.control.pages import After, Limit, page_of
from tradewind.control.safety_answers import (
    BindingAnswer,
    BindingBody,
    BindingList,
    KnownCheck,
    KnownChecks,
    PolicyAnswer,
    PolicyBody,
    PolicyList,
    PolicyPage,
    PolicyPut,
    TriedAnswer,
    TryBody,
    VersionAnswer,
    VersionPage,
)
from tradewind.control.safety_data_routes import add_safety_data_routes
from tradewind.control.safety_dry_run_routes import add_dry_run_routes
from tradewind.control.services import ControlServices
from tradewind.control.versions import IfMatch, etag, revision_of
from tradewind.core.errors import NotFound
from tradewind.core.permissions import Permission
from tradewind.features.safety.schemas import PolicyRow, SubjectKind

_Id = Annotated[str, Path(max_length=100)]
_Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
_READS, _WRITES = Permission.SAFETY_READ, Permission.SAFETY_WRITE
_KIND_OF_PREFIX = {
    "org_": SubjectKind.ORGANIZATION,
    "proj_": SubjectKind.PROJECT,
    "ep_": SubjectKind.ENDPOINT,
    "dep_": SubjectKind.DEPLOYMENT,
}


def add_safety_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/safety`."""
    _add_policies(routes, services)
    _add_bindings(routes, services)
    add_safety_data_routes(routes, services)
    add_dry_run_routes(routes, services)


def _add_policies(routes: Routes, services: ControlServices) -> None:
    policies, trying = services.safety.policies, services.safety.trying

    @routes.get("/safety/checks", permission=_READS, summary="Checks that policies may name")
    def known_checks(call: Call) -> KnownChecks:
        del call
        facts = policies.facts()
        return KnownChecks(checks=[KnownCheck.of(facts[name]) for name in sorted(facts)])

    @routes.get("/safety/policies", permission=_READS, summary="Safety policies")
    def all_policies(call: Call, limit: Limit = 100, after: After = None) -> PolicyPage:
        rows = policies.list_policies(call.tx, call.holder)
        page = page_of(rows, lambda row: row.policy_id, limit=limit, after=after)
        return PolicyPage(policies=[PolicyAnswer.of(row) for row in page.entries], next=page.next)

    @routes.post("/safety/policies", permission=_WRITES, summary="Add a safety policy")
    def add_policy(call: Call, body: PolicyBody, response: Response) -> PolicyAnswer:
        row = policies.add_policy(
            call.tx,
            call.holder,
            body.name,
            body.to_content(),
            by=acting(services, call).name,
            why=body.why,
        )
        response.headers["location"] = f"/api/safety/policies/{row.policy_id}"
        return _shown(row, response)

    @routes.get("/safety/policies/{policy_id}", permission=_READS, summary="A safety policy")
    def policy(call: Call, policy_id: _Id, response: Response) -> PolicyAnswer:
        return _shown(policies.get_policy(call.tx, call.holder, policy_id), response)

    @routes.put(
        "/safety/policies/{policy_id}",
        permission=_WRITES,
        summary="Make the next version of a safety policy",
    )
    def change_policy(
        call: Call, policy_id: _Id, body: PolicyPut, response: Response, if_match: IfMatch = None
    ) -> PolicyAnswer:
        row = policies.change_policy(
            call.tx,
            call.holder,
            policy_id,
            body.to_content(),
            by=acting(services, call).name,
            name=body.name,
            why=body.why,
            version=revision_of(if_match),
        )
        return _shown(row, response)

    @routes.delete(
        "/safety/policies/{policy_id}",
        permission=_WRITES,
        summary="Delete a safety policy that is bound to nothing",
    )
    def delete_policy(call: Call, policy_id: _Id, if_match: IfMatch = None) -> None:
        policies.delete_policy(call.tx, call.holder, policy_id, version=revision_of(if_match))

    @routes.get(
        "/safety/policies/{policy_id}/versions",
        permission=_READS,
        summary="What a safety policy has said, who changed it, and why",
    )
    def versions(
        call: Call, policy_id: _Id, limit: Limit = 100, after: After = None
    ) -> VersionPage:
        before = int(after) if after is not None and after.isdecimal() else None
        rows = policies.list_versions(
            call.tx, call.holder, policy_id, before=before, limit=min(limit, 200) + 1
        )
        shown = rows[: min(limit, 200)]
        return VersionPage(
            versions=[VersionAnswer.of(row) for row in shown],
            next=str(shown[-1].version) if len(rows) > len(shown) else None,
        )

    @routes.get(
        "/safety/policies/{policy_id}/versions/{number}",
        permission=_READS,
        summary="One version of a safety policy",
    )
    def version(call: Call, policy_id: _Id, number: _Number) -> VersionAnswer:
        return VersionAnswer.of(policies.get_version(call.tx, call.holder, policy_id, number))

    @routes.post(
        "/safety/try",
        permission=_WRITES,
        summary="What a policy, saved or not, makes of a text; nothing is kept",
    )
    def try_policy(call: Call, body: TryBody) -> TriedAnswer:
        return TriedAnswer.of(
            trying.try_policy(call.tx, call.holder, body.to_content(), body.text, body.direction)
        )


def _add_bindings(routes: Routes, services: ControlServices) -> None:
    bindings = services.safety.bindings

    @routes.get(
        "/safety/effective",
        permission=_READS,
        summary="Policies that hold for every call of this project",
    )
    def effective(call: Call) -> PolicyList:
        rows = bindings.effective(call.tx, call.holder)
        return PolicyList(policies=[PolicyAnswer.of(row) for row in rows])

    @routes.get(
        "/safety/policies/{policy_id}/bindings",
        permission=_READS,
        summary="What a safety policy is bound to",
    )
    def of_policy(call: Call, policy_id: _Id) -> BindingList:
        rows = bindings.list_bindings(call.tx, call.holder, policy_id)
        return BindingList(bindings=[BindingAnswer.of(row) for row in rows])

    @routes.post(
        "/safety/policies/{policy_id}/bindings",
        permission=_WRITES,
        summary="Bind a safety policy",
    )
    def bind(call: Call, policy_id: _Id, body: BindingBody) -> BindingAnswer:
        row = bindings.bind(
            call.tx,
            call.holder,
            policy_id,
            _kind(body.subject),
            body.subject,
            by=acting(services, call).name,
        )
        return BindingAnswer.of(row)

    @routes.delete(
        "/safety/policies/{policy_id}/bindings/{subject_id}",
        permission=_WRITES,
        summary="Unbind a safety policy",
    )
    def unbind(call: Call, policy_id: _Id, subject_id: _Id) -> None:
        bindings.unbind(
            call.tx,
            call.holder,
            policy_id,
            _kind(subject_id),
            subject_id,
            by=acting(services, call).name,
        )


def _kind(subject_id: str) -> SubjectKind:
    """Raises NotFound for what can be nothing that policies are bound to."""
    for prefix, kind in _KIND_OF_PREFIX.items():
        if subject_id.startswith(prefix):
            return kind
    raise NotFound(
        f"{subject_id[:60]!r} is nothing that policies are bound to",
        hint="name an organization, a project, an endpoint or a deployment by its id",
    )


def _shown(row: PolicyRow, response: Response) -> PolicyAnswer:
    response.headers["etag"] = etag(row.version)
    return PolicyAnswer.of(row)
