"""What is known of a model at a host: what was said of it, then what the list says. Pure."""

from decimal import Decimal
from typing import NamedTuple

from tradewind.core.errors import InvalidInput
from tradewind.features.catalog.schemas import UNKNOWN_CONTEXT_TOKENS, NewModel
from tradewind.features.endpoints import rules
from tradewind.features.endpoints.naming import name_of
from tradewind.features.endpoints.schemas import HostedModel, ModelPrice
from tradewind.features.providers.schemas import HOST_CURRENCY, HostModel, KnownHost
from tradewind.snapshot.contents import Operation

_LONGEST_CONTEXT_TOKENS = 100_000_000
_DISPLAY_NAME_MAX = 120


class HostedFacts(NamedTuple):
    entry: NewModel
    cost: ModelPrice | None
    """What the host takes; None is not told."""
    price: ModelPrice | None
    """What was asked for; None is the cost with the margin."""
    notes: tuple[str, ...]

    def price_with(self, margin_percent: Decimal) -> ModelPrice:
        """Raises InvalidInput when neither price nor cost is known."""
        if self.price is not None:
            return rules.check_price(self.price)
        if self.cost is None:
            raise InvalidInput(
                f"what {self.entry.publisher}/{self.entry.slug} costs is not known",
                hint="say its price",
            )
        return rules.with_margin(self.cost, margin_percent)


def find_facts(host: KnownHost | None, asked: HostedModel) -> HostedFacts:
    """Raises InvalidInput for a model that the known host has not, or that is not described."""
    listed = host.model(asked.upstream_model) if host is not None else None
    if listed is None and asked.name is None:
        raise InvalidInput(
            f"{asked.upstream_model[:80]!r} is not in the list of this host's models",
            hint="check its name, or say name, operation and price yourself",
        )
    operation = asked.operation or (listed.operation if listed is not None else Operation.CHAT)
    if operation is None:
        raise InvalidInput(f"{asked.upstream_model[:80]!r} makes what is not served here (video)")
    name = asked.name or name_of(
        asked.upstream_model,
        host=host.id if host is not None else "",
        family=listed.family if listed is not None else "",
    )
    publisher, slash, slug = name.partition("/")
    if not slash or "/" in slug:
        raise InvalidInput(f"{name[:80]!r} is not of the form publisher/model")
    display = asked.display_name or (listed.name if listed is not None else slug)
    if not 1 <= len(display) <= _DISPLAY_NAME_MAX or not display.isprintable():
        raise InvalidInput(f"a display name has 1 to {_DISPLAY_NAME_MAX} printable characters")
    entry = NewModel(
        publisher=publisher,
        publisher_name=publisher,
        slug=slug,
        display_name=display,
        operation=operation,
        context_tokens=_context(asked, listed),
        max_output_tokens=_output(asked, listed, operation),
        dimensions=asked.dimensions if operation is Operation.EMBEDDINGS else None,
        version="hosted",
        artifact=f"host:{asked.upstream_model}",
    )
    cost = rules.check_price(asked.cost) if asked.cost is not None else _listed_cost(listed)
    return HostedFacts(entry, cost, asked.price, _notes(listed))


def _context(asked: HostedModel, listed: HostModel | None) -> int | None:
    """Return None when nobody told: then what the catalog knows counts."""
    told = asked.context_tokens or (listed.context_tokens if listed is not None else None)
    if told is not None and not 1 <= told <= _LONGEST_CONTEXT_TOKENS:
        raise InvalidInput(f"context_tokens is not between 1 and {_LONGEST_CONTEXT_TOKENS}")
    return told


def _output(asked: HostedModel, listed: HostModel | None, operation: Operation) -> int | None:
    if operation not in {Operation.CHAT, Operation.COMPLETIONS}:
        return 0
    told = asked.max_output_tokens or (listed.max_output_tokens if listed is not None else None)
    if told is None:
        return None
    tokens = min(told, _context(asked, listed) or UNKNOWN_CONTEXT_TOKENS)
    if tokens < 1:
        raise InvalidInput("max_output_tokens is not positive")
    return tokens


def _listed_cost(listed: HostModel | None) -> ModelPrice | None:
    price = listed.price if listed is not None else None
    if price is None:
        return None
    return ModelPrice(
        HOST_CURRENCY,
        price.input_nanos,
        price.output_nanos,
        # A zero here is a host that keeps no input, whose list was filled in with zeros: taken at
        # its word, what a host bills in full would be given away.
        price.cached_input_nanos or price.input_nanos,
        price.cache_write_nanos or None,
    )


def _notes(listed: HostModel | None) -> tuple[str, ...]:
    if listed is None:
        return ()
    notes = [
        f"the host takes more for inputs of over {price.from_context_tokens} tokens"
        for price in listed.prices[1:]
    ]
    price = listed.price
    if price is not None and not price.input_nanos and not price.output_nanos:
        notes.append("the list says that the host takes nothing for tokens")
    if listed.status:
        notes.append(f"the list says that the model is {listed.status}")
    return tuple(notes)
