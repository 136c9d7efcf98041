"""`tradewind prices margins` and `proposals`. Heavy imports wait for their verb."""

import json as jsonlib
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.settings import load_settings

if TYPE_CHECKING:
    from tradewind.features.market.schemas import (
        MarginOutcome,
        MarginRow,
        NewMargin,
        PriceTerms,
        ProposalRow,
    )

margins = typer.Typer(help="Prices that follow what providers take.", no_args_is_help=True)
proposals = typer.Typer(help="Prices that wait for a review.", no_args_is_help=True)

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object.")]
TargetArgument = Annotated[
    str, typer.Argument(help="publisher/slug, a publisher, or a provider; none is all.")
]
PercentOption = Annotated[str, typer.Option(help="On top of the cost, like 12.5.")]
LeastOption = Annotated[str, typer.Option(help="The least price of 1,000,000 units.")]
StepOption = Annotated[str, typer.Option(help="Prices are rounded up to a multiple of it.")]


class _Scope(StrEnum):
    MODEL = "model"
    PUBLISHER = "publisher"
    HOST = "host"
    ALL = "all"


@margins.command("list")
def list_margins(data: DataOption = None, json: JsonOption = False) -> None:
    """List all margins."""
    settings = load_settings(data=data)
    from tradewind.serve import prices as served  # noqa: PLC0415

    rows = served.margins(settings)
    if json:
        typer.echo(jsonlib.dumps({"margins": [_margin_as_json(row) for row in rows]}))
        return
    if not rows:
        typer.echo("No margin holds: prices stay as people and files set them.")
    for row in rows:
        state = "" if row.is_enabled else "  stopped"
        typer.echo(
            f"{row.margin_id}  {row.scope:9} {row.target or 'all':32} {_percent(row)} %{state}"
        )


@margins.command()
def preview(  # noqa: PLR0917  options of a command, always named
    scope: _Scope,
    target: TargetArgument = "",
    percent: PercentOption = "0",
    least: LeastOption = "0",
    step: StepOption = "0.000000001",
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Say what a margin would make of today's costs; nothing is changed."""
    settings = load_settings(data=data)
    from tradewind.serve import prices as served  # noqa: PLC0415

    found = served.preview_margin(settings, _new(scope, target, percent, least, step))
    if json:
        told = [_outcome_as_json(outcome) for outcome in found.outcomes]
        typer.echo(jsonlib.dumps({"outcomes": told, "left": found.left}))
        return
    for outcome in found.outcomes:
        typer.echo(f"{outcome.model:<48} {outcome.reason or _terms_words(outcome)}")
    if found.left:
        typer.echo(f"and {found.left} more")


@margins.command("set")
def put(  # noqa: PLR0917  options of a command, always named
    scope: _Scope,
    target: TargetArgument = "",
    percent: PercentOption = "0",
    least: LeastOption = "0",
    step: StepOption = "0.000000001",
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Let prices follow what providers take, within a minute."""
    settings = load_settings(data=data)
    from tradewind.serve import prices as served  # noqa: PLC0415

    row = served.put_margin(settings, _new(scope, target, percent, least, step))
    typer.echo(jsonlib.dumps(_margin_as_json(row)) if json else f"{row.margin_id} holds.")


@margins.command()
def stop(
    margin: Annotated[str, typer.Argument(help="Id of a margin: margin_…")],
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Leave prices as they are."""
    settings = load_settings(data=data)
    from tradewind.serve import prices as served  # noqa: PLC0415

    served.stop_margin(settings, margin)
    typer.echo(jsonlib.dumps({"stopped": margin}) if json else f"{margin} is stopped.")


@proposals.command("list")
def list_proposals(data: DataOption = None, json: JsonOption = False) -> None:
    """List prices that wait for a review, and why."""
    settings = load_settings(data=data)
    from tradewind.serve import prices as served  # noqa: PLC0415

    rows = served.proposals(settings)
    if json:
        told = [_proposal_as_json(name, row) for name, row in rows]
        typer.echo(jsonlib.dumps({"proposals": told}))
        return
    if not rows:
        typer.echo("No price waits.")
    for name, row in rows:
        typer.echo(f"{row.proposal_id}  {name:<48} {row.reason}")


@proposals.command()
def accept(
    proposal: Annotated[str, typer.Argument(help="Id of a proposal.")],
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Set such a price, after the notice if it is a rise."""
    settings = load_settings(data=data)
    from tradewind.serve import prices as served  # noqa: PLC0415

    price = served.decide_proposal(settings, proposal, is_accepted=True)
    typer.echo(jsonlib.dumps({"price": price}) if json else f"{price} is set.")


@proposals.command()
def refuse(
    proposal: Annotated[str, typer.Argument(help="Id of a proposal.")],
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Leave it out."""
    settings = load_settings(data=data)
    from tradewind.serve import prices as served  # noqa: PLC0415

    served.decide_proposal(settings, proposal, is_accepted=False)
    typer.echo(jsonlib.dumps({"refused": proposal}) if json else f"{proposal} is refused.")


def _new(scope: _Scope, target: str, percent: str, least: str, step: str) -> "NewMargin":
    from tradewind.core.errors import InvalidInput  # noqa: PLC0415
    from tradewind.core.money import parse_nanos  # noqa: PLC0415
    from tradewind.features.market.schemas import Margin, NewMargin, Scope  # noqa: PLC0415

    try:
        hundredths = Decimal(percent) * 100
        nanos = parse_nanos(least), parse_nanos(step)
    except (InvalidOperation, ValueError) as error:
        raise InvalidInput(f"this is no amount: {error}") from error
    if not hundredths.is_finite() or hundredths != int(hundredths):
        raise InvalidInput("a percentage has at most two decimals")
    return NewMargin(Scope(scope.value), target, Margin(int(hundredths), *nanos))


def _percent(row: "MarginRow") -> str:
    return f"{Decimal(row.margin.percent) / 100:f}"


def _margin_as_json(row: "MarginRow") -> dict[str, Any]:
    return {
        "id": row.margin_id,
        "scope": row.scope.value,
        "target": row.target,
        "percent": _percent(row),
        "is_enabled": row.is_enabled,
    }


def _outcome_as_json(outcome: "MarginOutcome") -> dict[str, Any]:
    return {
        "model": outcome.model,
        "currency": outcome.currency,
        "prices": {} if outcome.quote is None else _amounts(outcome.quote.terms),
        "reason": outcome.reason,
        "is_held": outcome.is_held,
    }


def _terms_words(outcome: "MarginOutcome") -> str:
    if outcome.quote is None:
        return "stays as it is"
    amounts = _amounts(outcome.quote.terms).items()
    return ", ".join(f"{meter} {amount}" for meter, amount in amounts) + f" {outcome.currency}"


def _amounts(terms: "PriceTerms") -> dict[str, str]:
    from tradewind.core.money import format_nanos  # noqa: PLC0415

    return {meter: format_nanos(nanos) for meter, nanos in terms.meters.items()}


def _proposal_as_json(name: str, row: "ProposalRow") -> dict[str, Any]:
    return {
        "id": row.proposal_id,
        "model": name,
        "currency": row.terms.currency,
        "prices": _amounts(row.terms),
        "reason": row.reason,
        "can_be_set": row.can_be_set,
    }
