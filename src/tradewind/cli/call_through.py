"""`tradewind models call-through`. Heavy imports wait until the verb needs them."""

import json as jsonlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.settings import load_settings
from tradewind.core.errors import InvalidInput

if TYPE_CHECKING:
    from tradewind.features.endpoints.schemas import ModelPrice
    from tradewind.features.providers.schemas import NewConnection
    from tradewind.serve.calling_through import Done

KEY_VARIABLE = "TRADEWIND_PROVIDER_KEY"
_MOST_KEY_BYTES = 16_384
_STDIN = "-"


def call_through(  # noqa: PLR0917  options of a command, always named
    model: Annotated[str, typer.Argument(metavar="PUBLISHER/MODEL")],
    provider: Annotated[
        str, typer.Option(help="Id or name of a known provider, or id of a connection.")
    ],
    data: Annotated[
        Path | None, typer.Option(help="Folder of everything the platform keeps.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What programs send as the model; by default its own name.")
    ] = None,
    upstream: Annotated[
        str | None, typer.Option(help="As the provider calls it; by default its cheapest offer.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Of the offer; by default any.")] = None,
    connection: Annotated[
        str | None, typer.Option(help="Id of an account that is there; by default the first.")
    ] = None,
    key_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help=f"Holds the provider's key, for a new account; - is stdin. {KEY_VARIABLE} does"
            " the same.",
        ),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Address of a proxy or a private copy of the provider.")
    ] = None,
    private_network: Annotated[
        bool, typer.Option(help="That address is in a private network.")
    ] = False,
    callers: Annotated[
        str, typer.Option("--for", help="organization or everybody.")
    ] = "organization",
    price: Annotated[
        str | None,
        typer.Option(
            metavar="IN,OUT",
            help="What callers pay for a million tokens, in USD; it has to be the model's, if it"
            " has one.",
        ),
    ] = None,
    tries: Annotated[bool, typer.Option("--try/--no-try", help="Make one call through it.")] = True,
    json: Annotated[bool, typer.Option(help="Print one JSON object.")] = False,
) -> None:
    """Call a model through a provider: account, price, endpoint and a first call, in one step.

    Asked again it changes nothing. Ends with status 1 when the first call is not answered.
    """
    settings = load_settings(data=data)
    from tradewind.features.endpoints.schemas import Callers, CallThrough  # noqa: PLC0415
    from tradewind.serve import calling_through  # noqa: PLC0415

    if callers not in set(Callers):
        raise InvalidInput(f"nobody is {callers[:40]!r}", hint="organization or everybody")
    asked = CallThrough(
        model=model,
        host=provider,
        upstream_model=upstream,
        region=region,
        connection_id=connection,
        new_connection=_account(key_file, base_url, is_private_network=private_network),
        name=name,
        callers=Callers(callers),
        price=None if price is None else _price(price),
    )
    done = calling_through.call_through(settings, asked, tries=tries)
    if json:
        typer.echo(jsonlib.dumps(_as_json(done)))
    else:
        _tell(done)
    if done.tried is not None and done.tried.error:
        raise typer.Exit(1)


def _account(
    key_file: str | None, base_url: str | None, *, is_private_network: bool
) -> "NewConnection | None":
    from tradewind.db.sealing import Secret  # noqa: PLC0415
    from tradewind.features.providers.schemas import NewConnection  # noqa: PLC0415

    text = os.environ.get(KEY_VARIABLE, "")
    if key_file == _STDIN:
        text = sys.stdin.read(_MOST_KEY_BYTES)
    elif key_file is not None:
        try:
            with Path(key_file).open() as stream:
                text = stream.read(_MOST_KEY_BYTES)
        except OSError as error:
            raise InvalidInput(f"{key_file} cannot be read: {error.strerror}") from error
    if not text.strip() and base_url is None:
        return None
    return NewConnection(
        credential=Secret(text) if text.strip() else None,
        base_url=base_url,
        is_private_network=is_private_network,
    )


def _price(text: str) -> "ModelPrice":
    from tradewind.core.money import parse_nanos  # noqa: PLC0415
    from tradewind.features.endpoints.schemas import ModelPrice  # noqa: PLC0415

    parts = text.split(",")
    try:
        paid, written = (parse_nanos(part.strip()) for part in parts)
    except ValueError as error:
        raise InvalidInput(f"{text[:40]!r} is no price", hint="write it like 0.15,0.60") from error
    return ModelPrice("USD", paid, written, paid)


def _as_json(done: "Done") -> dict[str, Any]:
    called, tried = done.called, done.tried
    return {
        "endpoint": called.endpoint.id,
        "name": called.endpoint.name,
        "connection": called.connection.id,
        "provider": called.connection.name,
        "upstream_model": called.upstream_model,
        "price": {
            "currency": called.price.currency,
            "input_nanos": called.price.input_nanos,
            "output_nanos": called.price.output_nanos,
        },
        "is_new": called.is_new,
        "base_url": f"{done.base_url}/v1" if done.base_url else None,
        "tried": None if tried is None else tried._asdict(),
    }


def _tell(done: "Done") -> None:
    from tradewind.features.endpoints.call_through_rules import price_words  # noqa: PLC0415

    called, tried = done.called, done.tried
    word = "Called" if called.is_new else "Was called already"
    typer.echo(
        f"{word}: {called.endpoint.name}, at {called.connection.name} as {called.upstream_model}"
    )
    typer.echo(f"Callers pay {price_words(called.price)}")
    if tried is None:
        return
    if tried.error:
        typer.echo(f"The first call was not answered ({tried.status}): {tried.error}", err=True)
        typer.echo(
            f"The endpoint stays. Replace the key on /providers/{called.connection.id}, or call"
            " it through another provider.",
            err=True,
        )
        return
    typer.echo(f"It answered in {tried.latency_ms:,.0f} ms: {tried.answer}")
    if tried.cost:
        typer.echo(f"Cost: {tried.cost} {tried.currency}")
