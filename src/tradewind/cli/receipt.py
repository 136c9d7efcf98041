"""`tradewind receipt`: checks receipts without the platform. Heavy imports wait for their verb."""

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

receipt = typer.Typer(help="Check receipts of calls, anywhere and offline.", no_args_is_help=True)

_SHOWN_AT_MOST = 20


@receipt.command()
def verify(
    file: Annotated[Path, typer.Argument(help="An export of receipts: JSON lines.")],
    key: Annotated[
        Path, typer.Option(help="Public keys of the platform in PEM, kept from before.")
    ],
    json: Annotated[bool, typer.Option(help="Print one JSON object as the last line.")] = False,
) -> None:
    """Check every receipt, their order and their signatures. Ends with status 1 when something is
    wrong.
    """
    from tradewind.core.errors import InvalidInput  # noqa: PLC0415
    from tradewind.core.money import format_nanos  # noqa: PLC0415
    from tradewind.features.receipts import signing, verifying  # noqa: PLC0415

    try:
        keys = signing.public_keys_in(key.read_bytes())
        with file.open("rb") as lines:
            # A line longer than any that is right is read in pieces, and each is refused.
            found = verifying.verify(
                iter(lambda: lines.readline(verifying.MOST_LINE_BYTES + 1), b""), keys
            )
    except OSError as error:
        raise InvalidInput(f"{error.filename} cannot be read: {error.strerror}") from error
    costs = {currency: format_nanos(nanos) for currency, nanos in sorted(found.cost_nanos.items())}
    if json:
        told = {
            "is_right": found.is_right,
            "chains": found.chains,
            "receipts": found.receipts,
            "heads": found.heads,
            "cost": costs,
            "problems": [each._asdict() for each in found.problems[:_SHOWN_AT_MOST]],
        }
        typer.echo(jsonlib.dumps(told))
    else:
        typer.echo(f"{found.receipts:,} receipts, {found.heads:,} heads, {found.chains:,} chains")
        for currency, amount in costs.items():
            typer.echo(f"  {amount} {currency}")
        for problem in found.problems[:_SHOWN_AT_MOST]:
            typer.echo(f"  line {problem.line}: {problem.message}")
        typer.echo("The receipts are right." if found.is_right else "The receipts are not right.")
    if not found.is_right:
        raise typer.Exit(1)
