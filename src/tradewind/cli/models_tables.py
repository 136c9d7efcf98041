"""How `tradewind models` prints cards, pages and offers."""

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tradewind.core.money import format_nanos
from tradewind.features.catalog.schemas import OfferRow
from tradewind.readmodels.catalog_search.query import CatalogQuery
from tradewind.readmodels.catalog_search.rows import Card, CatalogPage, CatalogRow

_SHOWN_VALUES = 5
_UNKNOWN = "-"


def show_page(query: CatalogQuery, page: CatalogPage) -> None:
    console = Console(highlight=False)
    if page.corrected_text is not None:
        console.print(Text(f"Nothing matches as typed; searched for: {page.corrected_text}"))
    table = _table("Model", "Task", "Context", "Lowest price", "Offers", "Licence")
    for card in page.cards:
        row = card.model
        table.add_row(
            *_texts(
                row.name,
                row.operation or _UNKNOWN,
                _tokens(row.context_tokens),
                _price(card),
                str(row.offers),
                row.licence or _UNKNOWN,
            )
        )
    console.print(table)
    console.print(f"{page.total:,} models, page {query.page} of {max(page.pages, 1):,}")
    for facet in page.facets:
        values = sorted(facet.values, key=lambda value: -value.count)[:_SHOWN_VALUES]
        if values:
            found = ", ".join(f"{value.value} {value.count:,}" for value in values)
            console.print(Text(f"  {facet.name}: {found}"), soft_wrap=True)


def show_card(card: Card) -> None:
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for label, tell in _FACTS:
        table.add_row(label, Text(tell(card)))
    Console(highlight=False).print(table)


def show_compared(cards: Sequence[Card]) -> None:
    table = _table("", *(card.model.name for card in cards))
    for label, tell in _FACTS[1:]:
        table.add_row(*_texts(label, *(tell(card) for card in cards)))
    Console(highlight=False).print(table)


def show_offers(offers: Sequence[OfferRow]) -> None:
    if not offers:
        return
    table = _table("Host", "Called there", "Region", "Input", "Output", "Status", "Seen on")
    for offer in offers:
        table.add_row(
            *_texts(
                offer.host,
                offer.upstream_model,
                offer.region or _UNKNOWN,
                _amount(offer.input_nanos, offer.currency),
                _amount(offer.output_nanos, offer.currency),
                offer.status,
                offer.observed_on.isoformat(),
            )
        )
    Console(highlight=False).print(table)


def offer_as_json(offer: OfferRow) -> dict[str, Any]:
    return {
        "host": offer.host,
        "upstream_model": offer.upstream_model,
        "region": offer.region,
        "version": offer.version,
        "quantization": offer.quantization,
        "variant": offer.variant,
        "currency": offer.currency,
        "input": None if offer.input_nanos is None else format_nanos(offer.input_nanos),
        "output": None if offer.output_nanos is None else format_nanos(offer.output_nanos),
        "context_tokens": offer.context_tokens,
        "max_output_tokens": offer.max_output_tokens,
        "status": offer.status,
        "source": offer.source,
        "observed_on": offer.observed_on.isoformat(),
    }


def _of_row(tell: Callable[[CatalogRow], str]) -> Callable[[Card], str]:
    return lambda card: tell(card.model) or _UNKNOWN


def _listed(values: Sequence[str]) -> str:
    return ", ".join(values)


def _tokens(tokens: int | None) -> str:
    return _UNKNOWN if tokens is None else f"{tokens:,}"


def _amount(nanos: int | None, currency: str) -> str:
    if nanos is None:
        return _UNKNOWN
    return f"{format_nanos(nanos)} {currency}" if nanos else "free"


def _price(card: Card) -> str:
    price = card.model.price
    if price is None:
        return _UNKNOWN
    if not price.mixed_nanos:
        return "free"
    amounts = [price.input_nanos, *([] if price.output_nanos is None else [price.output_nanos])]
    return f"{' / '.join(map(format_nanos, amounts))} {card.currency}"


def _weights(row: CatalogRow) -> str:
    if row.open_weights is None:
        return ""
    return "open" if row.open_weights else "closed"


def _ways(card: Card) -> str:
    ways = (
        ("own weights here", card.model.has_weights),
        ("callable now", card.is_callable),
        (f"{card.model.offers} offers", card.model.offers > 0),
    )
    return ", ".join(name for name, is_there in ways if is_there) or _UNKNOWN


_FACTS: tuple[tuple[str, Callable[[Card], str]], ...] = (
    ("Name", _of_row(lambda row: row.name)),
    ("Title", _of_row(lambda row: row.display_name)),
    ("Publisher", _of_row(lambda row: row.publisher_name)),
    ("Task", _of_row(lambda row: row.operation)),
    ("Ways to get it", _ways),
    ("Lowest price, 1M tokens", _price),
    ("Context", lambda card: _tokens(card.model.context_tokens)),
    ("Longest answer", lambda card: _tokens(card.model.max_output_tokens)),
    ("Parameters", lambda card: _tokens(card.model.parameters)),
    ("Input", _of_row(lambda row: _listed(row.input_modalities))),
    ("Output", _of_row(lambda row: _listed(row.output_modalities))),
    ("Capabilities", _of_row(lambda row: _listed(row.capabilities))),
    ("Weights", _of_row(_weights)),
    ("Licence", _of_row(lambda row: row.licence)),
    ("Family", _of_row(lambda row: row.family)),
    ("Released", _of_row(lambda row: row.released_on.isoformat() if row.released_on else "")),
    ("Lifecycle", _of_row(lambda row: row.lifecycle)),
    ("Regions", _of_row(lambda row: _listed(row.regions))),
    ("Description", _of_row(lambda row: row.description)),
)


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold")
    for column in columns:
        # Names come from strangers, and are text, never markup.
        table.add_column(Text(column), overflow="fold")
    return table


def _texts(*cells: str) -> list[Text]:
    return [Text(cell) for cell in cells]
