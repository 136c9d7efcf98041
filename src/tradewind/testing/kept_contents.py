"""Contents of calls, put there as the worker puts them, and the setting that lets them stay."""

from datetime import UTC, datetime
from uuid import UUID

from tradewind.core.ids import OrganizationId
from tradewind.db.database import Database
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.budgets.schemas import NewTerms
from tradewind.features.budgets.service import Budgets
from tradewind.features.content import service
from tradewind.features.content.schemas import ContentRow
from tradewind.usage.event import UsageEvent

_MOST_DAYS = 90


def keep_content(
    database: Database,
    call: UsageEvent,
    organization_id: OrganizationId,
    *,
    prompt: bytes = b'{"messages": [{"role": "user", "content": "Name a wind."}]}',
    answer: bytes = b'{"streamed": true, "choices": [{"index": 0, "text": "Mistral"}]}',
    is_truncated: bool = False,
) -> None:
    """Store the content of a call, as one of this organization."""
    at = datetime.fromtimestamp(call.at_us / 1e6, UTC)
    row = ContentRow(
        UUID(bytes=call.event_id),
        at,
        str(organization_id),
        str(call.project_id),
        prompt,
        answer,
        is_truncated,
        is_truncated,
    )
    with database.connect_raw(autocommit=True) as connection, connection.transaction():
        service.make_partitions(connection, at)
        service.keep(connection, [row], {str(organization_id): _MOST_DAYS}, at)


def set_content_days(database: Database, budgets: Budgets, viewer: Viewer, days: int) -> None:
    """Have the organization keep contents for so many days."""
    with database.transaction() as tx:
        budgets.put_terms(tx, viewer, viewer.organization_id, NewTerms(content_days=days))
