"""Versions of things in headers: `ETag` says which one was read, `If-Match` which one to change
(RFC 9110, sections 8.8.3 and 13.1.1).
"""

import re
from typing import Annotated

from fastapi import Header

IfMatch = Annotated[
    str | None,
    Header(
        alias="if-match",
        max_length=200,
        description="The `etag` that was read: another one now is a 412. Without it the change is"
        " made in any case.",
    ),
]
_OURS = re.compile(r'"([1-9][0-9]{0,9})"')
_NONE_OF_OURS = 0


def etag(revision: int) -> str:
    return f'"{revision}"'


def revision_of(if_match: str | None) -> int | None:
    """Return the revision that the caller has seen; None for any, 0 for one that never was."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = _OURS.fullmatch(if_match.strip())
    return int(found[1]) if found else _NONE_OF_OURS
