"""`tradewind sinks`: where usage is sent. Heavy imports wait."""

import json as jsonlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradewind.cli.settings import load_settings

if TYPE_CHECKING:
    from tradewind.features.marketplace.schemas import SinkRow

sinks = typer.Typer(
    help="Send usage to Stripe Meters, OpenMeter, Lago or any CloudEvents endpoint. Works while the"
    " platform runs, and while it does not.",
    no_args_is_help=True,
)

CREDENTIAL = "TRADEWIND_SINK_CREDENTIAL"
DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object as the last line.")]
OrganizationOption = Annotated[
    str | None, typer.Option(help="Id of an organization; the platform's own without it.")
]
SinkArgument = Annotated[str, typer.Argument(help="Id of a sink: sink_…")]


@sinks.command("list")
def show(
    organization: OrganizationOption = None, data: DataOption = None, json: JsonOption = False
) -> None:
    """List sinks, and how they go."""
    settings = load_settings(data=data)
    from tradewind.serve import marketplace  # noqa: PLC0415

    rows = marketplace.list_sinks(settings, organization)
    if json:
        typer.echo(jsonlib.dumps({"sinks": [_told(row) for row in rows]}))
        return
    if not rows:
        typer.echo("Usage is sent nowhere.")
    for row in rows:
        _print(row)


@sinks.command()
def add(  # noqa: PLR0917  options of a command, always named
    name: Annotated[str, typer.Argument(help="What you call it.")],
    kind: Annotated[str, typer.Argument(help="stripe, openmeter, lago or cloudevents.")],
    url: Annotated[str, typer.Option(help="Where it is reached, if not at its own address.")] = "",
    meter: Annotated[list[str] | None, typer.Option(help="Only these; all without it.")] = None,
    customer: Annotated[
        list[str] | None, typer.Option(help="SUBJECT=NAME: what one is called there.")
    ] = None,
    everybody: Annotated[bool, typer.Option(help="What all organizations use.")] = False,
    private_network: Annotated[bool, typer.Option(help="The host may be in one.")] = False,
    organization: OrganizationOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Send usage somewhere from this hour on. The credential is taken from the variable
    TRADEWIND_SINK_CREDENTIAL, so that it stands in no history.
    """
    settings = load_settings(data=data)
    from tradewind.core.errors import InvalidInput  # noqa: PLC0415
    from tradewind.db.sealing import Secret  # noqa: PLC0415
    from tradewind.features.marketplace.schemas import Covers, NewSink  # noqa: PLC0415
    from tradewind.serve import marketplace  # noqa: PLC0415

    pairs: list[tuple[str, str]] = []
    for pair in customer or ():
        subject, equals, called = pair.partition("=")
        if not equals:
            raise InvalidInput(f"{pair[:100]!r} is not SUBJECT=NAME")
        pairs.append((subject, called))
    credential = os.environ.get(CREDENTIAL)
    row = marketplace.add_sink(
        settings,
        organization,
        NewSink(
            name,
            kind,
            url,
            Secret(credential) if credential else None,
            Covers.PLATFORM if everybody else Covers.ORGANIZATION,
            tuple(meter or ()),
            tuple(pairs),
            private_network,
        ),
    )
    _tell(row, is_json=json)


@sinks.command()
def switch(
    sink: SinkArgument,
    state: Annotated[str, typer.Argument(help="on or off.")],
    organization: OrganizationOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Stop sending, or go on: what was used meanwhile is then sent too."""
    settings = load_settings(data=data)
    from tradewind.core.errors import InvalidInput  # noqa: PLC0415
    from tradewind.features.marketplace.schemas import SinkChanges  # noqa: PLC0415
    from tradewind.serve import marketplace  # noqa: PLC0415

    if state not in {"on", "off"}:
        raise InvalidInput("a sink is switched on or off")
    changes = SinkChanges(is_enabled=state == "on")
    _tell(marketplace.change_sink(settings, organization, sink, changes), is_json=json)


@sinks.command()
def delete(
    sink: SinkArgument, organization: OrganizationOption = None, data: DataOption = None
) -> None:
    """Delete a sink, and what waits for it."""
    settings = load_settings(data=data)
    from tradewind.serve import marketplace  # noqa: PLC0415

    marketplace.delete_sink(settings, organization, sink)
    typer.echo(f"{sink} is deleted.")


def _tell(row: "SinkRow", *, is_json: bool) -> None:
    if is_json:
        typer.echo(jsonlib.dumps(_told(row)))
    else:
        _print(row)


def _print(row: "SinkRow") -> None:
    state = "on" if row.is_enabled else "off"
    typer.echo(
        f"{row.sink_id}  {row.name} ({row.kind}, {state}): sent until"
        f" {row.sent_until:%Y-%m-%d %H:%M} UTC, {row.waiting:,} waiting, {row.refused:,} refused"
    )
    if row.last_error:
        typer.echo(f"  {row.last_error}")


def _told(row: "SinkRow") -> dict[str, object]:
    return {
        "id": row.sink_id,
        "name": row.name,
        "kind": row.kind,
        "url": row.base_url,
        "covers": row.covers.value,
        "is_enabled": row.is_enabled,
        "sent_until": row.sent_until.isoformat(),
        "waiting": row.waiting,
        "refused": row.refused,
        "last_error": row.last_error,
    }
