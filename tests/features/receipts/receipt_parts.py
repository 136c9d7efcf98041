"""Calls in the books, and their receipts."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from tradewind.db.database import Database
from tradewind.features.receipts.service import Receipts
from tradewind.features.receipts.signing import ReceiptSigner, pem_of, public_keys_in
from tradewind.readmodels.receipt_facts import read_calls
from tradewind.testing.logged_calls import ended_call, log_calls

NOW = datetime(2030, 1, 31, 12, 34, 56, tzinfo=UTC)
DAY = timedelta(days=1)
PRICE = "price_made"


class StandingClock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


@dataclass
class Books:
    """Puts calls into the books and makes their receipts."""

    database: Database
    receipts: Receipts = field(
        default_factory=lambda: Receipts(StandingClock(), ReceiptSigner(bytes(32)), read_calls)
    )
    calls: int = 0

    def call(self, organization_id="org_a", **changes):
        self.calls += 1
        event = ended_call(
            NOW + timedelta(seconds=self.calls), organization_id=organization_id, **changes
        )
        log_calls(self.database, event)
        return event

    def make(self):
        with self.database.transaction() as tx:
            return self.receipts.make(tx).receipts

    def sign(self):
        with self.database.transaction() as tx:
            return self.receipts.sign(tx)

    def export(self, organization_id="org_a", **options):
        with self.database.transaction() as tx:
            return list(self.receipts.export(tx, organization_id, NOW - DAY, NOW + DAY, **options))

    def pem(self):
        with self.database.transaction() as tx:
            return "".join(pem_of(each.public_key) for each in self.receipts.public_keys(tx))

    def keys(self):
        return public_keys_in(self.pem().encode())


_PRICE = """
    INSERT INTO publisher (slug, name, created_at) VALUES (:publisher, 'P', now())
        ON CONFLICT DO NOTHING;
    INSERT INTO model (id, publisher_slug, slug, display_name, description, licence, operation,
        visibility, created_at)
        VALUES (:price, :publisher, :slug, 'M', '', '', 'chat', 'listed', now());
    INSERT INTO price (id, model_id, currency, input_nanos, output_nanos, cached_input_nanos,
        created_at, seller)
        VALUES (:price, :price, 'USD', 100000000, 200000000, 50000000, now(), :seller)
"""


def add_price(tx: Connection, price_id: str, *, seller: str = "", slug: str = "m") -> None:
    """Add a price of 0.1 for input, 0.2 for output and 0.05 for cached input."""
    values = {"publisher": seller or "tw", "price": price_id, "slug": slug, "seller": seller}
    for statement in _PRICE.split(";"):
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        tx.execute(text(statement).bindparams(**used))
