"""Tells where what should be differs from what a view has."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from tradewind.snapshot.table import Table

Content = TypeVar("Content")


class RollCall(Generic[Content]):
    """Each thing that should be is called once, in any order; what nobody called is too much.

    Remembers who was called in 2 bytes for each record of the base, so that a million fit easily.
    """

    def __init__(self, overlay: Mapping[str, Content | None], table: Table[Content] | None) -> None:
        self._overlay = overlay
        self._table = table
        self._marks = bytearray(0 if table is None else table.slots)
        self._called: set[str] = set()

    def is_known(self, key: str, content: Content) -> bool:
        """Say whether the view has the very same under this key, and remember the call."""
        if key in self._overlay:
            self._called.add(key)
            return self._overlay[key] == content
        found = None if self._table is None else self._table.locate(key)
        if found is None:
            return False
        slot, known = found
        self._marks[slot] = 1
        return known == content

    def not_called(self) -> Iterator[str]:
        """Yield the keys that the view has and nobody called."""
        if self._table is not None:
            for key, _ in self._table.unmarked(self._marks):
                if key not in self._overlay:
                    yield key
        for key, content in self._overlay.items():
            if content is not None and key not in self._called:
                yield key
