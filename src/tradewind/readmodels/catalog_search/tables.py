"""Tables of the search. Derived from the catalog's: nothing in them is kept anywhere else's sake.

`catalog_search_change` is written by triggers on whatever a card shows, in the transaction that
changes it; the others are filled by the worker once the catalog is too large for memory. Rows are
known by numbers that only grow: those that answer are from `first_number` to `next_number` of the
state, and a whole new filling takes its numbers behind them.
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
from sqlalchemy.dialects.postgresql import ARRAY

from tradewind.db.metadata import metadata

_ZERO, _NO_TEXT = text("0"), text("''")

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
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("model_id", Text, nullable=False),
    Column("facets", ARRAY(Integer), nullable=False, comment="ids of catalog_search_value"),
    Column("offers", Integer, nullable=False),
    Column("released", Integer, nullable=False, comment="the day's number; 0 is not told"),
    Column("price", BigInteger, comment="nanos, three parts of input and one of output"),
    Column("context", Integer, nullable=False, comment="0 is not told"),
    Column("name", Text, nullable=False, comment="as it is sorted by"),
    # Not unique: while one filling answers, the next one has the same models.
    Index(None, "model_id"),
)

catalog_search_card = Table(
    "catalog_search_card",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, comment="publisher/slug"),
    Column("row", LargeBinary, nullable=False, comment="a CatalogRow in msgpack"),
    Index(None, "name"),
)

catalog_search_posting = Table(
    "catalog_search_posting",
    metadata,
    # In the order of bytes, so that words with one beginning lie together.
    Column("word", Text(collation="C"), primary_key=True),
    Column("place", Text, primary_key=True, comment="n name, g group, t text"),
    Column("part", Integer, primary_key=True, comment="of numbers; see postings.PART"),
    Column("sparse", LargeBinary, nullable=False, comment="offsets in the part, two bytes each"),
    Column("dense", LargeBinary, comment="a bit for each offset, beside `sparse`"),
    # Parts lie one behind another, and are cleared one by one.
    Index(None, "part", postgresql_using="brin"),
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
    Column("version", BigInteger, nullable=False, comment="grows with every change; 0 is empty"),
    # What answers.
    Column("first_number", BigInteger, nullable=False, server_default=_ZERO),
    Column("next_number", BigInteger, nullable=False, server_default=_ZERO),
    Column("models", Integer, nullable=False, server_default=_ZERO),
    Column("made_for", Text, nullable=False, server_default=_NO_TEXT, comment="rules, currency"),
    Column("rest_first", BigInteger, comment="where what answered before begins, not cleared yet"),
    Column("rest_since", DateTime(timezone=True), comment="when it was replaced"),
    # What is being filled, to take its place.
    Column("filling_first", BigInteger, comment="null while nothing is filled"),
    Column("filling_next", BigInteger, nullable=False, server_default=_ZERO),
    Column("filling_after", Text, nullable=False, server_default=_NO_TEXT, comment="a model's id"),
    Column("filling_models", Integer, nullable=False, server_default=_ZERO, comment="until now"),
    Column("filling_of", Integer, nullable=False, server_default=_ZERO, comment="when it began"),
    Column("filling_for", Text, nullable=False, server_default=_NO_TEXT),
    CheckConstraint("is_the_row", name="one_row"),
)
