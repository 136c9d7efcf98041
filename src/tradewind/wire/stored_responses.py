"""What gateways and the control plane tell each other of stored responses."""

import msgspec
from msgspec import Raw

MOST_CHAIN_LINKS = 500
MOST_CHAIN_BYTES = 32 * 1024 * 1024
"""Input and output of a chain, together; it is what a new call would have to send along."""


class Place(msgspec.Struct, frozen=True):
    """Whose response it is, and which one. No question is ever asked without its owner."""

    organization_id: str
    project_id: str
    id: str
    days: int
    """How old it may be: what the organization keeps now, whatever held when it was stored."""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.organization_id, self.project_id, self.id


class StoredResponse(msgspec.Struct, frozen=True):
    """A response with all that a chain needs to go on from it."""

    organization_id: str
    project_id: str
    id: str
    previous_id: str | None
    created_at_ms: int
    expires_at_ms: int
    input: Raw
    """The items of its own request, with ids."""
    response: Raw
    """The object as the client got it."""
    running_until_ms: int | None = None
    """Of one that runs in the background: when it counts as lost unless its gateway says that it
    still runs. None once it has ended."""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.organization_id, self.project_id, self.id


class Renewal(msgspec.Struct, frozen=True):
    """A response still runs in the background."""

    place: Place
    running_until_ms: int


class Chain(msgspec.Struct, frozen=True):
    """A response and those before it, the newest first, as far back as they are still kept."""

    links: list[StoredResponse]
    is_too_long: bool = False


encode = msgspec.json.Encoder().encode
decode_renewal = msgspec.json.Decoder(Renewal).decode
decode_place = msgspec.json.Decoder(Place).decode
decode_stored = msgspec.json.Decoder(StoredResponse).decode
decode_chain = msgspec.json.Decoder(Chain).decode
