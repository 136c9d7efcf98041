"""The routes of trust: publishers show what a release needs, and reviewers decide."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tests.features.trust.conftest import FILLED
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.features.safety.schemas import DEFAULT_POLICY

pytestmark = pytest.mark.postgres

SMALL = "model:acme/small"
FORM = msgspec.json.decode(msgspec.json.encode(FILLED))
SENSITIVE = {"risks_injury": True, "sensitive_detail": "A person watches."}
YES, NO = {"approves": True, "reason": "fine"}, {"approves": False, "reason": "who?"}
NOTE = "/catalog/models/tw/small/transparency-note"


def in_days(days):
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


@pytest.fixture
def small(customer, ada):
    """A listing of the customer's that nobody has handed in."""
    named = {"publisher": "acme", "name": "Acme", "website": "https://acme.example"}
    named["contact"] = "a@acme.example"
    asked = customer.done("POST", "/publishing/applications", named)
    ada.done("POST", f"/publishing/applications/{asked['id']}/decision", {"is_accepted": True})
    customer.done("POST", "/publishing/listings", {"publisher": "acme", "model": "small"})


@pytest.fixture
def begun():
    """Begin an assessment and return its path."""

    def begin(caller, subject=SMALL):
        made = caller.done("POST", "/trust/assessments", {"subject": subject})
        return f"/trust/assessments/{made['id']}"

    return begin


@pytest.fixture
def handed_in(begun):
    """Begin an assessment, fill it in but for `changes`, and hand it in."""

    def hand_in(caller, subject=SMALL, **changes):
        path = begun(caller, subject)
        caller.done("PUT", path, FORM | changes)
        caller.done("POST", f"{path}/submit")
        return path

    return hand_in


@pytest.fixture
def asked(small, customer):
    """A waiver that the customer has asked for."""
    wanted = {"subject": SMALL, "gate": "scan", "reason": "the fair", "expires_at": in_days(10)}
    return customer.done("POST", "/trust/waivers", wanted)


@pytest.fixture
def of_ada(ada):
    """A subject of the organization that runs the platform."""
    return f"policy:{ada.done('POST', '/safety/policies', {'name': 'Strict'})['id']}"


def moves(caller, query=""):
    return [event["move"] for event in caller.done("GET", f"/trust/trail{query}")["events"]]


def test_a_form_is_begun_filled_in_handed_in_and_approved(customer, grace, small):
    begun = customer("POST", "/trust/assessments", {"subject": SMALL})
    row = begun.json()
    assert (begun.status_code, begun.headers["etag"]) == (201, '"1"')
    assert begun.headers["location"] == f"/api/trust/assessments/{row['id']}"
    assert (row["state"], row["version"], row["subject"]) == ("draft", 1, SMALL)
    assert "purpose" in row["absent"]
    again = customer.done("POST", "/trust/assessments", {"subject": SMALL})
    assert again["id"] == row["id"]

    path = f"/trust/assessments/{row['id']}"
    filled = customer("PUT", path, FORM, if_match='"1"')
    assert (filled.status_code, filled.headers["etag"]) == (200, '"2"')
    assert (filled.json()["content"], filled.json()["absent"]) == (FORM, [])
    submitted = customer("POST", f"{path}/submit", if_match='"2"')
    assert submitted.json()["submitted_by"] == "Cora (the key Desk)"

    decided = grace.done("POST", f"{path}/decision", YES, if_match=submitted.headers["etag"])

    assert (decided["state"], decided["approvals_needed"]) == ("approved", 1)
    [decision] = decided["decisions"]
    assert (decision["by"], decision["reason"]) == ("Grace (the key Desk)", "fine")
    until = datetime.fromisoformat(decided["expires_at"])
    assert until - datetime.fromisoformat(decided["decided_at"]) == timedelta(days=365)
    assert customer.done("GET", path) == decided
    assert moves(customer) == ["assessment approved", "assessment handed in"]


def test_what_was_approved_is_changed_as_another_version(customer, grace, small, handed_in):
    path = handed_in(customer)
    grace.done("POST", f"{path}/decision", YES)
    second = customer.done("POST", "/trust/assessments", {"subject": SMALL})
    assert (second["version"], second["state"], second["content"]) == (2, "draft", FORM)
    versions = customer.done("GET", f"/trust/assessments?subject={SMALL}")["assessments"]
    assert [(each["version"], each["state"]) for each in versions] == [
        (2, "draft"),
        (1, "approved"),
    ]
    own = customer.done("GET", "/trust/assessments")["assessments"]
    assert [each["id"] for each in own] == [second["id"]]


def test_only_what_was_read_is_changed_and_decided_about(customer, grace, small, begun, problem):
    path = begun(customer)
    customer.done("PUT", path, FORM)
    for sent in ('"1"', '"0"', "2", 'W/"2"'):
        problem(customer("PUT", path, {"team": "Us"}, if_match=sent), 412, "precondition_failed")
        problem(customer("POST", f"{path}/submit", if_match=sent), 412, "precondition_failed")
    unchanged = customer("GET", path)
    assert (unchanged.headers["etag"], unchanged.json()["content"]) == ('"2"', FORM)
    assert customer("POST", f"{path}/submit", if_match="*").headers["etag"] == '"3"'
    problem(grace("POST", f"{path}/decision", YES, if_match='"2"'), 412, "precondition_failed")
    assert customer.done("GET", path)["decisions"] == []


def test_what_is_wrong_or_empty_is_refused_by_its_name(customer, small, begun, problem):
    path = begun(customer)
    for change in ({"restricted_uses": ["walking"]}, {"purpos": "walking"}, {"risks_injury": 1}):
        problem(customer("PUT", path, change), 422, "invalid_input")
    customer.done("PUT", path, FORM | {"purpose": " ", "intended_uses": [{"name": "Chat"}]})
    refused = problem(customer("POST", f"{path}/submit"), 422, "assessment_incomplete")
    assert refused["detail"].startswith("9 fields are empty: purpose, intended_uses[1].")


def test_what_has_no_such_move_stays(*, customer, grace, small, begun, handed_in, problem):
    path = begun(customer)
    problem(customer("POST", f"{path}/withdraw"), 409, "assessment_move")
    handed_in(customer)
    problem(customer("POST", f"{path}/submit"), 409, "assessment_move")
    problem(customer("PUT", path, {}), 409, "assessment_move")
    approved = grace.done("POST", f"{path}/decision", YES)
    for method, end, body in (("POST", "/withdraw", None), ("PUT", "", {})):
        problem(customer(method, path + end, body), 409, "assessment_move")
    problem(grace("POST", f"{path}/decision", NO), 409, "assessment_move")
    assert customer.done("GET", path) == approved


def test_nobody_decides_about_their_own_by_another_key_either(
    *, ada, grace, of_ada, handed_in, calling, problem
):
    path = handed_in(ada, of_ada)
    for key in (ada, calling(ada.viewer)):
        refused = problem(key("POST", f"{path}/decision", YES), 403, "second_person")
        assert "another person decides" in refused["detail"]
    assert grace.done("POST", f"{path}/decision", YES)["state"] == "approved"


def test_a_sensitive_use_takes_two_people(*, customer, ada, grace, small, handed_in, problem):
    path = handed_in(customer, **SENSITIVE)
    once = grace.done("POST", f"{path}/decision", YES)
    assert (once["state"], once["approvals_needed"]) == ("submitted", 2)
    problem(grace("POST", f"{path}/decision", YES), 403, "second_person")
    back = ada.done("POST", f"{path}/decision", NO)
    assert (back["state"], back["expires_at"]) == ("returned", None)
    assert [each["is_approval"] for each in back["decisions"]] == [True, False]
    assert customer.done("POST", f"{path}/submit")["decisions"] == []


def test_what_is_ruled_out_can_only_be_returned(customer, grace, small, handed_in, problem):
    path = handed_in(customer, restricted_uses=["social_scoring"])
    refused = problem(grace("POST", f"{path}/decision", YES), 422, "invalid_input")
    assert "ruled out" in refused["detail"]
    problem(grace("POST", f"{path}/decision", NO | {"reason": " "}), 422, "invalid_input")
    assert grace.done("POST", f"{path}/decision", NO)["state"] == "returned"


def test_reviewers_see_what_was_handed_in_and_others_nothing(
    *, customer, grace, stranger, small, begun, handed_in, problem
):
    path = begun(customer)
    problem(grace("GET", path), 404, "not_found")
    handed_in(customer)
    assert grace.done("GET", path)["state"] == "submitted"
    for method, end, body in (("GET", "", None), ("PUT", "", FORM), ("POST", "/withdraw", None)):
        problem(stranger(method, path + end, body), 404, "not_found")
    problem(grace("PUT", path, FORM), 404, "not_found")
    problem(stranger("POST", "/trust/assessments", {"subject": SMALL}), 404, "not_found")
    problem(customer("POST", f"{path}/decision", YES), 403, "forbidden")
    assert stranger.done("GET", "/trust/assessments") == {"assessments": []}


def test_a_subject_is_named_by_its_kind_and_only_the_own_is_found(
    customer, stranger, small, problem
):
    for what in ("assessments", "gates", "waivers", "trail"):
        path = f"/trust/{what}?subject="
        refused = problem(customer("GET", f"{path}acme/small"), 422, "invalid_input")
        assert "model:…" in refused["hint"]
        problem(stranger("GET", path + SMALL), 404, "not_found")
        for name in ("model:acme/none", "offer:x", "adapter:y"):
            problem(customer("GET", path + name), 404, "not_found")


@pytest.fixture
def gates(customer):
    """Read the states of a release's gates."""

    def read(release="listing"):
        query = f"?subject={SMALL}&release={release}"
        [report] = customer.done("GET", f"/trust/gates{query}")["reports"]
        assert (report["subject"], report["release"]) == (SMALL, release)
        return {each["gate"]: each for each in report["gates"]}, report["may_be_released"]

    return read


def test_gates_say_what_is_missing_and_what_to_do(*, customer, grace, small, handed_in, gates):
    assert customer.done("GET", "/trust/gates") == {"reports": []}
    found, may_be_released = gates("ga")
    assert not may_be_released
    assert found["red_team"]["state"] == "missing"
    assert found["red_team"]["advice"] == "tradewind redteam run"
    assert found["scan"]["state"] == "not_needed"
    path = handed_in(customer)
    assert gates()[0]["assessment"]["detail"] == "0 of 1 approvals are given"
    grace.done("POST", f"{path}/decision", YES)
    passed = gates()[0]["assessment"]
    assert (passed["state"], passed["evidence"]) == ("passed", path.rpartition("/")[2])
    [report] = customer.done("GET", "/trust/gates?release=ga")["reports"]
    assert (report["subject"], report["release"]) == (SMALL, "ga")


def test_a_waiver_lets_through_until_it_is_revoked(customer, grace, small, handed_in, gates):
    handed_in(customer)
    wanted = {"subject": SMALL, "gate": "red_team", "reason": "the fair"}
    wanted["expires_at"] = in_days(10)
    asked = customer.done("POST", "/trust/waivers", wanted)
    assert (asked["state"], asked["asked_by"]) == ("asked", "Cora (the key Desk)")
    assert customer.done("POST", "/trust/waivers", wanted)["id"] == asked["id"]
    path = f"/trust/waivers/{asked['id']}"

    granted = grace.done("POST", f"{path}/decision", {"grants": True})
    assert (granted["state"], granted["decided_by"]) == ("granted", "Grace (the key Desk)")
    assert gates("ga")[0]["red_team"]["evidence"] == asked["id"]
    revoked = grace.done("POST", f"{path}/revoke", {"reason": "too risky"})
    assert (revoked["state"], revoked["decision_reason"]) == ("revoked", "too risky")
    assert gates("ga")[0]["red_team"]["state"] == "missing"
    for query in ("", f"?subject={SMALL}"):
        assert customer.done("GET", f"/trust/waivers{query}") == {"waivers": [revoked]}
    assert moves(customer)[:2] == ["waiver of red_team revoked", "waiver of red_team granted"]


def test_a_waiver_is_decided_once_with_a_reason_for_a_refusal(asked, grace, customer, problem):
    path = f"/trust/waivers/{asked['id']}"
    problem(grace("POST", f"{path}/revoke", {"reason": "r"}), 409, "conflict")
    problem(grace("POST", f"{path}/decision", {"grants": False}), 422, "invalid_input")
    problem(customer("POST", f"{path}/decision", {"grants": True}), 403, "forbidden")
    refused = grace.done("POST", f"{path}/decision", {"grants": False, "reason": "no"})
    assert (refused["state"], refused["decision_reason"]) == ("refused", "no")
    problem(grace("POST", f"{path}/decision", {"grants": True}), 409, "conflict")
    problem(grace("POST", "/trust/waivers/waiver_1/decision", {"grants": True}), 404, "not_found")


def test_who_asks_for_a_waiver_does_not_grant_it(ada, grace, of_ada, calling, problem):
    wanted = {"subject": of_ada, "gate": "scan", "reason": "r", "expires_at": in_days(1)}
    path = f"/trust/waivers/{ada.done('POST', '/trust/waivers', wanted)['id']}/decision"
    for key in (ada, calling(ada.viewer)):
        problem(key("POST", path, {"grants": True}), 403, "second_person")
    assert grace.done("POST", path, {"grants": True})["state"] == "granted"


def test_no_waiver_is_asked_for_what_is_ruled_out_or_for_ever(customer, small, problem):
    wanted = {"subject": SMALL, "gate": "scan", "reason": "r", "expires_at": in_days(1)}
    for change, status, code in (
        ({"gate": "restricted_use"}, 409, "not_waivable"),
        ({"expires_at": in_days(91)}, 422, "invalid_input"),
        ({"expires_at": in_days(-1)}, 422, "invalid_input"),
        ({"reason": ""}, 422, "invalid_input"),
        ({"gate": "weather"}, 422, "invalid_input"),
        ({"subject": "model:acme/none"}, 404, "not_found"),
    ):
        problem(customer("POST", "/trust/waivers", wanted | change), status, code)
    assert customer.done("GET", "/trust/waivers") == {"waivers": []}


def test_reviewers_are_told_what_waits_and_what_ends(
    *, customer, ada, grace, asked, of_ada, handed_in, problem
):
    ada.done("PATCH", "/trust/rules", {"review_days": 20, "reason": "more often"})
    approved, waits = handed_in(ada, of_ada), handed_in(customer)
    grace.done("POST", f"{approved}/decision", YES)
    queue = grace.done("GET", "/trust/reviews")
    ids = {name: [each["id"] for each in rows] for name, rows in queue.items()}
    assert ids == {
        "assessments": [waits.rpartition("/")[2]],
        "waivers": [asked["id"]],
        "ending": [approved.rpartition("/")[2]],
    }
    problem(customer("GET", "/trust/reviews"), 403, "forbidden")


def test_a_trail_is_paged_and_is_the_own_one(customer, stranger, small, handed_in):
    path = handed_in(customer)
    customer.done("POST", f"{path}/withdraw")
    newest, first = customer.done("GET", "/trust/trail")["events"]
    assert (newest["move"], newest["by"]) == ("assessment taken back", "Cora (the key Desk)")
    query = f"?before={newest['number']}"
    assert customer.done("GET", f"/trust/trail{query}") == {"events": [first]}
    assert customer.done("GET", f"/trust/trail{query}&subject={SMALL}") == {"events": [first]}
    assert moves(customer, f"?before={first['number']}") == []
    assert moves(stranger) == []


def test_rules_are_changed_a_version_at_a_time(ada, grace, customer, problem):
    built_in = customer.done("GET", "/trust/rules")
    assert (built_in["version"], built_in["made_at"]) == (0, None)
    change = {"asr_limits": {"hate": 50}, "least_attacks": 5, "reason": "hate first", "version": 0}
    changed = ada.done("PATCH", "/trust/rules", change)
    assert changed["rules"] == built_in["rules"] | {"asr_limits": {"hate": 50}, "least_attacks": 5}
    assert (changed["version"], changed["made_by"]) == (1, "Ada (the key Desk)")
    problem(grace("PATCH", "/trust/rules", change), 409, "conflict")
    assert grace.done("PATCH", "/trust/rules", change | {"version": 1}) == changed
    problem(customer("PATCH", "/trust/rules", change), 403, "forbidden")
    history = grace.done("GET", "/trust/rules/versions")["versions"]
    assert [(row["version"], row["reason"]) for row in history] == [(1, "hate first")]


def test_rules_that_can_never_be_are_refused_by_their_name(ada, problem):
    for named, change in (
        ("asr_limits.hate", {"asr_limits": {"hate": 1001}}),
        ("asr_limit", {"asr_limit": -1}),
        ("review_days", {"review_days": 0}),
        ("waiver_days", {"waiver_days": 3661}),
        ("least_attacks", {"least_attacks": 0}),
        ("a reason", {"waiver_days": 10, "reason": ""}),
    ):
        answer = ada("PATCH", "/trust/rules", {"reason": "r"} | change)
        assert named in problem(answer, 422, "invalid_input")["detail"]
    assert ada.done("GET", "/trust/rules")["version"] == 0


@pytest.fixture
def tw_small(database, built):
    with database.transaction() as tx:
        built.catalog.add_builtin(tx, replace(SMOLLM2, publisher="tw", slug="small"))


def test_a_note_is_kept_whenever_the_facts_have_changed(ada, stranger, tw_small):
    first = stranger.done("GET", NOTE)
    assert (first["subject"], first["version"]) == ("model:tw/small", 1)
    assert first["digest"] == hashlib.sha256(first["markdown"].encode()).hexdigest()
    assert stranger.done("GET", NOTE) == first
    ada.done("PUT", f"/safety/policies/{DEFAULT_POLICY}", {"rules": [], "checks": []})
    second = stranger.done("GET", NOTE)
    assert second["version"] == 2
    assert "Takes out" not in second["markdown"] != first["markdown"]
    assert stranger.done("GET", f"{NOTE}/versions") == {"versions": [second, first]}


def test_a_key_for_models_reads_a_note_in_any_form(client, with_key, tw_small):
    written = client.get(f"/api{NOTE}", headers=with_key).json()["markdown"].encode()
    for form, media_type, beginning in (
        ("md", "text/markdown; charset=utf-8", written),
        ("html", "text/html; charset=utf-8", b"<"),
        ("pdf", "application/pdf", b"%PDF-"),
    ):
        answer = client.get(f"/api{NOTE}?format={form}", headers=with_key)
        assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
        assert answer.content.startswith(beginning)


def test_a_draft_has_no_note(customer, small, problem):
    path = NOTE.replace("tw/small", "acme/small")
    for end in ("", "/versions", "?format=pdf"):
        problem(customer("GET", path + end), 404, "not_found")


def test_the_gates_of_a_release_are_chosen(ada, small, gates):
    ada.done("PATCH", "/trust/rules", {"listing": ["scan"], "reason": "ours alone"})
    found, may_be_released = gates()
    assert (list(found), may_be_released) == (["scan"], True)


def test_a_time_without_a_zone_is_refused(customer, small, problem):
    wanted = {"subject": SMALL, "gate": "scan", "reason": "r", "expires_at": in_days(1)[:19]}
    problem(customer("POST", "/trust/waivers", wanted), 422, "invalid_input")


@pytest.mark.parametrize("what", ["trust", "abuse"])
def test_a_trail_before_a_number_that_never_was_is_refused(customer, small, begun, what):
    begun(customer)
    assert customer("GET", f"/{what}/trail?before={10**29}").status_code == 422


def test_a_deleted_draft_leaves_the_gates_of_the_others(customer, small, begun):
    begun(customer)
    strict = f"policy:{customer.done('POST', '/safety/policies', {'name': 'Strict'})['id']}"
    begun(customer, strict)
    [row] = customer.done("GET", "/publishing/listings")["listings"]
    assert customer("DELETE", f"/publishing/listings/{row['id']}").status_code == 204
    [report] = customer.done("GET", "/trust/gates")["reports"]
    assert report["subject"] == strict


def test_an_empty_draft_shows_nothing_about_restricted_uses(customer, small, begun, gates):
    begun(customer)
    assert gates()[0]["restricted_use"]["state"] == "missing"
