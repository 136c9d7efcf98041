"""The routes of incidents and kill switches: what went wrong, and what was stopped for it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tradewind.core.ids import IncidentId, KillSwitchId
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.testing.logged_calls import ended_call, log_calls

pytestmark = pytest.mark.postgres

OPENED = {
    "severity": 1,
    "title": "It told secrets",
    "description": "The model tells the system prompt.",
}
LEARNED = {"postmortem": "We test for it."}
WHY = {"reason": "it tells secrets"}


@pytest.fixture
def affected(customer):
    return f"organization:{customer.viewer.organization_id}"


@pytest.fixture
def incident(ada, affected):
    """The path of an incident that names the customer's organization and an endpoint."""
    made = ada.done(
        "POST", "/abuse/incidents", OPENED | {"affected": ["endpoint:tw/small", affected]}
    )
    return f"/abuse/incidents/{made['id']}"


@pytest.fixture
def small(database, built):
    """The name of an endpoint."""
    entry = replace(SMOLLM2, publisher="tw", publisher_name="Tradewind", slug="small")
    with database.transaction() as tx:
        added = built.catalog.add_builtin(tx, entry)
        assert added is not None
        built.market.set_price(
            tx, added.model_id, "USD", input_nanos=1, output_nanos=2, cached_input_nanos=3
        )
        deployment_id = built.deployments.deploy(
            tx, added.version_id, engine="llama_server", slots=4, replicas=1
        )
        built.endpoints.serve_deployment(tx, deployment_id)
    return "tw/small"


@pytest.fixture
def stopped(ada, small):
    """Stop it, for an incident or for none, and return the switch."""
    return lambda **more: ada.done("POST", "/abuse/kill-switches", WHY | {"endpoint": small} | more)


def ids(answer):
    [rows] = answer.values()
    return [row["id"] for row in rows]


def test_an_incident_is_written_down_changed_and_closed_with_a_postmortem(ada, grace, problem):
    made = ada("POST", "/abuse/incidents", OPENED)
    row = made.json()
    path = f"/abuse/incidents/{row['id']}"
    assert (made.status_code, made.headers["location"]) == (201, f"/api{path}")
    assert OPENED.items() <= row.items()
    assert (row["opened_by"], row["closed_at"]) == ("Ada (the key Desk)", None)
    problem(ada("POST", f"{path}/close"), 409, "postmortem_missing")

    changed = grace.done("PATCH", path, LEARNED | {"severity": 3})
    assert changed == row | LEARNED | {"severity": 3}
    closed = grace.done("POST", f"{path}/close")

    assert closed["closed_at"] is not None
    assert ada.done("GET", path) == closed
    problem(ada("PATCH", path, {"severity": 2}), 409, "abuse_move")
    problem(ada("POST", f"{path}/close"), 409, "abuse_move")
    events = ada.done("GET", f"{path}/trail")["events"]
    assert [(each["move"], each["by"], each["detail"]) for each in events] == [
        ("closed", "Grace (the key Desk)", ""),
        ("postmortem changed", "Grace (the key Desk)", "We test for it."),
        ("severity changed", "Grace (the key Desk)", "1 became 3"),
        ("opened with severity 1", "Ada (the key Desk)", "It told secrets"),
    ]


def test_what_is_open_is_listed_first_then_the_newest(ada):
    first, second, third = (ada.done("POST", "/abuse/incidents", OPENED)["id"] for _ in range(3))
    ada.done("PATCH", f"/abuse/incidents/{third}", LEARNED)
    ada.done("POST", f"/abuse/incidents/{third}/close")
    assert ids(ada.done("GET", "/abuse/incidents")) == [second, first, third]


def test_who_is_affected_reads_of_it_but_not_who_else_is(
    *, ada, customer, stranger, incident, affected, problem
):
    whole = ada.done("GET", incident)
    assert whole["affected"] == ["endpoint:tw/small", affected]
    shown = whole | {"affected": [affected], "opened_by": "the platform"}
    assert customer.done("GET", incident) == shown
    assert customer.done("GET", "/abuse/incidents") == {"incidents": [shown]}
    problem(stranger("GET", incident), 404, "not_found")
    assert stranger.done("GET", "/abuse/incidents") == {"incidents": []}
    ada.done("PATCH", incident, {"affected": []})
    problem(customer("GET", incident), 404, "not_found")


def test_who_is_affected_changes_nothing_and_stops_nothing(
    *, ada, customer, incident, stopped, problem
):
    switch, before = stopped(), ada.done("GET", incident)
    for method, path, body in (
        ("POST", "/abuse/incidents", OPENED),
        ("PATCH", incident, {"severity": 4}),
        ("POST", f"{incident}/close", None),
        ("GET", f"{incident}/trail", None),
        ("GET", "/abuse/kill-switches", None),
        ("POST", "/abuse/kill-switches", WHY | {"endpoint": "tw/small"}),
        ("POST", f"/abuse/kill-switches/{switch['id']}/lift", WHY),
    ):
        assert "reviews:" in problem(customer(method, path, body), 403, "forbidden")["detail"]
    assert ada.done("GET", "/abuse/incidents") == {"incidents": [before]}
    assert ada.done("GET", "/abuse/kill-switches") == {"kill_switches": [switch]}


def test_what_makes_no_incident_is_refused_by_its_name(ada, incident, problem):
    before = ada.done("GET", incident)
    for named, change in (
        ("severity", {"severity": 5}),
        ("severity", {"severity": "1"}),
        ("what happened", {"description": " "}),
        ("'planet:earth'", {"affected": ["planet:earth"]}),
        ("'model:'", {"affected": ["model:"]}),
        ("closed", {"closed": True}),
    ):
        for answer in (
            ada("POST", "/abuse/incidents", OPENED | change),
            ada("PATCH", incident, change),
        ):
            assert named in problem(answer, 422, "invalid_input")["detail"]
    assert ada.done("GET", "/abuse/incidents") == {"incidents": [before]}


def test_there_is_no_incident_of_that_name(ada, problem):
    for name in (IncidentId.new(), "inc_1"):
        path = f"/abuse/incidents/{name}"
        for answer in (
            ada("GET", path),
            ada("GET", f"{path}/trail"),
            ada("PATCH", path, LEARNED),
            ada("POST", f"{path}/close"),
        ):
            problem(answer, 404, "not_found")


def test_an_endpoint_is_stopped_once_and_lifted_once(ada, grace, small, stopped):
    switch = stopped()
    assert (switch["endpoint"], switch["stopped_by"]) == (small, "Ada (the key Desk)")
    assert (switch["lifted_at"], switch["calls"], switch["last_token_ms"]) == (None, 0, None)
    again = grace.done("POST", "/abuse/kill-switches", {"endpoint": small, "reason": "me too"})
    assert again == switch

    path = f"/abuse/kill-switches/{switch['id']}/lift"
    lifted = grace.done("POST", path, {"reason": "it is mended"})

    assert (lifted["lifted_by"], lifted["reason"]) == ("Grace (the key Desk)", WHY["reason"])
    assert ada.done("POST", path, {"reason": "again"}) == lifted
    second = stopped()
    assert ids(ada.done("GET", "/abuse/kill-switches")) == [second["id"], switch["id"]]


def test_an_incident_stays_open_while_its_endpoint_is_stopped(ada, incident, stopped, problem):
    of_none = stopped()
    ada.done("POST", f"/abuse/kill-switches/{of_none['id']}/lift", WHY)
    switch = stopped(incident_id=incident.rpartition("/")[2])
    query = f"?incident_id={switch['incident_id']}"
    assert ids(ada.done("GET", f"/abuse/kill-switches{query}")) == [switch["id"]]
    ada.done("PATCH", incident, LEARNED)
    problem(ada("POST", f"{incident}/close"), 409, "abuse_move")
    ada.done("POST", f"/abuse/kill-switches/{switch['id']}/lift", {"reason": "it is mended"})
    assert ada.done("POST", f"{incident}/close")["closed_at"] is not None
    named = WHY | {"endpoint": "tw/small", "incident_id": switch["incident_id"]}
    problem(ada("POST", "/abuse/kill-switches", named), 409, "abuse_move")
    events = ada.done("GET", f"{incident}/trail")["events"]
    assert [(each["move"], each["detail"]) for each in events[:-1]] == [
        ("closed", ""),
        ("tw/small answers again", "it is mended"),
        ("postmortem changed", "We test for it."),
        ("tw/small stopped", "it tells secrets"),
    ]


def test_the_last_token_of_what_ran_is_measured(ada, database, stopped):
    switch = stopped()
    at = datetime.fromisoformat(switch["stopped_at"])
    for took in (2, 5.04):
        began = at.astimezone(UTC) - timedelta(seconds=5)
        log_calls(database, ended_call(began, model="tw/small", duration_us=round(took * 1e6)))
    [measured] = ada.done("GET", "/abuse/kill-switches")["kill_switches"]
    assert measured == switch | {"calls": 1, "last_token_ms": 40}


def test_what_names_nothing_and_what_has_no_reason_stops_nothing(ada, small, problem):
    for change, status, code in (
        ({"endpoint": "tw/nothing"}, 404, "not_found"),
        ({"incident_id": IncidentId.new()}, 404, "not_found"),
        ({"reason": " "}, 422, "invalid_input"),
        ({"endpoint": None}, 422, "invalid_input"),
    ):
        body = WHY | {"endpoint": small} | change
        problem(ada("POST", "/abuse/kill-switches", body), status, code)
    assert ada.done("GET", "/abuse/kill-switches") == {"kill_switches": []}
    for name in (KillSwitchId.new(), "stop_1"):
        problem(ada("POST", f"/abuse/kill-switches/{name}/lift", WHY), 404, "not_found")
