"""All SQL of metering. Raw psycopg, because COPY and big batches are what it is for.

Every function runs in the transaction of whoever calls it, and commits nothing.
"""

import psycopg

from tradewind.features.metering.repository.corrections import (
    add_correction,
    find_correction,
    find_events,
    lock_correction,
    take_news,
)
from tradewind.features.metering.repository.journal import (
    OpenCall,
    SegmentState,
    add_open_calls,
    advance_segment,
    begin_segment,
    drop_open_calls,
    find_segments,
    note_progress,
    note_quarantine,
    prune_segments,
    take_open_calls,
)
from tradewind.features.metering.repository.partitions import (
    PARTITIONED,
    create_default_partition,
    create_partition,
    drop_partitions_before,
    find_partitions,
    lock_partitions,
    partition_name,
)
from tradewind.features.metering.repository.safety import add_to_hours, store_safety
from tradewind.features.metering.repository.storing import (
    store_events,
    store_log,
)

Connection = psycopg.Connection

__all__ = [
    "PARTITIONED",
    "Connection",
    "OpenCall",
    "SegmentState",
    "add_correction",
    "add_open_calls",
    "add_to_hours",
    "advance_segment",
    "begin_segment",
    "create_default_partition",
    "create_partition",
    "drop_open_calls",
    "drop_partitions_before",
    "find_correction",
    "find_events",
    "find_partitions",
    "find_segments",
    "lock_correction",
    "lock_partitions",
    "note_progress",
    "note_quarantine",
    "partition_name",
    "prune_segments",
    "store_events",
    "store_log",
    "store_safety",
    "take_news",
    "take_open_calls",
]
