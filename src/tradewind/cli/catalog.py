"""`tradewind catalog`: keeps what is known of models fresh. Heavy imports wait for their verb."""

import json as jsonlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.settings import load_settings

if TYPE_CHECKING:
    from tradewind.features.catalog.schemas import ChangeRow
    from tradewind.serve.catalog import Synced

catalog = typer.Typer(
    help="Read lists of models, and decide what looks like a mistake of theirs.",
    no_args_is_help=True,
)
changes = typer.Typer(
    help="Changes that look like mistakes and wait for a decision.", invoke_without_command=True
)
catalog.add_typer(changes, name="changes")

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object.")]
ChangesArgument = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of changes.")]
_SHOWN_AT_MOST = 20


@catalog.command()
def sync(
    source: Annotated[
        str, typer.Argument(help="models_dev, openrouter, …; `shipped` fetches nothing.")
    ] = "models_dev",
    data: DataOption = None,
    file: Annotated[
        Path | None, typer.Option("--from", help="File of the source's answer, not fetched.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Show what would change.")] = False,
    json: JsonOption = False,
) -> None:
    """Read a source and bring what it says into the catalog, all of it or nothing."""
    settings = load_settings(data=data)
    from rich.console import Console  # noqa: PLC0415

    from tradewind.serve import catalog as served  # noqa: PLC0415

    console = Console(stderr=True)
    with console.status(f"Reading {source} …"):
        done = served.sync(settings, source, file=file, is_dry_run=dry_run)
    if json:
        typer.echo(jsonlib.dumps([_as_json(each) for each in done]))
        return
    for each in done:
        _show(each)


@catalog.command()
def stats(data: DataOption = None, json: JsonOption = False) -> None:
    """Tell how much the catalog knows."""
    settings = load_settings(data=data)
    from dataclasses import asdict  # noqa: PLC0415

    from tradewind.serve import catalog as served  # noqa: PLC0415

    found = asdict(served.stats(settings))
    if json:
        typer.echo(jsonlib.dumps(found))
        return
    for name, count in found.items():
        typer.echo(f"{count:>9,} {name}")


@changes.callback()
def list_changes(context: typer.Context, data: DataOption = None, json: JsonOption = False) -> None:
    """List the changes that wait for a decision."""
    if context.invoked_subcommand is not None:
        return
    settings = load_settings(data=data)
    from tradewind.serve import catalog as served  # noqa: PLC0415

    _tell_changes(served.held_changes(settings), is_json=json)


@changes.command("apply")
def apply_changes(ids: ChangesArgument, data: DataOption = None, json: JsonOption = False) -> None:
    """Let held changes take effect."""
    _decide(ids, data, applies=True, is_json=json)


@changes.command("dismiss")
def dismiss_changes(
    ids: ChangesArgument, data: DataOption = None, json: JsonOption = False
) -> None:
    """Leave things as they are; the same is not asked again."""
    _decide(ids, data, applies=False, is_json=json)


def _decide(ids: Sequence[str], data: Path | None, *, applies: bool, is_json: bool) -> None:
    settings = load_settings(data=data)
    from tradewind.serve import catalog as served  # noqa: PLC0415

    _tell_changes(served.decide(settings, ids, applies=applies), is_json=is_json)


def _tell_changes(rows: "Sequence[ChangeRow]", *, is_json: bool) -> None:
    if is_json:
        typer.echo(jsonlib.dumps([_change_as_json(row) for row in rows]))
        return
    if not rows:
        typer.echo("No change waits for a decision.")
    for row in rows:
        subject = " ".join(part for part in (row.host, row.upstream_model, row.region) if part)
        typer.echo(f"{row.change_id}  {row.state:<9} {row.source}: {subject}: {row.reason}")


def _change_as_json(row: "ChangeRow") -> dict[str, Any]:
    return {
        "id": row.change_id,
        "source": row.source,
        "kind": row.kind,
        "host": row.host,
        "upstream_model": row.upstream_model,
        "region": row.region,
        "before": row.before,
        "after": row.after,
        "reason": row.reason,
        "state": row.state,
    }


def _as_json(synced: "Synced") -> dict[str, Any]:
    if synced.row is not None:
        row = synced.row
        return {
            "source": row.source,
            "is_dry_run": False,
            "seen": row.seen,
            "added": row.added,
            "changed": row.changed,
            "held": row.held,
            "vanished": row.vanished,
            "unfolded": row.unfolded,
            "skipped": row.skipped,
            "error": row.error,
        }
    assert synced.comparison is not None, "one of both is there"
    said, plan = synced.comparison.said, synced.comparison.plan
    return {
        "source": said.source,
        "is_dry_run": True,
        "seen": said.seen,
        "added": synced.comparison.new_models + len(plan.added),
        "changed": len(plan.changed) + plan.facts_changed,
        "held": len(plan.held),
        "vanished": len(plan.vanished),
        "unfolded": len(said.unfolded),
        "skipped": synced.comparison.skipped,
        "held_changes": [
            {**change.question._asdict(), "reason": change.reason} for change in plan.held
        ],
        "error": "",
    }


def _show(synced: "Synced") -> None:
    told = _as_json(synced)
    verb = "would be " if told["is_dry_run"] else ""
    typer.echo(
        f"{told['source']}: {told['seen']:,} entries: {told['added']:,} {verb}added,"
        f" {told['changed']:,} changed, {told['held']:,} held, {told['vanished']:,} vanished;"
        f" {told['unfolded']:,} not folded"
    )
    for reason, count in told["skipped"].items():
        typer.echo(f"  left out: {count:,}: {reason}")
    for change in told.get("held_changes", ())[:_SHOWN_AT_MOST]:
        typer.echo(f"  held: {change['host']} {change['upstream_model']}: {change['reason']}")
    if told["error"]:
        typer.echo(f"  not applied: {told['error']}")
    if told["held"] and not told["is_dry_run"]:
        typer.echo("  `tradewind catalog changes` lists what was held.")
