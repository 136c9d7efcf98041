"""Tables of receipts. Triggers, which the migration makes, refuse every change of a receipt and of
a head.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)

from tradewind.db.metadata import metadata

receipt_chain = Table(
    "receipt_chain",
    metadata,
    Column("organization_id", Text, primary_key=True),
    Column("id", Text, nullable=False, unique=True, comment="its name for others"),
    Column("sequence", BigInteger, nullable=False, comment="of the newest receipt; 0 is none"),
    Column("hash", LargeBinary, nullable=False, comment="of the newest receipt"),
    Column("signed_sequence", BigInteger, nullable=False, comment="of the newest head"),
    Column("began_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("octet_length(hash) = 32", name="hash"),
    CheckConstraint("signed_sequence BETWEEN 0 AND sequence", name="signed"),
    Index(None, "organization_id", postgresql_where=text("signed_sequence < sequence")),
)

receipt = Table(
    "receipt",
    metadata,
    Column("organization_id", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False, comment="from 1, without a gap"),
    Column("event_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, comment="when the call was admitted"),
    Column("hash", LargeBinary, nullable=False),
    Column("sale", Text, nullable=False, comment="canonical JSON"),
    Column("buyer", Text, nullable=False, comment="canonical JSON"),
    PrimaryKeyConstraint("organization_id", "sequence"),
    CheckConstraint("octet_length(hash) = 32", name="hash"),
    Index(None, "organization_id", "at"),
    Index(None, "event_id"),
)

receipt_head = Table(
    "receipt_head",
    metadata,
    Column("organization_id", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("head", Text, nullable=False, comment="canonical JSON, which is what is signed"),
    Column("key_id", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    PrimaryKeyConstraint("organization_id", "sequence"),
    CheckConstraint("octet_length(signature) = 64", name="signature"),
)

receipt_key = Table(
    "receipt_key",
    metadata,
    Column("id", Text, primary_key=True, comment="SHA-256 of the key, in hex"),
    Column("public_key", LargeBinary, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    CheckConstraint("octet_length(public_key) = 32", name="public_key"),
    comment="every key that ever signed heads: what it signed stays signed",
)
