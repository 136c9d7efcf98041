"""What the routes of receipts answer."""

from datetime import datetime
from typing import Any, Self

import msgspec
from pydantic import BaseModel, Field

from tradewind.features.receipts.schemas import PublicKey, ReceiptView
from tradewind.features.receipts.signing import pem_of


class ReceiptHead(BaseModel):
    """A signed place in the chain."""

    sequence: int
    head: dict[str, Any] = Field(description="What is signed, as canonical JSON.")
    key: str = Field(description="Id of the key; see /receipts/keys.")
    signature: str = Field(description="Ed25519, in hex.")


class ReceiptAnswer(BaseModel):
    """The receipt of one call. docs/reference/receipts.md says how to check it."""

    chain: str
    sequence: int
    previous: str = Field(description="Hash of the receipt before it.")
    hash: str
    sale: dict[str, Any] = Field(description="What the seller may read too.")
    buyer: dict[str, Any]
    head: ReceiptHead | None = Field(
        description="The first head that covers it; null until one is signed, within a minute."
    )
    ledger_entries: list[str] = Field(
        description="Ids of the entries that its hour was settled by; empty until it is."
    )

    @classmethod
    def of(cls, view: ReceiptView, ledger_entries: list[str]) -> Self:
        head = view.head
        return cls(
            chain=view.chain,
            sequence=view.receipt.sequence,
            previous=view.previous_hash,
            hash=view.receipt.hash,
            sale=msgspec.json.decode(view.receipt.sale),
            buyer=msgspec.json.decode(view.receipt.buyer),
            head=(
                None
                if head is None
                else ReceiptHead(
                    sequence=head.sequence,
                    head=msgspec.json.decode(head.head),
                    key=head.key_id,
                    signature=head.signature,
                )
            ),
            ledger_entries=ledger_entries,
        )


class ReceiptKey(BaseModel):
    """A key that signed, or signs, heads."""

    id: str = Field(description="SHA-256 of the key, in hex.")
    algorithm: str
    public_key: str = Field(description="32 bytes in hex.")
    pem: str
    since: datetime

    @classmethod
    def of(cls, key: PublicKey) -> Self:
        return cls(
            id=key.id,
            algorithm="Ed25519",
            public_key=key.public_key.hex(),
            pem=pem_of(key.public_key),
            since=key.since,
        )


class ReceiptKeys(BaseModel):
    keys: list[ReceiptKey] = Field(description="The oldest first.")
