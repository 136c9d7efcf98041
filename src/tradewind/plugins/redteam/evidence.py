"""Reads what was said out of a campaign's evidence: the tables of PyRIT's memory, which the other
drivers write alike.
"""

import contextlib
import sqlite3
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

from tradewind.core.errors import NotFound, Unavailable

_MOST_MESSAGES = 200
_LONGEST_TEXT = 20_000


class Message(NamedTuple):
    role: str
    text: str
    """As it was sent or answered, after converters."""
    original: str
    """Before converters; the same for answers."""
    is_blocked: bool


def conversation(evidence: Path, conversation_id: str) -> list[Message]:
    """Return the messages of an attack. Raises NotFound without the file, and Unavailable for one
    that is not a memory.
    """
    query = (
        "SELECT role, converted_value, original_value, response_error FROM PromptMemoryEntries"
        " WHERE conversation_id = ? ORDER BY sequence, timestamp LIMIT ?"
    )
    with opened(evidence) as database:
        rows = database.execute(query, (conversation_id, _MOST_MESSAGES)).fetchall()
    return [
        Message(
            str(role),
            str(converted or "")[:_LONGEST_TEXT],
            str(original or "")[:_LONGEST_TEXT],
            error == "blocked",
        )
        for role, converted, original, error in rows
    ]


@contextlib.contextmanager
def opened(evidence: Path) -> Generator[sqlite3.Connection]:
    if not evidence.is_file():
        raise NotFound("the evidence of this campaign is not on this machine")
    try:
        with contextlib.closing(
            sqlite3.connect(f"{evidence.resolve().as_uri()}?mode=ro", uri=True, timeout=10)
        ) as database:
            yield database
    except sqlite3.Error as error:
        raise Unavailable(f"the evidence cannot be read: {error}") from error
