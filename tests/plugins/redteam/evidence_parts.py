"""A file like a tool's memory, as far as transcripts are read from it."""

import contextlib
import sqlite3
from pathlib import Path


def write_memory(path: Path, said: dict[str, list[tuple[str, str]]]) -> None:
    """Write conversations: pairs of role and text by the name of each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE PromptMemoryEntries (role, conversation_id, sequence, timestamp,"
            " original_value, converted_value, response_error)"
        )
        for name, messages in said.items():
            for sequence, (role, text) in enumerate(messages):
                database.execute(
                    "INSERT INTO PromptMemoryEntries VALUES (?, ?, ?, '', ?, ?, 'none')",
                    (role, name, sequence, text, text),
                )
