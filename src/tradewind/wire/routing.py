"""What a request itself may say of where it goes: OpenRouter's `provider` object and `models`.

Source: openrouter.ai, "Provider Routing" and "Model Routing". Members we do not know are refused by
name: a condition that is not understood must never be dropped.
"""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from tradewind.wire.decoding import UNREADABLE, refuse

_Name = Annotated[str, Meta(max_length=128)]
_Names = Annotated[list[_Name], Meta(max_length=64)]
ModelName = Annotated[str, Meta(max_length=512)]
"""Of a body. Empty where the path names the model, or none does."""
MOST_FALLBACK_MODELS = 8


class MaxPrice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Most that may be paid, in the price's currency: per million tokens, per call (`request`), per
    image. A number or a decimal string, both exact.
    """

    prompt: Decimal | None = None
    completion: Decimal | None = None
    request: Decimal | None = None
    image: Decimal | None = None

    def __post_init__(self) -> None:
        """Raises ValueError, which msgspec tells as a value that does not fit."""
        for price in (self.prompt, self.completion, self.request, self.image):
            if price is not None and not (price.is_finite() and price >= 0):
                raise ValueError("a price is a number from 0")


class Sort(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The longer form of `sort`. The order of `models` stands, whatever `partition` says."""

    by: Literal["price", "throughput", "latency"]
    partition: Literal["model", "none"] | None = None


class Percentiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The longer form of a preferred speed. What is measured is an average, so the most lenient one
    counts.
    """

    p50: float | None = None
    p75: float | None = None
    p90: float | None = None
    p99: float | None = None


class ProviderWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `provider` object of a request, member for member."""

    order: _Names | None = None
    allow_fallbacks: bool | None = None
    require_parameters: bool | None = None
    data_collection: Literal["allow", "deny"] | None = None
    zdr: bool | None = None
    only: _Names | None = None
    ignore: _Names | None = None
    quantizations: _Names | None = None
    sort: Literal["price", "throughput", "latency"] | Sort | None = None
    preferred_min_throughput: float | Percentiles | None = None
    """Output tokens a second."""
    preferred_max_latency: float | Percentiles | None = None
    """Seconds to the first token."""
    max_price: MaxPrice | None = None
    enforce_distillable_text: bool | None = None
    region: _Name | None = None
    """Not OpenRouter's: one region, or one zone, that must process the call."""
    zone: _Name | None = None

    @property
    def sort_by(self) -> str | None:
        return self.sort.by if isinstance(self.sort, Sort) else self.sort


class RoutingWish(msgspec.Struct, frozen=True):
    """All that a request says of its routing, of the body and of headers."""

    provider: ProviderWish | None = None
    models: tuple[str, ...] = ()
    """More models to fall back to, in order."""
    spillover: str | None = None
    """Azure's `x-ms-spillover-deployment`."""
    affinity: bytes = b""
    """Digest of what a prompt cache may know: calls with the same one go to the same target while
    that costs nothing."""


NO_WISH = RoutingWish()


class _Wished(msgspec.Struct, frozen=True):
    provider: ProviderWish | None = None
    models: (
        Annotated[list[Annotated[str, Meta(max_length=512)]], Meta(max_length=MOST_FALLBACK_MODELS)]
        | None
    ) = None


_encode = msgspec.json.Encoder().encode
_decode_wished = msgspec.json.Decoder(_Wished).decode


def wish_of_fields(fields: dict[str, Raw]) -> RoutingWish:
    """Return what the members of an undecoded body say of routing. Raises ApiError 400."""
    named = {name: fields[name] for name in ("provider", "models") if name in fields}
    if not named:
        return NO_WISH
    try:
        wished = _decode_wished(_encode(named))
    except UNREADABLE as error:
        raise refuse(error) from None
    if wished.provider is None and wished.models is None:
        return NO_WISH
    return RoutingWish(wished.provider, tuple(wished.models or ()))
