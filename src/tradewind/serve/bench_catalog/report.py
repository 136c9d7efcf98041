"""What was measured, as a table or as JSON."""

from typing import Any

from rich.console import Console
from rich.table import Table

from tradewind.serve.bench_catalog.measure import Figures, Spread


def as_json(figures: Figures) -> dict[str, Any]:
    return {
        **figures._asdict(),
        "all": figures.all._asdict(),
        "first_time": figures.first_time._asdict(),
        "kinds": {kind: spread._asdict() for kind, spread in figures.kinds.items()},
    }


def show(figures: Figures, console: Console) -> None:
    table = Table(box=None, header_style="bold")
    for column in ("Questions", "CPU p50", "CPU p95", "asked"):
        table.add_column(column, justify="left" if column == "Questions" else "right")
    _add(table, "all", figures.all)
    _add(table, "asked first", figures.first_time)
    for kind, spread in figures.kinds.items():
        _add(table, kind.replace("_", " "), spread)
    console.print(
        f"{figures.models:,} {figures.seed} models with {figures.offers:,} offers, searched in"
        f" {figures.store}"
    )
    console.print(table)
    console.print(
        f"import {figures.import_s:g} s, index {figures.index_s:g} s"
        f" ({figures.load_s:g} s of it to load):"
        f" {figures.entries_per_s:,} entries/s ({figures.entries_per_cpu_s:,} by CPU time);"
        f" next index {figures.reload_cpu_ms:g} ms of CPU"
    )
    console.print(
        f"memory {figures.resident_mb:g} MB, {figures.index_mb:g} MB of it for the index;"
        f" database {figures.database_mb:g} MB"
    )


def _add(table: Table, name: str, spread: Spread) -> None:
    table.add_row(name, f"{spread.p50_ms:g} ms", f"{spread.p95_ms:g} ms", f"{spread.questions:,}")
