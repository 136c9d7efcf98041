"""What contents are made of."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class ContentRow(NamedTuple):
    """The content of one call. Fields as the columns of `request_content`."""

    event_id: UUID
    at: datetime
    organization_id: str
    project_id: str
    prompt: bytes
    answer: bytes
    is_prompt_truncated: bool
    is_answer_truncated: bool
