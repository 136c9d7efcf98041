"""What an organization's blocklists, custom categories and texts are, by their names."""

from sqlalchemy import Connection, Table, select

from tradewind.features.safety.tables import safety_blocklist, safety_category, safety_corpus
from tradewind.wire.safety_references import Asked, Kind, Reference

_TABLES: dict[Kind, Table] = {
    Kind.BLOCKLIST: safety_blocklist,
    Kind.CUSTOM_CATEGORY: safety_category,
    Kind.CORPUS: safety_corpus,
}
_MOST = 100


def find_references(tx: Connection, asked: Asked) -> list[Reference]:
    """Return those that are there, by name; a size of 0 is that there are no data yet."""
    table = _TABLES[asked.kind]
    statement = select(table.c.name, table.c.digest, table.c.size).where(
        table.c.organization_id == asked.organization_id
    )
    if asked.names:
        # Nothing that is kept has a NUL in its name, and PostgreSQL takes none in a question.
        names = [name for name in asked.names[:_MOST] if "\0" not in name]
        statement = statement.where(table.c.name.in_(names))
    rows = tx.execute(statement.order_by(table.c.name).limit(_MOST))
    return [Reference(row.name, row.digest, row.size if row.digest else 0) for row in rows]
