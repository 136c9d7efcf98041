"""The verbs of the command. Heavy imports wait until a verb needs them: `--help` must be quick."""

import json as jsonlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradewind import __version__
from tradewind.cli.bench import bench
from tradewind.cli.billing import billing
from tradewind.cli.catalog import catalog
from tradewind.cli.deployments import deploy, deployments, pull
from tradewind.cli.invoices import invoices
from tradewind.cli.ledger import ledger
from tradewind.cli.models import models
from tradewind.cli.payouts import payouts
from tradewind.cli.people import members, organizations, projects
from tradewind.cli.prices import prices
from tradewind.cli.publish import publish
from tradewind.cli.receipt import receipt
from tradewind.cli.redteam import redteam
from tradewind.cli.safety import safety
from tradewind.cli.sales import offers, plans, subscriptions
from tradewind.cli.settings import load_settings
from tradewind.cli.sinks import sinks
from tradewind.cli.usage import reconcile, usage
from tradewind.cli.usage_archive import archives, export, query
from tradewind.cli.wallet import wallet
from tradewind.core.errors import TradewindError

if TYPE_CHECKING:
    from tradewind.serve.imports.report import Report

_BEGAN = time.monotonic()

cli = typer.Typer(
    help="Tradewind, an open, self-hosted Models-as-a-Service platform.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@cli.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    if show:
        typer.echo(f"tradewind {__version__}")
        raise typer.Exit


imports = typer.Typer(
    help="Take over what another gateway is configured with. Ends with status 3 when something in"
    " the file was left out, which the report names.",
    no_args_is_help=True,
)
cli.add_typer(imports, name="import")

keys = typer.Typer(
    help="Turn the key that the credentials of providers are sealed under.", no_args_is_help=True
)
cli.add_typer(keys, name="keys")
cli.add_typer(catalog, name="catalog")
cli.add_typer(deployments, name="deployments")
cli.command()(deploy)
cli.command()(pull)
cli.command()(publish)
cli.add_typer(models, name="models")
cli.add_typer(bench, name="bench")
cli.add_typer(ledger, name="ledger")
cli.add_typer(receipt, name="receipt")
cli.add_typer(prices, name="prices")
cli.add_typer(billing, name="billing")
cli.add_typer(wallet, name="wallet")
cli.add_typer(organizations, name="organizations")
cli.add_typer(members, name="members")
cli.add_typer(projects, name="projects")
cli.add_typer(safety, name="safety")
cli.add_typer(sinks, name="sinks")
cli.add_typer(offers, name="offers")
cli.add_typer(plans, name="plans")
cli.add_typer(subscriptions, name="subscriptions")
cli.add_typer(invoices, name="invoices")
cli.add_typer(payouts, name="payouts")
cli.add_typer(redteam, name="redteam")
for verb in (export, archives, query):
    usage.command()(verb)
cli.add_typer(usage, name="usage")
cli.command()(reconcile)

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
DryRunOption = Annotated[bool, typer.Option(help="Show the report and change nothing.")]
JsonOption = Annotated[bool, typer.Option(help="Print the report as one JSON object.")]
ReplaceKeysOption = Annotated[
    bool, typer.Option(help="Give connections that are there already the keys of the file.")
]
DefaultPriceOption = Annotated[
    str | None,
    typer.Option(
        metavar="IN,OUT",
        help="USD for a million tokens, for models whose price nothing else tells.",
    ),
]
PrivateHostOption = Annotated[
    list[str] | None, typer.Option(metavar="HOST", help="A host in your own network; repeat it.")
]
KeyOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CHANNEL=VARIABLE",
        help="The environment variable that holds a channel's key; repeat it.",
    ),
]
RatiosOption = Annotated[
    Path | None, typer.Option(help="File of ModelRatio and CompletionRatio, for prices.")
]


@cli.command()
def up(  # noqa: PLR0917  options of a command, always named
    data: DataOption = None,
    host: Annotated[str | None, typer.Option(help="Address of the one public port.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The one public port; 0 takes a free one.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Gateway processes that share the port.")
    ] = None,
    once: Annotated[bool, typer.Option(help="Stop after the first completion.")] = False,
    json: Annotated[bool, typer.Option(help="Print one JSON object as the last line.")] = False,
) -> None:
    """Start the whole platform on this machine and make one real call."""
    settings = load_settings(data=data, host=host, port=port, workers=workers)
    from tradewind.serve.up import up as serve_up  # noqa: PLC0415

    serve_up(settings, is_once=once, is_json=json, began=_BEGAN)


@cli.command()
def gateway(  # noqa: PLR0917  options of a command, always named
    data: DataOption = None,
    host: Annotated[str | None, typer.Option(help="Address of the port.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Gateway processes that share the port.")
    ] = None,
    node: Annotated[
        str | None, typer.Option(help="Name of this host; by default the host's own.")
    ] = None,
    json: Annotated[
        bool, typer.Option(help="Print one JSON object when calls are served.")
    ] = False,
) -> None:
    """Start gateways on another machine, with the platform's DATABASE_URL and its secrets."""
    settings = load_settings(data=data, host=host, port=port, workers=workers, node=node)
    from tradewind.serve.gateway_node import run_gateway_node  # noqa: PLC0415

    run_gateway_node(settings, is_json=json)


@cli.command()
def sign_in_link(data: DataOption = None) -> None:
    """Print a new one-time sign-in link for the administrator of a running platform."""
    settings = load_settings(data=data)
    from tradewind.serve.sign_in_link import make_sign_in_link  # noqa: PLC0415

    typer.echo(make_sign_in_link(settings))


@keys.command("rotate")
def rotate_keys(data: DataOption = None) -> None:
    """Make a new sealing key for a running platform, and seal with it from now on."""
    settings = load_settings(data=data)
    from tradewind.serve import turn_keys  # noqa: PLC0415

    turned = turn_keys.rotate_keys(settings)
    typer.echo(f"The sealing key is now {turned.key_id}.")
    if turned.rewrapped is None:
        nodes = ", ".join(turned.elsewhere)
        typer.echo(
            f"Copy {turned.path} to the nodes {nodes}, then run `tradewind keys rewrap`;"
            " until then the former key stays in use."
        )
    else:
        typer.echo(f"Data keys that were wrapped with it: {turned.rewrapped}.")


@keys.command("rewrap")
def rewrap_keys(data: DataOption = None) -> None:
    """Bring everything sealed under the newest sealing key, once every machine has it."""
    settings = load_settings(data=data)
    from tradewind.serve import turn_keys  # noqa: PLC0415

    turned = turn_keys.rewrap_keys(settings)
    typer.echo(f"Data keys that were wrapped with {turned.key_id}: {turned.rewrapped}.")


@imports.command("litellm")
def import_litellm(  # noqa: PLR0917  options of a command, always named
    file: Annotated[Path, typer.Argument(help="LiteLLM's config.yaml.")],
    data: DataOption = None,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
    replace_keys: ReplaceKeysOption = False,
    wildcards: Annotated[
        bool, typer.Option(help="Take all known models of a host where the file says `*`.")
    ] = False,
    default_price: DefaultPriceOption = None,
    private_host: PrivateHostOption = None,
) -> None:
    """Take over the models of LiteLLM's configuration, under the names they have there."""
    settings = load_settings(data=data)
    from tradewind.serve.imports import run  # noqa: PLC0415

    how = run.how(
        is_dry_run=dry_run,
        replaces_keys=replace_keys,
        with_wildcards=wildcards,
        default_price=default_price,
        private_hosts=private_host or (),
    )
    _tell(run.import_litellm(settings, file, how, os.environ), is_json=json)


@imports.command("one-api")
def import_one_api(  # noqa: PLR0917  options of a command, always named
    file: Annotated[Path, typer.Argument(help="The answer of GET /api/channel/.")],
    data: DataOption = None,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
    replace_keys: ReplaceKeysOption = False,
    key: KeyOption = None,
    ratios: RatiosOption = None,
    default_price: DefaultPriceOption = None,
    private_host: PrivateHostOption = None,
) -> None:
    """Take over the channels of one-api."""
    settings = load_settings(data=data)
    from tradewind.serve.imports import run  # noqa: PLC0415

    how = run.how(
        is_dry_run=dry_run,
        replaces_keys=replace_keys,
        default_price=default_price,
        private_hosts=private_host or (),
    )
    keys = run.parse_keys(key or ())
    report = run.import_channels(
        settings, file, how, os.environ, fork="one-api", keys=keys, ratios=ratios
    )
    _tell(report, is_json=json)


@imports.command("new-api")
def import_new_api(  # noqa: PLR0917  options of a command, always named
    file: Annotated[Path, typer.Argument(help="The answer of GET /api/channel/.")],
    data: DataOption = None,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
    replace_keys: ReplaceKeysOption = False,
    key: KeyOption = None,
    ratios: RatiosOption = None,
    default_price: DefaultPriceOption = None,
    private_host: PrivateHostOption = None,
) -> None:
    """Take over the channels of new-api."""
    settings = load_settings(data=data)
    from tradewind.serve.imports import run  # noqa: PLC0415

    how = run.how(
        is_dry_run=dry_run,
        replaces_keys=replace_keys,
        default_price=default_price,
        private_hosts=private_host or (),
    )
    keys = run.parse_keys(key or ())
    report = run.import_channels(
        settings, file, how, os.environ, fork="new-api", keys=keys, ratios=ratios
    )
    _tell(report, is_json=json)


def main() -> None:
    """Run the command. An expected failure is one line on stderr and exit status 1."""
    try:
        cli(prog_name="tradewind")
    except TradewindError as error:
        # Part of it may come from a log or from another program, with line breaks.
        print("tradewind:", " ".join(str(error).splitlines()), file=sys.stderr)
        sys.exit(1)


def _tell(report: "Report", *, is_json: bool) -> None:
    """Print what an import did, and end with its status."""
    from rich.console import Console  # noqa: PLC0415

    from tradewind.serve.imports.report import as_json, show  # noqa: PLC0415

    if is_json:
        typer.echo(jsonlib.dumps(as_json(report)))
    else:
        show(report, Console())
    raise typer.Exit(report.status)
