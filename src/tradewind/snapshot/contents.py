"""The frozen structs of a snapshot. Times are Unix milliseconds, prices nanos per million units."""

from enum import StrEnum

import msgspec

from tradewind.snapshot.safety import Policy


class Operation(StrEnum):
    """What a client asks for; a model serves some of them."""

    CHAT = "chat"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    RERANK = "rerank"
    MODERATIONS = "moderations"
    IMAGES = "images"
    IMAGE_EDITS = "image_edits"
    SPEECH = "speech"
    TRANSCRIPTION = "transcription"
    TRANSLATION = "translation"


class Limits(msgspec.Struct, frozen=True, array_like=True):
    """Limits of one key, project, organization or model; None is no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """What one key may do now. A revoked key has no grant, one that is suspended has one that says
    so: whoever holds it is told.
    """

    key_id: str
    digest: bytes
    organization_id: str
    project_id: str
    expires_at_ms: int | None = None
    models: frozenset[str] | None = None
    """Names of the endpoints the key may call; None is all."""
    limits: Limits = Limits()
    budgets: tuple[str, ...] = ()
    """Ids of the budgets of this key alone; those of its project and organization add to them."""
    is_red_team: bool = False
    """Whether the key was made for an exercise that attacks models: it may switch policies off by a
    header, and what it does is no abuse."""
    is_suspended: bool = False
    """It, or its organization: no call may be made with it until that is lifted."""


class Conditions(msgspec.Struct, frozen=True, array_like=True):
    """What a target must fulfil to be used. Empty is no condition; all of them are refused, never
    bent, when no target fulfils them.
    """

    regions: frozenset[str] = frozenset()
    zones: frozenset[str] = frozenset()
    no_retention: bool = False
    """Only hosts that keep neither prompts nor answers (zero data retention)."""
    no_training: bool = False
    """Only hosts that do not train on what passes through them."""


class Terms(msgspec.Struct, frozen=True, array_like=True):
    """What holds for a whole organization, or for one of its projects."""

    id: str
    """Id of the organization or project."""
    limits: Limits = Limits()
    model_limits: tuple[tuple[str, Limits], ...] = ()
    """Limits of single models within this organization or project, by the endpoint's name."""
    budgets: tuple[str, ...] = ()
    conditions: Conditions = Conditions()
    cache_ttl_s: int = 0
    """How long an exact answer may be given again; 0 is no cache. Of organizations only, as what
    follows."""
    response_days: int = 30
    """Days that stored responses are kept; 0 stores none."""
    content_days: int = 0
    """Days that prompts and completions are kept in the request log; 0 keeps none."""
    licences: frozenset[str] = frozenset()
    """What the organization has accepted, in the words of `Endpoint.gate`, and ids of offers that
    it may call: it is subscribed to them, or sells them."""
    needs_payer: bool = False
    """Whether calls that are charged wait until somebody of the organization confirmed who pays."""
    policies: tuple[str, ...] = ()
    """Ids of the safety policies that hold here, in both kinds of terms; of an organization that
    has bound none of its own, the platform's default."""


class Budget(msgspec.Struct, frozen=True, array_like=True):
    """An amount that may be spent in a period. What is left is leased from the control plane."""

    id: str
    name: str
    currency: str
    is_hard: bool = True
    """A hard budget refuses what it cannot pay for; another one only tells."""
    is_wallet: bool = False
    """What an organization paid ahead: only what is charged is taken from it."""


class Price(msgspec.Struct, frozen=True, array_like=True):
    """An immutable price version: nanos of `currency` per 1,000,000 tokens."""

    id: str
    currency: str
    input_nanos: int
    output_nanos: int
    cached_input_nanos: int
    cache_write_nanos: int | None = None
    """Input that the host keeps for later calls; None is as any input."""
    meters: dict[str, int] = {}
    """Nanos per 1,000,000 units of other meters: `requests`, `images`, `characters`,
    `audio_ms`."""
    is_charged: bool = True
    """False is shown and counted, and nobody pays it here: no wallet is asked."""


class Cost(msgspec.Struct, frozen=True, array_like=True):
    """What a provider takes for a target: nanos of `currency` per 1,000,000 tokens."""

    currency: str
    input_nanos: int
    output_nanos: int
    cached_input_nanos: int | None = None
    """None is as any input, as what follows."""
    cache_write_nanos: int | None = None
    meters: dict[str, int] = {}
    """As in a price."""


ELSEWHERE = "elsewhere"
"""Stands for the provider of a target that only gateways of another host reach: no member of the
family has this name, so nothing is ever sent to it, and routing can say why."""


class Target(msgspec.Struct, frozen=True, array_like=True):
    """One place that can answer: a replica of an engine, or a model at a provider's host."""

    deployment_id: str
    replica_id: str
    """Identifies the target: load and health are kept by it."""
    provider: str
    """Name of the member of the provider family that speaks to it."""
    address: str
    """`host:port` or the absolute path of a unix socket (our own, trusted); `https://host:port`
    or `http://host:port` of a provider, connected to only at a public address;
    `https+private://…` or `http+private://…` where an operator said that the host is in a private
    network."""
    upstream_model: str
    credential: str
    """What opens the upstream: a key, or JSON of several parts; never logged."""
    weight: int = 1
    slots: int = 1
    """Requests it works on at once; more are queued inside the engine."""
    base_path: str = "/v1"
    """Path in front of the operation's own, without an ending slash."""
    options: dict[str, str] = {}
    """What the provider needs to know beyond that: `api_version`, `region`, `project`."""
    tier: int = 0
    """Lower tiers come first; a higher one takes over where those are full, slow or down."""
    host: str = ""
    """Public name of whose host it is ("openai", "own"): for `provider{}` and the request log."""
    region: str = ""
    zone: str = ""
    retains_data: bool = False
    trains_on_data: bool = False
    quantization: str = ""
    context_tokens: int | None = None
    """None is the endpoint's."""
    parameters: frozenset[str] | None = None
    """Request fields it obeys; None is unknown, which counts as all."""
    cost: Cost | None = None


class Routing(msgspec.Struct, frozen=True, array_like=True):
    """How an endpoint chooses among targets that fulfil the conditions."""

    sort: str = "load"
    """`load` (fewest calls for its weight), `price`, `latency` or `throughput`."""
    queue_bound: int | None = None
    """Calls waiting per slot at which a tier counts as full, so that the next one takes over."""
    first_token_bound_ms: int | None = None
    """Time to the first token at which a tier counts as slow."""
    max_attempts: int = 3
    retry_timeouts: bool = False
    """Whether a call goes on to another target when one took too long to begin. Off, because the
    first may have worked on it and may charge for it."""


class Ending(msgspec.Struct, frozen=True, array_like=True):
    """The end of a model that is deprecated, or over."""

    lines: bytes
    """Header lines of each answer, `Deprecation` and `Sunset`; each ended by CRLF."""
    is_retired: bool = False
    replacement: str = ""
    """Name of the model to take instead, if there is one."""


class Endpoint(msgspec.Struct, frozen=True, array_like=True):
    """A stable model name that clients call."""

    name: str
    operation: Operation
    """The kind of the model; `OPERATIONS_OF` says what it serves."""
    publisher: str
    created_at_ms: int
    context_tokens: int
    max_output_tokens: int
    price: Price
    targets: tuple[Target, ...]
    dimensions: int | None = None
    """Length of an embedding; None for other operations."""
    aliases: tuple[str, ...] = ()
    routing: Routing = Routing()
    limits: Limits = Limits()
    """Of all callers together."""
    conditions: Conditions = Conditions()
    organization_id: str = ""
    """Whose endpoint it is; the empty one is everybody's."""
    ending: Ending | None = None
    gate: str = ""
    """Model and licence that an organization has to have accepted; empty is none. Another licence
    is another gate."""
    project_id: str = ""
    """Whose alone it is within its organization; empty is all of its projects'."""
    sale: str = ""
    """Id and name of the offer that an organization has to be subscribed to; empty is none."""
    policies: tuple[str, ...] = ()
    """Ids of the safety policies of the endpoint, whoever calls it."""
    is_stopped: bool = False
    """Whether the kill switch was thrown: nothing is sent, and what runs is ended."""


OPERATIONS_OF: dict[Operation, frozenset[Operation]] = {
    **{operation: frozenset({operation}) for operation in Operation},
    Operation.CHAT: frozenset({Operation.CHAT, Operation.COMPLETIONS}),
    Operation.IMAGES: frozenset({Operation.IMAGES, Operation.IMAGE_EDITS}),
    Operation.TRANSCRIPTION: frozenset({Operation.TRANSCRIPTION, Operation.TRANSLATION}),
}
"""The kind of a model to what it serves."""


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """Everything the gateway knows. `version` only grows."""

    version: int
    compiled_at_ms: int
    grants: tuple[Grant, ...]
    endpoints: tuple[Endpoint, ...]
    terms: tuple[Terms, ...] = ()
    budgets: tuple[Budget, ...] = ()
    policies: tuple[Policy, ...] = ()


EMPTY = Snapshot(version=0, compiled_at_ms=0, grants=(), endpoints=())
