"""`tradewind bench`: what parts of the platform cost on this machine."""

import json as jsonlib
from typing import Annotated

import typer

from tradewind.cli.settings import load_settings

bench = typer.Typer(help="Measure parts of the platform on this machine.", no_args_is_help=True)


@bench.callback()
def _family() -> None:
    """Keep `catalog` a verb of its own while it is the only one."""


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
