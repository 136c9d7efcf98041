"""Who does something that is written down."""

from typing import NamedTuple


class By(NamedTuple):
    """Whoever acts, for a trail: two ids are two people."""

    id: str
    name: str
