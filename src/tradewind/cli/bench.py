"""`tradewind bench`: what parts of the platform cost on this machine."""

import json as jsonlib
from typing import Annotated

import typer

from tradewind.cli.settings import load_settings

bench = typer.Typer(help="Measure parts of the platform on this machine.", no_args_is_help=True)


@bench.command("catalog")
def catalog(
    models: Annotated[
        int | None,
        typer.Option(min=1, max=2_000_000, help="Made-up models; by default the shipped list."),
    ] = None,
    json: Annotated[bool, typer.Option(help="Print one JSON object.")] = False,
) -> None:
    """Measure the search over a catalog, on a database of its own that is removed afterwards."""
    settings = load_settings()
    from rich.console import Console  # noqa: PLC0415

    from tradewind.serve.bench_catalog.measure import measure  # noqa: PLC0415
    from tradewind.serve.bench_catalog.report import as_json, show  # noqa: PLC0415

    console = Console(stderr=True, highlight=False)
    figures = measure(models, console.print, run_as=settings.postgres_user)
    if json:
        typer.echo(jsonlib.dumps(as_json(figures)))
    else:
        show(figures, Console(highlight=False))


@bench.command("billing")
def billing(
    events: Annotated[
        int, typer.Option(min=1_000, max=100_000_000, help="Made-up calls of one month.")
    ] = 1_000_000,
    organizations: Annotated[
        int, typer.Option(min=2, max=1_000_000, help="Whose calls they are.")
    ] = 10_000,
    json: Annotated[bool, typer.Option(help="Print one JSON object as the last line.")] = False,
) -> None:
    """Measure ingest, settlement, invoices and the close of a month, on a database of its own that
    is removed afterwards.
    """
    settings = load_settings()
    from rich.console import Console  # noqa: PLC0415

    from tradewind.serve.bench_billing.measure import measure  # noqa: PLC0415

    console = Console(stderr=True, highlight=False)
    figures = measure(events, organizations, console.print, run_as=settings.postgres_user)
    if json:
        typer.echo(jsonlib.dumps(figures._asdict()))
        return
    for name, value in figures._asdict().items():
        typer.echo(f"{name.replace('_', ' '):<28} {value:>14,}")
