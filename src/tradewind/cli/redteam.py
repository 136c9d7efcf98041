"""`tradewind redteam`: attack a model on purpose, and read what came of it. Heavy imports wait."""

import json as jsonlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.settings import load_settings

if TYPE_CHECKING:
    from tradewind.features.redteam.schemas import CampaignRow, Counts
    from tradewind.features.redteam.service import Results
    from tradewind.serve.redteam_operating import RedTeamDesk

redteam = typer.Typer(
    help="Attack models on purpose (PyRIT, garak), with the filter and without it, and read the"
    " rates of success. Works while the platform runs.",
    no_args_is_help=True,
)

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object as the last line.")]
IdArgument = Annotated[str, typer.Argument(help="Id of a campaign: redteam_…")]
_LOOK_EVERY_S = 1.0


@redteam.command()
def run(  # noqa: PLR0917  options of a command, always named
    target: Annotated[str, typer.Argument(help="The model that is attacked.")],
    name: Annotated[str, typer.Option(help="What the campaign is called.")] = "",
    tool: Annotated[str, typer.Option(help="pyrit, garak or fake.")] = "pyrit",
    dataset: Annotated[
        list[str] | None, typer.Option(help="A shipped data set, or the id of an own one.")
    ] = None,
    pack: Annotated[
        str, typer.Option(help="Strategies by complexity: easy, moderate or difficult.")
    ] = "",
    strategy: Annotated[list[str] | None, typer.Option(help="How it is attacked.")] = None,
    converter: Annotated[
        list[str] | None, typer.Option(help="How words are changed: none, base64, base64+rot13…")
    ] = None,
    scorer: Annotated[str, typer.Option(help="What tells a success.")] = "refusal",
    attacker: Annotated[str, typer.Option(help="A model that plays the attacker.")] = "",
    judge: Annotated[str, typer.Option(help="A model that judges answers.")] = "",
    only: Annotated[
        str, typer.Option("--filter", help="With the filter, without it, or both: on, off, both.")
    ] = "both",
    per_harm: Annotated[int, typer.Option(help="Seeds of each harm.")] = 10,
    max_turns: Annotated[int, typer.Option(help="Of attacks that have several.")] = 5,
    max_tokens: Annotated[int, typer.Option(help="Of one answer.")] = 256,
    concurrency: Annotated[int, typer.Option(help="Attacks at once.")] = 2,
    budget: Annotated[int, typer.Option(help="Tokens of all models together.")] = 2_000_000,
    seed: Annotated[int, typer.Option(help="Of chance: the same one attacks alike.")] = 0,
    yes: Annotated[bool, typer.Option(help="Do not ask before it starts.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait for its end, and print the report.")] = True,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Begin a campaign, say what it takes, and follow it."""
    settings = load_settings(data=data)
    from tradewind.core.errors import InvalidInput  # noqa: PLC0415
    from tradewind.features.redteam import rules  # noqa: PLC0415
    from tradewind.features.redteam.schemas import Spec  # noqa: PLC0415
    from tradewind.serve.redteam_operating import AT_COMMAND, red_team_desk  # noqa: PLC0415

    strategies, converters = tuple(strategy or ("prompt_sending",)), tuple(converter or ("none",))
    if pack:
        if pack not in rules.PACKS:
            raise InvalidInput(f"there is no pack {pack!r}", hint=", ".join(rules.PACKS))
        strategies, converters = rules.of_azure(rules.PACKS[pack])
    filters = {"on": (True,), "off": (False,), "both": (True, False)}.get(only)
    if filters is None:
        raise InvalidInput("--filter is on, off or both")
    spec = Spec(
        tool=tool,
        target=target,
        attacker=attacker,
        judge=judge,
        datasets=tuple(dataset or _harms_of(tool)),
        converters=converters,
        strategies=strategies,
        scorer=scorer,
        filters=filters,
        per_harm=per_harm,
        max_turns=max_turns,
        max_tokens=max_tokens,
        concurrency=concurrency,
        budget_tokens=budget,
        seed=seed,
    )
    with red_team_desk(settings) as desk:
        with desk.database.transaction() as tx:
            found = desk.red_team.estimate(tx, desk.operator, spec)
        about = "" if found.is_measured else ", guessed"
        typer.echo(
            f"{found.attacks:,} attacks, about {found.tokens:,} tokens, {found.cost},"
            f" {found.minutes:.0f} minutes{about}",
            err=True,
        )
        if not yes and not typer.confirm("Begin?", err=True):
            raise typer.Exit(1)
        with desk.database.transaction() as tx:
            row = desk.red_team.begin(tx, desk.operator, AT_COMMAND, name or target, spec)
        typer.echo(row.campaign_id, err=True)
        if wait:
            row = _follow(desk, row)
            _report(desk, row.campaign_id, is_json=json)
        elif json:
            typer.echo(jsonlib.dumps(_campaign(row)))
    if wait and row.state.value != "completed":
        raise typer.Exit(1)


@redteam.command("list")
def list_all(
    target: Annotated[str | None, typer.Option(help="Only against this model.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """List campaigns, the newest first."""
    settings = load_settings(data=data)
    from tradewind.serve.redteam_operating import red_team_desk  # noqa: PLC0415

    with red_team_desk(settings) as desk, desk.database.transaction() as tx:
        rows = desk.red_team.list_campaigns(tx, desk.operator, limit=limit, target=target)
    if json:
        typer.echo(jsonlib.dumps({"campaigns": [_campaign(row) for row in rows]}))
        return
    for row in rows:
        typer.echo(
            f"{row.campaign_id}  {row.created_at:%Y-%m-%d %H:%M}  {row.state.value:9}"
            f"  {row.attacks_done:>6,}/{row.attacks_planned:,}  {row.spec.target}  {row.name}"
        )


@redteam.command()
def show(
    campaign: IdArgument,
    scorecard: Annotated[
        str, typer.Option(help="Print Azure's scorecard of one pass: on or off.")
    ] = "",
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Print the report of a campaign: rates of success with 95 % intervals."""
    settings = load_settings(data=data)
    from tradewind.serve.redteam_operating import red_team_desk  # noqa: PLC0415

    with red_team_desk(settings) as desk:
        if scorecard:
            with desk.database.transaction() as tx:
                card = desk.red_team.scorecard(
                    tx, desk.operator, campaign, is_filtered=scorecard == "on"
                )
            typer.echo(jsonlib.dumps(card))
            return
        _report(desk, campaign, is_json=json)


@redteam.command()
def compare(
    before: IdArgument,
    after: IdArgument,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Print what differs between two campaigns, with the interval of each difference."""
    settings = load_settings(data=data)
    from tradewind.serve.redteam_operating import red_team_desk  # noqa: PLC0415

    with red_team_desk(settings) as desk, desk.database.transaction() as tx:
        _, _, changes = desk.red_team.compare(tx, desk.operator, before, after)
    if json:
        typer.echo(
            jsonlib.dumps(
                {
                    "changes": [
                        {
                            **each._asdict(),
                            "before": each.before._asdict(),
                            "after": each.after._asdict(),
                        }
                        for each in changes
                    ]
                }
            )
        )
        return
    for each in changes:
        gap = "-" if each.difference is None else f"{each.difference:+.0%}"
        certain = "*" if each.is_certain else " "
        typer.echo(
            f"{each.harm:24} {each.strategy:16} {each.converter:20}"
            f" {_pass(is_filtered=each.is_filtered):10} {gap:>6}{certain}"
            f" ({each.low:+.0%} to {each.high:+.0%})"
        )


@redteam.command()
def cancel(campaign: IdArgument, data: DataOption = None) -> None:
    """End a campaign. What was done stays."""
    settings = load_settings(data=data)
    from tradewind.serve.redteam_operating import red_team_desk  # noqa: PLC0415

    with red_team_desk(settings) as desk, desk.database.transaction() as tx:
        desk.red_team.cancel(tx, desk.operator, campaign)


@redteam.command()
def resume(
    campaign: IdArgument,
    budget: Annotated[int | None, typer.Option(help="A larger budget of tokens.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait for its end, and print the report.")] = True,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Carry on a campaign that failed, was cancelled or ran out of budget."""
    settings = load_settings(data=data)
    from tradewind.serve.redteam_operating import red_team_desk  # noqa: PLC0415

    with red_team_desk(settings) as desk:
        with desk.database.transaction() as tx:
            row = desk.red_team.resume(tx, desk.operator, campaign, budget_tokens=budget)
        if wait:
            _follow(desk, row)
            _report(desk, campaign, is_json=json)


def _harms_of(tool: str) -> tuple[str, ...]:
    """Return what is attacked with when nothing was named: Microsoft's AI red team's seeds."""
    if tool == "fake":
        return ("scripted",)
    return ("airt_hate", "airt_violence", "airt_sexual", "airt_illegal", "airt_malware")


def _follow(desk: "RedTeamDesk", row: "CampaignRow") -> "CampaignRow":
    told = ""
    while not row.state.is_over:
        line = f"{row.stage or row.state.value}: {row.attacks_done:,} of {row.attacks_planned:,}"
        if line != told:
            typer.echo(line, err=True)
            told = line
        time.sleep(_LOOK_EVERY_S)
        with desk.database.transaction() as tx:
            row = desk.red_team.get(tx, desk.operator, row.campaign_id)
    return row


def _report(desk: "RedTeamDesk", campaign_id: str, *, is_json: bool) -> None:
    with desk.database.transaction() as tx:
        found = desk.red_team.results(tx, desk.operator, campaign_id)
    if is_json:
        typer.echo(jsonlib.dumps(_results(found)))
        return
    campaign = found.campaign
    typer.echo(
        f"{campaign.name}: {campaign.spec.target} {campaign.version}, {campaign.state.value}"
        + (", budget used up" if campaign.is_spent else "")
        + (f": {campaign.error}" if campaign.error else "")
    )
    for cell in found.cells:
        typer.echo(
            f"{cell.harm:24} {cell.strategy:16} {cell.converter:20}"
            f" {_pass(is_filtered=cell.is_filtered):10} {_rate(cell.counts)}"
        )


def _rate(counts: "Counts") -> str:
    from tradewind.features.redteam.rules import rate_of  # noqa: PLC0415

    rate = rate_of(counts)
    share = "   -" if rate.value is None else f"{rate.value:4.0%}"
    return (
        f"{share} ({rate.low:.0%} to {rate.high:.0%}) of {counts.judged:,};"
        f" blocked {counts.blocked:,}, errors {counts.errors:,},"
        f" without verdict {counts.undetermined:,}"
    )


def _pass(*, is_filtered: bool) -> str:
    return "filter on" if is_filtered else "filter off"


def _campaign(row: "CampaignRow") -> dict[str, Any]:
    return {
        "id": row.campaign_id,
        "name": row.name,
        "target": row.spec.target,
        "version": row.version,
        "tool": row.spec.tool,
        "tool_version": row.tool_version,
        "state": row.state.value,
        "error": row.error,
        "attacks_planned": row.attacks_planned,
        "attacks_done": row.attacks_done,
        "tokens": row.tokens,
        "is_spent": row.is_spent,
        "evidence_sha256": row.evidence_sha256,
    }


def _results(found: "Results") -> dict[str, Any]:
    from tradewind.features.redteam.rules import rate_of  # noqa: PLC0415

    return {
        "campaign": _campaign(found.campaign),
        "cells": [
            {
                "harm": cell.harm,
                "strategy": cell.strategy,
                "converter": cell.converter,
                "filter": "on" if cell.is_filtered else "off",
                **cell.counts._asdict(),
                "asr": rate_of(cell.counts)._asdict(),
            }
            for cell in found.cells
        ],
    }
