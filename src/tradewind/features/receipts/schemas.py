"""What receipts are made of, and what is told of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class CallPrice(NamedTuple):
    """The price a call was rated with; nanos per 1,000,000 units."""

    seller: str
    input_nanos: int
    output_nanos: int
    cached_input_nanos: int
    cache_write_nanos: int | None
    meters: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What the books say of a call."""

    event_id: UUID
    at: datetime
    organization_id: str
    project_id: str
    key_id: str
    operation: str
    model: str
    version: str
    """Label of the model's version that ran; empty where a host keeps it to itself."""
    version_digest: str
    deployment_id: str
    host: str
    region: str
    outcome: str
    is_batch: bool
    usage_source: str
    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    meters: Mapping[str, int]
    price_id: str
    price: CallPrice | None
    currency: str
    cost_nanos: int
    corrects: UUID | None


class Chain(NamedTuple):
    organization_id: str
    id: str
    sequence: int
    """Of its newest receipt."""
    hash: str


class NewReceipt(NamedTuple):
    sequence: int
    event_id: UUID
    at: datetime
    hash: str
    sale: str
    """Canonical JSON, as `buyer`."""
    buyer: str


class StoredReceipt(NamedTuple):
    sequence: int
    event_id: UUID
    hash: str
    sale: str
    buyer: str


class StoredHead(NamedTuple):
    sequence: int
    head: str
    key_id: str
    signature: str
    """In hex."""


class PublicKey(NamedTuple):
    id: str
    public_key: bytes
    since: datetime


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """One receipt with all that proves it."""

    chain: str
    previous_hash: str
    receipt: StoredReceipt
    head: StoredHead | None
    """The first head that is not before it; None until one is signed, within a minute."""
    between: Sequence[StoredReceipt]
    """The receipts after it, up to that of the head."""
