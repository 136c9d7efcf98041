"""`tradewind ledger`: the books, checked and taken out. Heavy imports wait for their verb."""

import json as jsonlib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.settings import load_settings

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from tradewind.features.ledger.schemas import Verification

ledger = typer.Typer(
    help="Check the books, seal them, and take them out. Works while the platform runs, and while"
    " it does not.",
    no_args_is_help=True,
)

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object as the last line.")]
_SHOWN_AT_MOST = 20


class ExportFormat(StrEnum):
    BEANCOUNT = "beancount"


@ledger.command()
def verify(data: DataOption = None, json: JsonOption = False) -> None:
    """Derive every balance again and print what differs. Ends with status 1 when something does."""
    settings = load_settings(data=data)
    from tradewind.serve import ledger as served  # noqa: PLC0415

    with _progress() as shown:
        found = served.verify(settings, _shown_as_bars(shown))
    if json:
        typer.echo(jsonlib.dumps(_as_json(found)))
    else:
        _show(found)
    if not found.is_clean:
        raise typer.Exit(1)


@ledger.command()
def accounts(data: DataOption = None, json: JsonOption = False) -> None:
    """List all accounts with their balances: debit above zero, credit below."""
    settings = load_settings(data=data)
    from tradewind.core.money import format_nanos  # noqa: PLC0415
    from tradewind.serve import ledger as served  # noqa: PLC0415

    rows = served.accounts(settings)
    if json:
        listed = [
            {
                "id": row.account_id,
                "kind": row.account.kind.value,
                "owner": row.account.owner,
                "currency": row.account.currency,
                "balance": format_nanos(row.nanos),
                "postings": row.postings,
            }
            for row in rows
        ]
        typer.echo(jsonlib.dumps({"accounts": listed}))
        return
    if not rows:
        typer.echo("Nothing was entered yet.")
    for row in rows:
        name = f"{row.account.kind.value} {row.account.owner}".rstrip()
        amount = format_nanos(row.nanos, digits=2)
        typer.echo(f"{amount:>18} {row.account.currency}  {name}")


@ledger.command()
def seal(data: DataOption = None, json: JsonOption = False) -> None:
    """Seal what was entered since the last seal. Keep the digest somewhere else."""
    settings = load_settings(data=data)
    from tradewind.serve import ledger as served  # noqa: PLC0415

    made = served.seal(settings)
    if json:
        seals = [
            {
                "number": new.number,
                "up_to": new.up_to,
                "entries": new.entries,
                "digest": new.digest.hex(),
                "sealed_at": new.sealed_at.isoformat(),
            }
            for new in made
        ]
        typer.echo(jsonlib.dumps({"seals": seals}))
        return
    if not made:
        typer.echo("Everything is sealed already.")
    for new in made:
        typer.echo(f"Seal {new.number}: {new.entries:,} entries up to {new.up_to:,}:")
        typer.echo(f"  sha256 {new.digest.hex()}")


@ledger.command()
def export(
    file: Annotated[Path, typer.Argument(help="A file that is not there yet.")],
    data: DataOption = None,
    file_format: Annotated[
        ExportFormat, typer.Option("--format", help="What the file is for.")
    ] = ExportFormat.BEANCOUNT,
    json: JsonOption = False,
) -> None:
    """Write the whole ledger to a file that another program can check."""
    settings = load_settings(data=data)
    from tradewind.serve import ledger as served  # noqa: PLC0415

    with _progress() as shown:
        task = shown.add_task("entries", total=None)
        written = served.export_beancount(
            settings, file, lambda done: shown.update(task, completed=done)
        )
    if json:
        told = {"file": str(file), "format": file_format.value, "entries": written}
        typer.echo(jsonlib.dumps(told))
        return
    typer.echo(f"{written:,} entries are in {file}. Check them with `bean-check {file}`.")


def _progress() -> "Progress":
    """Return a progress display on stderr; nothing is drawn where that is no terminal."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _shown_as_bars(shown: "Progress") -> Callable[[str, int, int], None]:
    tasks: dict[str, TaskID] = {}

    def tell(check: str, done: int, total: int) -> None:
        if check not in tasks:
            tasks[check] = shown.add_task(check, total=total)
        shown.update(tasks[check], completed=done, total=total)

    return tell


def _as_json(found: "Verification") -> dict[str, Any]:
    return {
        "accounts": found.accounts,
        "entries": found.entries,
        "postings": found.postings,
        "differences": found.difference_count,
        "difference_nanos": found.difference_nanos,
        "checks": {check.name: check.differences for check in found.checks},
        "first_differences": [
            {
                "check": each.check,
                "subject": each.subject,
                "detail": each.detail,
                "nanos": each.nanos,
            }
            for each in found.differences[:_SHOWN_AT_MOST]
        ],
    }


def _show(found: "Verification") -> None:
    typer.echo(
        f"{found.accounts:,} accounts, {found.entries:,} entries, {found.postings:,} postings"
    )
    for check in found.checks:
        told = "right" if check.differences == 0 else f"{check.differences:,} differences"
        typer.echo(f"  {check.name:<12} {told}")
    for each in found.differences[:_SHOWN_AT_MOST]:
        typer.echo(f"  {each.check}: {each.subject}: {each.detail}")
    if found.is_clean:
        typer.echo("The books are right.")
    else:
        typer.echo(f"{found.difference_count:,} differences, {found.difference_nanos:,} nanos.")
