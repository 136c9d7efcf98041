"""The verbs of the command. Heavy imports wait until a verb needs them: `--help` must be quick."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradewind import __version__
from tradewind.core.errors import StartupError, TradewindError

if TYPE_CHECKING:
    from tradewind.core.settings import Settings

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


DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]


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
    settings = _settings(data=data, host=host, port=port, workers=workers)
    from tradewind.serve.up import up as serve_up  # noqa: PLC0415

    serve_up(settings, is_once=once, is_json=json, began=_BEGAN)


@cli.command()
def sign_in_link(data: DataOption = None) -> None:
    """Print a new one-time sign-in link for the administrator of a running platform."""
    settings = _settings(data=data)
    from tradewind.serve.sign_in_link import make_sign_in_link  # noqa: PLC0415

    typer.echo(make_sign_in_link(settings))


def main() -> None:
    """Run the command. An expected failure is one line on stderr and exit status 1."""
    try:
        cli(prog_name="tradewind")
    except TradewindError as error:
        # Part of it may come from a log or from another program, with line breaks.
        print("tradewind:", " ".join(str(error).splitlines()), file=sys.stderr)
        sys.exit(1)


def _settings(**given: object) -> "Settings":
    """Return the settings: an option goes before the environment. Raises StartupError."""
    from pydantic import ValidationError  # noqa: PLC0415

    from tradewind.core.settings import Settings  # noqa: PLC0415

    options = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**options)  # pyright: ignore[reportArgumentType]  pydantic checks them
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper().removeprefix("TRADEWIND_")
        raise StartupError(
            f"the setting TRADEWIND_{name} is wrong: {first['msg']}", hint="set another or unset it"
        ) from error
