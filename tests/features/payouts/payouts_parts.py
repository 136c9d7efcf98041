"""What tests of payouts share: billing's world with publishers in it, and finance above them."""

from datetime import timedelta

from tests.features.billing.billing_parts import MARCH, World, event
from tests.features.payments.payments_parts import Administrator
from tradewind.core.acting import By
from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.features.billing.checks import billing_checks
from tradewind.features.catalog.service import Catalog
from tradewind.features.ledger.schemas import AccountKind, AccountRef, FxRate
from tradewind.features.payouts.checks import payout_checks
from tradewind.features.payouts.schemas import Destination, NewProfile, Source, Terms, Way
from tradewind.serve.payouts import build_payout_services

ADA, BOB = By("user_ada", "Ada"), By("user_bob", "Bob")
IBAN, BIC = "DE89370400440532013000", "COBADEFFXXX"
OTHER_IBAN = "FR1420041010050500013M02606"
FREE = Terms(hold_days=0)


class PayingWorld:
    def __init__(self, world: World, *, allows_self_approval=False) -> None:
        self.world = world
        self.clock = world.clock
        self.database = world.database
        self.catalog = Catalog(world.clock)
        self.payouts = build_payout_services(
            world.clock, world.ledger, self.catalog, allows_self_approval=allows_self_approval
        )
        self.runs = self.payouts.runs
        self.finance = Administrator(OrganizationId.new(), ProjectId.new())
        self.keys = 0

    @classmethod
    def begin(cls, database, **more) -> "PayingWorld":
        paying = cls(World.begin(database), **more)
        paying.do(
            paying.payouts.profiles.set_source,
            paying.finance,
            paying.source("USD"),
            by=ADA,
        )
        return paying

    def source(self, currency) -> Source:
        return Source(currency, "Tradewind Hosting", "DE75512108001245126199", "")

    def do(self, act, *arguments, **more):
        with self.database.transaction() as tx:
            return act(tx, *arguments, **more)

    def add_publisher(self, slug="acme", **profile) -> Administrator:
        """Add a verified publisher that is paid at once; return who acts for it."""
        owner = Administrator(
            OrganizationId.parse(self.world.add_buyer(mode=None)), ProjectId.new()
        )
        with self.database.transaction() as tx:
            self.catalog.add_publisher(tx, slug, slug.capitalize())
            self.catalog.verify_publisher(tx, slug, owner.organization_id)
        self.set_profile(owner, slug, **profile)
        self.clock.turn_to(self.clock.now() + timedelta(days=4))
        return owner

    def set_profile(
        self,
        owner,
        slug="acme",
        *,
        currency="USD",
        minimum=0,
        terms=FREE,
        iban=IBAN,
        stripe="",
        by=ADA,
    ):
        to = (
            Destination(Way.STRIPE, "Acme", account=stripe)
            if stripe
            else Destination(Way.BANK, "Acme Söhne & Co.", iban, BIC)
        )
        profiles = self.payouts.profiles
        former = self.do(profiles.get, owner, slug)
        revision = 0 if former is None else former.revision
        new = NewProfile(to, currency, minimum)
        found = self.do(profiles.set, owner, slug, new, by=by, revision=revision)
        if terms is not None:
            self.do(profiles.set_terms, self.finance, slug, terms, by=ADA)
        return found

    def sell(self, buyer, price, nanos, *, at=MARCH) -> None:
        """Sell something and settle it."""
        self.world.use(event(buyer, price, at, cost_nanos=nanos))
        self.world.settle()

    def prepare(self, currency="USD", *, by=ADA):
        self.keys += 1
        key = f"run-{self.keys}"
        return self.runs.prepare(self.database, self.finance, currency, key=key, by=by)

    def exported(self, currency="USD"):
        """Prepare, approve and export a run; return it with its payouts."""
        run = self.prepare(currency)
        self.do(self.runs.approve, self.finance, run.run_id, by=BOB)
        self.do(self.runs.export, self.finance, run.run_id, by=ADA)
        return self.detail(run)

    def prepare_detail(self, currency="USD"):
        return self.detail(self.prepare(currency))

    def new_profile(self, former) -> NewProfile:
        return NewProfile(former.destination, former.currency, former.minimum_nanos)

    def detail(self, run):
        return self.do(self.runs.detail, self.finance, run.run_id)

    def statement_of(self, payout):
        found, _ = self.do(self.payouts.reader.statement, self.finance, payout.statement_id)
        return found.content

    def statements(self, slug="acme", *, limit=100):
        rows = self.do(self.payouts.reader.statements, self.finance, [slug], limit=limit)
        return [
            self.do(self.payouts.reader.statement, self.finance, row.statement_id)[0].content
            for row in rows
        ]

    def fall(self, slug="acme", currency="USD"):
        """The waterfall as it stands."""
        falls = self.do(self.payouts.reader.waterfalls, self.finance, slug)
        return next((each for each in falls if each.currency == currency), None)

    def owed(self, slug="acme", currency="USD") -> int:
        """What the ledger says a publisher is owed."""
        return -self.balance(AccountKind.PAYABLE, slug, currency)

    def balance(self, kind, owner="", currency="USD") -> int:
        return self.do(self.world.ledger.balance, AccountRef(kind, owner, currency))

    def set_rate(self, base, quote, nanos) -> None:
        rate = FxRate(base, quote, nanos, "test", MARCH)
        self.do(self.world.ledger.set_rate, rate)

    def differences(self) -> list[str]:
        with self.database.transaction() as tx:
            self.world.ledger.hold_still(tx)
            more = (*billing_checks(), *payout_checks())
            found = self.world.ledger.verify(tx, more=more)
        return [f"{each.check}: {each.subject}: {each.detail}" for each in found.differences]
