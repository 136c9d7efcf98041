"""What the routes of the control API answer."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradewind.core.permissions import Role
from tradewind.features.accounts.schemas import Viewer
from tradewind.readmodels.project_usage import UsageGroup, UsageQuestion
from tradewind.snapshot.contents import Limits

pytestmark = pytest.mark.postgres


@pytest.fixture
def create_key(database, accounts, first_run):
    viewer = Viewer(
        user_id=first_run.user_id,
        email="admin@localhost",
        name="Administrator",
        organization_id=first_run.organization_id,
        organization_name="",
        project_id=first_run.project_id,
        project_name="",
        role=Role.ADMIN,
        is_of_platform=True,
        has_password=False,
        csrf_token="",
    )

    def create(name, **how):
        with database.transaction() as tx:
            return accounts.create_key(tx, viewer, name=name, **how)

    return create


def test_whoami_names_the_place_of_the_key_and_not_the_key(client, first_run, with_key):
    answer = client.get("/api/whoami", headers=with_key)
    assert answer.json() == {
        "key_id": first_run.key_id,
        "key_name": "First key",
        "organization": {"id": first_run.organization_id, "name": "My organization"},
        "project": {"id": first_run.project_id, "name": "Default"},
        "permissions": [
            "catalog:read",
            "feedback:write",
            "keys:read",
            "models:read",
            "requests:read",
            "usage:read",
        ],
        "models": None,
    }
    assert first_run.api_key not in answer.text


def test_a_model_shows_its_price_exactly(client, with_key):
    model = client.get("/api/models", headers=with_key).json()["models"][0]
    assert model["name"] == "tw/a"
    assert model["price"] == {
        "currency": "USD",
        "input": "0.0375",
        "output": "0.15",
        "cached_input": "0",
    }


def test_a_key_sees_the_models_it_may_call(client, create_key):
    key = create_key("narrow", models=["tw/b"])
    answer = client.get("/api/models", headers={"authorization": f"Bearer {key.text}"})
    assert [model["name"] for model in answer.json()["models"]] == ["tw/b"]


def test_pages_follow_one_another_without_gap_or_repeat(client, with_key):
    names, after = [], None
    while True:
        query = {"limit": 2} | ({"after": after} if after else {})
        page = client.get("/api/models", params=query, headers=with_key).json()
        names += [model["name"] for model in page["models"]]
        after = page["next"]
        if after is None:
            break
    assert names == ["tw/a", "tw/b", "tw/c"]


def test_a_page_after_nothing_known_is_refused(client, with_key, problem):
    for path in ("/api/models", "/api/keys"):
        answer = client.get(path, params={"after": "gone"}, headers=with_key)
        problem(answer, 422, "invalid_input")


def test_keys_are_listed_without_their_secret(client, create_key, with_key):
    made = create_key("limited", limits=Limits(60, None, 2), models=["tw/a"])
    answer = client.get("/api/keys", headers=with_key)
    listed = {key["id"]: key for key in answer.json()["keys"]}
    assert len(listed) == 2
    shown = listed[made.row.key_id]
    assert shown["limits"] == {
        "requests_per_minute": 60,
        "tokens_per_minute": None,
        "concurrent_requests": 2,
    }
    assert (shown["name"], shown["state"], shown["models"]) == ("limited", "live", ["tw/a"])
    assert made.text not in answer.text
    one = client.get(f"/api/keys/{made.row.key_id}", headers=with_key)
    assert one.json() == shown


def test_usage_is_asked_for_the_keys_own_project(client, with_key, first_run, usage):
    answer = client.get(
        "/api/usage",
        params={
            "since": "2030-01-01T00:30:00Z",
            "until": "2030-01-02T02:30:00+02:00",
            "group": "model",
            "limit": 5,
        },
        headers=with_key,
    )
    assert usage.questions == [
        UsageQuestion(
            organization_id=first_run.organization_id,
            project_id=first_run.project_id,
            since=datetime(2030, 1, 1, tzinfo=UTC),
            until=datetime(2030, 1, 2, 1, tzinfo=UTC),
            group=UsageGroup.MODEL,
            limit=5,
        )
    ]
    body = answer.json()
    assert body["rows"][0]["cost"] == "9223372036.854775809"
    assert body["rows"][0]["currency"] == "USD"
    assert body["is_complete"] is True
    assert body["since"] == "2030-01-01T00:00:00Z"


def test_usage_is_of_the_last_thirty_days_when_nothing_is_said(client, with_key, usage):
    assert client.get("/api/usage", headers=with_key).status_code == 200
    question = usage.questions[0]
    assert question.until == datetime(2030, 1, 31, 13, tzinfo=UTC)
    assert question.until - question.since == timedelta(days=30)
    assert question.group is UsageGroup.DAY


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2030-01-02T00:00:00Z", "until": "2030-01-01T00:00:00Z"},
        {"since": "2028-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z"},
        {"since": "2030-01-01T00:00:00"},
        {"since": "yesterday"},
        {"until": "9999-12-31T23:59:59-23:59"},
        {"since": "0001-01-01T00:00:00+23:59"},
        {"group": "secret"},
        {"limit": "0"},
        {"limit": "10001"},
    ],
)
def test_usage_of_an_impossible_time_is_refused(client, with_key, usage, problem, query):
    problem(client.get("/api/usage", params=query, headers=with_key), 422, "invalid_input")
    assert usage.questions == []


def test_what_cannot_be_read_is_named_and_not_repeated(client, with_key, problem):
    answer = client.get("/api/models", params={"limit": "hush hush"}, headers=with_key)
    body = problem(answer, 422, "invalid_input")
    assert [field["name"] for field in body["errors"]] == ["limit"]
    assert "hush" not in answer.text


def test_a_revoked_key_is_refused_at_once(client, database, accounts, create_key, with_key):
    made = create_key("gone")
    headers = {"authorization": f"Bearer {made.text}"}
    assert client.get("/api/whoami", headers=headers).status_code == 200
    with database.transaction() as tx:
        tx.exec_driver_sql(
            "UPDATE api_key SET revoked_at = created_at WHERE id = %s", (made.row.key_id,)
        )
    answer = client.get("/api/whoami", headers=headers)
    assert answer.status_code == 401
    assert "revoked" in answer.json()["detail"]


def test_two_authorization_headers_are_refused(client, with_key, problem):
    twice = [("authorization", with_key["authorization"])] * 2
    problem(client.get("/api/whoami", headers=twice), 401, "key_refused")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    header=st.binary(max_size=200)
    | st.binary(max_size=60).map(b"Bearer sk-tw-".__add__)
    | st.text("0123456789abcdefghjkmnpqrstvwxyzABC-", min_size=51, max_size=51).map(
        lambda text: b"Bearer sk-tw-" + text.encode()
    )
)
def test_any_authorization_header_is_answered_with_401(client, first_run, header):
    answer = client.get("/api/keys", headers={b"authorization": header})
    assert answer.status_code == 401
    assert answer.json()["code"] == "key_refused"
