"""`tradewind billing`: settles usage and closes months. Heavy imports wait for their verb."""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.settings import load_settings

if TYPE_CHECKING:
    from tradewind.features.billing.schemas import Close

billing = typer.Typer(
    help="Settle usage and close months. The worker does both by itself; these are for looking and"
    " for catching up.",
    no_args_is_help=True,
)

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object as the last line.")]


@billing.command()
def settle(data: DataOption = None, json: JsonOption = False) -> None:
    """Take the usage of every hour that is over into the ledger."""
    settings = load_settings(data=data)
    from tradewind.serve import billing as served  # noqa: PLC0415

    lines = served.settle(settings, lambda done: typer.echo(f"{done:,} lines", err=True))
    if json:
        typer.echo(jsonlib.dumps({"lines": lines}))
        return
    typer.echo(f"{lines:,} lines were settled." if lines else "Everything is settled.")


@billing.command()
def close(
    month: Annotated[
        str | None,
        typer.Option(help="Which month, as 2030-03; the newest that can be closed by default."),
    ] = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Write the invoices of a month, or go on with it. Can be stopped and called again."""
    settings = load_settings(data=data)
    from tradewind.serve import billing as served  # noqa: PLC0415

    ended = served.close(
        settings,
        month,
        lambda now: typer.echo(
            f"{now.done:,} of {now.total:,} organizations, {now.invoices:,} invoices", err=True
        ),
    )
    if json:
        typer.echo(jsonlib.dumps(_as_json(ended)))
    else:
        typer.echo(f"{ended.state.value}: {ended.invoices:,} invoices.")
        for organization_id, why in ended.problems:
            typer.echo(f"  {organization_id}: {why}")
    if ended.problem_count:
        raise typer.Exit(1)


@billing.command()
def cancel(data: DataOption = None, json: JsonOption = False) -> None:
    """Stop the close that is under way. Invoices that it wrote stay."""
    settings = load_settings(data=data)
    from tradewind.serve import billing as served  # noqa: PLC0415

    ended = served.cancel_close(settings)
    if json:
        typer.echo(jsonlib.dumps({"close": None if ended is None else _as_json(ended)}))
        return
    typer.echo("No month is being closed." if ended is None else f"{ended.close_id} is cancelled.")


def _as_json(close: "Close") -> dict[str, Any]:
    return {
        "id": close.close_id,
        "period_end": close.period_end.isoformat(),
        "state": close.state.value,
        "total": close.total,
        "done": close.done,
        "invoices": close.invoices,
        "problems": close.problem_count,
        "first_problems": [
            {"organization": organization_id, "why": why} for organization_id, why in close.problems
        ],
    }
