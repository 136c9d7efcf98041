"""What the search over the catalog is made of once the catalog is large, and what has changed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1120"
down_revision = "2026_11_22_1110"
branch_labels = None
depends_on = None

# One row for each model a statement touched. Rows are only ever added: an upsert would make every
# edit of an endpoint wait for an import of thousands of offers.
_TOUCH = """
CREATE FUNCTION catalog_search_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'INSERT INTO catalog_search_change (model_id, xact)'
        || ' SELECT DISTINCT touched.id, pg_current_xact_id()::text::bigint'
        || ' FROM (' || TG_ARGV[0] || ') AS touched (id) WHERE touched.id IS NOT NULL';
    RETURN NULL;
END
$$
"""
_OF_MODEL = "SELECT model_id FROM {rows}"
_OF_TARGETS = (
    "SELECT endpoint.model_id FROM endpoint JOIN {rows} ON {rows}.endpoint_id = endpoint.id"
)
_OF_DEPLOYMENTS = (
    "SELECT model_version.model_id FROM model_version"
    " JOIN {rows} ON {rows}.model_version_id = model_version.id"
)
_OF_CONNECTIONS = (
    "SELECT endpoint.model_id FROM endpoint"
    " JOIN endpoint_target ON endpoint_target.endpoint_id = endpoint.id"
    " JOIN {rows} ON {rows}.id = endpoint_target.connection_id"
    " UNION ALL SELECT offer.model_id FROM offer JOIN {rows} ON {rows}.id = offer.host"
)
_OF_PUBLISHERS = "SELECT model.id FROM model JOIN {rows} ON {rows}.slug = model.publisher_slug"
_ALL = ("INSERT", "UPDATE", "DELETE")
_SOURCES = (
    ("model", "SELECT id FROM {rows}", _ALL),
    ("offer", _OF_MODEL, _ALL),
    ("model_alias", _OF_MODEL, _ALL),
    ("model_version", _OF_MODEL, _ALL),
    ("price", _OF_MODEL, _ALL),
    ("endpoint", _OF_MODEL, _ALL),
    ("endpoint_target", _OF_TARGETS, _ALL),
    ("deployment", _OF_DEPLOYMENTS, _ALL),
    # Without an endpoint or a model they show nowhere, so only their changes matter.
    ("provider_connection", _OF_CONNECTIONS, ("UPDATE",)),
    ("publisher", _OF_PUBLISHERS, ("UPDATE",)),
)


def upgrade() -> None:
    op.create_table(
        "catalog_search_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column(
            "xact",
            sa.BigInteger(),
            nullable=False,
            comment="the transaction, as pg_current_xact_id()",
        ),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalog_search_change")),
    )
    op.create_index(
        op.f("ix_catalog_search_change_xact"), "catalog_search_change", ["xact"], unique=False
    )
    op.create_table(
        "catalog_search_entry",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column(
            "lexemes",
            postgresql.TSVECTOR(),
            nullable=False,
            comment="words, each behind the letter of a place",
        ),
        sa.Column(
            "facets",
            postgresql.ARRAY(sa.Integer()),
            nullable=False,
            comment="ids of catalog_search_value",
        ),
        sa.Column("offers", sa.Integer(), nullable=False),
        sa.Column(
            "released", sa.Integer(), nullable=False, comment="the day's number; 0 is not told"
        ),
        sa.Column(
            "price",
            sa.BigInteger(),
            nullable=True,
            comment="nanos, three parts of input and one of output",
        ),
        sa.Column("context", sa.Integer(), nullable=False, comment="0 is not told"),
        sa.Column("name", sa.Text(), nullable=False, comment="as it is sorted by"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_catalog_search_entry")),
        sa.UniqueConstraint("model_id", name=op.f("uq_catalog_search_entry_model_id")),
    )
    op.create_index(
        op.f("ix_catalog_search_entry_lexemes"),
        "catalog_search_entry",
        ["lexemes"],
        unique=False,
        postgresql_using="gin",
    )
    op.create_table(
        "catalog_search_card",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="publisher/slug"),
        sa.Column("row", sa.LargeBinary(), nullable=False, comment="a CatalogRow in msgpack"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_catalog_search_card")),
        sa.UniqueConstraint("name", name=op.f("uq_catalog_search_card_name")),
    )
    op.create_table(
        "catalog_search_value",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("facet", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalog_search_value")),
        sa.UniqueConstraint("facet", "value", name=op.f("uq_catalog_search_value_facet_value")),
    )
    op.create_table(
        "catalog_search_word",
        sa.Column(
            "word",
            sa.Text(),
            nullable=False,
            comment="of names and groups, where errors are likely",
        ),
        sa.PrimaryKeyConstraint("word", name=op.f("pk_catalog_search_word")),
    )
    op.create_table(
        "catalog_search_state",
        sa.Column("is_the_row", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "version",
            sa.BigInteger(),
            nullable=False,
            comment="grows with every filling; 0 is empty",
        ),
        sa.CheckConstraint("is_the_row", name=op.f("ck_catalog_search_state_one_row")),
        sa.PrimaryKeyConstraint("is_the_row", name=op.f("pk_catalog_search_state")),
    )
    op.execute("INSERT INTO catalog_search_state (version) VALUES (0)")
    op.execute(_TOUCH)
    for table, query, events in _SOURCES:
        for event in events:
            op.execute(_trigger(table, query, event))


def _trigger(table: str, query: str, event: str) -> str:
    if event == "UPDATE":
        # What a row belonged to before has changed as well.
        rows = "OLD TABLE AS former NEW TABLE AS latter"
        query = f"{query.format(rows='former')} UNION ALL {query.format(rows='latter')}"
    else:
        rows = f"{'NEW' if event == 'INSERT' else 'OLD'} TABLE AS latter"
        query = query.format(rows="latter")
    return (
        f"CREATE TRIGGER catalog_search_{event.lower()} AFTER {event} ON {table}"
        f" REFERENCING {rows} FOR EACH STATEMENT"
        f" EXECUTE FUNCTION catalog_search_touch('{query}')"
    )
