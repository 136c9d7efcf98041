"""`tradewind invoices`: lists invoices and takes them out in any format."""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.settings import load_settings

if TYPE_CHECKING:
    from tradewind.features.billing.schemas import InvoiceRow

invoices = typer.Typer(help="List invoices and take them out.", no_args_is_help=True)

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object as the last line.")]


@invoices.command("list")
def list_all(
    organization: Annotated[str | None, typer.Option(help="Of this organization alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000)] = 100,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """List invoices, the newest first."""
    settings = load_settings(data=data)
    from tradewind.serve import billing as served  # noqa: PLC0415

    rows = [invoice_as_json(row) for row in served.list_invoices(settings, organization, limit)]
    if json:
        typer.echo(jsonlib.dumps({"invoices": rows}))
        return
    if not rows:
        typer.echo("There is no invoice yet.")
    for row in rows:
        number = row["number"] or row["id"]
        typer.echo(f"{number:<18} {row['state']:<10} {row['total']:>14} {row['currency']}")


@invoices.command()
def export(
    invoice: Annotated[str, typer.Argument(help="Its id, or that of a credit note.")],
    file: Annotated[Path, typer.Argument(help="A file that is not there yet.")],
    form: Annotated[
        str,
        typer.Option("--format", help="json, html, pdf, csv, focus, ubl, settlement or events."),
    ] = "json",
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Write a finalized invoice, what it was made from, or a credit note to a file."""
    settings = load_settings(data=data)
    from tradewind.features.billing.papers.formats import PaperFormat  # noqa: PLC0415
    from tradewind.serve import billing as served  # noqa: PLC0415

    try:
        wanted = PaperFormat(form)
    except ValueError:
        raise typer.BadParameter(f"{form!r} is no format", param_hint="--format") from None
    is_credit_note = invoice.startswith("cn_")
    written = served.export_credit if is_credit_note else served.export
    size = written(settings, invoice, wanted, file)
    if json:
        told = {"invoice": invoice, "format": form, "file": str(file), "bytes": size}
        typer.echo(jsonlib.dumps(told))
        return
    typer.echo(f"{file} has {size:,} bytes.")


def invoice_as_json(row: "InvoiceRow") -> dict[str, Any]:
    from tradewind.features.billing.drawing import amount  # noqa: PLC0415

    return {
        "id": str(row.invoice_id),
        "number": row.number,
        "organization": str(row.organization_id),
        "state": row.state.value,
        "currency": row.currency,
        "period_start": row.period_start.isoformat(),
        "period_end": row.period_end.isoformat(),
        "net": amount(row.net_minor, row.currency),
        "tax": amount(row.tax_minor, row.currency),
        "total": amount(row.total_minor, row.currency),
        "open": amount(row.open_minor, row.currency),
    }
