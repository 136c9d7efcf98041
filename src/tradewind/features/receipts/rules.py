"""From what the books say of a call to its receipt. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tradewind.core.ids import request_id
from tradewind.core.money import format_nanos, rate_nanos
from tradewind.features.receipts.canonical import canonical, digest, link_hash
from tradewind.features.receipts.schemas import CallFacts, CallPrice, Chain, NewReceipt

SALT_BYTES = 16
"""Of each part: without it, a digest could be compared with those of all likely parts."""


def made(chain: Chain, calls: Sequence[CallFacts], salts: bytes) -> tuple[Chain, list[NewReceipt]]:
    """Return the chain with receipts of these calls, and the receipts. `salts` are twice SALT_BYTES
    random bytes a call.
    """
    assert len(salts) == 2 * SALT_BYTES * len(calls)
    sequence, previous = chain.sequence, chain.hash
    receipts: list[NewReceipt] = []
    for place, call in zip(range(0, len(salts), 2 * SALT_BYTES), calls, strict=True):
        middle = place + SALT_BYTES
        sale = canonical(sale_of(call, salts[place:middle].hex()))
        buyer = canonical(buyer_of(call, salts[middle : middle + SALT_BYTES].hex()))
        sequence += 1
        previous = link_hash(chain.id, sequence, previous, digest(sale), digest(buyer))
        receipts.append(
            NewReceipt(sequence, call.event_id, call.at, previous, sale.decode(), buyer.decode())
        )
    return chain._replace(sequence=sequence, hash=previous), receipts


def sale_of(call: CallFacts, salt: str) -> dict[str, Any]:
    """Return what buyer and seller may both read."""
    return {
        "at": told_time(call.at),
        "batch": call.is_batch,
        "corrects": None if call.corrects is None else request_id(call.corrects.bytes),
        "cost": format_nanos(call.cost_nanos),
        "counted_by": call.usage_source,
        "currency": call.currency,
        "digest": call.version_digest,
        "lines": [
            {"meter": meter, "price": format_nanos(nanos), "quantity": quantity}
            for meter, quantity, nanos in price_lines(call)
        ],
        "meters": {
            "cache_write_tokens": call.cache_write_tokens,
            "cached_input_tokens": call.cached_input_tokens,
            "input_tokens": call.input_tokens,
            "output_tokens": call.output_tokens,
            **call.meters,
        },
        "model": call.model,
        "operation": call.operation,
        "outcome": call.outcome,
        "price": call.price_id,
        "request": request_id(call.event_id.bytes),
        "salt": salt,
        "seller": "" if call.price is None else call.price.seller,
        "version": call.version,
    }


def buyer_of(call: CallFacts, salt: str) -> dict[str, Any]:
    """Return what is the buyer's own: who called, and where it was answered."""
    return {
        "deployment": call.deployment_id,
        "host": call.host,
        "key": call.key_id,
        "organization": call.organization_id,
        "policies": [],
        "project": call.project_id,
        "region": call.region,
        "salt": salt,
    }


def price_lines(call: CallFacts) -> list[tuple[str, int, int]]:
    """Return meter, quantity and price of what a call was charged for; each unit is in one line.

    Empty where these do not come to what was charged: a receipt says nothing that it cannot prove.
    """
    lines = [] if call.price is None else rated_lines(call, call.price)
    is_explained = rate_nanos(*((quantity, nanos) for _, quantity, nanos in lines))
    return lines if is_explained == call.cost_nanos else []


def rated_lines(call: CallFacts, price: CallPrice) -> list[tuple[str, int, int]]:
    """Return meter, quantity and price of what a call is charged for, as `gateway.record` reckons
    it.
    """
    cached, cache_write = call.cached_input_tokens, call.cache_write_tokens
    fresh, written = call.input_tokens - cached - cache_write, call.output_tokens
    of_parts: list[tuple[str, int, int]] = []
    heard = min(call.meters.get("audio_input_tokens", 0), fresh)
    if heard > 0 and "audio_input_tokens" in price.meters:
        fresh -= heard
        of_parts.append(("audio_input_tokens", heard, price.meters["audio_input_tokens"]))
    for meter in ("audio_output_tokens", "reasoning_tokens"):
        counted = min(call.meters.get(meter, 0), written)
        if counted > 0 and meter in price.meters:
            written -= counted
            of_parts.append((meter, counted, price.meters[meter]))
    cache_nanos = price.cache_write_nanos
    lines = [
        ("input_tokens", fresh, price.input_nanos),
        ("cached_input_tokens", cached, price.cached_input_nanos),
        (
            "cache_write_tokens",
            cache_write,
            price.input_nanos if cache_nanos is None else cache_nanos,
        ),
        ("output_tokens", written, price.output_nanos),
        *of_parts,
        *(
            (meter, quantity, price.meters[meter])
            for meter, quantity in sorted(call.meters.items())
            if meter in price.meters and not meter.endswith("_tokens")
        ),
    ]
    if (
        "requests" in price.meters
        and "requests" not in call.meters
        and call.usage_source in {"upstream", "estimated"}
    ):
        lines.append(("requests", 1, price.meters["requests"]))
    return [line for line in lines if line[1]]


def told_time(at: datetime) -> str:
    """Return a time in UTC with its microseconds, always in the same form."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
