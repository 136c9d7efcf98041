"""Usage as files for other programs: CSV and JSON with the same rows. Pure."""

import csv
import io
import json
from collections.abc import Sequence

from tradewind.core.money import format_nanos
from tradewind.readmodels.usage_export import ExportedRow

_COUNTS = (
    "requests",
    "failed",
    "cancelled",
    "orphaned",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
)
_COLUMNS = (
    "bucket_start_utc",
    "model",
    "key_id",
    "key_name",
    "currency",
    "cost",
    *_COUNTS,
    "project_id",
    "project_name",
)


def usage_csv(rows: Sequence[ExportedRow], group: str = "") -> str:
    """Return a table; `group` names the column of what it is grouped by besides."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow((*_COLUMNS, group) if group else _COLUMNS)
    for row in rows:
        cells = [_harmless(cell) if isinstance(cell, str) else cell for cell in _cells(row)]
        writer.writerow([*cells, _harmless(row.group or "")] if group else cells)
    return text.getvalue()


def usage_json(rows: Sequence[ExportedRow], group: str = "") -> str:
    """Return one object with a list; amounts are decimal strings."""
    listed = [
        dict(zip(_COLUMNS, _cells(row), strict=True)) | ({group: row.group} if group else {})
        for row in rows
    ]
    return json.dumps({"rows": listed}, ensure_ascii=False)


def _cells(row: ExportedRow) -> list[str | int]:
    totals = row.totals
    return [
        row.start.isoformat(),
        row.model,
        row.key_id,
        row.key_name,
        totals.currency,
        format_nanos(totals.cost_nanos),
        *[int(getattr(totals, name)) for name in _COUNTS],
        row.project_id,
        row.project_name,
    ]


def _harmless(text: str) -> str:
    # Spreadsheets run a cell that starts like a formula; names are chosen by people. A correction
    # may cost less than nothing: a number stays one.
    starts = text.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{text}" if starts and not _is_number(text) else text


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdigit()
