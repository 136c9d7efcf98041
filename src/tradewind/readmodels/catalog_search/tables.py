"""Tables of the search. Derived from the catalog's: nothing in them is kept anywhere else's sake.

`catalog_search_change` is written by triggers on whatever a card shows, in the transaction that
changes it; the others are filled by `filling` once the catalog is too large for memory.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR

from tradewind.db.metadata import metadata

catalog_search_change = Table(
    "catalog_search_change",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("model_id", Text, nullable=False),
    Column("xact", BigInteger, nullable=False, comment="the transaction, as pg_current_xact_id()"),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index(None, "xact"),
)

catalog_search_entry = Table(
    "catalog_search_entry",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("model_id", Text, nullable=False, unique=True),
    Column("lexemes", TSVECTOR, nullable=False, comment="words, each behind the letter of a place"),
    Column("facets", ARRAY(Integer), nullable=False, comment="ids of catalog_search_value"),
    Column("offers", Integer, nullable=False),
    Column("released", Integer, nullable=False, comment="the day's number; 0 is not told"),
    Column("price", BigInteger, comment="nanos, three parts of input and one of output"),
    Column("context", Integer, nullable=False, comment="0 is not told"),
    Column("name", Text, nullable=False, comment="as it is sorted by"),
    Index(None, "lexemes", postgresql_using="gin"),
)

catalog_search_card = Table(
    "catalog_search_card",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True, comment="publisher/slug"),
    Column("row", LargeBinary, nullable=False, comment="a CatalogRow in msgpack"),
)

catalog_search_value = Table(
    "catalog_search_value",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("facet", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("label", Text, nullable=False),
    UniqueConstraint("facet", "value"),
)

catalog_search_word = Table(
    "catalog_search_word",
    metadata,
    Column("word", Text, primary_key=True, comment="of names and groups, where errors are likely"),
)

catalog_search_state = Table(
    "catalog_search_state",
    metadata,
    Column("is_the_row", Boolean, primary_key=True, server_default=text("true")),
    Column("version", BigInteger, nullable=False, comment="grows with every filling; 0 is empty"),
    CheckConstraint("is_the_row", name="one_row"),
)
