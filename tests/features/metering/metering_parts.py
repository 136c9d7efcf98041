"""Lives of a gateway that writes a journal, a shipper on call, and what the tables say."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg

from tradewind.core.clock import SystemClock
from tradewind.features.metering.shipper import Shipper, ShipperCounters
from tradewind.usage.event import Record
from tradewind.usage.segment_writer import SegmentWriter
from tradewind.usage.segments import SegmentName


class Life:
    """One life of a gateway as far as its journal goes, without an event loop."""

    def __init__(self, folder: Path, *, boot_ns: int = 1, node: str = "a") -> None:
        self.folder = folder
        self._segment = SegmentWriter.create(folder, SegmentName(node, boot_ns, 0))

    @property
    def path(self) -> Path:
        return self.folder / str(self._segment.name)

    def write(self, *records: Record) -> None:
        self._segment.write(bytearray(b"".join(map(self._segment.encode, records))))

    def write_bytes(self, data: bytes) -> None:
        self._segment.write(bytearray(data))

    def rotate(self) -> None:
        name = self._segment.name
        following = SegmentWriter.create(self.folder, name._replace(number=name.number + 1))
        self._segment.seal()
        self._segment.close()
        self._segment = following

    def die(self) -> None:
        """As after SIGKILL: no footer, and the kernel gives up the lock."""
        self._segment.close()

    def close(self) -> None:
        self._segment.seal()
        self._segment.close()


class Tables:
    """Reads the tables of metering."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection

    def query(self, text: Any, *values: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(text, values).fetchall()

    def event_ids(self) -> list[bytes]:
        return [row[0].bytes for row in self.query("SELECT event_id FROM usage_event ORDER BY 1")]

    def open_ids(self) -> list[bytes]:
        return [row[0].bytes for row in self.query("SELECT event_id FROM journal_open ORDER BY 1")]

    def hours(self) -> list[tuple[Any, ...]]:
        return self.query("SELECT * FROM usage_hour ORDER BY 1, 2, 3, 4, 5, 6, 7, 8")

    def hours_by_events(self) -> list[tuple[Any, ...]]:
        """What `usage_hour` must be, reckoned from the events alone and in other words."""
        return self.query(
            "SELECT organization_id, to_timestamp(floor(extract(epoch FROM at) / 3600) * 3600),"
            " project_id, key_id, model, operation, price_id, currency, count(*),"
            " sum((outcome = 'failed')::int), sum((outcome = 'cancelled')::int),"
            " sum((outcome = 'orphaned')::int), sum(input_tokens), sum(cached_input_tokens),"
            " sum(output_tokens), sum(cost_nanos), sum((first_token_us IS NOT NULL)::int),"
            " sum(coalesce(first_token_us, 0)), sum(duration_us), sum(cache_write_tokens)"
            " FROM usage_event GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8"
        )

    def everything(self) -> list[list[tuple[Any, ...]]]:
        return [
            self.query("SELECT * FROM usage_event ORDER BY at, event_id"),
            self.hours(),
            self.query("SELECT event_id, opened, output_tokens FROM journal_open ORDER BY 1"),
        ]


class Ship:
    """A shipper that ships when it is told."""

    def __init__(self, folder: Path, connection: psycopg.Connection, **options: Any) -> None:
        self.counters = ShipperCounters()
        options.setdefault("clock", SystemClock())
        self.shipper = Shipper(folder, self.counters, **options)
        self.connection = connection

    def __call__(self) -> ShipperCounters:
        while self.shipper.ship(self.connection):
            pass
        return self.counters


def ids_of(records: Iterable[Any]) -> list[bytes]:
    return sorted(record.event_id for record in records)
