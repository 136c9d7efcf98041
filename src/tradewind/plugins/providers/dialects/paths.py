"""Paths of requests that have a name in them."""

from functools import lru_cache
from urllib.parse import quote


@lru_cache(maxsize=1024)
def path_segment(text: str) -> bytes:
    """Return a name as one segment of a path."""
    return quote(text, safe="").encode()
