"""`tradewind wallet`: what organizations hold, and what came in at the bank. Heavy imports wait."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from tradewind.cli.settings import load_settings

wallet = typer.Typer(
    help="Show wallets, give credit, and take statements of the bank in. Works while the platform"
    " runs, and while it does not.",
    no_args_is_help=True,
)

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object as the last line.")]
OrganizationArgument = Annotated[str, typer.Argument(help="Id of an organization: org_…")]


@wallet.command()
def show(
    organization: OrganizationArgument, data: DataOption = None, json: JsonOption = False
) -> None:
    """Show what an organization holds, and what it can still spend."""
    settings = load_settings(data=data)
    from tradewind.serve import wallet as served  # noqa: PLC0415

    _tell(served.show(settings, organization), is_json=json)


@wallet.command()
def credit(  # noqa: PLR0917  options of a command, always named
    organization: OrganizationArgument,
    amount: Annotated[str, typer.Argument(help="A decimal amount.")],
    currency: Annotated[str, typer.Argument(help="Three capital letters.")],
    key: Annotated[str, typer.Option(help="Your own; used again, nothing is given twice.")],
    memo: Annotated[str, typer.Option(help="For people.")] = "",
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Give an organization credit."""
    settings = load_settings(data=data)
    from tradewind.core.errors import InvalidInput  # noqa: PLC0415
    from tradewind.core.money import parse_nanos  # noqa: PLC0415
    from tradewind.serve import wallet as served  # noqa: PLC0415

    try:
        nanos = parse_nanos(amount)
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    found = served.give_credit(settings, organization, nanos, currency, key, memo)
    _tell(found, is_json=json)


@wallet.command("import")
def take(
    file: Annotated[Path, typer.Argument(help="A camt.053 file of the bank.")],
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Take a bank statement in. What was taken before is left alone."""
    settings = load_settings(data=data)
    from tradewind.serve import wallet as served  # noqa: PLC0415

    done = served.take_statement(settings, file)
    if json:
        typer.echo(jsonlib.dumps(done._asdict()))
        return
    typer.echo(
        f"{done.lines:,} bookings: {done.matched:,} matched, {done.unmatched:,} unmatched,"
        f" {done.ignored:,} not ours, {done.known:,} known before."
    )


@wallet.command()
def unmatched(data: DataOption = None, json: JsonOption = False) -> None:
    """List what came in at the bank and is nobody's yet."""
    settings = load_settings(data=data)
    from tradewind.core.money import format_nanos  # noqa: PLC0415
    from tradewind.serve import wallet as served  # noqa: PLC0415

    rows = served.unmatched(settings)
    if json:
        listed = [
            {
                "id": row.line_id,
                "booked_on": row.line.booked_on.isoformat(),
                "amount": format_nanos(row.line.nanos),
                "currency": row.line.currency,
                "payer": row.line.payer,
                "remittance": row.line.remittance,
                "note": row.note,
            }
            for row in rows
        ]
        typer.echo(jsonlib.dumps({"lines": listed}))
        return
    if not rows:
        typer.echo("Everything is matched.")
    for row in rows:
        line = row.line
        amount = format_nanos(line.nanos, digits=2)
        typer.echo(f"{row.line_id}  {line.booked_on}  {amount:>14} {line.currency}  {line.payer}")
        typer.echo(f"  {line.remittance or '(no text)'}: {row.note}")


@wallet.command()
def assign(
    line: Annotated[str, typer.Argument(help="Id of a booking: bln_…")],
    target: Annotated[str, typer.Argument(help="An invoice's number, or an organization's id.")],
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Say what a booking is for."""
    settings = load_settings(data=data)
    from tradewind.serve import wallet as served  # noqa: PLC0415

    row = served.assign(settings, line, target)
    if json:
        told = {"id": row.line_id, "organization": row.organization_id, "invoice": row.invoice_id}
        typer.echo(jsonlib.dumps(told))
        return
    typer.echo(f"{row.line_id} is for {row.invoice_id or row.organization_id}.")


def _tell(found: object, *, is_json: bool) -> None:
    from tradewind.core.money import format_nanos  # noqa: PLC0415
    from tradewind.features.payments.schemas import Wallet  # noqa: PLC0415

    assert isinstance(found, Wallet)
    if is_json:
        told = {
            "organization": found.organization_id,
            "currency": found.currency,
            "is_prepaid": found.is_prepaid,
            "balance": format_nanos(found.balance_nanos),
            "left": format_nanos(found.left_nanos),
            "held": format_nanos(found.held_nanos),
        }
        typer.echo(jsonlib.dumps(told))
        return
    way = "pays ahead" if found.is_prepaid else "pays later"
    left = format_nanos(found.left_nanos, digits=2)
    balance = format_nanos(found.balance_nanos, digits=2)
    typer.echo(f"{found.organization_id} {way}. {left} {found.currency} can be spent.")
    typer.echo(f"The books have {balance}: usage leaves them when it is invoiced.")
