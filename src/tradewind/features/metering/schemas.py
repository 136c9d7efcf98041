"""What metering tells other features, and takes from them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class News(NamedTuple):
    """Events of one organization that were stored by one transaction."""

    organization_id: str
    at: Sequence[datetime]
    event_ids: Sequence[UUID]
    """As many as `at`: the key of each event."""


class EventKey(NamedTuple):
    at: datetime
    event_id: UUID


class KeptCorrection(NamedTuple):
    """A row of `usage_correction`; the fields are its columns."""

    event_id: UUID
    corrects: UUID
    key: str
    content: str
    reason: str
    by: str
    made_at: datetime
    cost_nanos: int
    currency: str


class CorrectingEvent(NamedTuple):
    """An event that changes the sums of another one of the same moment."""

    event_id: UUID
    at: datetime
    organization_id: str
    project_id: str
    key_id: str
    operation: str
    model: str
    deployment_id: str
    price_id: str
    currency: str
    cost_nanos: int
    is_batch: bool
    host: str
    region: str
    corrects: UUID
    quantities: Mapping[str, int]
    """By meter; tokens are meters here too."""
