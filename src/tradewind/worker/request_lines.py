"""One JSON line a request, in `logs/requests.jsonl`, for whatever collects logs.

Written when the call is in the books, so that a line and an invoice never disagree; while the
database is away, lines wait in the journal with the usage. Never holds a prompt, an answer or a
credential. The file is bounded: it is turned over at 64 MB, and four former ones are kept.
"""

import logging
from collections.abc import Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import msgspec

from tradewind.core.ids import request_id
from tradewind.core.money import format_nanos
from tradewind.features.metering.rules import EventRow, LogRow

MIB = 1024 * 1024
MOST_BYTES = 64 * MIB
KEPT_FILES = 4

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class RequestLines:
    """Writes lines; a disk that refuses costs lines and nothing else."""

    def __init__(
        self, path: Path, *, most_bytes: int = MOST_BYTES, kept_files: int = KEPT_FILES
    ) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._handler = _Lines(
            path, maxBytes=most_bytes, backupCount=kept_files, encoding="utf-8", delay=True
        )
        self._handler.setFormatter(logging.Formatter("%(message)s"))

    def write(self, rows: Sequence[EventRow], log: Sequence[LogRow]) -> None:
        """Write a line for each row of the log; what was in the books already may come twice."""
        events = {row.event_id: row for row in rows}
        for entry in log:
            text = _encode(line_of(entry, events.get(entry.event_id))).decode()
            self._handler.emit(
                logging.LogRecord(__name__, logging.INFO, "", 0, text, args=None, exc_info=None)
            )

    def close(self) -> None:
        self._handler.close()


def line_of(entry: LogRow, event: EventRow | None) -> dict[str, Any]:
    """Return one line. A refused call has no event, and so no usage."""
    line: dict[str, Any] = {
        "time": entry.at.isoformat(timespec="milliseconds"),
        "request_id": request_id(entry.event_id.bytes),
        "organization_id": entry.organization_id,
        "project_id": entry.project_id,
        "key_id": entry.key_id,
        "surface": entry.surface,
        "operation": entry.operation,
        "requested_model": entry.requested_model,
        "model": entry.model,
        "host": entry.host,
        "status": entry.http_status,
        "error": entry.error_code or None,
        "attempts": len(entry.attempts),
        "queued_ms": entry.queued_us / 1000,
        "overhead_ms": entry.overhead_us / 1000,
        "trace_parent": entry.trace_parent or None,
        "user_agent": entry.user_agent or None,
        "tags": entry.tags or None,
    }
    if event is None:
        return line | {"outcome": "refused"}
    return line | {
        "outcome": event.outcome,
        "deployment_id": event.deployment_id,
        "stream": event.is_stream,
        "input_tokens": event.input_tokens,
        "cached_input_tokens": event.cached_input_tokens,
        "output_tokens": event.output_tokens,
        "meters": event.meters,
        "usage_source": event.usage_source,
        "cost": format_nanos(event.cost_nanos),
        "currency": event.currency,
        "first_token_ms": None if event.first_token_us is None else event.first_token_us / 1000,
        "duration_ms": event.duration_us / 1000,
    }


class _Lines(RotatingFileHandler):
    """Logs the first error and no further one, as they all say the same: a full disk."""

    _is_told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802
        if not self._is_told:
            self._is_told = True
            _log.exception("request lines cannot be written")
