"""Whose word counts: of several values for one fact, one is chosen, and never made up. Pure.

The maker's own host first, then the hosts below in their order, then all others together. Within
one step the sources in their order; within one source what most say, and of equals the smallest, so
that the choice does not depend on any order. Entries for the plain model come before those of a
variant, a quantization or a region.

A no to whether weights are open is often only what nobody filled in, so a yes of most of all comes
before the no of a maker's price list: fifty hosts do run them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from tradewind.features.catalog.folding.folded import Fact, FactValue
from tradewind.features.catalog.folding.names import ReadId
from tradewind.features.catalog.folding.publishers import Publisher
from tradewind.plugins.sources.base import SourceEntry

_YES_OF_MOST = frozenset({"open_weights"})
INFERRED = "inferred"
"""Nobody said it: it follows from a model's name and what is known of its family (`inference`)."""
SOURCES = (
    *("huggingface", "openai_models", "ollama", "openrouter", "models_dev", "mteb", "genai_prices"),
    INFERRED,
)
"""For facts about models; what is not named comes after, by its name."""
PRICE_SOURCES = (
    *("openai_models", "ollama", "openrouter", "genai_prices", "models_dev", "huggingface"),
)
"""For what hosts take: a host's own list, then the list that is kept for prices."""
TRUSTED_HOSTS = (
    *("openrouter", "amazon-bedrock", "google-vertex", "azure", "vercel", "huggingface"),
    *("togetherai", "fireworks-ai", "deepinfra", "groq", "cerebras", "nvidia", "baseten"),
)
"""Hosts whose lists are kept with care, for models of others."""

_OWN, _OTHERS = 0, 1 + len(TRUSTED_HOSTS)
_TRUST = {host: place for place, host in enumerate(TRUSTED_HOSTS, 1)}
_SOURCE = {source: place for place, source in enumerate(SOURCES)}
_PRICE_SOURCE = {source: place for place, source in enumerate(PRICE_SOURCES)}


class Witness(NamedTuple):
    """One entry for one model, with how much its word counts: the smaller, the more."""

    trust: tuple[int, int]
    source: tuple[int, str]
    entry: SourceEntry
    read: ReadId


def witness(entry: SourceEntry, read: ReadId, publisher: Publisher | None) -> Witness:
    is_own = publisher is not None and (
        entry.host in publisher.hosts
        # At a hub of weights the maker speaks in its own namespace.
        or (not entry.host and entry.upstream_id.lower().split("/")[0] in publisher.namespaces)
    )
    trust = _OWN if is_own else _TRUST.get(entry.host, _OTHERS)
    is_plain = not (read.variant or read.quantization or read.region or entry.is_price_only)
    return Witness((trust, not is_plain), source_order(entry.source), entry, read)


def source_order(source: str) -> tuple[int, str]:
    return _SOURCE.get(source, len(_SOURCE)), source


def price_source_order(source: str) -> tuple[int, str]:
    return _PRICE_SOURCE.get(source, len(_PRICE_SOURCE)), source


def choose_facts(
    name: str, witnesses: Sequence[Witness], value_of: Callable[[SourceEntry], FactValue | None]
) -> tuple[FactValue | None, list[Fact]]:
    """Return the value that wins, and what each source says."""
    by_source: dict[tuple[int, str], list[tuple[Witness, FactValue]]] = {}
    for one in witnesses:
        value = value_of(one.entry)
        if value is not None and value != "":
            by_source.setdefault(one.source, []).append((one, value))
    if not by_source:
        return None, []
    facts: list[tuple[tuple[int, int], Fact]] = []
    for _, told in sorted(by_source.items()):
        trust = min(one.trust for one, _ in told)
        trusted = [(one, value) for one, value in told if one.trust == trust]
        if name in _YES_OF_MOST and most_say(value for _, value in told) is True:
            trusted = told
        value = most_say(value for _, value in trusted)
        by = min(
            (one.entry for one, said in trusted if said == value),
            key=lambda entry: (entry.host, entry.upstream_id),
        )
        fact = Fact(name, value, by.source, by.host, by.upstream_id, by.observed_on)
        facts.append((trust, fact))
    winner = min(facts, key=lambda ranked: (ranked[0], source_order(ranked[1].source)))
    return winner[1].value, [fact for _, fact in facts]


def most_say(values: Iterable[FactValue]) -> FactValue:
    """Return the most frequent value, of equally frequent ones the smallest."""
    counted = Counter(values)
    most = max(counted.values())
    return min((value for value, count in counted.items() if count == most), key=_order_of)


def _order_of(value: FactValue) -> tuple[str, float, str]:
    if isinstance(value, bool | int):
        return "", value, ""
    if isinstance(value, frozenset):
        return "", 0, " ".join(sorted(value))
    return "", 0, str(value)
