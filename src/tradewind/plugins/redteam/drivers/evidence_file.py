"""The evidence of tools that keep none of their own in SQLite: the two tables of PyRIT's memory
that reports and transcripts are read from, with the columns that matter. Standard library only.
"""

import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

_TABLES = """
CREATE TABLE IF NOT EXISTS AttackResultEntries (
  id TEXT PRIMARY KEY, conversation_id TEXT, objective TEXT, executed_turns INTEGER,
  execution_time_ms INTEGER, outcome TEXT, outcome_reason TEXT, labels TEXT, timestamp TEXT);
CREATE TABLE IF NOT EXISTS PromptMemoryEntries (
  id TEXT PRIMARY KEY, role TEXT, conversation_id TEXT, sequence INTEGER, timestamp TEXT,
  original_value TEXT, converted_value TEXT, response_error TEXT);
"""


class Turn(NamedTuple):
    role: str
    original: str
    converted: str
    error: str = "none"
    """In PyRIT's words: `blocked` by a content filter, `unknown` for a call that failed."""


class EvidenceFile:
    """May be written from several threads."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._database.executescript(_TABLES)

    def add(
        self,
        labels: Mapping[str, str],
        turns: Iterable[Turn],
        *,
        outcome: str,
        detail: str = "",
        milliseconds: int = 0,
    ) -> str:
        """Keep an attack, and return the name of its conversation."""
        conversation, now = str(uuid.uuid4()), time.strftime("%Y-%m-%dT%H:%M:%S")
        said = list(turns)
        rows = [
            (
                *(str(uuid.uuid4()), turn.role, conversation, sequence, now),
                *(turn.original, turn.converted, turn.error),
            )
            for sequence, turn in enumerate(said)
        ]
        with self._lock, self._database:
            self._database.executemany(
                "INSERT INTO PromptMemoryEntries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows
            )
            self._database.execute(
                "INSERT INTO AttackResultEntries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(str(uuid.uuid4()), conversation, said[0].original if said else ""),
                    *(len(said) // 2, milliseconds, outcome, detail, json.dumps(dict(labels)), now),
                ),
            )
        return conversation

    def finished(self) -> list[tuple[dict[str, str], dict[str, Any]]]:
        """Return the labels of each attack that is kept, and what is told of it."""
        with self._lock:
            rows = self._database.execute(
                "SELECT labels, outcome, outcome_reason, executed_turns, execution_time_ms,"
                " conversation_id, (SELECT m.response_error FROM PromptMemoryEntries m"
                " WHERE m.role = 'assistant' AND m.conversation_id = a.conversation_id"
                " ORDER BY m.sequence DESC LIMIT 1) FROM AttackResultEntries a ORDER BY a.rowid"
            ).fetchall()
        return [
            (
                json.loads(labels),
                {
                    "outcome": "blocked" if error == "blocked" else outcome,
                    "turns": turns,
                    "milliseconds": took,
                    "conversation": conversation,
                    "detail": detail,
                },
            )
            for labels, outcome, detail, turns, took, conversation, error in rows
        ]
