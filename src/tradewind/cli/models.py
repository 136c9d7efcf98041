"""`tradewind models`: the catalog at the command line. Heavy imports wait for their verb."""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradewind.cli.call_through import call_through
from tradewind.cli.settings import load_settings
from tradewind.core.errors import InvalidInput

if TYPE_CHECKING:
    from tradewind.readmodels.catalog_search.query import CatalogQuery
    from tradewind.readmodels.catalog_search.rows import Card, CatalogPage

models = typer.Typer(help="Look through the catalog of a running platform.", no_args_is_help=True)

models.command("call-through")(call_through)

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object.")]
WithOption = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="FACET=VALUE", help="task=chat, price=free, …; repeat it."),
]
SortOption = Annotated[str, typer.Option(help="relevance, newest, price, context, name or offers.")]
PageOption = Annotated[int, typer.Option(min=1, help="Which page.")]
PerPageOption = Annotated[int, typer.Option(min=1, max=100, help="Models on a page.")]
MAX_COMPARED = 4


@models.command("list")
def list_models(  # noqa: PLR0917  options of a command, always named
    chosen: WithOption = None,
    sort: SortOption = "name",
    page: PageOption = 1,
    per_page: PerPageOption = 24,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """List models, a page at a time."""
    _search(_query("", chosen, sort, page, per_page), data, is_json=json)


@models.command("search")
def search_models(  # noqa: PLR0917  options of a command, always named
    text: Annotated[list[str], typer.Argument(metavar="WORD...", help="Words that all match.")],
    chosen: WithOption = None,
    sort: SortOption = "relevance",
    page: PageOption = 1,
    per_page: PerPageOption = 24,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Search for models by words of their names, families, publishers and descriptions."""
    _search(_query(" ".join(text), chosen, sort, page, per_page), data, is_json=json)


@models.command("show")
def show_model(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="publisher/model, or an alias.")],
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Show a model and every known offer of it."""
    settings = load_settings(data=data)
    from tradewind.cli import models_tables  # noqa: PLC0415
    from tradewind.serve import model_search  # noqa: PLC0415

    shown = model_search.show_model(settings, name)
    if json:
        typer.echo(
            jsonlib.dumps(
                {
                    **_as_json(shown.card),
                    "ways": [models_tables.offer_as_json(offer) for offer in shown.offers],
                }
            )
        )
        return
    models_tables.show_card(shown.card)
    models_tables.show_offers(shown.offers)


@models.command("compare")
def compare_models(
    names: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Two to four models.")],
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Show up to four models side by side."""
    wanted = list(dict.fromkeys(names))
    if not 2 <= len(wanted) <= MAX_COMPARED:
        raise InvalidInput(f"two to {MAX_COMPARED} different models are compared")
    settings = load_settings(data=data)
    from tradewind.cli import models_tables  # noqa: PLC0415
    from tradewind.serve import model_search  # noqa: PLC0415

    cards = model_search.compare_models(settings, wanted)
    if json:
        typer.echo(jsonlib.dumps({"models": [_as_json(card) for card in cards]}))
    else:
        models_tables.show_compared(cards)


def _query(
    text: str, chosen: list[str] | None, sort: str, page: int, per_page: int
) -> "CatalogQuery":
    """Raises InvalidInput."""
    from tradewind.readmodels.catalog_search.query import read_query  # noqa: PLC0415

    pairs = [("q", text), ("sort", sort), ("page", str(page)), ("per_page", str(per_page))]
    for one in chosen or ():
        facet, equals, value = one.partition("=")
        if not equals:
            raise InvalidInput(f"'{one[:80]}' is not of the form FACET=VALUE")
        pairs.append((facet, value))
    query = read_query(pairs)
    if query.fits:
        raise InvalidInput(
            "`fits` is about a project, and a command belongs to none",
            hint="ask the API with a key of the project",
        )
    return query


def _search(query: "CatalogQuery", data: Path | None, *, is_json: bool) -> None:
    settings = load_settings(data=data)
    from tradewind.cli import models_tables  # noqa: PLC0415
    from tradewind.serve import model_search  # noqa: PLC0415

    page = model_search.search_models(settings, query)
    if is_json:
        typer.echo(jsonlib.dumps(_page_as_json(query, page)))
    else:
        models_tables.show_page(query, page)


def _page_as_json(query: "CatalogQuery", page: "CatalogPage") -> object:
    from tradewind.control.catalog_search_answers import CatalogSearchAnswer  # noqa: PLC0415

    return CatalogSearchAnswer.of(query, page).model_dump(mode="json")


def _as_json(card: "Card") -> dict[str, object]:
    from tradewind.control.catalog_search_answers import CardAnswer  # noqa: PLC0415

    return CardAnswer.of(card).model_dump(mode="json")
