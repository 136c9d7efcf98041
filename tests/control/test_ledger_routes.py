"""The routes of the ledger: what whoever runs the platform reads, and how they correct."""

from datetime import timedelta

import pytest

from tests.features.ledger.ledger_parts import NOW, charge, top_up, usage
from tradewind.core.errors import Forbidden
from tradewind.core.ids import LedgerAccountId, OrganizationId, ProjectId
from tradewind.core.permissions import Permission, Role
from tradewind.features.ledger.books import Books
from tradewind.features.ledger.schemas import FxRate

pytestmark = pytest.mark.postgres

ACCOUNT = LedgerAccountId("acct_x")
RATE = {
    "base": "EUR",
    "quote": "USD",
    "rate": "1.08",
    "source": "a bank",
    "valid_from": "2030-01-01T01:00:00+01:00",
}


@pytest.fixture
def api(client, with_management_key):
    """Call the API with a management key of the administrator."""

    def call(method, path, body=None):
        return client.request(
            method, f"/api/ledger{path}", json=body, headers=dict(with_management_key)
        )

    return call


@pytest.fixture
def entered(database, services):
    """Ids of entries: a usage of 1.5, one of 2 of a day later, a top-up."""
    with database.transaction() as tx:
        return services.ledger.post_many(
            tx,
            [
                usage("s:1", 1_500_000_000, at=NOW - timedelta(days=2), subject="stl_1"),
                usage("s:2", 2_000_000_000, at=NOW - timedelta(days=1)),
                top_up("t:1", 9_000_000_000),
            ],
        )


@pytest.fixture
def unbilled(api, entered):
    [account] = api("GET", "/accounts?kind=unbilled").json()["accounts"]
    return account


def test_accounts_are_listed_page_by_page(api, entered):
    seen, after = [], ""
    while after is not None:
        page = api("GET", f"/accounts?limit=3{after and f'&after={after}'}").json()
        seen += page["accounts"]
        after = page["next"]

    assert {(row["kind"], row["owner"], row["balance"]) for row in seen} == {
        ("unbilled", "org_a", "3.5"),
        ("revenue", "usage", "-3.5"),
        ("cash", "bank", "9"),
        ("wallet", "org_a", "-9"),
    }
    assert len(seen) == 4
    assert api("GET", "/accounts?currency=EUR").json() == {"accounts": [], "next": None}
    assert len(api("GET", "/accounts?owner=org_a").json()["accounts"]) == 2


def test_a_statement_runs_from_balance_to_balance_page_by_page(api, unbilled, entered):
    path = f"/accounts/{unbilled['id']}/statement"
    whole = api("GET", path).json()

    assert whole["account"] == unbilled
    assert [(line["entry"], line["amount"], line["balance"]) for line in whole["lines"]] == [
        (entered[0], "1.5", "1.5"),
        (entered[1], "2", "3.5"),
    ]
    first = api("GET", f"{path}?limit=1").json()
    second = api("GET", f"{path}?limit=1&after={first['next']}").json()
    assert first["lines"] + second["lines"] == whole["lines"]
    assert second["next"] is None
    since = (NOW - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert api("GET", f"{path}?since={since}").json()["lines"] == whole["lines"][1:]


@pytest.mark.parametrize(
    "asked",
    [
        "since=2030-01-02T00:00:00Z&until=2030-01-01T00:00:00Z",
        "since=2030-01-02T00:00:00",
        "after=nonsense",
        "after=999999999999999999.ent_00000000000000000000000000.1",
        "limit=0",
    ],
)
def test_a_statement_that_cannot_be_is_refused(api, unbilled, problem, asked):
    answer = api("GET", f"/accounts/{unbilled['id']}/statement?{asked}")
    problem(answer, 422, "invalid_input")


def test_an_entry_is_shown_and_taken_back_once(api, entered, problem):
    path = f"/entries/{entered[0]}"
    shown = api("GET", path).json()
    assert (shown["key"], shown["subject"], shown["by"]) == ("s:1", "stl_1", "")
    assert [(leg["kind"], leg["amount"]) for leg in shown["postings"]] == [
        ("unbilled", "1.5"),
        ("revenue", "-1.5"),
    ]

    body = {"key": "ticket-7", "reason": "entered twice"}
    answer = api("POST", f"{path}:reverse", body)

    assert answer.status_code == 201
    reversal = answer.json()
    assert (reversal["kind"], reversal["memo"]) == ("reversal", "entered twice")
    assert "the key Automation" in reversal["by"]
    assert reversal["reverses"] == entered[0]
    assert api("GET", path).json()["reversed_by"] == reversal["id"]
    assert api("POST", f"{path}:reverse", body).json() == reversal
    again = body | {"key": "ticket-8"}
    problem(api("POST", f"{path}:reverse", again), 409, "ledger_entry_reversed")
    other = f"/entries/{entered[1]}:reverse"
    problem(api("POST", other, body), 409, "ledger_key_reused")
    problem(api("POST", f"/entries/{reversal['id']}:reverse", again), 409, "ledger_reversal_final")


def test_a_top_up_that_was_spent_is_not_taken_back(api, entered, database, services, problem):
    with database.transaction() as tx:
        services.ledger.post(tx, charge("c:1", 1))
    answer = api("POST", f"/entries/{entered[2]}:reverse", {"key": "k", "reason": "r"})
    problem(answer, 409, "wallet_overdrawn")


def test_a_rate_is_stored_and_stays(api, problem):
    stored = api("POST", "/fx-rates", RATE)
    assert stored.status_code == 201
    assert stored.json() == RATE | {"valid_from": "2030-01-01T00:00:00Z"}
    assert api("POST", "/fx-rates", RATE).status_code == 201
    problem(api("POST", "/fx-rates", RATE | {"rate": "1.09"}), 409, "fx_rate_taken")
    [rate] = api("GET", "/fx-rates?currency=EUR").json()["rates"]
    assert rate["rate"] == "1.08"
    assert api("GET", "/fx-rates?currency=JPY").json() == {"rates": []}


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("rate", "0", "ledger_entry_refused"),
        ("rate", "-1", "ledger_entry_refused"),
        ("rate", "1e3", "invalid_input"),
        ("rate", 1.08, "invalid_input"),
        ("quote", "EUR", "ledger_entry_refused"),
        ("base", "eur", "invalid_input"),
        ("source", "", "invalid_input"),
        ("valid_from", "2030-01-01T00:00:00", "invalid_input"),
        ("else", 1, "invalid_input"),
    ],
)
def test_a_rate_that_is_none_is_refused(api, problem, name, value, code):
    problem(api("POST", "/fx-rates", RATE | {name: value}), 422, code)


def test_an_administrator_of_an_organization_has_no_business_in_the_books(
    database, services, entered
):
    class Someone:
        organization_id = OrganizationId.new()
        project_id = ProjectId.new()
        role = Role.ADMIN

        def may(self, permission):
            return permission is not Permission.PLATFORM_WRITE

    books, someone = Books(services.ledger), Someone()
    rate = FxRate("EUR", "USD", 1, "s", NOW)
    asked = [
        lambda tx: books.accounts(tx, someone),
        lambda tx: books.account(tx, someone, ACCOUNT),
        lambda tx: books.statement(tx, someone, ACCOUNT, since=NOW, until=NOW),
        lambda tx: books.entry(tx, someone, entered[0]),
        lambda tx: books.reverse(tx, someone, entered[0], key="k", reason="r", by="b"),
        lambda tx: books.rates(tx, someone),
        lambda tx: books.set_rate(tx, someone, rate),
    ]
    for ask in asked:
        with pytest.raises(Forbidden), database.transaction() as tx:
            ask(tx)
