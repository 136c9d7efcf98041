"""Tells where the schema that the migrations made differs from what the features' tables say."""

from typing import Any

import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, text


def find_drift(tx: sqlalchemy.Connection, metadata: MetaData) -> list[str]:
    """Return one line for each difference; empty when database and metadata agree.

    Looks at the default schema only (durable tasks keep theirs elsewhere) and passes over the
    partitions of a table, which are made as time goes on.
    """
    partitions = set(
        tx.execute(text("SELECT relname FROM pg_class WHERE relispartition")).scalars()
    )

    def is_ours(name: str | None, kind: str, _parents: object) -> bool:
        return not (kind == "table" and name in partitions)

    context = MigrationContext.configure(
        tx,
        opts={"compare_type": True, "compare_server_default": True, "include_name": is_ours},
    )
    differences: list[Any] = compare_metadata(context, metadata)
    return [repr(difference) for difference in differences]
