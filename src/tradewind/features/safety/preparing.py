"""What the worker does for categories and corpora: it takes one that waits, makes its data without
a transaction open, and writes them down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.safety.keeping import forget_unused, keep_data
from tradewind.features.safety.making import index_corpus, train_category
from tradewind.features.safety.repository import materials
from tradewind.features.safety.repository.materials import CATEGORY, CORPUS
from tradewind.features.safety.schemas import Readiness

_SILENT = timedelta(minutes=5)
"""A worker that has said nothing for so long has died: the longest training takes a minute."""
_ERROR_MAX = 300


@dataclass(frozen=True, slots=True)
class Work:
    """One category or corpus that was taken."""

    row_id: str
    revision: int
    is_category: bool
    name: str
    definition: str = ""
    positives: Sequence[str] = ()
    negatives: Sequence[str] = ()
    is_rapid: bool = False
    texts: Sequence[tuple[str, str]] = ()
    licence: str = ""
    citation: str = ""
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    packed: bytes = b""
    quality: dict[str, Any] | None = None
    error: str = ""
    """Why it could not be made; empty: it was."""


class Preparing:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def take(self, tx: Connection) -> Work | None:
        """Return the next that waits; no other worker takes it meanwhile."""
        now = self._clock.now()
        row = materials.take_waiting(tx, CATEGORY, now, now - _SILENT)
        if row is not None:
            return Work(
                row.id,
                row.revision,
                is_category=True,
                name=row.name,
                definition=row.definition,
                positives=row.positives,
                negatives=row.negatives,
                is_rapid=row.is_rapid,
            )
        row = materials.take_waiting(tx, CORPUS, now, now - _SILENT)
        if row is None:
            return None
        texts = [(text.title, text.content) for text in materials.texts_of(tx, row.id)]
        return Work(
            row.id,
            row.revision,
            is_category=False,
            name=row.name,
            texts=texts,
            licence=row.licence,
            citation=row.citation,
            is_code=row.is_code,
        )

    def end(self, tx: Connection, work: Work, made: Made) -> bool:
        """Write down what became of it, and tell gateways. False: it was changed meanwhile and
        waits again.
        """
        now = self._clock.now()
        values: dict[str, Any] = {
            "state": Readiness.FAILED.value if made.error else Readiness.READY.value,
            "error": made.error[:_ERROR_MAX],
            "updated_at": now,
        }
        if not made.error:
            digest = keep_data(tx, made.packed, now)
            values |= {"digest": digest, "size": len(made.packed), "percent": 100}
            if work.is_category:
                values["quality"] = made.quality or {}
        table = CATEGORY if work.is_category else CORPUS
        if not materials.end_row(tx, table, work.row_id, work.revision, values):
            return False
        record_change(tx, ChangeKind.POLICIES)
        return True

    def forget_unused(self, tx: Connection) -> int:
        """Delete data that nothing names any more; return how many."""
        return forget_unused(tx, self._clock)


def make(work: Work) -> Made:
    """Make the data of one, in up to a minute of one core. What cannot be is said, not raised."""
    try:
        if work.is_category:
            packed, quality = train_category(
                work.name,
                work.definition,
                work.positives,
                work.negatives,
                is_rapid=work.is_rapid,
            )
            return Made(packed, quality)
        packed = index_corpus(
            work.texts, licence=work.licence, citation=work.citation, is_code=work.is_code
        )
    except InvalidInput as error:
        return Made(error=str(error))
    return Made(packed)
