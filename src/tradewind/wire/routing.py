"""What a request itself may say of where it goes: OpenRouter's `provider` object and `models`.

Source: openrouter.ai, "Provider Routing" and "Model Routing". Members we do not know are refused by
name: a condition that is not understood must never be dropped.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

_Names = Annotated[list[Annotated[str, Meta(max_length=128)]], Meta(max_length=64)]
MOST_FALLBACK_MODELS = 8


class MaxPrice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Most that may be paid, in the price's currency per million tokens (`request`: per call)."""

    prompt: float | str | None = None
    completion: float | str | None = None
    request: float | str | None = None
    image: float | str | None = None


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
    sort: Literal["price", "throughput", "latency"] | None = None
    preferred_min_throughput: float | None = None
    preferred_max_latency: float | None = None
    max_price: MaxPrice | None = None
    enforce_distillable_text: bool | None = None
    region: str | None = None
    """Not OpenRouter's: one region, or one zone, that must process the call."""
    zone: str | None = None


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
