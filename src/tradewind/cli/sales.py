"""`tradewind offers`, `plans` and `subscriptions`: what is sold by subscription, and to whom. Heavy
imports wait.
"""

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer

from tradewind.cli.settings import load_settings

_ANYWHERE = " Works while the platform runs, and while it does not."
offers = typer.Typer(help="Show and change what is for sale." + _ANYWHERE, no_args_is_help=True)
plans = typer.Typer(help="Show and add plans of an offer." + _ANYWHERE, no_args_is_help=True)
subscriptions = typer.Typer(
    help="Show and change subscriptions of an organization." + _ANYWHERE, no_args_is_help=True
)

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object as the last line.")]
OrganizationOption = Annotated[
    str | None, typer.Option(help="Act for this one (org_…); by default the platform's own.")
]
OfferArgument = Annotated[str, typer.Argument(help="Id of an offer.")]
SubscriptionArgument = Annotated[str, typer.Argument(help="Id of a subscription.")]
PayerOption = Annotated[str, typer.Option(help="Who pays; kept with the confirmation.")]


@offers.command("list")
def list_offers(
    organization: OrganizationOption = None, data: DataOption = None, json: JsonOption = False
) -> None:
    """List the offers of an organization's publishers."""
    settings = load_settings(data=data)
    from tradewind.serve import sales  # noqa: PLC0415

    with sales.desk(settings, organization) as at:
        found = sales.list_offers(at)
    _tell_all("offers", found, ("id", "state", "publisher", "name"), is_json=json)


@offers.command("draft")
def draft_offer(  # noqa: PLR0917  options of a command, always named
    publisher: Annotated[str, typer.Argument(help="Whose offer it is.")],
    name: Annotated[str, typer.Argument(help="As buyers read it.")],
    model: Annotated[str, typer.Option(help="publisher/model; without it, an app.")] = "",
    licensing: Annotated[str, typer.Option(help="platform, own_licence or direct.")] = "platform",
    anybody: Annotated[
        bool, typer.Option(help="Who is not subscribed may call the model, at list prices.")
    ] = False,
    organization: OrganizationOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Draft an offer."""
    settings = load_settings(data=data)
    from tradewind.serve import sales  # noqa: PLC0415

    with sales.desk(settings, organization) as at:
        made = sales.draft_offer(at, publisher, name, model, licensing, is_open=anybody)
    _tell(made, f"{made['id']} is a draft: add a plan to it.", is_json=json)


@offers.command()
def publish(
    offer: OfferArgument,
    organization: OrganizationOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Put an offer up for sale."""
    _set_state(offer, organization, data, is_live=True, is_json=json)


@offers.command()
def withdraw(
    offer: OfferArgument,
    organization: OrganizationOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Take an offer from sale; who has subscribed goes on."""
    _set_state(offer, organization, data, is_live=False, is_json=json)


@offers.command()
def fee(
    offer: OfferArgument,
    percent: Annotated[str, typer.Argument(help="A decimal like 2.5, or `usual`.")],
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Say what the platform keeps of what an offer sells from now on."""
    settings = load_settings(data=data)
    from decimal import Decimal  # noqa: PLC0415

    from tradewind.core.errors import InvalidInput  # noqa: PLC0415
    from tradewind.portal.amounts import percent as parse  # noqa: PLC0415
    from tradewind.serve import sales  # noqa: PLC0415

    said: Decimal | None = None if percent == "usual" else parse(percent, "the fee")
    if not percent.strip():
        raise InvalidInput("there is no fee", hint="write 2.5, 0 or usual")
    with sales.desk(settings, None) as at:
        row = sales.set_fee(at, offer, said)
    kept = row["fee_percent"]
    words = "the usual fee" if kept is None else f"{kept} %"
    _tell(row, f"The platform keeps {words} of {row['id']}.", is_json=json)


@plans.command("list")
def list_plans(
    offer: OfferArgument,
    organization: OrganizationOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """List the plans of an offer, all their versions."""
    settings = load_settings(data=data)
    from tradewind.serve import sales  # noqa: PLC0415

    with sales.desk(settings, organization) as at:
        found = sales.list_plans(at, offer)
    _tell_all("plans", found, ("id", "state", "version", "name"), is_json=json)


@plans.command("add")
def add_plan(  # noqa: PLR0917  options of a command, always named
    offer: OfferArgument,
    name: Annotated[str, typer.Argument(help="Of a new plan, or of one whose next version it is.")],
    terms: Annotated[Path, typer.Argument(help="JSON file with the terms.")],
    text: Annotated[str, typer.Option(help="The terms in words.")] = "",
    private: Annotated[bool, typer.Option(help="For private offers alone.")] = False,
    organization: OrganizationOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Add a plan to an offer, or the next version of one."""
    settings = load_settings(data=data)
    from tradewind.serve import sales  # noqa: PLC0415

    with sales.desk(settings, organization) as at:
        made = sales.add_plan(at, offer, name, terms, text, is_public=not private)
    _tell(made, f"{made['id']} is version {made['version']} of {made['name']}.", is_json=json)


@plans.command("check")
def check_plan(
    terms: Annotated[Path, typer.Argument(help="JSON file with the terms.")],
    json: JsonOption = False,
) -> None:
    """Say what a file of terms costs, in words. Needs no platform."""
    from tradewind.portal.plan_words import plan_words  # noqa: PLC0415
    from tradewind.serve import sales  # noqa: PLC0415

    words = plan_words(sales.read_terms(terms))
    told = {"fee": words.fee, "charges": words.charges, "conditions": words.conditions}
    _tell(told, "\n".join((words.fee, *words.charges, *words.conditions)), is_json=json)


@subscriptions.command("list")
def list_subscriptions(
    offer: Annotated[str | None, typer.Option(help="Those of this own offer.")] = None,
    organization: OrganizationOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """List what an organization has, or what it sold."""
    settings = load_settings(data=data)
    from tradewind.serve import sales  # noqa: PLC0415

    with sales.desk(settings, organization) as at:
        found = sales.list_subscriptions(at, offer)
    columns = ("id", "state", "quantity", "plan_name", "offer_name", "term_end")
    _tell_all("subscriptions", found, columns, is_json=json)


@subscriptions.command()
def show(
    subscription: SubscriptionArgument,
    organization: OrganizationOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Show a subscription with its trail."""
    settings = load_settings(data=data)
    from tradewind.serve import sales  # noqa: PLC0415

    with sales.desk(settings, organization) as at:
        row = sales.show_subscription(at, subscription)
    trail = [
        f"  {event['at']}  {event['move']}  {event['by']}  {event['reason']}".rstrip()
        for event in row["events"]
    ]
    _tell(row, "\n".join((_line(row), *trail)), is_json=json)


@subscriptions.command()
def add(  # noqa: PLR0917  options of a command, always named
    plan: Annotated[str, typer.Argument(help="Id of a plan that is for sale.")],
    payer: PayerOption,
    quantity: Annotated[int, typer.Option(min=1, max=100_000)] = 1,
    organization: OrganizationOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Subscribe an organization to a plan."""
    settings = load_settings(data=data)
    from tradewind.serve import sales  # noqa: PLC0415

    with sales.desk(settings, organization) as at:
        row = sales.subscribe(at, plan, payer, quantity)
    _tell(row, _line(row), is_json=json)


@subscriptions.command()
def change(  # noqa: PLR0917  options of a command, always named
    subscription: SubscriptionArgument,
    plan: Annotated[str | None, typer.Option(help="Id of another plan of the offer.")] = None,
    quantity: Annotated[int | None, typer.Option(min=1, max=100_000)] = None,
    payer: Annotated[
        str | None, typer.Option(help="Who pays; without it, it is only said what it would cost.")
    ] = None,
    organization: OrganizationOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Take another plan or quantity, or show what that would charge."""
    settings = load_settings(data=data)
    from tradewind.serve import sales  # noqa: PLC0415

    with sales.desk(settings, organization) as at:
        row = sales.change(at, subscription, plan, quantity, payer)
    if payer is None:
        words = f"{row['total']} {row['currency']} would come onto the next invoice."
    else:
        words = _line(row)
    _tell(row, words, is_json=json)


@subscriptions.command()
def pause(
    subscription: SubscriptionArgument,
    organization: OrganizationOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Stop for a while; what is left of the term stays."""
    _move(subscription, "pause", organization, data, is_json=json)


@subscriptions.command()
def resume(
    subscription: SubscriptionArgument,
    organization: OrganizationOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Go on with what is left of the term."""
    _move(subscription, "resume", organization, data, is_json=json)


@subscriptions.command()
def renew(
    subscription: SubscriptionArgument,
    organization: OrganizationOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Take back that it ends with its term."""
    _move(subscription, "renew", organization, data, is_json=json)


@subscriptions.command()
def cancel(
    subscription: SubscriptionArgument,
    now: Annotated[bool, typer.Option(help="Not at the end of the term; nothing comes back.")] = (
        False
    ),
    organization: OrganizationOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Cancel at the end of the term, or now."""
    _move(subscription, "cancel-now" if now else "cancel", organization, data, is_json=json)


@subscriptions.command("confirm-payer")
def confirm_payer(
    payer: PayerOption,
    organization: OrganizationOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Keep who pays for calls of an organization that is charged; before, they are refused."""
    settings = load_settings(data=data)
    from tradewind.serve import sales  # noqa: PLC0415

    with sales.desk(settings, organization) as at:
        told = sales.confirm_payer(at, payer)
    _tell(told, f"{told['payer']} pays, by {told['confirmed_by']}.", is_json=json)


def _set_state(
    offer: str, organization: str | None, data: Path | None, *, is_live: bool, is_json: bool
) -> None:
    settings = load_settings(data=data)
    from tradewind.serve import sales  # noqa: PLC0415

    with sales.desk(settings, organization) as at:
        row = sales.set_offer_state(at, offer, is_live=is_live)
    _tell(row, f"{row['id']} is {row['state']}.", is_json=is_json)


def _move(
    subscription: str, how: str, organization: str | None, data: Path | None, *, is_json: bool
) -> None:
    settings = load_settings(data=data)
    from tradewind.serve import sales  # noqa: PLC0415

    with sales.desk(settings, organization) as at:
        row = sales.move(at, subscription, how)
    _tell(row, _line(row), is_json=is_json)


def _line(row: dict[str, Any]) -> str:
    end = f", ends {row['cancel_at']}" if row["cancel_at"] else ""
    return (
        f"{row['id']}  {row['state']}  {row['quantity']} x {row['plan_name']} of"
        f" {row['offer_name']}, term until {row['term_end']}{end}"
    )


def _tell(told: dict[str, Any], words: str, *, is_json: bool) -> None:
    typer.echo(jsonlib.dumps(told) if is_json else words)


def _tell_all(
    name: str, rows: list[dict[str, Any]], columns: tuple[str, ...], *, is_json: bool
) -> None:
    if is_json:
        typer.echo(jsonlib.dumps({name: rows}))
        return
    if not rows:
        typer.echo(f"There are no {name}.")
    for row in rows:
        typer.echo("  ".join(str(row[column]) for column in columns))
