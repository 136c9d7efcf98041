"""What the services of safety have in common: whose is what, and rows as they are handed out."""

from typing import Any

import msgspec
from sqlalchemy import Row

from tradewind.core.errors import Forbidden, MalformedId, NotFound, PreconditionFailed
from tradewind.core.ids import OrganizationId, SafetyPolicyId
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.safety.schemas import PolicyContent, PolicyRow, Standing, VersionRow


def policy_row(row: Row[Any]) -> PolicyRow:
    return PolicyRow(
        policy_id=SafetyPolicyId(row.id),
        organization_id=None
        if row.organization_id is None
        else OrganizationId(row.organization_id),
        standing=Standing(row.standing),
        name=row.name,
        version=row.version,
        content=content_of(row.content),
        why=row.why,
        changed_by=row.changed_by,
        changed_at=row.changed_at,
        created_at=row.created_at,
    )


def version_row(row: Row[Any]) -> VersionRow:
    return VersionRow(
        policy_id=SafetyPolicyId(row.policy_id),
        version=row.version,
        name=row.name,
        content=content_of(row.content),
        why=row.why,
        changed_by=row.changed_by,
        changed_at=row.changed_at,
    )


def content_of(stored: Any) -> PolicyContent:
    return msgspec.convert(stored, PolicyContent)


def policy_id_of(text: str) -> SafetyPolicyId:
    """Raises NotFound for what can be no policy's id."""
    try:
        return SafetyPolicyId.parse(text)
    except MalformedId:
        raise no_policy(text) from None


def no_policy(policy_id: str) -> NotFound:
    return NotFound(
        f"there is no safety policy {policy_id[:40]!r}",
        hint="list the policies to see which there are",
    )


def changed_since(what: str) -> PreconditionFailed:
    return PreconditionFailed(
        f"{what} changed since you read it", hint="read it again, then change it"
    )


def require_operator(actor: Actor, what: str) -> None:
    """Raise Forbidden unless `actor` decides for the whole platform."""
    if not is_platform_administrator(actor):
        raise Forbidden(
            f"only an administrator of the platform changes {what}",
            hint="make a policy of your own and bind it",
        )
