"""What tests of earnings and payouts share: a publisher with money, in a portal's world."""

from datetime import timedelta

from sqlalchemy import update

from tradewind.core.acting import By
from tradewind.core.clock import SystemClock
from tradewind.features.ledger.schemas import AccountKind, AccountRef, EntryDraft, Posting
from tradewind.features.ledger.service import Ledger
from tradewind.features.payouts.schemas import Destination, NewProfile, Source, Terms, Way
from tradewind.features.payouts.tables import payout_profile
from tradewind.features.publishing.schemas import NewApplication

BOB = By("user_bob", "Bob")
IBAN = "DE89370400440532013000"


def add_publisher(world, viewer, *, slug="acme", is_paid=True) -> None:
    """Make the viewer's organization a publisher; with `is_paid` it has said where, days ago."""
    profiles = world.payouts.profiles
    with world.database.transaction() as tx:
        publishers, who = world.publishing.publishers, By("user_ada", "Ada")
        new = NewApplication(slug, slug.capitalize(), "https://acme.example", "ada@acme.example")
        row = publishers.apply(tx, viewer, who, new)
        publishers.decide(tx, viewer, who, row.application_id, is_accepted=True)
        profiles.set_terms(tx, viewer, slug, Terms(hold_days=0), by=BOB)
        profiles.set_source(tx, viewer, Source("USD", "Platform", IBAN, ""), by=BOB)
        if is_paid:
            to = Destination(Way.BANK, "Acme GmbH", IBAN, "")
            profiles.set(tx, viewer, slug, NewProfile(to, "USD"), by=BOB, revision=0)
            ago = SystemClock().now() - timedelta(days=1)
            tx.execute(update(payout_profile).values(usable_from=ago))


def earn(world, nanos, *, key="k", slug="acme", currency="USD") -> None:
    clock = SystemClock()
    legs = (
        Posting(AccountRef(AccountKind.UNBILLED, "org_buyer", currency), nanos),
        Posting(AccountRef(AccountKind.PAYABLE, slug, currency), -nanos),
    )
    with world.database.transaction() as tx:
        draft = EntryDraft(f"test:{key}", "sale_by_hand", clock.now(), legs, memo="<b>sold</b>")
        Ledger(clock).post(tx, draft)
