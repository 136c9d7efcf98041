"""The log of calls in the portal: list, search, pages, one call."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from sqlalchemy import insert
from sqlalchemy import text as sql
from starlette.testclient import TestClient

from tradewind.core.permissions import Role
from tradewind.db.database import Database
from tradewind.features.accounts.schemas import SignedIn
from tradewind.features.catalog.tables import model, publisher
from tradewind.features.market.tables import price
from tradewind.features.receipts.verifying import verify
from tradewind.testing.logged_calls import ended_call, log_calls, refused_call
from tradewind.testing.portal_world import PortalWorld
from tradewind.usage.event import Attempt, Outcome, Trail, Usage, UsageSource

SESSION_COOKIE = "tradewind_session"
HOSTILE = '<script>alert("x")</script>'


def minutes_ago(number: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=number)


def shown(answer) -> list[str]:
    """The ids of the rows, from the top."""
    assert answer.status_code == 200, answer.text
    return re.findall(r'<tr id="(req_[0-9a-f]{32})"', answer.text)


def text_of(answer) -> str:
    """What a person reads."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


@pytest.fixture
def add(world: PortalWorld, signed_in: SignedIn):
    """Log calls of the viewer's own project."""

    def add(*calls):
        return world.add_calls(signed_in.viewer, *calls)

    return add


# --- the list -------------------------------------------------------------------------------


def test_calls_are_listed_newest_first_with_what_became_of_them(browser: TestClient, add):
    failed, answered = add(
        ended_call(
            minutes_ago(2),
            outcome=Outcome.FAILED,
            http_status=502,
            trail=Trail("openai", "small", (), error_code="upstream_error"),
        ),
        ended_call(minutes_ago(1), cost_nanos=1_234_567_890, first_token_us=212_000),
    )

    answer = browser.get("/requests")

    assert shown(answer) == [answered, failed]
    text = text_of(answer)
    assert "Failed 502 upstream_error" in text
    assert "Answered k0123456789a smollm2-135m-instruct asked for small" in text
    assert "own 40 12 $1.23 212 ms 150 ms 1" in text
    assert f'href="/requests/{answered}"' in answer.text


def test_the_key_is_shown_by_its_name(browser: TestClient, world: PortalWorld, signed_in, add):
    key_id = world.add_key(signed_in.viewer, "website")
    add(ended_call(key_id=key_id))
    assert "website" in text_of(browser.get("/requests"))
    assert shown(browser.get(f"/requests?key={key_id}"))
    assert f'href="/requests?key={key_id}"' in browser.get("/keys").text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=refused", ["refused"]),
        ("state=answered", ["plain", "old"]),
        ("state=cancelled", ["odd"]),
        ("status=404", ["refused"]),
        ("error=model_not_found", ["refused"]),
        ("host=azure", ["odd"]),
        ("model=kestrel/large", ["odd"]),
        ("q=BATCH-7", ["odd"]),
        ("q=100%25", []),
        ("key=k0000000000b", ["refused"]),
        ("project=proj_else", []),
        ("state=answered&host=azure", []),
    ],
)
def test_the_address_says_which_calls(browser: TestClient, add, query: str, found: list[str]):
    trail = Trail(
        "openai", "large", (Attempt("d", "azure", "w", 200, "", 1),), tags={"a": "batch-7"}
    )
    names = ["refused", "odd", "plain", "old"]
    ids = add(
        refused_call(minutes_ago(1), key_id="k0000000000b"),
        ended_call(minutes_ago(2), outcome=Outcome.CANCELLED, model="kestrel/large", trail=trail),
        ended_call(minutes_ago(3)),
        ended_call(minutes_ago(90)),
    )

    answer = browser.get(f"/requests?{query}")

    assert [names[ids.index(one)] for one in shown(answer)] == found
    if not found:
        assert "No call fits these filters" in answer.text
        assert 'href="/requests">Clear the filters' in answer.text


@pytest.mark.parametrize(("since", "count"), [("1h", 1), ("24h", 2), ("7d", 3), ("30d", 4)])
def test_the_time_is_chosen_in_the_address(browser: TestClient, add, since: str, count: int):
    add(*(ended_call(minutes_ago(60 * hours)) for hours in (0.5, 5, 100, 500)))
    assert len(shown(browser.get(f"/requests?since={since}"))) == count


def test_a_form_without_scripts_leads_to_an_address_that_can_be_shared(browser: TestClient):
    sent = "q=&state=failed&since=7d&key=&model=kestrel%2Fa&host=&status=&error=&project="
    answer = browser.get(f"/requests?{sent}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/requests?state=failed&since=7d&model=kestrel%2Fa"


def test_a_fragment_tells_the_address_to_show_instead(browser: TestClient):
    answer = browser.get("/requests?q=a&state=&since=24h", headers={"hx-request": "true"})
    assert answer.status_code == 200
    assert answer.headers["hx-replace-url"] == "/requests?q=a"


def test_every_condition_can_be_dropped_by_itself(browser: TestClient, add):
    add(ended_call())
    text = browser.get("/requests?state=failed&host=azure&since=7d").text
    assert 'class="chip" href="/requests?since=7d&amp;host=azure"' in text
    assert 'class="chip" href="/requests?state=failed&amp;since=7d"' in text
    assert 'href="/requests?since=7d">Clear all' in text


def test_a_request_id_in_the_search_leads_to_the_call(browser: TestClient, add):
    [one] = add(ended_call())
    answer = browser.get(f"/requests?q={one}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/requests/{one}")
    fragment = browser.get(f"/requests?q={one}", headers={"hx-request": "true"})
    assert fragment.headers["hx-redirect"] == f"/requests/{one}"


def test_pages_follow_one_another_without_gap_or_repeat(browser: TestClient, add):
    at = minutes_ago(5)
    # Several begin in the same microsecond: the order must hold among them too.
    ids = add(*(ended_call(at + timedelta(seconds=number // 7)) for number in range(120)))

    seen: list[str] = []
    path = "/requests?state=answered"
    answer = browser.get(path)
    pages = 0
    while path:
        answer = browser.get(path)
        seen += shown(answer)
        pages += 1
        older = re.search(r'href="([^"]+)" data-live-older>', answer.text)
        path = unescape(older[1]) if older else ""

    assert pages == 3
    assert len(seen) == 120
    assert set(seen) == set(ids)
    assert 'href="/requests?state=answered">Newest' in answer.text


def test_before_the_first_call_the_page_says_how_to_make_one(browser: TestClient):
    text = browser.get("/requests").text
    assert "No calls yet" in text
    assert 'href="/">See the sample' in text
    assert "No calls yet" in browser.get("/requests?state=failed").text


def test_when_all_calls_are_older_the_page_says_so(browser: TestClient, add):
    add(ended_call(minutes_ago(60 * 30)))
    text = browser.get("/requests").text
    assert "No calls in the last 24 h" in text
    assert 'href="/requests?since=30d">Show 30 days' in text


@pytest.mark.parametrize("place", ["AAAA", "A" * 32, "A" * 33, "%00", "%C3%A9"])
def test_what_is_no_place_in_the_list_is_a_page_that_says_so(browser: TestClient, place: str):
    answer = browser.get(f"/requests?before={place}")
    assert answer.status_code == 422
    assert "Something is not filled in right" in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        f"q={'x' * 101}",
        "state=lost",
        "since=9y",
        "status=99",
        "status=x",
        "status=%D9%A4%D9%A0%D9%A4",
        "key=%00",
        f"model={'x' * 201}",
    ],
)
@pytest.mark.parametrize("path", ["/requests", "/requests/live"])
def test_what_cannot_be_read_is_a_page_that_says_so(browser: TestClient, path: str, query: str):
    answer = browser.get(f"{path}?{query}")
    assert answer.status_code == 422
    assert "Something is not filled in right" in answer.text


def test_names_from_outside_never_become_markup(browser: TestClient, add):
    trail = Trail(
        HOSTILE,
        HOSTILE,
        (Attempt(HOSTILE, HOSTILE, HOSTILE, 500, HOSTILE, 5),),
        error_code=HOSTILE,
        trace_parent=HOSTILE,
        user_agent=HOSTILE,
        tags={HOSTILE: HOSTILE},
    )
    answered, refused = add(
        ended_call(trail=trail), refused_call(requested_model=HOSTILE, error_code=HOSTILE)
    )
    for path in (
        "/requests",
        f"/requests/{answered}",
        f"/requests/{refused}",
        f"/requests?model={HOSTILE}",
    ):
        answer = browser.get(path)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "&lt;script&gt;alert" in answer.text


def test_calls_of_another_organization_are_not_there(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn, add
):
    add(ended_call())
    call = ended_call()
    log_calls(world.database, call)
    answer = browser.get("/requests")
    assert len(shown(answer)) == 1
    foreign = f"req_{call.event_id.hex()}"
    assert foreign not in answer.text

    pages = [
        browser.get(f"/requests/{name}")
        for name in (foreign, "req_" + "f" * 32, "req_" + "0" * 32, "x", "req_%00")
    ]
    assert {page.status_code for page in pages} == {404}
    assert all("There is no request" in page.text for page in pages)


@pytest.mark.parametrize("role", list(Role))
def test_every_role_may_read_the_log(browser_of: Callable[[Role], TestClient], role: Role):
    answer = browser_of(role).get("/requests")
    assert answer.status_code == 200
    assert 'href="/requests"' in answer.text


# --- one call -------------------------------------------------------------------------------


def add_price(world: PortalWorld) -> None:
    now = datetime.now(UTC)
    with world.database.transaction() as tx:
        tx.execute(insert(publisher).values(slug="p", name="P", created_at=now))
        tx.execute(
            insert(model).values(
                id="model_1",
                publisher_slug="p",
                slug="m",
                display_name="M",
                description="",
                licence="",
                operation="chat",
                context_tokens=1,
                max_output_tokens=1,
                created_at=now,
            )
        )
        tx.execute(
            insert(price).values(
                id="price_01890000000000000000000000",
                model_id="model_1",
                currency="USD",
                input_nanos=100_000_000,
                output_nanos=200_000_000,
                cached_input_nanos=50_000_000,
                created_at=now,
            )
        )


def test_a_call_shows_who_what_how_and_the_sum_of_its_price(
    browser: TestClient, world: PortalWorld, add
):
    add_price(world)
    trail = Trail(
        "messages",
        "claude",
        (
            Attempt("dep_a", "azure", "cheapest", 503, "busy", 90_000),
            Attempt("dep_b", "own", "fallback after busy", 200, "", 60_000),
        ),
        queued_us=1_500,
        overhead_us=210,
        trace_parent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        user_agent="anthropic/1",
        tags={"team": "search"},
    )
    usage = Usage(1_000, 400, 50, UsageSource.UPSTREAM)
    [one] = add(ended_call(trail=trail, usage=usage, cost_nanos=90_000))

    answer = browser.get(f"/requests/{one}")
    text = text_of(answer)

    assert f'data-copy="{one}"' in answer.text
    assert "Waited for admission" in text
    assert "1.50 ms" in text
    assert "Attempt 1: azure cheapest dep_a busy HTTP 503 90 ms" in text
    assert "Attempt 2: own fallback after busy dep_b Answered HTTP 200 60 ms" in text
    assert "Input tokens 600 $0.10 $0.00006" in text
    assert "Cached input tokens 400 $0.05 $0.00002" in text
    assert "Output tokens 50 $0.20 $0.00001" in text
    assert "Sum, rounded once $0.00009" in text
    assert "price_01890000000000000000000000" in text
    assert "counted by the host" in text
    assert "anthropic/1" in text
    assert "team search" in text
    assert trail.trace_parent in text
    assert "Chat, streamed" in text
    assert 'href="/requests?since=30d&amp;host=own"' in answer.text


def test_a_refused_call_says_that_nothing_ran_and_nothing_is_owed(browser: TestClient, add):
    [one] = add(refused_call())
    text = text_of(browser.get(f"/requests/{one}"))
    assert "Refused 404" in text
    assert "This call was not admitted: no model ran and it cost nothing." in text
    assert "error code model_not_found" in text
    assert "No target was tried: the call was turned away" in text
    assert "Price per 1M" not in text


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome.FAILED, "This call failed."),
        (Outcome.CANCELLED, "it pays for what was sent"),
        (Outcome.ORPHANED, "This call failed."),
    ],
)
def test_a_call_that_did_not_end_well_says_so(browser: TestClient, add, outcome, words: str):
    [one] = add(ended_call(outcome=outcome, http_status=499, trail=Trail("openai", "m", ())))
    assert words in text_of(browser.get(f"/requests/{one}"))


def test_a_call_whose_price_is_gone_still_tells_its_cost(browser: TestClient, add):
    [one] = add(ended_call(cost_nanos=6_400))
    text = text_of(browser.get(f"/requests/{one}"))
    assert "no longer listed; it cost $0.0000064" in text


def test_the_usage_page_leads_to_the_calls(browser: TestClient, world: PortalWorld, signed_in):
    key_id = world.add_key(signed_in.viewer, "website")
    world.add_usage(signed_in.viewer, key_id=key_id, model="kestrel/a")
    by_model = browser.get("/usage?range=7d").text
    assert 'href="/requests?since=7d&amp;model=kestrel%2Fa"' in by_model
    by_key = browser.get("/usage?range=90d&by=key").text
    assert f'href="/requests?since=30d&amp;key={key_id}"' in by_key


def test_without_the_database_the_page_says_what_to_do(signed_in: SignedIn):
    nowhere = Database("postgresql://nobody@127.0.0.1:1/none", application_name="test")
    browser = TestClient(
        PortalWorld(nowhere).app, cookies={SESSION_COOKIE: signed_in.session_token}
    )

    answer = browser.get("/requests")

    assert answer.status_code == 503
    assert "Not available right now" in answer.text
    assert "Try again" in answer.text


# --- the receipt, and what a host takes ------------------------------------------------------


def make_receipts(world: PortalWorld) -> None:
    with world.database.transaction() as tx:
        world.services.receipts.make(tx)
        world.services.receipts.sign(tx)


def test_a_call_shows_its_receipt_verified_and_hands_out_the_proof(
    browser: TestClient, world: PortalWorld, add
):
    [call] = add(ended_call(minutes_ago(1)))
    assert "Receipts are made within a minute" in text_of(browser.get(f"/requests/{call}"))

    make_receipts(world)

    text = text_of(browser.get(f"/requests/{call}"))
    assert "Receipt Verified Number 1 of this organization" in text
    assert "Signed at number 1" in text
    proof = browser.get(f"/requests/{call}/receipt.jsonl")
    assert proof.headers["content-disposition"] == f'attachment; filename="{call}.receipt.jsonl"'
    with world.database.transaction() as tx:
        keys = {key.id: key.public_key for key in world.services.receipts.public_keys(tx)}
    assert verify(proof.content.splitlines(keepends=True), keys).is_right


def test_a_receipt_that_was_changed_does_not_verify(browser: TestClient, world: PortalWorld, add):
    [call] = add(ended_call(minutes_ago(1)))
    make_receipts(world)
    with world.database.transaction() as tx:
        tx.execute(sql("ALTER TABLE receipt DISABLE TRIGGER receipt_stays"))
        tx.execute(sql("UPDATE receipt SET sale = replace(sale, '12', '13')"))

    assert "Does not verify" in text_of(browser.get(f"/requests/{call}"))


def test_a_refused_call_has_no_receipt(browser: TestClient, add):
    [call] = add(refused_call(minutes_ago(1)))

    assert "Receipt" not in text_of(browser.get(f"/requests/{call}"))
    assert browser.get(f"/requests/{call}/receipt.jsonl").status_code == 404


def test_what_the_host_takes_is_told_to_whoever_runs_the_platform(browser: TestClient, add):
    taken = {"provider_cost_nanos": 1_500_000, "provider_currency": "EUR", "region": "eu-west"}
    [call] = add(ended_call(minutes_ago(1), **taken))

    text = text_of(browser.get(f"/requests/{call}"))

    assert "The host takes €0.0015" in text
    assert "Region eu-west" in text
