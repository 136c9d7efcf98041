"""What the worker tells of itself: a small text in the folder of metrics, which the gateways add to
their own when they are scraped. A worker needs no port for it.
"""

import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from tradewind.core.clock import Clock
from tradewind.features.metering.rules import EventRow
from tradewind.features.metering.shipper import ShipperCounters
from tradewind.telemetry.families import MICRO, Family, head_of, labels_of, lines_of

_PERIOD_S = 2.0
_log = logging.getLogger(__name__)

SHIPPED = Family("tradewind_shipping_total", "counter", "Of shipping usage, by kind.")
LAG = Family(
    "tradewind_shipping_lag_seconds",
    "gauge",
    "From the end of the newest shipped call until it was in the database.",
    scale=MICRO,
)
SHIPPED_AT = Family(
    "tradewind_shipped_timestamp_seconds", "gauge", "When calls were last shipped.", scale=MICRO
)
PUBLISH_DURATION = Family(
    "tradewind_publish_duration_seconds",
    "gauge",
    "What the last snapshot with a change took to write.",
    scale=MICRO,
)
PUBLISHED_AT = Family(
    "tradewind_published_timestamp_seconds",
    "gauge",
    "When a snapshot with a change was last written.",
    scale=MICRO,
)
PUBLISH_FAILURES = Family(
    "tradewind_publish_failures_total", "counter", "Times that a snapshot was not published."
)
REPORTED_AT = Family(
    "tradewind_worker_report_timestamp_seconds",
    "gauge",
    "When the worker wrote these numbers: an old one is of a worker that is down.",
    scale=MICRO,
)
FAMILIES = (
    SHIPPED,
    LAG,
    SHIPPED_AT,
    PUBLISH_DURATION,
    PUBLISHED_AT,
    PUBLISH_FAILURES,
    REPORTED_AT,
)


class Publishes(Protocol):
    """The part of `worker.publish.Publisher` that is told of."""

    published_at: float
    published_in_s: float
    failures: int


class WorkerReport:
    """`observe` is called by the shipper's thread, the rest by the report's own."""

    def __init__(self, path: Path, publisher: Publishes, clock: Clock) -> None:
        self._path = path
        self._publisher = publisher
        self._clock = clock
        self._lag_us = 0
        self._shipped_us = 0
        self._is_told = False
        self.shipper = ShipperCounters()
        """For the shipper to count in."""

    def observe(self, rows: Sequence[EventRow]) -> None:
        """Take note of calls that are in the database now."""
        if rows:
            now = self._clock.now()
            ended = max(row.at + timedelta(microseconds=row.duration_us) for row in rows)
            self._lag_us = max(0, (now - ended) // timedelta(microseconds=1))
            self._shipped_us = int(now.timestamp() * MICRO)

    def run(self, stop: threading.Event) -> None:
        """Write the text every two seconds until stopped."""
        self.write()
        while not stop.wait(_PERIOD_S):
            self.write()

    def write(self) -> None:
        """Replace the text as a whole. A full disk is logged once, and tried again."""
        draft = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  a descriptor
                file.write(self.text())
            draft.replace(self._path)
        except OSError as error:
            if not self._is_told:
                self._is_told = True
                _log.error("the worker's metrics cannot be written: %s", error)
        else:
            self._is_told = False

    def text(self) -> str:
        """Return the numbers in the text format of Prometheus."""
        publisher = self._publisher
        numbers = {
            LAG: self._lag_us,
            SHIPPED_AT: self._shipped_us,
            PUBLISH_DURATION: int(publisher.published_in_s * MICRO),
            PUBLISHED_AT: int(publisher.published_at * MICRO),
            PUBLISH_FAILURES: publisher.failures,
            REPORTED_AT: int(self._clock.now().timestamp() * MICRO),
        }
        kinds = asdict(self.shipper)
        return head_of(SHIPPED) + "".join(
            [lines_of(SHIPPED, labels_of([("kind", kind)]), [kinds[kind]]) for kind in kinds]
            + [
                head_of(family) + lines_of(family, "", [number])
                for family, number in numbers.items()
            ]
        )
