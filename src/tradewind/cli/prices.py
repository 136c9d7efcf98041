"""`tradewind prices`: the price book. Heavy imports wait for their verb."""

import json as jsonlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.prices_margins import margins, proposals
from tradewind.cli.settings import load_settings

if TYPE_CHECKING:
    from tradewind.features.market.schemas import FileReport, KeyRow, PriceRow, Quote
    from tradewind.features.market.simulator import Simulation
    from tradewind.readmodels.prices import PricedModel

prices = typer.Typer(
    help="What models cost, and how that is changed. Works while the platform runs, and while it"
    " does not.",
    no_args_is_help=True,
)
keys = typer.Typer(help="Keys whose price files are believed.", invoke_without_command=True)
prices.add_typer(keys, name="keys")
prices.add_typer(margins, name="margins")
prices.add_typer(proposals, name="proposals")

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object.")]
ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="publisher/slug.")]
_TOKENS = {"input_tokens": "in", "output_tokens": "out"}


@prices.command("list")
def list_prices(
    query: Annotated[str, typer.Argument(help="A part of the name.")] = "",
    after: Annotated[str, typer.Option(help="Begin behind this model.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """List what models cost for 1,000,000 units, by name."""
    settings = load_settings(data=data)
    from tradewind.serve import prices as served  # noqa: PLC0415

    rows = served.prices(settings, query=query, after=after, limit=limit)
    if json:
        typer.echo(jsonlib.dumps({"prices": [_model_as_json(row) for row in rows]}))
        return
    if not rows:
        typer.echo("No model has a price or an endpoint.")
    for row in rows:
        typer.echo(f"{row.name:<48} {_price_words(row.price)}")
        if row.next is not None:
            typer.echo(f"{'':<48} {_price_words(row.next)} from {row.next.effective_at:%Y-%m-%d}")


@prices.command()
def show(model: ModelArgument, data: DataOption = None, json: JsonOption = False) -> None:
    """Show what a model costs, by meter."""
    settings = load_settings(data=data)
    from tradewind.core.money import format_nanos  # noqa: PLC0415
    from tradewind.serve import prices as served  # noqa: PLC0415

    row, _ = served.history(settings, model)
    if json:
        typer.echo(jsonlib.dumps(_model_as_json(row)))
        return
    if row.price is None:
        typer.echo(f"{model} has no price: nobody can call it.")
        return
    for meter, nanos in row.price.terms.meters.items():
        typer.echo(f"{meter:<24} {format_nanos(nanos):>16} {row.price.currency} for 1,000,000")
    typer.echo(f"In force since {row.price.effective_at:%Y-%m-%d %H:%M} UTC, {_said(row.price)}.")
    if row.next is not None:
        typer.echo(f"From {row.next.effective_at:%Y-%m-%d} on: {_price_words(row.next)}")


@prices.command()
def history(model: ModelArgument, data: DataOption = None, json: JsonOption = False) -> None:
    """List all prices that a model had and will have, the latest first."""
    settings = load_settings(data=data)
    from tradewind.serve import prices as served  # noqa: PLC0415

    row, versions = served.history(settings, model)
    if json:
        told = {"model": row.name, "versions": [_price_as_json(version) for version in versions]}
        typer.echo(jsonlib.dumps(told))
        return
    for version in versions:
        typer.echo(f"{version.effective_at:%Y-%m-%d %H:%M}  {_price_words(version)}")
        typer.echo(f"{'':<18}{version.price_id}, {_said(version)}")


@prices.command("apply")
def apply_file(
    file: Annotated[Path, typer.Argument(help="YAML or JSON; FILE.sig lies beside it.")],
    dry_run: Annotated[bool, typer.Option(help="Show what would change.")] = False,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Apply a signed price file: all of it or nothing, and once."""
    settings = load_settings(data=data)
    from tradewind.serve import prices as served  # noqa: PLC0415

    report = served.apply_file(settings, file, is_dry_run=dry_run)
    if json:
        typer.echo(jsonlib.dumps(_report_as_json(report)))
        return
    _show_report(report)


@prices.command()
def sign(
    file: Annotated[Path, typer.Argument(help="A price file.")],
    key: Annotated[Path, typer.Option(help="An Ed25519 private key in PEM.")],
    json: JsonOption = False,
) -> None:
    """Sign a price file; the signature is written to FILE.sig."""
    from tradewind.serve import prices as served  # noqa: PLC0415

    key_id, beside = served.sign(file, key)
    if json:
        typer.echo(jsonlib.dumps({"key": key_id, "file": str(beside)}))
        return
    typer.echo(f"Signed with {key_id[:16]}…: {beside}")


@prices.command()
def unpriced(data: DataOption = None, json: JsonOption = False) -> None:
    """List models without a price. Ends with status 1 when one of them was called."""
    settings = load_settings(data=data)
    from tradewind.serve import prices as served  # noqa: PLC0415

    rows = served.gaps(settings)
    if json:
        told = [
            {
                "model": row.model,
                "gap": row.gap.value,
                "meters": list(row.meters),
                "calls": row.calls,
                "organizations": row.organizations,
                "last_at": None if row.last_at is None else row.last_at.isoformat(),
            }
            for row in rows
        ]
        typer.echo(jsonlib.dumps({"models": told}))
    elif not rows:
        typer.echo("Everything that is served has a price.")
    else:
        for row in rows:
            what = ", ".join(row.meters) or row.gap.value
            typer.echo(f"{row.model:<48} {what:<24} {row.calls:>9,} calls")
    if any(row.calls for row in rows):
        raise typer.Exit(1)


@prices.command()
def simulate(  # noqa: PLR0917  options of a command, always named
    file: Annotated[Path, typer.Argument(help="Terms of a plan, as JSON.")],
    model: Annotated[
        list[str] | None, typer.Option(metavar="MODEL", help="publisher/slug; repeat it.")
    ] = None,
    organization: Annotated[str | None, typer.Option(help="Whose usage; without, all.")] = None,
    days: Annotated[int, typer.Option(min=1, max=366)] = 30,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Say what a plan would have charged for past usage, and what the present prices came to."""
    settings = load_settings(data=data)
    from tradewind.serve import prices as served  # noqa: PLC0415

    found = served.simulate(
        settings, file, models=model or [], organization=organization, days=days
    )
    if json:
        typer.echo(jsonlib.dumps(_simulation_as_json(found)))
        return
    from tradewind.core.money import format_nanos  # noqa: PLC0415

    for row in found.models:
        plan = f"{format_nanos(row.nanos, digits=2)} {found.currency}"
        typer.echo(f"{row.model:<48} {plan:>16}  now {_sums(row.present_nanos)}")
    total = f"{format_nanos(found.nanos, digits=2)} {found.currency}"
    typer.echo(f"{'All':<48} {total:>16}  now {_sums(found.present_nanos)}")


@keys.callback()
def list_keys(context: typer.Context, data: DataOption = None, json: JsonOption = False) -> None:
    """List the keys whose price files are believed."""
    if context.invoked_subcommand is not None:
        return
    settings = load_settings(data=data)
    from tradewind.serve import prices as served  # noqa: PLC0415

    _tell_keys(served.keys(settings), is_json=json)


@keys.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="Whose key it is, for people.")],
    file: Annotated[Path, typer.Argument(help="An Ed25519 public key in PEM.")],
    publisher: Annotated[str, typer.Option(help="For this publisher's models alone.")] = "",
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Believe the price files of a key."""
    settings = load_settings(data=data)
    from tradewind.serve import prices as served  # noqa: PLC0415

    _tell_keys([served.add_key(settings, name, file, publisher=publisher)], is_json=json)


@keys.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(help="Id of the key.")],
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Believe no further file of a key; what it priced stays."""
    settings = load_settings(data=data)
    from tradewind.serve import prices as served  # noqa: PLC0415

    _tell_keys([served.revoke_key(settings, key)], is_json=json)


def _tell_keys(rows: "Sequence[KeyRow]", *, is_json: bool) -> None:
    if is_json:
        told = [
            {
                "id": row.key_id,
                "name": row.name,
                "publisher": row.publisher_slug,
                "revoked_at": None if row.revoked_at is None else row.revoked_at.isoformat(),
            }
            for row in rows
        ]
        typer.echo(jsonlib.dumps({"keys": told}))
        return
    if not rows:
        typer.echo("No key is trusted yet: `tradewind prices keys add NAME KEY.pub.pem`.")
    for row in rows:
        state = "revoked" if row.revoked_at is not None else row.publisher_slug or "all models"
        typer.echo(f"{row.key_id}  {state:<24} {row.name}")


def _show_report(report: "FileReport") -> None:
    if not report.is_new:
        typer.echo(f"This file was applied before, as {report.file_id}. Nothing was done.")
        return
    for quote in report.quotes:
        words = "waits for a review" if quote.is_held else f"from {quote.effective_at:%Y-%m-%d} on"
        typer.echo(f"line {quote.line}: {quote.model}, {words}")
        for line in _moves(quote):
            typer.echo(f"  {line}")
        if quote.is_held:
            typer.echo(f"  {quote.difference.unusual}")
    tense = "would be set" if report.file_id is None else "were set"
    typer.echo(
        f"{report.set_prices} prices {tense}, {report.held} wait for a review,"
        f" {report.unchanged} stay as they are."
    )


def _moves(quote: "Quote") -> list[str]:
    from tradewind.core.money import format_nanos  # noqa: PLC0415

    lines: list[str] = []
    for move in quote.difference.moves:
        if move.old != move.new:
            old, new = (
                "none" if nanos is None else format_nanos(nanos) for nanos in (move.old, move.new)
            )
            percent = "" if move.percent is None else f"  {move.percent:+}%"
            lines.append(f"{move.meter:<24} {old} > {new} {quote.terms.currency}{percent}")
    return lines


def _report_as_json(report: "FileReport") -> dict[str, Any]:
    return {
        "file": report.file_id,
        "is_new": report.is_new,
        "set": report.set_prices,
        "held": report.held,
        "unchanged": report.unchanged,
        "changes": [
            {
                "line": quote.line,
                "model": quote.model,
                "effective_at": quote.effective_at.isoformat(),
                "unusual": quote.difference.unusual,
                "moves": [
                    {
                        "meter": move.meter,
                        "old": _amount(move.old),
                        "new": _amount(move.new),
                        "percent": None if move.percent is None else str(move.percent),
                    }
                    for move in quote.difference.moves
                ],
            }
            for quote in report.quotes
        ],
    }


def _simulation_as_json(found: "Simulation") -> dict[str, Any]:
    return {
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
        "currency": found.currency,
        "plan": _amount(found.nanos),
        "present": _amounts(found.present_nanos),
        "models": [
            {
                "model": row.model,
                "buyers": row.buyers,
                "quantities": dict(row.quantities),
                "plan": _amount(row.nanos),
                "present": _amounts(row.present_nanos),
            }
            for row in found.models
        ],
    }


def _model_as_json(row: "PricedModel") -> dict[str, Any]:
    return {
        "model": row.name,
        "price": None if row.price is None else _price_as_json(row.price),
        "next": None if row.next is None else _price_as_json(row.next),
        "is_served": row.is_served,
    }


def _price_as_json(row: "PriceRow") -> dict[str, Any]:
    return {
        "id": row.price_id,
        "currency": row.currency,
        "prices": _amounts(row.terms.meters),
        "effective_at": row.effective_at.isoformat(),
        "seller": row.seller,
        "is_charged": row.is_charged,
        "is_free": row.is_free,
        "source": row.source.value,
        "subject": row.subject,
    }


def _amounts(nanos: Mapping[str, int]) -> dict[str, str]:
    from tradewind.core.money import format_nanos  # noqa: PLC0415

    return {name: format_nanos(amount) for name, amount in nanos.items()}


def _amount(nanos: int | None) -> str | None:
    from tradewind.core.money import format_nanos  # noqa: PLC0415

    return None if nanos is None else format_nanos(nanos)


def _sums(nanos: Mapping[str, int]) -> str:
    from tradewind.core.money import format_nanos  # noqa: PLC0415

    sums = [f"{format_nanos(amount, digits=2)} {name}" for name, amount in nanos.items()]
    return ", ".join(sums) or "0"


def _price_words(row: "PriceRow | None") -> str:
    if row is None:
        return "no price"
    if row.is_free:
        return "free"
    told = _amounts(row.terms.meters)
    words = [f"{told[meter]} {name}" for meter, name in _TOKENS.items()]
    more = len(row.meters)
    return f"{', '.join(words)} {row.currency}" + (f", {more} more meters" * (more > 0))


def _said(row: "PriceRow") -> str:
    who = f" by {row.created_by}" if row.created_by else ""
    return f"of a {row.source.value} {row.subject}".rstrip() + who
