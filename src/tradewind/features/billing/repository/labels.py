"""Cost centres and tags of projects."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.features.billing.schemas import Label
from tradewind.features.billing.tables import project_label

_IS_PROJECT = text(
    "SELECT EXISTS (SELECT FROM project WHERE organization_id = :organization AND id = :project)"
)


def labels_of(tx: Connection, organization_ids: Sequence[str]) -> Mapping[tuple[str, str], Label]:
    """Return the labels of the projects of these organizations, by organization and project."""
    found = select(project_label).where(project_label.c.organization_id.in_(organization_ids))
    return {
        (row.organization_id, row.project_id): Label(row.cost_centre, row.tags)
        for row in tx.execute(found)
    }


def is_project(tx: Connection, organization_id: str, project_id: str) -> bool:
    named = {"organization": organization_id, "project": project_id}
    return bool(tx.execute(_IS_PROJECT, named).scalar())


def set_label(
    tx: Connection, organization_id: str, project_id: str, label: Label, now: datetime
) -> None:
    """Store a label; an empty one is taken away."""
    own = (project_label.c.organization_id == organization_id) & (
        project_label.c.project_id == project_id
    )
    if not label.cost_centre and not label.tags:
        tx.execute(delete(project_label).where(own))
        return
    values = {"cost_centre": label.cost_centre, "tags": dict(label.tags), "updated_at": now}
    tx.execute(
        upsert(project_label)
        .values(organization_id=organization_id, project_id=project_id, **values)
        .on_conflict_do_update(index_elements=["organization_id", "project_id"], set_=values)
    )
