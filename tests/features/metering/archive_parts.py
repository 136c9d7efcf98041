"""Days of usage, and an archiver for them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

from tests.features.billing.billing_parts import TurnedClock
from tradewind.core.ids import uuid7_bytes
from tradewind.db.database import Database
from tradewind.features.artifacts.stores.disk import DiskStore
from tradewind.features.metering import service
from tradewind.features.metering.archive.archiver import Archiver, Tell
from tradewind.features.metering.archive.query import Answer, ask
from tradewind.features.metering.archive.schemas import Stretch
from tradewind.features.metering.repository import store_events
from tradewind.features.metering.rules import EventRow

DAY = datetime(2026, 3, 1, tzinfo=UTC)
LATER = datetime(2026, 6, 1, tzinfo=UTC)
ALL = Stretch(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


def event(n: int, at: datetime, **changes: object) -> EventRow:
    row = EventRow(
        UUID(bytes=uuid7_bytes()),
        at,
        f"org_{n % 3}",
        'proj "1",\n2',
        "key",
        "chat",
        "acme/model",
        "",
        "price_1",
        "USD" if n % 2 else "EUR",
        is_stream=False,
        outcome="completed",
        http_status=200,
        input_tokens=10 + n,
        cached_input_tokens=1,
        output_tokens=n,
        cache_write_tokens=2,
        meters={"images": n} if n % 5 == 0 else None,
        usage_source="upstream",
        cost_nanos=1000 + n,
        first_token_us=None if n % 2 else n,
        duration_us=5,
        provider_cost_nanos=n if n % 4 == 0 else None,
        provider_currency="CHF" if n % 4 == 0 else None,
    )
    return row._replace(**changes)


class Usage:
    """What one has who keeps usage: the tables, a folder, and somebody who archives."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.store = DiskStore(folder / "kept")

    def add(self, events: Iterable[EventRow], *, has_receipts: bool = True) -> None:
        rows = list(events)
        with self.database.connect_raw() as connection:
            service.ensure_partitions(connection, {row.at.date() for row in rows})
            store_events(connection, rows)
            if has_receipts:
                connection.execute("DELETE FROM usage_news")

    def add_hours(self, day: datetime = DAY, count: int = 50) -> None:
        self.add(event(n, day + timedelta(minutes=25 * n)) for n in range(count))

    def archiver(
        self, *, keep_days: int = 40, now: datetime = LATER, tell: Tell = lambda _step, _part: None
    ) -> Archiver:
        return Archiver(
            self.database,
            self.store,
            self.folder / "spool",
            TurnedClock(now),
            keep_days=keep_days,
            tell=tell,
        )

    def rows(self, text: LiteralString) -> list[tuple[Any, ...]]:
        with self.database.connect_raw(autocommit=True) as connection:
            return connection.execute(text).fetchall()

    def states(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT part, state, events FROM usage_archive ORDER BY day, part")

    def ask(self, statement: str, stretch: Stretch = ALL) -> Answer:
        return ask(self.database, self.store, self.folder / "spool", stretch, statement)

    def all_ids(self) -> list[UUID]:
        found = self.ask("SELECT event_id FROM usage_event ORDER BY event_id")
        return [row[0] for row in found.rows]
