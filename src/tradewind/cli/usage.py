"""`tradewind usage` and `tradewind reconcile`. Heavy imports wait for their verb."""

import json as jsonlib
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.settings import load_settings

if TYPE_CHECKING:
    from tradewind.features.reconciliation.schemas import RunRow
    from tradewind.readmodels.project_usage import UsageLine

usage = typer.Typer(
    help="Show what was used and what it cost. Works while the platform runs, and while it does"
    " not.",
    no_args_is_help=True,
)

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object as the last line.")]
OrganizationOption = Annotated[
    str, typer.Option(help="Id of an organization; the one that runs the platform when missing.")
]
DayOption = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A day of UTC, included.")
]
_MOST_ROWS = 1_000


class By(StrEnum):
    TOTAL = "total"
    HOUR = "hour"
    DAY = "day"
    MODEL = "model"
    KEY = "key"
    PROJECT = "project"
    REGION = "region"
    TAG = "tag"
    COST_CENTRE = "cost_centre"


ByOption = Annotated[By, typer.Option(help="What one line is of.")]


@usage.command()
def show(  # noqa: PLR0917  options of a command, always named
    by: ByOption = By.MODEL,
    since: DayOption = None,
    until: DayOption = None,
    project: Annotated[str, typer.Option(help="Id of one project.")] = "",
    model: Annotated[str, typer.Option(help="Name of one model.")] = "",
    tag: Annotated[str, typer.Option(help="Name of the tag to group by.")] = "",
    organization: OrganizationOption = "",
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Show calls, tokens and cost; of the last 30 days when no days are named."""
    lines = _read(by, since, until, (project, model, tag), organization, data)
    if json:
        typer.echo(jsonlib.dumps({"rows": [_as_json(line) for line in lines]}))
        return
    if not lines:
        typer.echo("Nothing was used.")
    for line in lines:
        tokens = line.input_tokens + line.output_tokens
        typer.echo(
            f"{_cost(line):>20} {line.requests:>10,} calls {tokens:>14,} tokens  {line.group}"
        )


@usage.command()
def cost(  # noqa: PLR0917  options of a command, always named
    by: ByOption = By.TOTAL,
    since: DayOption = None,
    until: DayOption = None,
    project: Annotated[str, typer.Option(help="Id of one project.")] = "",
    model: Annotated[str, typer.Option(help="Name of one model.")] = "",
    organization: OrganizationOption = "",
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Show what was spent alone: one amount a line, exact."""
    lines = _read(by, since, until, (project, model, ""), organization, data)
    if json:
        rows = [_as_json(line) for line in lines]
        kept = ("group", "cost", "currency")
        typer.echo(jsonlib.dumps({"rows": [{name: row[name] for name in kept} for row in rows]}))
        return
    for line in lines:
        typer.echo(f"{_cost(line)}  {line.group}".rstrip())


@usage.command()
def forecast(
    organization: OrganizationOption = "", data: DataOption = None, json: JsonOption = False
) -> None:
    """Show what this month will have cost by its end, and how that is reckoned."""
    settings = load_settings(data=data)
    from tradewind.core.money import format_nanos  # noqa: PLC0415
    from tradewind.serve import usage as served  # noqa: PLC0415

    found = served.forecast(settings, organization, datetime.now(UTC))
    if json:
        listed = [
            {
                "currency": each.currency,
                "month": each.month.isoformat(),
                "spent": format_nanos(each.spent_nanos),
                "expected": format_nanos(each.expected_nanos),
                "method": each.method.value,
                "days_counted": each.days_counted,
            }
            for each in found
        ]
        typer.echo(jsonlib.dumps({"forecasts": listed}))
        return
    if not found:
        typer.echo("Nothing was used yet.")
    words = {
        "weekdays": "each hour left costs what one of the same weekday did, by {} days",
        "mean": "each hour left costs the mean of {} days",
        "none": "nothing can be said before there is a whole day",
    }
    for each in found:
        expected, spent = (
            format_nanos(nanos, digits=2) for nanos in (each.expected_nanos, each.spent_nanos)
        )
        method = words[each.method].format(each.days_counted)
        typer.echo(f"{expected} {each.currency} by the end of {each.month:%B %Y}, {spent} so far")
        typer.echo(f"  {method}")


def reconcile(data: DataOption = None, json: JsonOption = False) -> None:
    """Compare journals, events, sums, settlement, ledger and providers' statements. Ends with
    status 1 when something differs.
    """
    settings = load_settings(data=data)
    from tradewind.serve import reconciliation as served  # noqa: PLC0415

    found = served.reconcile_now(settings, lambda title: typer.echo(f"{title} …", err=True))
    if json:
        typer.echo(jsonlib.dumps(_run_as_json(found)))
    else:
        _show_run(found)
    if not found.is_clean:
        raise typer.Exit(1)


def _read(  # noqa: PLR0917  as the options come
    by: By,
    since: datetime | None,
    until: datetime | None,
    narrowed: tuple[str, str, str],
    organization: str,
    data: Path | None,
) -> "list[UsageLine]":
    settings = load_settings(data=data)
    from tradewind.readmodels.project_usage import UsageGroup, UsageQuestion  # noqa: PLC0415
    from tradewind.serve import usage as served  # noqa: PLC0415

    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    last = today if until is None else until.replace(tzinfo=UTC)
    first = last - timedelta(days=29) if since is None else since.replace(tzinfo=UTC)
    project, model, tag = narrowed
    question = UsageQuestion(
        organization_id="",
        project_id=project or None,
        since=first,
        until=last + timedelta(days=1),
        group=UsageGroup(by.value),
        limit=_MOST_ROWS,
        model=model or None,
        tag=tag or None,
    )
    return served.show(settings, organization, question).lines


def _as_json(line: "UsageLine") -> dict[str, Any]:
    from tradewind.core.money import format_nanos  # noqa: PLC0415

    return {
        "group": line.group,
        "currency": line.currency,
        "cost": format_nanos(line.cost_nanos),
        "requests": line.requests,
        "failed": line.failed,
        "input_tokens": line.input_tokens,
        "cached_input_tokens": line.cached_input_tokens,
        "output_tokens": line.output_tokens,
    }


def _cost(line: "UsageLine") -> str:
    from tradewind.core.money import format_nanos  # noqa: PLC0415

    return f"{format_nanos(line.cost_nanos)} {line.currency}"


def _run_as_json(run: "RunRow") -> dict[str, Any]:
    return {
        "run": run.run_id,
        "is_clean": run.is_clean,
        "finished_at": None if run.finished_at is None else run.finished_at.isoformat(),
        "differences": sum(check.differences for check in run.checks),
        "checks": [
            {
                "name": check.name,
                "counted": check.counted,
                "unit": check.unit,
                "differences": check.differences,
                "nanos": str(check.nanos),
                "took_ms": check.took_ms,
                "findings": list(check.findings),
                "advice": check.advice if check.differences else "",
            }
            for check in run.checks
        ],
    }


def _show_run(run: "RunRow") -> None:
    for check in run.checks:
        typer.echo(
            f"{check.differences:>6} differences  {check.title}: {check.counted:,} {check.unit},"
            f" {check.took_ms:,} ms"
        )
        for finding in check.findings:
            typer.echo(f"        {finding}")
        if check.differences:
            typer.echo(f"        {check.advice}")
    typer.echo("Everything agrees." if run.is_clean else "Something differs.")
