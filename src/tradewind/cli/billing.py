"""`tradewind billing`: settles usage and closes months. Heavy imports wait for their verb."""

import json as jsonlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.invoices import invoice_as_json
from tradewind.cli.settings import load_settings

if TYPE_CHECKING:
    from tradewind.features.billing.schemas import BillingAccount, Close

billing = typer.Typer(
    help="Settle usage, close months, write and correct invoices. The worker settles and closes by"
    " itself.",
    no_args_is_help=True,
)

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object as the last line.")]


InvoiceArgument = Annotated[str, typer.Argument(metavar="INVOICE", help="Its id.")]


@billing.command()
def accounts(
    after: Annotated[str, typer.Option(help="Begin behind this organization.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000)] = 100,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """List who is charged, how, and to whom invoices are written."""
    settings = load_settings(data=data)
    from tradewind.serve import billing as served  # noqa: PLC0415

    rows = served.accounts(settings, after, limit)
    if json:
        typer.echo(jsonlib.dumps({"accounts": [_account_as_json(row) for row in rows]}))
        return
    if not rows:
        typer.echo("Nobody has a billing account.")
    for row in rows:
        name = row.party.legal_name
        typer.echo(f"{row.organization_id} {row.mode.value:<9} {row.currency} {name}")


@billing.command()
def draft(
    organization: Annotated[str, typer.Argument(help="Its id.")],
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d"],
            help="A full hour, UTC; the last one by default.",
        ),
    ] = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Draw up what is on no invoice yet. A draft that is there is drawn up anew."""
    settings = load_settings(data=data)
    from tradewind.serve import billing as served  # noqa: PLC0415

    end = None if until is None else until.replace(tzinfo=UTC)
    rows = [invoice_as_json(row) for row in served.draft(settings, organization, end)]
    if json:
        typer.echo(jsonlib.dumps({"invoices": rows}))
        return
    for row in rows:
        typer.echo(f"{row['id']} draft {row['total']} {row['currency']}")


@billing.command()
def finalize(invoice: InvoiceArgument, data: DataOption = None, json: JsonOption = False) -> None:
    """Number a draft and freeze it for good."""
    settings = load_settings(data=data)
    from tradewind.serve import billing as served  # noqa: PLC0415

    _tell(invoice_as_json(served.finalize(settings, invoice)), json=json)


@billing.command()
def void(invoice: InvoiceArgument, data: DataOption = None, json: JsonOption = False) -> None:
    """Throw a draft away. A finalized invoice is credited instead."""
    settings = load_settings(data=data)
    from tradewind.serve import billing as served  # noqa: PLC0415

    _tell(invoice_as_json(served.void(settings, invoice)), json=json)


@billing.command()
def credit(  # noqa: PLR0917  options, always named
    invoice: InvoiceArgument,
    reason: Annotated[str, typer.Option(help="What the credit note says.")],
    key: Annotated[str, typer.Option(help="Makes a retry harmless: the same is the same note.")],
    line: Annotated[
        list[str] | None,
        typer.Option(metavar="NUMBER=AMOUNT", help="Of this line; all that is left by default."),
    ] = None,
    goodwill: Annotated[bool, typer.Option(help="The platform bears it, not the seller.")] = False,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Take back of a finalized invoice, in part or all that is left."""
    settings = load_settings(data=data)
    from tradewind.features.billing.drawing import amount  # noqa: PLC0415
    from tradewind.serve import billing as served  # noqa: PLC0415

    made = served.credit(
        settings,
        invoice,
        reason=reason,
        key=key,
        lines=_lines(line),
        is_goodwill=goodwill,
    )
    total = amount(made.total_minor, made.currency)
    if json:
        told = {"id": str(made.credit_note_id), "number": made.number, "total": total}
        typer.echo(jsonlib.dumps({**told, "currency": made.currency, "reason": made.reason}))
        return
    typer.echo(f"{made.number} takes back {total} {made.currency}.")


def _lines(written: list[str] | None) -> dict[int, str] | None:
    if not written:
        return None
    found: dict[int, str] = {}
    for each in written:
        number, _, taken = each.partition("=")
        if not number.isdecimal() or not taken or int(number) in found:
            raise typer.BadParameter(f"{each!r} is not like 1=12.50", param_hint="--line")
        found[int(number)] = taken
    return found


def _tell(row: dict[str, Any], *, json: bool) -> None:
    if json:
        typer.echo(jsonlib.dumps(row))
        return
    typer.echo(f"{row['number'] or row['id']}: {row['state']}, {row['total']} {row['currency']}")


def _account_as_json(account: "BillingAccount") -> dict[str, Any]:
    return {
        "organization": str(account.organization_id),
        "mode": account.mode.value,
        "currency": account.currency,
        "legal_name": account.party.legal_name,
        "country": account.party.country,
        "buyer_kind": account.buyer_kind.value,
        "payment_terms_days": account.payment_terms_days,
        "billed_from": account.billed_from.isoformat(),
        "revision": account.revision,
    }


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
