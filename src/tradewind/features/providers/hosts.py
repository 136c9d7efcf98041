"""The hosts that are known by name: where they are, how they are spoken to, what their models cost.

Read from the shipped snapshot of models.dev on first use, about 50 ms, and kept.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal

from tradewind.features.catalog.folding.operations import operation_of
from tradewind.features.providers.host_kinds import kind_of
from tradewind.features.providers.schemas import HostModel, HostPrice, KnownHost
from tradewind.plugins.sources.compact import ListedHost, ListedModel, read_shipped

_CHAT_PATH = "/chat/completions"
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@functools.cache
def known_hosts() -> Mapping[str, KnownHost]:
    """Return every known host by its id, in the order of their names."""
    shipped = read_shipped()
    models: dict[str, list[HostModel]] = {}
    for line in shipped.models:
        models.setdefault(line.provider_id, []).append(_model(line))
    hosts = [_host(line, tuple(models.get(line.id, ()))) for line in shipped.hosts]
    return {host.id: host for host in sorted(hosts, key=lambda host: host.name.casefold())}


def search_hosts(text: str = "") -> Iterator[KnownHost]:
    """Yield the hosts whose id or name contains all words of `text`; all of them without any."""
    words = text.casefold().split()
    for host in known_hosts().values():
        place = f"{host.id} {host.name}".casefold()
        if all(word in place for word in words):
            yield host


def search_models(host: KnownHost, text: str = "") -> Iterator[HostModel]:
    """Yield the host's models whose id, name or family contains all words of `text`."""
    words = text.casefold().split()
    for model in host.models:
        place = f"{model.id} {model.name} {model.family}".casefold()
        if all(word in place for word in words):
            yield model


def _host(line: ListedHost, models: tuple[HostModel, ...]) -> KnownHost:
    kind = kind_of(line.id, line.npm)
    base_url = line.api.removesuffix("/").removesuffix(_CHAT_PATH) or kind.base_url
    return KnownHost(
        id=line.id,
        name=line.name,
        shape=kind.shape,
        provider=kind.provider or None,
        base_url=_VARIABLE.sub(r"{\1}", base_url),
        unsupported_reason=kind.reason,
        documentation=line.doc,
        environment=tuple(filter(None, line.env.split(";"))),
        models=models,
    )


def _model(line: ListedModel) -> HostModel:
    return HostModel(
        id=line.id,
        name=line.name,
        family=line.family,
        operation=operation_of(
            line.id, line.modalities.input, line.modalities.output, family=line.family
        ),
        input_modalities=line.modalities.input,
        output_modalities=line.modalities.output,
        context_tokens=line.limit_context or None,
        max_output_tokens=line.limit_output or None,
        prices=tuple(
            HostPrice(
                _nanos(price.cost_input),
                _nanos(price.cost_output),
                None if price.cost_cache_read is None else _nanos(price.cost_cache_read),
                None if price.cost_cache_write is None else _nanos(price.cost_cache_write),
                price.min_context,
            )
            for price in sorted(line.pricing, key=lambda price: price.min_context)
        ),
        has_tools=bool(line.tool_call),
        has_reasoning=bool(line.reasoning),
        has_structured_output=(
            None if line.structured_output is None else bool(line.structured_output)
        ),
        has_open_weights=bool(line.open_weights),
        knowledge=line.knowledge,
        status=line.status,
    )


def _nanos(dollars: Decimal) -> int:
    # Some hosts' prices went through a float before they came into the list: 0.19999999999999998
    # stands for 0.2, and nanos are fine enough to tell.
    return int(dollars.scaleb(9).to_integral_value(ROUND_HALF_EVEN))
