"""What is recorded of a call. Zero and missing are different things: missing is None, and is
counted.
"""

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """How an admitted call ended."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    """The client went away; what was generated until then is billed."""
    FAILED = "failed"
    """The upstream failed; what had reached the client is billed, often nothing."""
    ORPHANED = "orphaned"
    """The gateway died with the call in flight; the last PROGRESS is billed."""


class UsageSource(StrEnum):
    """Where the token counts come from."""

    UPSTREAM = "upstream"
    """The upstream said so."""
    ESTIMATED = "estimated"
    """Neither; reckoned from the number of bytes."""
    CACHE = "cache"
    """An answer given before was given again: nothing was generated."""
    NONE = "none"
    """Nothing was generated and nothing is billed."""


class Opened(msgspec.Struct, frozen=True, array_like=True, tag="O"):
    """An admitted call, before it is sent upstream."""

    event_id: bytes
    """16 bytes of UUIDv7."""
    at_us: int
    """Unix microseconds; with event_id the key of the event for ever."""
    organization_id: str
    project_id: str
    key_id: str
    operation: str
    model: str
    deployment_id: str
    price_id: str
    currency: str
    is_stream: bool
    input_tokens_estimate: int
    input_nanos: int
    """Prices per million tokens at admission, so that an orphan can be rated without a look-up."""
    output_nanos: int
    cached_input_nanos: int
    provider_currency: str = ""
    """What the target's host takes, as what follows; empty is nothing, as of our own engines."""
    provider_input_nanos: int = 0
    provider_output_nanos: int = 0
    host: str = ""
    region: str = ""
    """Both of the target."""


class Progressed(msgspec.Struct, frozen=True, array_like=True, tag="P"):
    """How far a stream has come: written every 2 s or 512 tokens, so that a crash bills what was
    sent.
    """

    event_id: bytes
    output_tokens: int


class Usage(msgspec.Struct, frozen=True, array_like=True):
    """Token counts of one call."""

    input_tokens: int
    cached_input_tokens: int
    """Part of input_tokens."""
    output_tokens: int
    source: UsageSource
    cache_write_tokens: int = 0
    """Part of input_tokens too, and never of the cached ones."""
    reasoning_tokens: int = 0
    """Part of output_tokens."""
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    meters: dict[str, int] = {}
    """Quantities of other meters: `requests`, `images`, `characters`, `audio_ms`."""


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """One try at one target."""

    deployment_id: str
    host: str
    """Public name of whose host it was."""
    why: str
    """Why this target: the rule that chose it, in a few words."""
    status: int
    """HTTP status of the upstream; 0 when none came."""
    failure: str
    """How it failed (`refused`, `first_byte_timeout`, `busy`, …); empty when it did not."""
    duration_us: int


class Flag(msgspec.Struct, frozen=True, array_like=True):
    """The gravest finding of one category in one direction. Never holds what was found."""

    category: str
    direction: str
    severity: int
    """From 0 to 7, as `snapshot.safety` says."""
    score: float
    """From 0 to 1, in the check's own words."""
    action: str
    """What followed: `annotate`, `review`, `redact` or `block`."""
    check: str
    check_version: str


class SafetyTrail(msgspec.Struct, frozen=True, array_like=True):
    """What policies made of a call."""

    policies: tuple[tuple[str, int], ...]
    """Ids with the versions that held."""
    flags: tuple[Flag, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    """Checks that could not tell, and why: `timeout`, `crash`, `garbage`, `down`."""
    blocked_at: int | None = None
    """Characters of the answer that had gone out when it was ended; None where it was not."""
    examined_us: int = 0
    """Time by which the checks held the call up."""


class Trail(msgspec.Struct, frozen=True, array_like=True):
    """What the request log shows of a call beyond its bill. Bounded; never holds a prompt."""

    dialect: str
    """The surface the client called: `openai`, `messages`, `azure_openai`, …"""
    requested_model: str
    """The name as the client wrote it."""
    attempts: tuple[Attempt, ...]
    queued_us: int = 0
    """Time spent waiting for admission."""
    overhead_us: int = 0
    """Time the gateway itself took until the upstream had the request."""
    error_code: str = ""
    trace_parent: str = ""
    """The `traceparent` the client sent, or one of ours when the call is sampled."""
    user_agent: str = ""
    tags: dict[str, str] = {}
    safety: SafetyTrail | None = None
    """None where no policy held."""


class UsageEvent(msgspec.Struct, frozen=True, array_like=True, tag="F"):
    """The FINAL record: complete in itself, so that shipping needs no join with OPEN."""

    event_id: bytes
    at_us: int
    organization_id: str
    project_id: str
    key_id: str
    operation: str
    model: str
    deployment_id: str
    price_id: str
    currency: str
    is_stream: bool
    outcome: Outcome
    http_status: int
    """What the client was told, or 499 when it left before it was told anything."""
    usage: Usage
    cost_nanos: int
    first_token_us: int | None
    """Time from admission to the first byte of the answer."""
    duration_us: int
    trail: Trail | None = None
    provider_cost_nanos: int | None = None
    """What the host takes for it, in its own currency; None where it takes nothing, as our own
    engines do, or where nobody said what."""
    provider_currency: str = ""
    is_batch: bool = False
    """Whether it was one of a batch, which is answered later and charged less."""
    host: str = ""
    """Of the target that answered, as `region`."""
    region: str = ""


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="R"):
    """A call that was not admitted: for the request log, never for a bill. The gateway bounds how
    many of them it writes.
    """

    event_id: bytes
    at_us: int
    organization_id: str
    project_id: str
    key_id: str
    operation: str
    surface: str
    requested_model: str
    http_status: int
    error_code: str
    user_agent: str = ""


Record = Opened | Progressed | UsageEvent | Refused
