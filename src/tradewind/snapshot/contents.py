"""The frozen structs of a snapshot. Times are Unix milliseconds, prices nanos per million units."""

from enum import StrEnum

import msgspec


class Operation(StrEnum):
    """What a client asks for; a model serves some of them."""

    CHAT = "chat"
    EMBEDDINGS = "embeddings"


class Limits(msgspec.Struct, frozen=True, array_like=True):
    """Limits of one key; None is no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """What one key may do now. A revoked key has no grant."""

    key_id: str
    digest: bytes
    organization_id: str
    project_id: str
    expires_at_ms: int | None = None
    models: frozenset[str] | None = None
    """Names of the endpoints the key may call; None is all."""
    limits: Limits = Limits()


class Price(msgspec.Struct, frozen=True, array_like=True):
    """An immutable price version: nanos of `currency` per 1,000,000 tokens."""

    id: str
    currency: str
    input_nanos: int
    output_nanos: int
    cached_input_nanos: int


class Target(msgspec.Struct, frozen=True, array_like=True):
    """One place that can answer: a replica of an engine, or a provider's host."""

    deployment_id: str
    replica_id: str
    provider: str
    """Name of the member of the provider family that speaks to it."""
    address: str
    """`host:port`, or the absolute path of a unix socket."""
    upstream_model: str
    credential: str
    """Bearer token for the upstream; never logged."""
    weight: int = 1
    slots: int = 1
    """Requests it works on at once; more are queued inside the engine."""


class Endpoint(msgspec.Struct, frozen=True, array_like=True):
    """A stable model name that clients call."""

    name: str
    operation: Operation
    publisher: str
    created_at_ms: int
    context_tokens: int
    max_output_tokens: int
    price: Price
    targets: tuple[Target, ...]
    dimensions: int | None = None
    """Length of an embedding; None for other operations."""
    aliases: tuple[str, ...] = ()


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """Everything the gateway knows. `version` only grows."""

    version: int
    compiled_at_ms: int
    grants: tuple[Grant, ...]
    endpoints: tuple[Endpoint, ...]


EMPTY = Snapshot(version=0, compiled_at_ms=0, grants=(), endpoints=())
