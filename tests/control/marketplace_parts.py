"""A publisher that sells an app on a clock that the test turns, and somebody who buys it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from starlette.testclient import TestClient

from tests.control.control_parts import KEYS, control_services
from tests.features.billing.billing_parts import ISSUER, TAX_RULES, TurnedClock, buyer
from tradewind.control.app import create_app
from tradewind.core.acting import By
from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.core.pricing.charges import MeterCharge, Package, PlanTerms, Term
from tradewind.db.database import Database
from tradewind.features.accounts.tables import organization
from tradewind.features.billing.schemas import BillingAccount, BuyerKind, Mode
from tradewind.features.catalog.tables import publisher
from tradewind.features.ledger.service import Ledger
from tradewind.features.marketplace.rules.guids import guid_of
from tradewind.features.sales.schemas import Confirmation, NewOffer, OfferKind
from tradewind.features.sales.service import Sales
from tradewind.serve.billing import build_billing
from tradewind.serve.services import build_services

START = datetime(2030, 1, 1, tzinfo=UTC)
DOLLAR = 1_000_000_000
SAID = Confirmation("Some", "as shown", "no cap")
ANN = By("user_ann", "Ann")
VERSION = {"api-version": "2018-08-31"}


@dataclass(frozen=True)
class Somebody:
    organization_id: OrganizationId
    project_id: ProjectId = field(default_factory=ProjectId.new)

    def may(self, _permission) -> bool:
        return True


def emails(
    *, started: bool = True, term: Term = Term.MONTH, fee: int = 0, included: int = 10_000
) -> PlanTerms:
    """10,000 e-mails included, then 1 dollar for each 100: a started hundred whole, or in part."""
    charge = MeterCharge("email", Package(100, DOLLAR, started), included)
    return PlanTerms("USD", (charge,), term, fee)


class Market:
    """The control plane over a database; HTTP is the publisher's."""

    def __init__(self, database: Database, services, clock: TurnedClock, headers) -> None:
        self.database, self.services, self.clock, self.headers = database, services, clock, headers
        self.client = TestClient(create_app(services), raise_server_exceptions=True)
        self.seller = Somebody(OrganizationId(""))

    def do(self, act, *arguments: Any, **more: Any) -> Any:
        with self.database.transaction() as tx:
            return act(tx, *arguments, **more)

    def call(self, method: str, path: str, body=None, *, headers=None, **query):
        return self.client.request(
            method,
            f"/api{path}",
            json=body,
            params=VERSION | query,
            headers=dict(self.headers) | (headers or {}),
        )

    def sell(self, **plans: PlanTerms) -> dict[str, str]:
        """Offer an app with these plans; return their ids by name, and the offer's."""
        offers = self.services.sale_offers
        new = NewOffer("acme", OfferKind.APP, "Notifier", scopes=("models:read",))
        offer = self.do(offers.create, self.seller, ANN, new)
        made = {"offer": offer.offer_id}
        for name, terms in plans.items():
            made[name] = self.do(
                offers.put_plan, self.seller, ANN, offer.offer_id, name, terms
            ).plan_id
        self.do(offers.publish, self.seller, offer.offer_id)
        return made

    def buyer(self) -> Somebody:
        somebody = Somebody(OrganizationId.new())

        def add(tx):
            tx.execute(
                insert(organization).values(
                    id=somebody.organization_id, name="Some", created_at=self.clock.now()
                )
            )
            self.services.billing.set_account(
                tx,
                BillingAccount(
                    organization_id=somebody.organization_id,
                    mode=Mode.POSTPAID,
                    currency="USD",
                    party=buyer("Some", "US"),
                    buyer_kind=BuyerKind.BUSINESS,
                    buyer_reference="",
                    payment_terms_days=14,
                    billed_from=START,
                    revision=0,
                ),
            )

        self.do(add)
        return somebody

    def subscribe(self, somebody: Somebody, plan_id: str, **more: Any):
        return self.do(self.services.sales.subscribe, somebody, ANN, plan_id, SAID, **more)

    def subscribed(self, somebody: Somebody, plan_id: str, plan: str) -> str:
        """Subscribe and have it activated; return its GUID."""
        row = self.subscribe(somebody, plan_id)
        guid = guid_of(row.subscription_id)
        answer = self.call("POST", f"/saas/subscriptions/{guid}/activate", {"planId": plan})
        assert answer.status_code == 200, answer.text
        return guid

    def report(self, guid: str, count: float, *, plan: str = "Basic", at=None, **more):
        at = at or self.clock.now()
        event = {
            "resourceId": guid,
            "quantity": count,
            "dimension": "email",
            "effectiveStartTime": at.strftime("%Y-%m-%dT%H:%M:%S"),
            "planId": plan,
        }
        return self.call("POST", "/usageEvent", event | more)

    def turn_to(self, at: datetime) -> None:
        """Let time pass, with what happens by itself."""
        self.clock.turn_to(at)
        while self.do(self.services.sales.advance, at):
            pass

    def wait(self, **span: float) -> None:
        self.turn_to(self.clock.now() + timedelta(**span))

    def invoiced_cents(self, somebody: Somebody) -> int:
        """Close what is over; return what the new invoice comes to."""
        until = self.clock.now().replace(minute=0, second=0, microsecond=0)
        issued = self.do(self.services.billing.issue, [somebody.organization_id], until)
        assert not issued.problems, issued.problems
        return sum(
            self.do(self.services.billing.invoice, invoice_id).net_minor
            for invoice_id in issued.invoices
        )


@contextmanager
def a_market(database: Database, accounts, first_run, headers, folder: Path) -> Iterator[Market]:
    clock = TurnedClock(START)
    ledger = Ledger(clock)
    built = build_services(secrets.token_bytes(32), KEYS)._replace(
        clock=clock, sales=Sales(clock), ledger=ledger, billing=build_billing(clock, ledger)
    )
    with control_services(
        database, accounts, built, folder, clock=clock, list_models=list, read_usage=list
    ) as services:
        market = Market(database, services, clock, headers)
        market.seller = Somebody(first_run.organization_id)

        def begin(tx):
            tx.execute(
                insert(publisher).values(
                    slug="acme",
                    name="Acme",
                    organization_id=first_run.organization_id,
                    verified_at=START,
                    created_at=START,
                )
            )
            services.billing.set_issuer(tx, ISSUER)
            for rule in TAX_RULES:
                services.billing.add_tax_rule(tx, rule)

        market.do(begin)
        yield market
