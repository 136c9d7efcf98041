"""What an import did, for people (a table) and for programs (JSON). No key is in either."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tradewind.core.money import format_nanos
from tradewind.features.endpoints.schemas import ModelPrice
from tradewind.serve.imports.apply import Change, DoneConnection, DoneEndpoint, Outcome
from tradewind.serve.imports.plan import Finding, Level, PlannedTarget

STATUS_ALL_TAKEN = 0
STATUS_SOMETHING_LEFT_OUT = 3


@dataclass(frozen=True, slots=True)
class Report:
    source: str
    """What the file is of: `LiteLLM`, `one-api` or `new-api`."""
    is_dry_run: bool
    outcome: Outcome
    findings: tuple[Finding, ...]

    @property
    def status(self) -> int:
        """Return the exit status: 3 when the file says something that was not taken."""
        is_left_out = any(finding.level is Level.LEFT_OUT for finding in self.findings)
        return STATUS_SOMETHING_LEFT_OUT if is_left_out else STATUS_ALL_TAKEN


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as plain values."""
    return {
        "source": report.source,
        "dry_run": report.is_dry_run,
        "changed": report.outcome.is_change and not report.is_dry_run,
        "connections": [_connection_as_json(one) for one in report.outcome.connections],
        "endpoints": [_endpoint_as_json(one) for one in report.outcome.endpoints],
        "left_out": [_finding_as_json(one) for one in _of(report, Level.LEFT_OUT)],
        "notes": [_finding_as_json(one) for one in _of(report, Level.NOTE)],
    }


def show(report: Report, console: Console) -> None:
    """Print the report."""
    _show_connections(report, console)
    _show_endpoints(report, console)
    _show_findings(console, "Left out", _of(report, Level.LEFT_OUT))
    _show_findings(console, "Good to know", _of(report, Level.NOTE))
    console.print(Text(_summary(report), style="bold"))


def _show_connections(report: Report, console: Console) -> None:
    if not report.outcome.connections:
        return
    table = Table("Connection", "Address", "Key", "", title="Connections", title_justify="left")
    for one in report.outcome.connections:
        table.add_row(
            _cell(one.name),
            _cell(one.planned.base_url),
            _cell(f"from {one.planned.credential_from}" if one.planned.credential_from else "none"),
            _cell(one.change.value),
        )
    console.print(table)


def _show_endpoints(report: Report, console: Console) -> None:
    if not report.outcome.endpoints:
        return
    names = {one.planned.name: one.name for one in report.outcome.connections}
    table = Table(
        "Model", "Also called", "Answered by", "USD per 1M tokens in / out", "",
        title="Models", title_justify="left",
    )  # fmt: skip
    for one in report.outcome.endpoints:
        table.add_row(
            _cell(one.planned.name),
            _cell("\n".join(one.aliases)),
            _cell("\n".join(_target_line(target, names) for target in one.planned.targets)),
            _cell(_price_line(one)),
            _cell(one.change.value),
        )
    console.print(table)


def _show_findings(console: Console, title: str, findings: Iterable[Finding]) -> None:
    table = Table("What", "Why", "Way out", title=title, title_justify="left")
    for finding in findings:
        places = "\n".join(finding.places)
        if finding.total > len(finding.places):
            places += f"\nand {finding.total - len(finding.places)} more"
        table.add_row(_cell(places), _cell(finding.why), _cell(finding.instead))
    if table.row_count:
        console.print(table)


def _summary(report: Report) -> str:
    if not report.outcome.is_change:
        return "Nothing was to be changed: all that was taken is there already."
    done = "would be" if report.is_dry_run else "were"
    connections = _count(report.outcome.connections)
    endpoints = _count(report.outcome.endpoints)
    return f"{connections} connections and {endpoints} models {done} made or added to."


def _count(done: Iterable[DoneConnection | DoneEndpoint]) -> int:
    return sum(one.change is not Change.WAS_THERE for one in done)


def _target_line(target: PlannedTarget, names: dict[str, str]) -> str:
    name = names.get(target.connection)
    if name is None:
        return f"(not {target.connection}: it could not be made)"
    place = f"{target.upstream_model} at {name}"
    parts = [f"tier {target.tier}"] if target.tier else []
    parts += [f"weight {target.weight}"] if target.weight > 1 else []
    return f"{place} ({', '.join(parts)})" if parts else place


def _price_line(one: DoneEndpoint) -> str:
    if not one.is_price_set:
        return "as it was"
    price = one.planned.price
    return f"{format_nanos(price.input_nanos)} / {format_nanos(price.output_nanos)}"


def _cell(text: str) -> Text:
    """Return text for a table: no markup of rich's, nothing that steers the terminal."""
    clean = "".join(one if one.isprintable() or one == "\n" else "\ufffd" for one in text)
    return Text(clean, overflow="fold")


def _of(report: Report, level: Level) -> list[Finding]:
    return [finding for finding in report.findings if finding.level is level]


def _connection_as_json(one: DoneConnection) -> dict[str, Any]:
    planned = one.planned
    return {
        "name": one.name,
        "host": planned.host,
        "provider": planned.provider,
        "base_url": planned.base_url,
        "options": dict(planned.options),
        "is_private_network": planned.is_private_network,
        "credential_from": planned.credential_from,
        "change": one.change.value,
    }


def _endpoint_as_json(one: DoneEndpoint) -> dict[str, Any]:
    planned = one.planned
    limits = planned.limits
    return {
        "name": planned.name,
        "aliases": list(one.aliases),
        "operation": planned.operation.value,
        "price": _price_as_json(planned.price),
        "is_price_set": one.is_price_set,
        "sort": planned.routing.sort,
        "max_attempts": planned.routing.max_attempts,
        "requests_per_minute": limits.requests_per_minute,
        "tokens_per_minute": limits.tokens_per_minute,
        "concurrent_requests": limits.concurrent_requests,
        "targets": [
            {
                "connection": target.connection,
                "upstream_model": target.upstream_model,
                "tier": target.tier,
                "weight": target.weight,
                "cost": None if target.cost is None else _price_as_json(target.cost),
            }
            for target in planned.targets
        ],
        "added_targets": one.added_targets,
        "change": one.change.value,
    }


def _price_as_json(price: ModelPrice) -> dict[str, Any]:
    """Return a price as the control API has it: exact decimals for a million tokens."""
    return {
        "currency": price.currency,
        "input": format_nanos(price.input_nanos),
        "output": format_nanos(price.output_nanos),
        "cached_input": format_nanos(price.cached_input_nanos),
        "cache_write": (
            None if price.cache_write_nanos is None else format_nanos(price.cache_write_nanos)
        ),
    }


def _finding_as_json(finding: Finding) -> dict[str, Any]:
    return {
        "places": list(finding.places),
        "total": finding.total,
        "why": finding.why,
        "instead": finding.instead,
    }
