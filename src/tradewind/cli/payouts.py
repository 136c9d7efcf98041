"""`tradewind payouts`: what publishers are owed, and how it is paid. Heavy imports wait."""

import json as jsonlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.settings import load_settings

if TYPE_CHECKING:
    from tradewind.features.payouts.schemas import Payout, Run, Waterfall

payouts = typer.Typer(
    help="Pay publishers: runs are prepared by one administrator and approved by another. Works"
    " while the platform runs, and while it does not.",
    no_args_is_help=True,
)

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object as the last line.")]
ByOption = Annotated[str, typer.Option(help="E-mail address of the administrator who does this.")]
RunArgument = Annotated[str, typer.Argument(help="Id of a run: prn_…")]


@payouts.command("list")
def list_all(
    run: Annotated[str | None, typer.Option(help="Only this run, with its payouts.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """List runs, the newest first, or the payouts of one."""
    settings = load_settings(data=data)
    from tradewind.serve.payouts import operating  # noqa: PLC0415

    with operating(settings) as desk:
        if run is None:
            _tell_runs(desk.runs(limit), is_json=json)
            return
        detail = desk.run(run)
    if json:
        told = {"run": _run(detail.run), "payouts": [_payout(each) for each in detail.payouts]}
        typer.echo(jsonlib.dumps(told))
        return
    _tell_runs([detail.run], is_json=False)
    for each in detail.payouts:
        told = _payout(each)
        typer.echo(
            f"  {told['id']}  {told['state']:<9}  {told['amount']:>14} {told['currency']}"
            f"  {told['publisher']}  {told['note']}"
        )


@payouts.command()
def statement(
    which: Annotated[str, typer.Argument(help="Id of a statement (pst_…), or a publisher.")],
    file: Annotated[
        Path | None, typer.Option(help="Write it to a file that must not exist.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="json, csv, html or pdf.")] = "csv",
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Show a statement, or what a publisher has earned since its last one."""
    settings = load_settings(data=data)
    from tradewind.core.errors import InvalidInput  # noqa: PLC0415
    from tradewind.core.ids import PayoutStatementId  # noqa: PLC0415
    from tradewind.features.payouts.papers.formats import (  # noqa: PLC0415
        StatementFormat,
        paper,
        statement_csv,
    )
    from tradewind.serve.payouts import operating, write_new  # noqa: PLC0415

    if form not in {each.value for each in StatementFormat}:
        raise InvalidInput(f"{form[:20]!r} is no format", hint="json, csv, html or pdf")
    with operating(settings) as desk:
        if not which.startswith(PayoutStatementId.prefix):
            falls = desk.waterfalls(which)
            _tell_falls(falls, is_json=json)
            return
        found = desk.statement(which)
    if file is not None:
        content = paper(found, StatementFormat(form))
        write_new(file, content)
        told = {"statement": which, "bytes": len(content)}
        typer.echo(jsonlib.dumps(told) if json else f"{file}: {len(content):,} bytes.")
        return
    typer.echo(found.data.decode() if json else statement_csv(found.content), nl=json)


@payouts.command()
def prepare(
    currency: Annotated[str, typer.Argument(help="Three capital letters.")],
    by: ByOption,
    key: Annotated[str, typer.Option(help="Your own; used again, it is the same run.")],
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Draw up statements, and the payouts of everybody who is paid in a currency."""
    settings = load_settings(data=data)
    from tradewind.serve.payouts import operating  # noqa: PLC0415

    with operating(settings) as desk:
        _tell_run(desk.prepare(currency, key=key, by=by), is_json=json)


@payouts.command()
def approve(
    run: RunArgument, by: ByOption, data: DataOption = None, json: JsonOption = False
) -> None:
    """Approve a run that another administrator prepared."""
    settings = load_settings(data=data)
    from tradewind.serve.payouts import operating  # noqa: PLC0415

    with operating(settings) as desk:
        _tell_run(desk.approve(run, by=by), is_json=json)


@payouts.command()
def export(
    run: RunArgument,
    file: Annotated[Path, typer.Argument(help="For the bank; it must not exist.")],
    by: ByOption,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Write the file for the bank (pain.001.001.09). Again, it is the same file."""
    settings = load_settings(data=data)
    from tradewind.serve.payouts import operating  # noqa: PLC0415

    with operating(settings) as desk:
        _tell_run(desk.export(run, file, by=by), is_json=json)


@payouts.command()
def confirm(
    which: Annotated[str, typer.Argument(help="Id of a payout (pyt_…), or of a run (prn_…).")],
    by: ByOption,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Note that a payout arrived, or everything of a run that went by bank."""
    settings = load_settings(data=data)
    from tradewind.serve.payouts import operating  # noqa: PLC0415

    with operating(settings) as desk:
        desk.confirm(which, by=by)
    typer.echo(jsonlib.dumps({"confirmed": which}) if json else f"{which} is confirmed.")


@payouts.command()
def fail(
    payout: Annotated[str, typer.Argument(help="Id of a payout: pyt_…")],
    reason: Annotated[str, typer.Option(help="What the bank says.")],
    by: ByOption,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Note that a payout did not arrive, or came back: it is owed again."""
    settings = load_settings(data=data)
    from tradewind.serve.payouts import operating  # noqa: PLC0415

    with operating(settings) as desk:
        desk.fail(payout, reason=reason, by=by)
    typer.echo(jsonlib.dumps({"failed": payout}) if json else f"{payout} is owed again.")


def _tell_runs(rows: "Sequence[Run]", *, is_json: bool) -> None:
    if is_json:
        typer.echo(jsonlib.dumps({"runs": [_run(row) for row in rows]}))
        return
    if not rows:
        typer.echo("There is no payout run yet.")
    for row in rows:
        _tell_run(row, is_json=False)


def _tell_run(run: "Run", *, is_json: bool) -> None:
    told = _run(run)
    if is_json:
        typer.echo(jsonlib.dumps(told))
        return
    typer.echo(
        f"{told['id']}  {told['state']:<9}  {told['payouts']:>5} payouts"
        f"  {told['amount']:>14} {told['currency']}  prepared by {told['prepared_by']}"
    )


def _run(run: "Run") -> dict[str, Any]:
    from tradewind.core.money import format_nanos  # noqa: PLC0415

    return {
        "id": str(run.run_id),
        "state": run.stage.value,
        "currency": run.currency,
        "payouts": run.payouts,
        "open_payouts": run.open_payouts,
        "amount": format_nanos(run.nanos),
        "prepared_by": run.prepared_by.name,
        "approved_by": None if run.approved_by is None else run.approved_by.name,
        "is_self_approved": run.is_self_approved,
        "sha256": run.sha256,
    }


def _payout(payout: "Payout") -> dict[str, Any]:
    from tradewind.core.money import format_nanos  # noqa: PLC0415

    return {
        "id": str(payout.payout_id),
        "publisher": payout.publisher,
        "state": payout.state.value,
        "amount": format_nanos(payout.nanos),
        "currency": payout.currency,
        "note": payout.note,
        "statement": str(payout.statement_id),
    }


def _tell_falls(falls: "Sequence[Waterfall]", *, is_json: bool) -> None:
    from tradewind.core.money import format_nanos  # noqa: PLC0415

    told = [
        {
            "currency": fall.currency,
            "opening": format_nanos(fall.opening_nanos),
            "gross": format_nanos(fall.gross_nanos),
            "fee": format_nanos(fall.fee_nanos),
            "refunds": format_nanos(fall.refund_nanos),
            "other": format_nanos(fall.other_nanos),
            "balance": format_nanos(fall.balance_nanos),
            "on_hold": format_nanos(fall.earned.held_nanos),
            "payable": format_nanos(fall.payable_nanos),
            "carried_because": fall.carried_because,
        }
        for fall in falls
    ]
    if is_json:
        typer.echo(jsonlib.dumps({"currencies": told}))
        return
    if not told:
        typer.echo("Nothing was earned yet.")
    for each in told:
        typer.echo(", ".join(f"{name} {value}" for name, value in each.items() if value))
