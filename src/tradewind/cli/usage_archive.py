"""`tradewind usage export|archives|query`: usage that left the tables. Heavy imports wait."""

import csv
import json as jsonlib
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.settings import load_settings

if TYPE_CHECKING:
    from tradewind.features.metering.archive.query import Answer
    from tradewind.features.metering.archive.schemas import Part, Step

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object as the last line.")]
SinceOption = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="UTC; 31 days ago if missing."),
]
UntilOption = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="UTC, not included; or now."),
]
_DAYS = 31


def export(data: DataOption = None, json: JsonOption = False) -> None:
    """Write what is over into the archive now, and take out of the tables what is old enough."""
    settings = load_settings(data=data)
    from tradewind.serve import archiving as served  # noqa: PLC0415

    def tell(step: "Step", part: "Part") -> None:
        typer.echo(f"{part.day} part {part.part}: {step.value}", err=True)

    done = served.export(settings, tell)
    if json:
        told = {"verified": done.verified, "dropped": done.dropped, "waiting": done.waiting}
        typer.echo(jsonlib.dumps(told))
        return
    typer.echo(f"{done.verified} parts verified, {done.dropped} out of the tables.")
    if done.waiting:
        typer.echo(f"{done.waiting} days wait: they are read, or their receipts are not made yet.")


def archives(data: DataOption = None, json: JsonOption = False) -> None:
    """List the files of the archive, and which days are nowhere else."""
    settings = load_settings(data=data)
    from tradewind.serve import archiving as served  # noqa: PLC0415

    parts = served.archives(settings)
    if json:
        typer.echo(jsonlib.dumps({"archives": [_as_json(part) for part in parts]}))
        return
    if not parts:
        typer.echo("Nothing was archived yet.")
    for part in parts:
        typer.echo(
            f"{part.day}  {part.part}  {part.state.value:<9} {part.totals.events:>12,} events"
            f" {part.size_bytes:>14,} bytes  {part.location}"
        )


def query(  # noqa: PLR0917  options of a command, always named
    sql: Annotated[
        str | None,
        typer.Option(help='A question to the table usage_event, in DuckDB\'s SQL; write "at" so.'),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    data: DataOption = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print the answer as CSV.")] = False,
    json: JsonOption = False,
) -> None:
    """Ask for usage of a time, in the tables and in the archive as one: by day, or by --sql."""
    settings = load_settings(data=data)
    from tradewind.features.metering.archive.schemas import Stretch  # noqa: PLC0415
    from tradewind.serve import archiving as served  # noqa: PLC0415

    end = datetime.now(UTC) if until is None else until.replace(tzinfo=UTC)
    begin = end - timedelta(days=_DAYS) if since is None else since.replace(tzinfo=UTC)
    answer = served.query(settings, Stretch(begin, end), sql)
    if json:
        told = {
            "columns": list(answer.columns),
            "rows": [[_plain(value) for value in row] for row in answer.rows],
            "is_cut": answer.is_cut,
        }
        typer.echo(jsonlib.dumps(told))
    elif csv:
        _write_csv(answer)
    else:
        _show(answer)
    if answer.is_cut:
        typer.echo(f"There is more: the first {len(answer.rows):,} rows are told.", err=True)


def _write_csv(answer: "Answer") -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(answer.rows)


def _show(answer: "Answer") -> None:
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(*answer.columns, box=box.SIMPLE_HEAD)
    for row in answer.rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    Console(highlight=False, markup=False).print(table)


def _as_json(part: "Part") -> dict[str, Any]:
    return {
        "day": part.day.isoformat(),
        "part": part.part,
        "state": part.state.value,
        "store": part.store,
        "location": part.location,
        "bytes": part.size_bytes,
        "sha256": part.sha256.hex(),
        "events": part.totals.events,
        "cost_nanos": {name: str(nanos) for name, nanos in part.totals.cost_nanos.items()},
        "exported_at": part.exported_at.isoformat(),
        "dropped_at": None if part.dropped_at is None else part.dropped_at.isoformat(),
    }


def _plain(value: Any) -> Any:
    """Sums are integers of 128 bits, which JSON carries as they are; the rest as text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return int(value) if isinstance(value, Decimal) and value == int(value) else str(value)
