"""The ways to get a model, as its page lists them: this platform first, then every offer. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from urllib.parse import quote, urlencode

from tradewind.features.catalog.schemas import CatalogModel, OfferRow
from tradewind.features.providers.schemas import KnownHost
from tradewind.portal.price_units import UnitPrice, meter_prices
from tradewind.readmodels.connections import ConnectionView
from tradewind.readmodels.endpoints import OWN_HOST, EndpointView, TargetView
from tradewind.readmodels.models import ServedModel
from tradewind.readmodels.offer_stats.reading import AverageChat, HostStats

CONNECTION_PREFIX = "conn_"
VANISHED = "vanished"
_NOTHING_MEASURED = HostStats(None, None)


class Way(StrEnum):
    """How far it is from an offer to a call."""

    CALLABLE = "callable"
    CONNECTED = "connected"
    """There is an account at the host; the model is not called there yet."""
    CONNECT = "connect"
    """An account at the host is missing."""
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"
    """Nothing is known of the host but its name."""


@dataclass(frozen=True, slots=True)
class OfferLine:
    host_name: str
    upstream_model: str
    region: str
    detail: str
    """Version, quantization and variant, where they are told."""
    currency: str
    input_nanos: int | None
    """Of 1,000,000 tokens, as are the others; None is not told, which is not free."""
    output_nanos: int | None
    cached_input_nanos: int | None
    meters: Sequence[UnitPrice]
    context_tokens: int | None
    status: str
    observed_on: date | None
    """None is of this platform itself."""
    source: str
    stats: HostStats
    thousand_chats_nanos: int | None
    """What a thousand chats like the organization's own cost there."""
    way: Way
    href: str = ""
    """Where the next step is taken."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What offers are read against."""

    served: ServedModel | None
    endpoints: Sequence[EndpointView]
    """Of this model, that the organization may see."""
    connections: Sequence[ConnectionView]
    known_host: Callable[[str], KnownHost | None]
    stats: Mapping[str, HostStats] = field(default_factory=dict[str, HostStats])
    """By the public name of the host."""
    average: AverageChat | None = None


def offer_lines(
    model: CatalogModel, offers: Sequence[OfferRow], around: Surroundings
) -> list[OfferLine]:
    """Return a line for each way to get the model that the asker may know of.

    An offer at a connection that the asker does not see is somebody else's business.
    """
    lines = [] if around.served is None else _own_lines(around.served, around)
    told = {one.id: one for one in around.connections}
    seen = [
        _line(model, offer, around)
        for offer in offers
        if offer.status != VANISHED
        and (not offer.host.startswith(CONNECTION_PREFIX) or offer.host in told)
    ]
    order = {Way.CALLABLE: 0, Way.CONNECTED: 1}
    seen.sort(key=lambda line: (order.get(line.way, 2), *_by_price(line), line.host_name))
    return lines + seen


def callable_targets(endpoints: Sequence[EndpointView]) -> list[tuple[EndpointView, TargetView]]:
    """Return what a call would find now, by endpoint."""
    return [
        (endpoint, target)
        for endpoint in endpoints
        if endpoint.is_enabled and endpoint.price is not None
        for target in endpoint.targets
        if target.is_ready
    ]


def _own_lines(served: ServedModel, around: Surroundings) -> list[OfferLine]:
    own = [
        (endpoint, target)
        for endpoint in around.endpoints
        for target in endpoint.targets
        if target.is_own
    ]
    if served.engine is None and not own:
        return []
    ready = [pair for pair in callable_targets(around.endpoints) if pair[1].is_own]
    is_ready = bool(ready) or (not own and served.state == "ready")
    href = f"/endpoints/{(ready or own)[0][0].id}" if ready or own else ""
    return [
        OfferLine(
            host_name="This platform",
            upstream_model=served.name,
            region="",
            detail=served.version,
            currency=served.currency,
            input_nanos=served.input_nanos,
            output_nanos=served.output_nanos,
            cached_input_nanos=served.cached_input_nanos,
            meters=(),
            context_tokens=served.context_tokens,
            status="active",
            observed_on=None,
            source="",
            stats=around.stats.get(OWN_HOST, _NOTHING_MEASURED),
            thousand_chats_nanos=_thousand_chats(
                served.operation,
                served.input_nanos,
                served.output_nanos,
                served.cached_input_nanos,
                around,
            ),
            way=Way.CALLABLE if is_ready else Way.UNSUPPORTED,
            href=href,
            reason="" if is_ready else served.state_detail or served.state,
        )
    ]


def _line(model: CatalogModel, offer: OfferRow, around: Surroundings) -> OfferLine:
    connection = next((one for one in around.connections if one.id == offer.host), None)
    host = around.known_host(connection.host or "" if connection is not None else offer.host)
    name = connection.name if connection is not None else host.name if host else offer.host
    way, href, reason = _way(model, offer, host, around)
    public_name = connection.host or connection.name if connection is not None else offer.host
    operation = None if model.operation is None else model.operation.value
    return OfferLine(
        host_name=name,
        upstream_model=offer.upstream_model,
        region=offer.region,
        detail=_detail(offer),
        currency=offer.currency,
        input_nanos=offer.input_nanos,
        output_nanos=offer.output_nanos,
        cached_input_nanos=offer.cached_input_nanos,
        meters=meter_prices(offer.meters),
        context_tokens=offer.context_tokens,
        status=offer.status,
        observed_on=offer.observed_on,
        source=offer.source,
        stats=around.stats.get(public_name, _NOTHING_MEASURED),
        thousand_chats_nanos=_thousand_chats(
            operation, offer.input_nanos, offer.output_nanos, offer.cached_input_nanos, around
        ),
        way=way,
        href=href,
        reason=reason,
    )


def _detail(offer: OfferRow) -> str:
    """Return what tells an offer from its neighbours, without what its name says already."""
    name = _plain(offer.upstream_model)
    told = (offer.version, offer.quantization, offer.variant)
    return ", ".join(part for part in told if part and _plain(part) not in name)


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def _way(
    model: CatalogModel, offer: OfferRow, host: KnownHost | None, around: Surroundings
) -> tuple[Way, str, str]:
    step = f"/models/{quote(model.name, safe='/')}/call?{urlencode({'offer': offer.offer_id})}"
    for endpoint, target in callable_targets(around.endpoints):
        is_there = target.connection_id == offer.host or (host and target.host == host.id)
        if is_there and target.upstream_model == offer.upstream_model:
            return Way.CALLABLE, f"/endpoints/{endpoint.id}", ""
    connected = next(
        (
            one
            for one in around.connections
            if one.is_enabled and (one.id == offer.host or (host and one.host == host.id))
        ),
        None,
    )
    if host is not None and host.provider is None:
        return Way.UNSUPPORTED, "", host.unsupported_reason
    if model.operation is None:
        return Way.UNSUPPORTED, "", "nothing here serves what it makes"
    if connected is not None:
        return Way.CONNECTED, step, ""
    if host is None:
        return Way.UNKNOWN, "/providers/connect", ""
    return Way.CONNECT, step, ""


def _thousand_chats(
    operation: str | None,
    input_nanos: int | None,
    output_nanos: int | None,
    cached_input_nanos: int | None,
    around: Surroundings,
) -> int | None:
    if around.average is None or operation != "chat" or None in {input_nanos, output_nanos}:
        return None
    assert input_nanos is not None, "just told"
    return around.average.cost_nanos(input_nanos, output_nanos, cached_input_nanos)


def _by_price(line: OfferLine) -> tuple[bool, int]:
    """Return what offers are ordered by: the cheapest first, what is not told last."""
    if line.input_nanos is None:
        return True, 0
    output = line.input_nanos if line.output_nanos is None else line.output_nanos
    return False, (3 * line.input_nanos + output) // 4
