"""What tests of billing share: a clock turned by hand, buyers with prices, events of usage."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

from sqlalchemy import insert

from tradewind.core.clock import SystemClock
from tradewind.core.ids import InvoiceId, OrganizationId, PriceId
from tradewind.db.database import Database
from tradewind.features.accounts.tables import organization
from tradewind.features.billing.checks import billing_checks
from tradewind.features.billing.closing import Closing
from tradewind.features.billing.ports import NoSubscriptions, SameFee, Subscriptions
from tradewind.features.billing.rules.taxes import TaxRule
from tradewind.features.billing.schemas import (
    BillingAccount,
    BuyerKind,
    Issuer,
    Mode,
    Party,
    TaxTreatment,
)
from tradewind.features.billing.service import Billing
from tradewind.features.billing.tax_table import TaxTable
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.features.catalog.service import Catalog
from tradewind.features.ledger.schemas import AccountKind, AccountRef
from tradewind.features.ledger.service import Ledger
from tradewind.features.market.tables import price
from tradewind.features.metering.repository import create_default_partition, store_events
from tradewind.features.metering.rules import EventRow

MARCH = datetime(2030, 3, 1, tzinfo=UTC)
APRIL = datetime(2030, 4, 1, tzinfo=UTC)
MAY = datetime(2030, 5, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
FEE_PPM = 30_000
ISSUER = Issuer(
    Party("Tradewind Hosting GmbH", "DE", "Hafenstr. 1", "Hamburg", "20457", "DE123456789"),
    "IBAN DE02 1203 0000 0000 2020 51",
)


class TurnedClock:
    def __init__(self, now=APRIL) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return 0.0

    def turn_to(self, at: datetime) -> None:
        self._now = at


def buyer(name: str = "Acme & Söhne <AG>", country: str = "DE") -> Party:
    return Party(name, country, "Weg 2", "Berlin", "10115", "DE987654321", "bills@acme.example")


@dataclass
class World:
    """A platform with prices and buyers; events go through the tables that the shipper fills."""

    database: Database
    clock: TurnedClock = field(default_factory=TurnedClock)
    subscriptions: Subscriptions = field(default_factory=NoSubscriptions)
    model_id: str = ""

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.clock)
        self.billing = Billing(
            self.clock,
            self.ledger,
            fees=SameFee(FEE_PPM),
            subscriptions=self.subscriptions,
            taxes=TaxTable(),
        )
        self.closing = Closing(self.billing, self.clock)

    @classmethod
    def begin(cls, database: Database, subscriptions=None) -> "World":
        world = cls(database, subscriptions=subscriptions or NoSubscriptions())
        with database.transaction() as tx:
            added = Catalog(SystemClock()).add_builtin(tx, SMOLLM2)
            assert added is not None
            world.model_id = str(added.model_id)
            world.billing.set_issuer(tx, ISSUER)
            for rule in TAX_RULES:
                world.billing.add_tax_rule(tx, rule)
        with database.connect_raw() as connection:
            create_default_partition(connection, "usage_event")
        return world

    def add_price(self, *, seller="", is_charged=True, currency="USD", meters=None) -> str:
        price_id = str(PriceId.new())
        with self.database.transaction() as tx:
            tx.execute(
                insert(price).values(
                    id=price_id,
                    model_id=self.model_id,
                    currency=currency,
                    input_nanos=2_000_000_000,
                    output_nanos=6_000_000_000,
                    cached_input_nanos=500_000_000,
                    created_at=MARCH,
                    effective_at=MARCH,
                    seller=seller,
                    is_charged=is_charged,
                    meters=meters or {},
                )
            )
        return price_id

    def add_buyer(
        self, *, mode: Mode | None = Mode.POSTPAID, billed_from=MARCH, currency="USD", **more
    ) -> str:
        organization_id = OrganizationId.new()
        with self.database.transaction() as tx:
            tx.execute(
                insert(organization).values(
                    id=organization_id, name="Acme", created_at=self.clock.now()
                )
            )
            if mode is not None:
                stored = self.billing.set_account(
                    tx,
                    BillingAccount(
                        organization_id=organization_id,
                        mode=mode,
                        currency=currency,
                        party=more.get("party", buyer()),
                        buyer_kind=more.get("buyer_kind", BuyerKind.BUSINESS),
                        buyer_reference="PO-7",
                        payment_terms_days=14,
                        billed_from=billed_from,
                        revision=0,
                    ),
                )
                assert stored is not None
        return str(organization_id)

    def use(self, *events: EventRow) -> int:
        with self.database.connect_raw() as connection:
            return store_events(connection, events)

    def settle(self, most: int = 2_000) -> int:
        """Settle until nothing is left; return how many lines were written."""
        lines = 0
        while True:
            with self.database.transaction() as tx:
                done = self.billing.settle(tx, most=most)
            assert done is not None
            if done.hours == 0:
                return lines
            lines += done.lines

    def draft(self, organization_id: str, until: datetime = APRIL) -> list[InvoiceId]:
        with self.database.transaction() as tx:
            return list(self.billing.draft(tx, organization_id, until))

    def finalize(self, invoice_id: str):
        with self.database.transaction() as tx:
            return self.billing.finalize(tx, invoice_id)

    def invoice(self, organization_id: str, until: datetime = APRIL):
        """Settle, draw up and finalize the one invoice of an organization."""
        self.settle()
        [invoice_id] = self.draft(organization_id, until)
        return self.finalize(invoice_id)

    def balance(self, kind: AccountKind, owner: str = "", currency: str = "USD") -> int:
        with self.database.transaction() as tx:
            return self.ledger.balance(tx, AccountRef(kind, owner, currency))

    def differences(self) -> list[str]:
        """What a verification of everything finds."""
        with self.database.transaction() as tx:
            self.ledger.hold_still(tx)
            found = self.ledger.verify(tx, more=billing_checks())
        return [f"{each.check}: {each.subject}: {each.detail}" for each in found.differences]


TAX_RULES = (
    TaxRule("DE", "DE", None, TaxTreatment.STANDARD, 190_000, "DE"),
    TaxRule("DE", "FR", BuyerKind.BUSINESS, TaxTreatment.REVERSE_CHARGE, 0, "DE", "Reverse charge"),
    TaxRule("DE", "US", None, TaxTreatment.EXPORT, 0, "DE", "Service outside the EU", date.min),
)


def event(organization_id: str, price_id: str, at: datetime, **more) -> EventRow:
    """A call of 1,000 input and 500 output tokens, which costs 0.005."""
    values = {
        "event_id": uuid4(),
        "at": at,
        "organization_id": organization_id,
        "project_id": "proj_1",
        "key_id": "key_1",
        "operation": "chat",
        "model": "acme/one",
        "deployment_id": "",
        "price_id": price_id,
        "currency": "USD",
        "is_stream": False,
        "outcome": "succeeded",
        "http_status": 200,
        "input_tokens": 1_000,
        "cached_input_tokens": 0,
        "output_tokens": 500,
        "cache_write_tokens": 0,
        "meters": None,
        "usage_source": "engine",
        "cost_nanos": 5_000_000,
        "first_token_us": None,
        "duration_us": 1_000,
    }
    return EventRow(**{**values, **more})
