"""`tradewind offers`, `plans` and `subscriptions`, as a shell sees them."""

import json

import msgspec
import pytest
from sqlalchemy import insert

from tests.features.sales.sales_parts import NOW, add_publisher
from tradewind.core.ids import OrganizationId
from tradewind.features.accounts.tables import organization
from tradewind.features.trust.repository import add_rules
from tradewind.features.trust.schemas import ReleaseRules

pytestmark = pytest.mark.postgres


@pytest.fixture
def seller(database):
    """The platform's own organization, which is a publisher."""
    organization_id = OrganizationId.new()
    with database.transaction() as tx:
        tx.execute(
            insert(organization).values(
                id=organization_id, name="Acme", created_at=NOW, is_platform=True
            )
        )
        add_publisher(tx, organization_id)
        # What a release has to show is another test's.
        nothing = ReleaseRules(offer=())
        by = {"made_by_id": "user_ada", "made_by": "Ada", "made_at": NOW, "reason": "a test"}
        add_rules(tx, {"version": 1, "content": msgspec.to_builtins(nothing), **by})
    return organization_id


@pytest.fixture
def terms(tmp_path):
    file = tmp_path / "terms.json"
    file.write_text(json.dumps({"currency": "USD", "fee_nanos": 10_000_000_000}))
    return file


def test_an_offer_is_drafted_sold_subscribed_to_changed_and_ended(run, told, seller, terms):
    offer = told("offers", "draft", "acme", "Small", "--model", "acme/small")["id"]
    plan = told("plans", "add", offer, "Basic", terms)
    assert (plan["version"], told("plans", "list", offer)["plans"]) == (1, [plan])
    assert told("offers", "publish", offer)["state"] == "live"
    assert told("offers", "fee", offer, "1.5")["fee_percent"] == "1.5"
    assert told("offers", "fee", offer, "usual")["fee_percent"] is None

    made = told("subscriptions", "add", plan["id"], "--payer", "Acme")
    which = made["id"]
    [sold] = told("subscriptions", "list", "--offer", offer)["subscriptions"]
    assert sold == told("subscriptions", "list")["subscriptions"][0]
    preview = told("subscriptions", "change", which, "--quantity", "2")
    assert preview["quantity"] == 2
    changed = told("subscriptions", "change", which, "--quantity", "2", "--payer", "Acme")
    assert changed["quantity"] == 2
    assert told("subscriptions", "pause", which)["state"] == "paused"
    assert told("subscriptions", "resume", which)["state"] == "active"
    assert told("subscriptions", "cancel", which)["cancel_at"]
    assert told("subscriptions", "renew", which)["cancel_at"] is None
    assert told("subscriptions", "cancel", which, "--now")["state"] == "cancelled"
    trail = told("subscriptions", "show", which)["events"]
    assert [event["move"] for event in trail][-1] == "activated"
    assert "the command line" in run("subscriptions", "show", which).stdout
    assert told("offers", "withdraw", offer)["state"] == "withdrawn"


def test_who_pays_is_confirmed(told, seller):
    assert told("subscriptions", "confirm-payer", "--payer", "Acme")["is_confirmed"] is True


def test_terms_are_checked_without_a_platform(run, tmp_path, terms):
    assert "10.00 USD each month" in run("plans", "check", terms).stdout
    wrong = tmp_path / "wrong.json"
    for text in ('{"currency": "usd"}', "{", "\xff", '{"currency": "USD", "fee": 1}'):
        wrong.write_text(text)
        ended = run("plans", "check", wrong)
        assert ended.returncode == 1
        assert len(ended.stderr.splitlines()) == 1


def test_what_is_refused_is_one_line(run, seller):
    for arguments in (
        ("offers", "publish", "sale_x"),
        ("plans", "list", "sale_x"),
        ("subscriptions", "show", "sub_x"),
        ("subscriptions", "add", "plan_x", "--payer", "Acme"),
        ("offers", "fee", "sale_x", "much"),
        ("offers", "list", "--organization", "somebody"),
    ):
        ended = run(*arguments)
        assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1), arguments
