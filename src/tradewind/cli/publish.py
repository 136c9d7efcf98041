"""`tradewind publish`: models as files in a repository. Heavy imports wait for the verb."""

import json as jsonlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradewind.cli.settings import load_settings

if TYPE_CHECKING:
    from tradewind.serve.publish import Published

_LONGEST_SHOWN = 60


def publish(  # noqa: PLR0917  options of a command, always named
    file: Annotated[
        Path,
        typer.Argument(help="A manifest, a feed in OpenRouter's form, or a README.md."),
    ],
    data: Annotated[
        Path | None, typer.Option(help="Folder of everything the platform keeps.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Show the difference and change nothing.")] = False,
    json: Annotated[bool, typer.Option(help="Print one JSON object.")] = False,
    publisher: Annotated[str | None, typer.Option(help="For a feed or a README.md.")] = None,
    model: Annotated[str | None, typer.Option(help="Name of the model of a README.md.")] = None,
    connection: Annotated[
        str | None, typer.Option(help="Name or id of the connection that answers.")
    ] = None,
    submit: Annotated[bool, typer.Option(help="Submit what is complete.")] = True,
    resubmit: Annotated[
        bool, typer.Option(help="Submit again what came back and has not changed.")
    ] = False,
) -> None:
    """Put models up for the catalog; ends with status 3 when something is left to do by hand."""
    settings = load_settings(data=data)
    from tradewind.serve import publish as served  # noqa: PLC0415

    how = served.How(publisher, model, connection, dry_run, submit, resubmit)
    done = served.publish(settings, file, how)
    if json:
        typer.echo(jsonlib.dumps(served.as_json(done, is_dry_run=dry_run)))
    else:
        _show(done, is_dry_run=dry_run)
    raise typer.Exit(served.status_of(done))


def _show(done: Sequence["Published"], *, is_dry_run: bool) -> None:
    for each in done:
        would = "would be " if is_dry_run and each.change != "unchanged" else ""
        typer.echo(f"{each.name}: {would}{each.change} ({each.state or 'not there'})")
        for field, before, after in each.differences:
            typer.echo(f"  - {field}: {_short(before)}")
            typer.echo(f"  + {field}: {_short(after)}")
        for note in each.notes:
            typer.echo(f"  note: {note}")
        for field, problem in each.problems.items():
            typer.echo(f"  to do: {field + ': ' if field else ''}{problem}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_SHOWN else line[: _LONGEST_SHOWN - 1] + "…"
