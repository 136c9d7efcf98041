"""The routes of red teaming as a client meets them: an estimate, a campaign, its report."""

from dataclasses import replace

import pytest

from tradewind.features.catalog.builtin import SMOLLM2

pytestmark = pytest.mark.postgres


@pytest.fixture
def known(database, built):
    """A model with a price, which is all that is asked of what is attacked."""
    entry = replace(SMOLLM2, publisher="tw", publisher_name="Tradewind", slug="small")
    with database.transaction() as tx:
        added = built.catalog.add_builtin(tx, entry)
        assert added is not None
        built.market.set_price(
            tx,
            added.model_id,
            "USD",
            input_nanos=20_000_000,
            output_nanos=60_000_000,
            cached_input_nanos=5_000_000,
        )


SPEC = {"tool": "fake", "target": "tw/small", "datasets": ["scripted"], "size": "small"}


@pytest.fixture
def post(client, with_management_key):
    def post(path, body=None, status=201):
        answer = client.post(f"/api/red-team{path}", json=body or {}, headers=with_management_key)
        assert answer.status_code == status, answer.text
        return answer.json()

    return post


@pytest.fixture
def get(client, with_management_key):
    def get(path, status=200):
        answer = client.get(f"/api/red-team{path}", headers=with_management_key)
        assert answer.status_code == status, answer.text
        return answer.json()

    return get


def test_a_campaign_is_estimated_begun_listed_and_cancelled(known, post, get):
    told = post("/estimates", SPEC | {"converters": ["none", "base64"]})
    assert told["attacks"] == 32
    assert told["currency"] == "USD"
    assert not told["is_measured"]
    begun = post("/campaigns", {"name": "First", "spec": SPEC})
    assert begun["state"] == "waiting"
    assert begun["spec"]["filter"] == "both"
    assert begun["version"]
    assert [row["id"] for row in get("/campaigns")["campaigns"]] == [begun["id"]]
    ended = post(f"/campaigns/{begun['id']}/cancel")
    assert ended["state"] == "cancelled"
    again = post(f"/campaigns/{begun['id']}/resume")
    assert again["state"] == "waiting"
    report = get(f"/campaigns/{begun['id']}/results")
    assert report["cells"] == []
    assert report["filter_on"]["asr"]["value"] is None


def test_azures_names_become_our_attacks(known, post):
    begun = post(
        "/campaigns",
        {
            "name": "Pack",
            "spec": {
                "target": "tw/small",
                "datasets": ["airt_hate"],
                "attack_strategies": ["baseline", "base64", "jailbreak"],
            },
        },
    )
    assert begun["spec"]["strategies"] == ["prompt_sending", "jailbreak"]
    assert begun["spec"]["converters"] == ["none", "base64"]


@pytest.mark.parametrize(
    "change",
    [
        {"pack": "easy", "strategies": ["prompt_sending"]},
        {"attack_strategies": ["nothing"]},
        {"size": "small", "per_harm": 3},
        {"target": "nobody/nothing"},
        {"tool": "nothing"},
        {"unknown_field": 1},
    ],
)
def test_what_cannot_be_attacked_is_refused(known, post, change):
    post("/campaigns", {"name": "First", "spec": SPEC | change}, status=422)


def test_a_data_set_is_added_used_and_deleted(known, post, get, client, with_management_key):
    row = post("/datasets", {"name": "Mine", "content": '[{"value": "Say it", "harm": "hate"}]'})
    assert (row["seeds"], row["harms"]) == (1, {"hate": 1})
    taken = post("/datasets", {"name": "Mine", "content": "value\nother\n"}, status=409)
    assert "Mine" in taken["detail"]
    begun = post("/campaigns", {"name": "Own", "spec": SPEC | {"datasets": [row["id"]]}})
    assert begun["spec"]["datasets"] == [row["id"]]
    gone = client.delete(f"/api/red-team/datasets/{row['id']}", headers=with_management_key)
    assert gone.status_code == 204
    assert get("/datasets")["datasets"] == []


def test_a_schedule_says_when_it_is_next(known, post, get, client, with_management_key):
    row = post(
        "/schedules", {"name": "Weekly", "spec": SPEC, "every": "weekly", "hour": 4, "weekday": 2}
    )
    assert row["next_at"] == "2030-02-06T04:00:00Z"
    halted = client.patch(
        f"/api/red-team/schedules/{row['id']}",
        json={"is_enabled": False},
        headers=with_management_key,
    )
    assert halted.json()["is_enabled"] is False
