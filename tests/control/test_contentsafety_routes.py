"""Blocklists in Azure's words, and what gateways are told of them."""

import pytest
from fastapi.testclient import TestClient

from tradewind.control.backstage.app import BackstageServices, create_backstage
from tradewind.core.clock import SystemClock
from tradewind.wire.safety_references import Asked, Kind, decode_found, encode

pytestmark = pytest.mark.postgres

LISTS = "/api/contentsafety/text/blocklists"


@pytest.fixture
def send(client, with_management_key):
    def send(method, path="", body=None, **how):
        content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = with_management_key | {"content-type": content_type} | how.pop("headers", {})
        return client.request(method, LISTS + path, json=body, headers=headers, **how)

    return send


@pytest.fixture
def backstage(database):
    app = create_backstage(BackstageServices(database, SystemClock()))
    with TestClient(app) as client:
        yield client


def add(send, *texts, name="words"):
    items = [{"text": text, "description": f"About {text}."} for text in texts]
    return send("POST", f"/{name}:addOrUpdateBlocklistItems", {"blocklistItems": items})


def test_a_list_is_made_described_shown_and_deleted(send):
    made = send("PATCH", "/words", {"description": "First.", "blocklistName": "words"})
    assert made.status_code == 201
    assert made.json() == {"blocklistName": "words", "description": "First."}
    changed = send("PATCH", "/words", {"description": "Second."})
    assert (changed.status_code, changed.json()["description"]) == (200, "Second.")
    assert send("GET", "/words").json() == changed.json()
    assert send("GET").json() == {"value": [changed.json()]}
    assert send("DELETE", "/words").status_code == 204
    assert send("GET", "/words").status_code == 404
    assert send("GET").json() == {"value": []}


def test_terms_are_added_described_anew_and_taken_out(send):
    send("PATCH", "/words", {})
    first = add(send, "bilge", "barnacle")
    assert first.status_code == 200
    items = first.json()["blocklistItems"]
    assert {item["text"]: item["description"] for item in items} == {
        "bilge": "About bilge.",
        "barnacle": "About barnacle.",
    }
    again = add(send, "bilge").json()["blocklistItems"]
    [bilge] = [item for item in items if item["text"] == "bilge"]
    assert again[0]["blocklistItemId"] == bilge["blocklistItemId"]
    shown = send("GET", f"/words/blocklistItems/{bilge['blocklistItemId']}")
    assert shown.json() == bilge
    removed = send(
        "POST", "/words:removeBlocklistItems", {"blocklistItemIds": [bilge["blocklistItemId"]]}
    )
    assert (removed.status_code, removed.content) == (204, b"")
    left = send("GET", "/words/blocklistItems").json()["value"]
    assert [item["text"] for item in left] == ["barnacle"]


@pytest.mark.parametrize("most", [1, 2, 3, 1000])
def test_terms_come_in_pages_that_lead_on(client, with_management_key, send, most):
    send("PATCH", "/words", {})
    for text in "abcd":
        add(send, text)
    texts, address = [], f"{LISTS}/words/blocklistItems?maxpagesize={most}&api-version=2023-10-01"
    pages = 0
    while address:
        headers = with_management_key | {"x-forwarded-proto": "https"}
        page = client.get(address, headers=headers).json()
        assert len(page["value"]) <= most
        texts += [item["text"] for item in page["value"]]
        link = page.get("nextLink")
        if link:
            assert link.startswith("https://testserver/contentsafety/text/blocklists/words/")
            assert "api-version=2023-10-01" in link
        address = "/api" + link.removeprefix("https://testserver") if link else None
        pages += 1
    assert (texts, pages) == (list("abcd"), -(-4 // most))


@pytest.mark.parametrize(("top", "expected"), [(0, []), (2, ["a", "b"]), (9, list("abcd"))])
def test_no_more_terms_than_were_asked_for(send, top, expected):
    send("PATCH", "/words", {})
    for text in "abcd":
        add(send, text)
    page = send("GET", f"/words/blocklistItems?top={top}").json()
    assert [item["text"] for item in page["value"]] == expected
    assert page["nextLink"] is None
    rest = send("GET", "/words/blocklistItems?skip=3").json()
    assert [item["text"] for item in rest["value"]] == ["d"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PATCH", "/no%20such%20name", {}, 422),
        ("PATCH", "/words", {"description": "d" * 1_025}, 422),
        ("POST", "/words:addOrUpdateBlocklistItems", {"blocklistItems": []}, 422),
        ("POST", "/words:addOrUpdateBlocklistItems", {"blocklistItems": [{"text": ""}]}, 422),
        (
            "POST",
            "/words:addOrUpdateBlocklistItems",
            {"blocklistItems": [{"text": "t"}] * 101},
            422,
        ),
        ("POST", "/words:removeBlocklistItems", {"blocklistItemIds": []}, 422),
        ("GET", "/words/blocklistItems?top=-1", None, 422),
        ("GET", "/words/blocklistItems/nothing", None, 404),
    ],
)
def test_what_cannot_be_is_refused(send, method, path, body, status):
    send("PATCH", "/words", {})
    assert send(method, path, body).status_code == status


def test_a_key_of_a_client_changes_nothing(client, with_key, send):
    send("PATCH", "/words", {})
    answer = client.delete(f"{LISTS}/words", headers=with_key)
    assert answer.status_code == 403
    assert send("GET", "/words").status_code == 200


def test_gateways_are_told_which_data_a_name_stands_for(send, backstage, accounts, database):
    send("PATCH", "/words", {})
    send("PATCH", "/empty", {})
    add(send, "barnacle")
    with database.transaction() as tx:
        organization = tx.exec_driver_sql("SELECT organization_id FROM safety_blocklist").scalar()

    def find(*names, of=organization, kind=Kind.BLOCKLIST):
        asked = encode(Asked(of, kind, list(names)))
        answer = backstage.post("/safety/references", content=asked)
        assert answer.status_code == 200
        return decode_found(answer.content).references

    [words] = find("words", "nowhere", "no\0name")
    assert words.name == "words"
    data = backstage.get(f"/safety/data/{words.digest}")
    assert len(data.content) == words.size
    [empty] = find("empty")
    assert (empty.digest, empty.size) == ("", 0)
    assert [each.name for each in find()] == ["empty", "words"]
    assert find("words", of="org_of_others") == []
    assert find("words", kind=Kind.CORPUS) == find(kind=Kind.CUSTOM_CATEGORY) == []
