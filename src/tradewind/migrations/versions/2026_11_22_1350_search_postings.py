"""The stored search by postings instead of a tsvector, filled part by part; what is validated and
listed counts as a change of the catalog.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1350"
down_revision = "2026_11_22_1340"
branch_labels = None
depends_on = None

# A run goes through many stages, and only what it ends with is shown: a change of its state alone
# counts. `catalog_search_touch` is of the migration that made these tables first.
_RUN_ADDED = "SELECT listing.model_id FROM listing JOIN latter ON latter.listing_id = listing.id"
_RUN_CHANGED = (
    f"{_RUN_ADDED} JOIN former ON former.id = latter.id WHERE former.state <> latter.state"
)
_LISTING_CHANGED = (
    "SELECT unnest(ARRAY[former.model_id, latter.model_id])"
    " FROM former JOIN latter ON former.id = latter.id"
    " WHERE (former.state, former.model_id) IS DISTINCT FROM (latter.state, latter.model_id)"
)
_OLD, _NEW = "OLD TABLE AS former", "NEW TABLE AS latter"
_TRIGGERS = (
    ("validation_run", "INSERT", _NEW, _RUN_ADDED),
    ("validation_run", "UPDATE", f"{_OLD} {_NEW}", _RUN_CHANGED),
    ("validation_run", "DELETE", "OLD TABLE AS latter", _RUN_ADDED),
    ("listing", "INSERT", _NEW, "SELECT model_id FROM latter"),
    ("listing", "UPDATE", f"{_OLD} {_NEW}", _LISTING_CHANGED),
    ("listing", "DELETE", _OLD, "SELECT model_id FROM former"),
)


def upgrade() -> None:
    # All of these are derived from the catalog's: the worker fills them again.
    for table in ("entry", "card", "word", "value", "state"):
        op.drop_table(f"catalog_search_{table}")
    op.create_table(
        "catalog_search_entry",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
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
    )
    op.create_index(op.f("ix_catalog_search_entry_model_id"), "catalog_search_entry", ["model_id"])
    op.create_table(
        "catalog_search_card",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="publisher/slug"),
        sa.Column("row", sa.LargeBinary(), nullable=False, comment="a CatalogRow in msgpack"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_catalog_search_card")),
    )
    op.create_index(op.f("ix_catalog_search_card_name"), "catalog_search_card", ["name"])
    op.create_table(
        "catalog_search_posting",
        sa.Column("word", sa.Text(collation="C"), nullable=False),
        sa.Column("place", sa.Text(), nullable=False, comment="n name, g group, t text"),
        sa.Column("part", sa.Integer(), nullable=False, comment="of numbers; see postings.PART"),
        sa.Column(
            "sparse",
            sa.LargeBinary(),
            nullable=False,
            comment="offsets in the part, two bytes each",
        ),
        sa.Column(
            "dense",
            sa.LargeBinary(),
            nullable=True,
            comment="a bit for each offset, beside `sparse`",
        ),
        sa.PrimaryKeyConstraint("word", "place", "part", name=op.f("pk_catalog_search_posting")),
    )
    op.create_index(
        op.f("ix_catalog_search_posting_part"),
        "catalog_search_posting",
        ["part"],
        postgresql_using="brin",
    )
    # Bits of offsets hardly compress, and to try takes longer than to write them.
    for column in ("sparse", "dense"):
        op.execute(f"ALTER TABLE catalog_search_posting ALTER COLUMN {column} SET STORAGE EXTERNAL")
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
    _create_state()
    op.execute("INSERT INTO catalog_search_state (version) VALUES (0)")
    for table, event, rows, query in _TRIGGERS:
        op.execute(
            f"CREATE TRIGGER catalog_search_{event.lower()} AFTER {event} ON {table}"
            f" REFERENCING {rows} FOR EACH STATEMENT"
            f" EXECUTE FUNCTION catalog_search_touch('{query}')"
        )


def _create_state() -> None:
    zero, no_text = sa.text("0"), sa.text("''")
    op.create_table(
        "catalog_search_state",
        sa.Column("is_the_row", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "version",
            sa.BigInteger(),
            nullable=False,
            comment="grows with every change; 0 is empty",
        ),
        sa.Column("first_number", sa.BigInteger(), server_default=zero, nullable=False),
        sa.Column("next_number", sa.BigInteger(), server_default=zero, nullable=False),
        sa.Column("models", sa.Integer(), server_default=zero, nullable=False),
        sa.Column(
            "made_for",
            sa.Text(),
            server_default=no_text,
            nullable=False,
            comment="rules, currency",
        ),
        sa.Column(
            "rest_first",
            sa.BigInteger(),
            nullable=True,
            comment="where what answered before begins, not cleared yet",
        ),
        sa.Column(
            "rest_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it was replaced",
        ),
        sa.Column(
            "filling_first",
            sa.BigInteger(),
            nullable=True,
            comment="null while nothing is filled",
        ),
        sa.Column("filling_next", sa.BigInteger(), server_default=zero, nullable=False),
        sa.Column(
            "filling_after",
            sa.Text(),
            server_default=no_text,
            nullable=False,
            comment="a model's id",
        ),
        sa.Column(
            "filling_models", sa.Integer(), server_default=zero, nullable=False, comment="until now"
        ),
        sa.Column(
            "filling_of",
            sa.Integer(),
            server_default=zero,
            nullable=False,
            comment="when it began",
        ),
        sa.Column("filling_for", sa.Text(), server_default=no_text, nullable=False),
        sa.CheckConstraint("is_the_row", name=op.f("ck_catalog_search_state_one_row")),
        sa.PrimaryKeyConstraint("is_the_row", name=op.f("pk_catalog_search_state")),
    )
