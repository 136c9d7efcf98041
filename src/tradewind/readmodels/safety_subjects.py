"""What safety policies are bound to and refer to, whichever feature has it."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select

from tradewind.features.accounts.tables import organization, project
from tradewind.features.catalog.tables import model, model_version
from tradewind.features.deployments.tables import deployment
from tradewind.features.endpoints.tables import endpoint
from tradewind.features.providers.tables import provider_connection
from tradewind.features.safety.schemas import Subject, SubjectKind

_MOST_ID = 100


def find_subject(tx: Connection, kind: SubjectKind, subject_id: str) -> Subject | None:
    """Return what has this id, whoever owns it."""
    if len(subject_id) > _MOST_ID or "\0" in subject_id:
        return None
    row = tx.execute(_subject(kind, subject_id)).first()
    if row is None:
        return None
    return Subject(kind, subject_id, row.name, row.organization_id)


def missing_endpoints(tx: Connection, organization_id: str, names: Collection[str]) -> set[str]:
    """Return which of these names stand for no enabled endpoint that the organization may call."""
    if not names:
        return set()
    found = tx.execute(
        select(endpoint.c.name, endpoint.c.aliases).where(
            endpoint.c.is_enabled,
            or_(
                endpoint.c.organization_id.is_(None),
                endpoint.c.organization_id == organization_id,
            ),
            or_(endpoint.c.name.in_(names), endpoint.c.aliases.overlap(list(names))),
        )
    )
    there = {name for row in found for name in (row.name, *row.aliases)}
    return set(names) - there


def missing_connections(tx: Connection, organization_id: str, ids: Collection[str]) -> set[str]:
    """Return which of these ids are no connection of the organization or of the platform."""
    if not ids:
        return set()
    there = tx.execute(
        select(provider_connection.c.id).where(
            provider_connection.c.id.in_(ids),
            or_(
                provider_connection.c.organization_id.is_(None),
                provider_connection.c.organization_id == organization_id,
            ),
        )
    ).scalars()
    return set(ids) - set(there)


def _subject(kind: SubjectKind, subject_id: str) -> Select[Any, Any]:
    match kind:
        case SubjectKind.ORGANIZATION:
            table = organization
            return select(table.c.name, table.c.id.label("organization_id")).where(
                table.c.id == subject_id
            )
        case SubjectKind.PROJECT:
            return select(project.c.name, project.c.organization_id).where(
                project.c.id == subject_id
            )
        case SubjectKind.ENDPOINT:
            return select(endpoint.c.name, endpoint.c.organization_id).where(
                endpoint.c.id == subject_id
            )
        case SubjectKind.DEPLOYMENT:
            return (
                select(
                    func.concat(model.c.publisher_slug, "/", model.c.slug).label("name"),
                    deployment.c.organization_id,
                )
                .join(model_version, model_version.c.id == deployment.c.model_version_id)
                .join(model, model.c.id == model_version.c.model_id)
                .where(deployment.c.id == subject_id)
            )
