"""Tables of the ledger. Amounts are nanos of the account's currency.

What no column can say is kept by triggers, which the migration makes: entries balance, balances
follow postings, and nothing is ever changed.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from tradewind.db.metadata import metadata
from tradewind.features.ledger.schemas import AccountKind

_KINDS = ", ".join(f"'{kind.value}'" for kind in AccountKind)

ledger_account = Table(
    "ledger_account",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("kind", "owner", "currency"),
    # For the postings' foreign key, which keeps another currency out of an account.
    UniqueConstraint("id", "currency"),
    CheckConstraint(f"kind IN ({_KINDS})", name="kind"),
    CheckConstraint("char_length(owner) <= 200", name="owner"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
)

ledger_entry = Table(
    "ledger_entry",
    metadata,
    Column("id", Text, primary_key=True),
    Column("number", BigInteger, Identity(always=True), nullable=False),
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, comment="when it happened"),
    Column("memo", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("size", SmallInteger, nullable=False, comment="how many postings it has, for ever"),
    Column("reverses", Text, ForeignKey("ledger_entry.id")),
    Column("content_hash", LargeBinary, nullable=False, comment="rules.content_hash"),
    Column("entered_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("key"),
    UniqueConstraint("number"),
    UniqueConstraint("reverses"),
    # For the postings' foreign key: with their number in it, none can be added later.
    UniqueConstraint("id", "at", "size"),
    CheckConstraint("size BETWEEN 2 AND 100", name="size"),
    CheckConstraint("kind ~ '^[a-z][a-z0-9_]{0,62}$'", name="kind"),
    CheckConstraint("octet_length(content_hash) = 32", name="content_hash"),
    CheckConstraint(
        "char_length(key) BETWEEN 1 AND 200 AND char_length(memo) <= 500"
        " AND char_length(subject) <= 200 AND char_length(by) <= 200",
        name="lengths",
    ),
    Index(None, "subject", "number", postgresql_where="subject <> ''"),
)

ledger_posting = Table(
    "ledger_posting",
    metadata,
    Column("entry_id", Text, primary_key=True),
    Column("seq", SmallInteger, primary_key=True, comment="from 1 to the entry's size"),
    Column("at", DateTime(timezone=True), nullable=False, comment="the entry's, for statements"),
    Column("size", SmallInteger, nullable=False, comment="the entry's"),
    Column("account_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("nanos", BigInteger, nullable=False),
    ForeignKeyConstraint(
        ["entry_id", "at", "size"], ["ledger_entry.id", "ledger_entry.at", "ledger_entry.size"]
    ),
    ForeignKeyConstraint(
        ["account_id", "currency"], ["ledger_account.id", "ledger_account.currency"]
    ),
    CheckConstraint("seq BETWEEN 1 AND size", name="seq"),
    CheckConstraint("nanos <> 0 AND nanos > -9223372036854775808", name="nanos"),
    Index("ix_ledger_posting_statement", "account_id", "at", "entry_id", "seq"),
)

ledger_balance = Table(
    "ledger_balance",
    metadata,
    Column("account_id", Text, ForeignKey("ledger_account.id"), primary_key=True),
    Column("nanos", Numeric(38, 0), nullable=False),
    Column("postings", BigInteger, nullable=False),
    Column("ceiling_nanos", Numeric(38, 0), comment="0 for a wallet: no overdraft; null for none"),
    CheckConstraint("nanos <= ceiling_nanos", name="ceiling"),
)

ledger_seal = Table(
    "ledger_seal",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("up_to", BigInteger, nullable=False, comment="number of the last entry it covers"),
    Column("entries", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("sealed_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("up_to"),
    CheckConstraint("number >= 1 AND entries >= 1", name="counts"),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
)

fx_rate = Table(
    "fx_rate",
    metadata,
    Column("base", Text, primary_key=True),
    Column("quote", Text, primary_key=True),
    Column("valid_from", DateTime(timezone=True), primary_key=True),
    Column("nanos", BigInteger, nullable=False, comment="of quote, for one unit of base"),
    Column("source", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("nanos BETWEEN 1 AND 1000000000000000000", name="nanos"),
    CheckConstraint(
        "base ~ '^[A-Z]{3}$' AND quote ~ '^[A-Z]{3}$' AND base <> quote", name="currencies"
    ),
    CheckConstraint("char_length(source) BETWEEN 1 AND 200", name="source"),
)
