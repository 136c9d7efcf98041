"""The routes of abuse and of feedback: reviewers, and the organizations they look at."""

from datetime import UTC, datetime, timedelta

import pytest

from tradewind.core.ids import AbuseCaseId, OrganizationId, request_id
from tradewind.features.abuse.opt_outs import TERMS_SHA256
from tradewind.features.abuse.schemas import FeedbackFlag, Rating
from tradewind.features.accounts.schemas import KeyPurpose
from tradewind.testing.kept_contents import keep_content, set_content_days
from tradewind.testing.logged_calls import OWN_ATTEMPT, ended_call, log_calls
from tradewind.usage.event import Flag, SafetyTrail, Trail

pytestmark = pytest.mark.postgres

WHY = {"reason": "jailbreaks"}
JAILBREAK = SafetyTrail(
    policies=(("sp_default", 1),),
    flags=(Flag("jailbreak", "prompt", 6, 0.9, "block", "prompt_shield", "1"),),
)
FLAGGED = Trail("openai", "tw/small", (OWN_ATTEMPT,), safety=JAILBREAK)


@pytest.fixture
def app_key(customer, calling):
    """A key with which a program of the customer's calls models."""
    return calling(customer.viewer, KeyPurpose.CLIENT)


@pytest.fixture
def key_id(app_key):
    return app_key.done("GET", "/whoami")["key_id"]


@pytest.fixture
def called(database, customer, key_id):
    """Put calls of that key into the log, and return them."""

    def call(number=1, trail=None):
        whose = customer.viewer
        calls = [
            ended_call(
                trail=trail,
                model="tw/small",
                organization_id=whose.organization_id,
                project_id=whose.project_id,
                key_id=key_id,
            )
            for _ in range(number)
        ]
        log_calls(database, *calls)
        return calls

    return call


@pytest.fixture
def case(ada, customer, called):
    """The path of the case of a key that sent thirty jailbreaks."""
    called(30, FLAGGED)
    ada.done("POST", f"/abuse/organizations/{customer.viewer.organization_id}/score")
    [row] = customer.done("GET", "/abuse/cases")["cases"]
    return f"/abuse/cases/{row['id']}"


@pytest.fixture
def complaint(ada, customer):
    """The path of a case of the organization as a whole."""
    about = {"organization_id": customer.viewer.organization_id, "reason": "a complaint"}
    return f"/abuse/cases/{ada.done('POST', '/abuse/cases', about)['id']}"


@pytest.fixture
def signed(database, services, customer):
    """Sign an opt-out for somebody's organization, and return its path."""

    def sign(caller=customer):
        with database.transaction() as tx:
            row = services.abuse.opt_outs.sign(
                tx,
                caller.viewer,
                caller.viewer.by,
                terms_sha256=TERMS_SHA256,
                reason="health records",
                expires_at=datetime.now(UTC) + timedelta(days=300),
            )
        return f"/abuse/opt-outs/{row.opt_out_id}"

    return sign


def events(caller, path):
    return [(each["move"], each["by"]) for each in caller.done("GET", path)["events"]]


def test_what_was_found_becomes_a_score_and_a_case(ada, customer, case, key_id, problem):
    own = customer.done("GET", "/abuse/standing")
    organization = customer.viewer.organization_id
    assert [each["key_id"] for each in own["scores"]] == ["", key_id]
    of_key = own["scores"][1]
    [category] = of_key["evidence"]["categories"]
    assert (category["category"], category["high"]) == ("jailbreak", 30)
    path = f"/abuse/organizations/{organization}/standing"
    assert ada.done("GET", path) == own
    problem(customer("GET", path), 403, "forbidden")
    row = customer.done("GET", case)
    assert (row["key_id"], row["score"], row["level"]) == (key_id, of_key["score"], "review")
    [of_queue] = ada.done("GET", "/abuse/queue")["cases"]
    assert of_queue == ada.done("GET", case)
    assert row == of_queue | {"looked_by": None, "proposed_by": None}


def test_there_is_no_score_of_nobody(ada, problem):
    for name in (OrganizationId.new(), "nobody"):
        path = f"/abuse/organizations/{name}"
        problem(ada("GET", f"{path}/standing"), 404, "not_found")
        problem(ada("POST", f"{path}/score"), 404, "not_found")


def test_flagged_calls_are_listed_without_texts(customer, case, key_id):
    calls = customer.done("GET", f"{case}/calls")["calls"]
    assert len(calls) == 30
    assert calls[0].keys() == {"request_id", "at", "key_id", "model", "action", "flags"}
    assert {each["key_id"] for each in calls} == {key_id}
    assert calls[0]["flags"] == [{"category": "jailbreak", "direction": "prompt", "severity": 6}]


def test_a_person_opens_a_case_once(ada, customer, complaint, key_id, problem):
    about = {"organization_id": customer.viewer.organization_id, "reason": "another one"}
    again = ada("POST", "/abuse/cases", about)
    assert again.headers["location"] == f"/api{complaint}"
    assert (again.json()["reason"], again.json()["key_id"]) == ("a complaint", "")
    of_key = ada.done("POST", "/abuse/cases", about | {"key_id": key_id})
    assert (of_key["key_id"], of_key["reason"]) == (key_id, "another one")
    problem(ada("POST", "/abuse/cases", about | {"key_id": "nothing"}), 404, "not_found")
    nobody = about | {"organization_id": OrganizationId.new()}
    problem(ada("POST", "/abuse/cases", nobody), 404, "not_found")
    problem(ada("POST", "/abuse/cases", about | {"organization_id": "x"}), 422, "invalid_input")
    problem(customer("POST", "/abuse/cases", about), 403, "forbidden")


def test_a_suspended_key_opens_nothing_until_it_is_lifted(ada, app_key, case, problem):
    assert ada.done("POST", f"{case}/take")["looked_by"] == "Ada (the key Desk)"
    suspended = ada.done("POST", f"{case}/suspend", WHY)
    assert (suspended["state"], suspended["suspension_reason"]) == ("suspended", "jailbreaks")
    assert "is suspended" in problem(app_key("GET", "/models"), 401, "key_refused")["detail"]
    for end in ("suspend", "close"):
        problem(ada("POST", f"{case}/{end}", WHY), 409, "abuse_move")
    assert ada.done("POST", f"{case}/lift", WHY)["state"] == "noticed"
    assert app_key("GET", "/models").status_code == 200
    problem(ada("POST", f"{case}/lift", WHY), 409, "abuse_move")
    closed = ada.done("POST", f"{case}/close", {"reason": "they rotated it"})
    assert (closed["state"], closed["outcome"]) == ("closed", "they rotated it")
    problem(ada("POST", f"{case}/take"), 409, "abuse_move")
    assert ada.done("GET", "/abuse/queue")["cases"] == []


def test_an_organization_is_suspended_by_two_people(
    *, ada, grace, customer, calling, complaint, problem
):
    proposed = ada.done("POST", f"{complaint}/suspend", WHY)
    assert (proposed["state"], proposed["proposed_by"]) == ("open", "Ada (the key Desk)")
    for key in (ada, calling(ada.viewer)):
        problem(key("POST", f"{complaint}/suspend", WHY), 403, "another_person")
    assert customer.done("GET", complaint)["proposed_by"] is None
    assert events(customer, f"{complaint}/trail") == [("case opened", "the platform")]
    assert grace.done("POST", f"{complaint}/suspend", WHY)["state"] == "suspended"
    assert events(ada, f"{complaint}/trail") == [
        ("organization suspended", "Grace (the key Desk)"),
        ("suspension of the organization proposed", "Ada (the key Desk)"),
        ("case opened", "Ada (the key Desk)"),
    ]


def test_an_appeal_is_decided_by_another_person(*, ada, grace, customer, app_key, case, problem):
    problem(customer("POST", f"{case}/appeals", WHY), 409, "abuse_move")
    ada.done("POST", f"{case}/suspend", WHY)
    problem(grace("POST", f"{case}/appeals", WHY), 404, "not_found")
    appeal = customer.done("POST", f"{case}/appeals", {"reason": "it was a test"})
    assert (appeal["state"], appeal["made_by"]) == ("waiting", "Cora (the key Desk)")
    assert customer.done("POST", f"{case}/appeals", {"reason": "once more"}) == appeal
    assert ada.done("GET", "/abuse/queue")["appeals"] == [appeal]
    path, yes = f"/abuse/appeals/{appeal['id']}/decision", {"grants": True, "reason": "it was"}
    problem(ada("POST", path, yes), 403, "another_person")
    problem(customer("POST", path, yes), 403, "forbidden")
    problem(grace("POST", path, yes | {"reason": ""}), 422, "invalid_input")

    granted = grace.done("POST", path, yes)

    assert (granted["state"], granted["decision_reason"]) == ("granted", "it was")
    assert customer.done("GET", f"{case}/appeals") == {"appeals": [granted]}
    assert customer.done("GET", case)["state"] == "closed"
    assert app_key("GET", "/models").status_code == 200
    problem(grace("POST", path, yes), 409, "abuse_move")
    problem(grace("POST", "/abuse/appeals/appeal_1/decision", yes), 404, "not_found")


def test_a_refused_appeal_against_a_notice_leaves_it(ada, grace, customer, case):
    ada.done("POST", f"{case}/notice", {"text": "Stop it."})
    row = customer.done("GET", case)
    assert (row["state"], row["notice"]) == ("noticed", "Stop it.")
    appeal = customer.done("POST", f"{case}/appeals", {"reason": "why?"})
    no = {"grants": False, "reason": "read them"}
    grace.done("POST", f"/abuse/appeals/{appeal['id']}/decision", no)
    assert customer.done("GET", case) == row


def test_contents_are_read_with_a_grant_and_the_organization_is_told(
    *, ada, grace, customer, case, called, database, services, problem
):
    why = {"reason": "is it real?", "minutes": 30}
    problem(ada("POST", f"{case}/grants", why), 403, "look_refused")
    set_content_days(database, services.budgets, customer.viewer, 7)
    [flagged], [harmless] = called(trail=FLAGGED), called()
    for call in (flagged, harmless):
        keep_content(database, call, customer.viewer.organization_id, prompt=b'{"say": "it"}')
    look = {"request_id": request_id(flagged.event_id)}
    problem(ada("POST", f"{case}/looks", look), 403, "look_refused")

    granted = ada.done("POST", f"{case}/grants", why)
    until = datetime.fromisoformat(granted["expires_at"])
    assert until - datetime.fromisoformat(granted["granted_at"]) == timedelta(minutes=30)
    found = ada.done("POST", f"{case}/looks", look)

    assert (found["prompt"], found["request_id"]) == ({"say": "it"}, look["request_id"])
    problem(grace("POST", f"{case}/looks", look), 403, "look_refused")
    of_harmless = {"request_id": request_id(harmless.event_id)}
    problem(ada("POST", f"{case}/looks", of_harmless), 404, "not_found")
    assert ada.done("GET", f"{case}/grants") == {"grants": [granted]}
    shown = granted | {"granted_to": "the platform"}
    assert customer.done("GET", f"{case}/grants") == {"grants": [shown]}
    assert events(customer, "/abuse/trail") == [
        ("contents read", "the platform"),
        ("looks at contents for 30 minutes", "the platform"),
        ("case opened", "the platform"),
    ]
    for minutes in (0, 61):
        longer = why | {"minutes": minutes}
        problem(ada("POST", f"{case}/grants", longer), 422, "invalid_input")


def test_another_organization_has_no_such_case(stranger, ada, app_key, complaint, problem):
    for end in ("", "/trail", "/calls", "/appeals", "/grants"):
        problem(stranger("GET", complaint + end), 404, "not_found")
        problem(ada("GET", f"/abuse/cases/{AbuseCaseId.new()}{end}"), 404, "not_found")
        problem(app_key("GET", complaint + end), 403, "forbidden")


def test_an_organization_decides_nothing_about_itself(customer, complaint, problem):
    bodies = {"take": None, "notice": {"text": "t"}}
    for end in ("suspend", "lift", "close", "grants", "take", "notice"):
        answer = customer("POST", f"{complaint}/{end}", bodies.get(end, WHY))
        problem(answer, 403, "forbidden")
    assert customer.done("GET", complaint)["state"] == "open"


def test_a_trail_is_paged_and_is_the_own_one(ada, customer, stranger, complaint):
    ada.done("POST", f"{complaint}/notice", {"text": "Stop it."})
    newest, first = customer.done("GET", "/abuse/trail")["events"]
    assert (newest["move"], newest["detail"]) == ("notice sent", "Stop it.")
    path = f"/abuse/trail?before={newest['number']}"
    assert customer.done("GET", path) == {"events": [first]}
    assert stranger.done("GET", "/abuse/trail") == {"events": []}
    assert stranger.done("GET", "/abuse/cases") == {"cases": []}


def test_an_opt_out_holds_once_the_platform_has_signed(*, ada, customer, stranger, signed, problem):
    path = signed()
    terms = customer.done("GET", "/abuse/opt-out-terms")
    [waits] = ada.done("GET", "/abuse/queue")["opt_outs"]
    assert (waits["state"], waits["terms_sha256"]) == ("signed", terms["sha256"])
    problem(customer("POST", f"{path}/decision", {"signs": True}), 403, "forbidden")
    held = ada.done("POST", f"{path}/decision", {"signs": True})
    assert (held["state"], held["countersigned_by"]) == ("in_force", "Ada (the key Desk)")
    assert customer.done("GET", "/abuse/opt-outs") == {"opt_outs": [held]}
    about = {"organization_id": customer.viewer.organization_id, "reason": "r"}
    problem(ada("POST", "/abuse/cases", about), 409, "conflict")
    problem(ada("POST", f"{path}/decision", {"signs": True}), 409, "abuse_move")
    problem(stranger("POST", f"{path}/revoke", WHY), 404, "not_found")
    assert stranger.done("GET", "/abuse/opt-outs") == {"opt_outs": []}
    assert customer.done("POST", f"{path}/revoke", WHY)["state"] == "revoked"
    problem(ada("POST", f"{path}/revoke", WHY), 409, "abuse_move")
    assert ada("POST", "/abuse/cases", about).status_code == 201
    assert events(customer, "/abuse/trail")[1:] == [
        ("opt-out revoked", "Cora (the key Desk)"),
        ("opt-out countersigned", "the platform"),
        ("opt-out signed", "Cora"),
    ]


def test_an_organization_signs_an_opt_out_by_the_hash_of_its_terms(customer, problem):
    now = datetime.now(UTC)
    signed = {"terms_sha256": TERMS_SHA256, "reason": "records"}
    signed["expires_at"] = (now + timedelta(days=300)).isoformat()
    for change, status, code in (
        ({"terms_sha256": "0" * 64}, 409, "conflict"),
        ({"expires_at": (now + timedelta(days=400)).isoformat()}, 422, "invalid_input"),
    ):
        problem(customer("POST", "/abuse/opt-outs", signed | change), status, code)
    made = customer.done("POST", "/abuse/opt-outs", signed)
    assert (made["state"], made["signed_by"]) == ("signed", "Cora (the key Desk)")
    problem(customer("POST", "/abuse/opt-outs", signed), 409, "conflict")


def test_nobody_signs_for_both_sides(ada, grace, signed, problem):
    path = f"{signed(ada)}/decision"
    problem(ada("POST", path, {"signs": True}), 403, "another_person")
    problem(grace("POST", path, {"signs": False}), 422, "invalid_input")
    refused = grace.done("POST", path, {"signs": False, "reason": "not us"})
    assert (refused["state"], refused["decision_reason"]) == ("refused", "not us")
    assert grace.done("GET", "/abuse/queue")["opt_outs"] == []


@pytest.fixture
def rated(database, services, customer, called):
    """Have somebody rate a call, and return its id."""

    def rate(rating=Rating.UP, *flags):
        [call] = called()
        named = request_id(call.event_id)
        with database.transaction() as tx:
            services.abuse.feedback.give(
                tx, customer.viewer, "user_eve", named, rating, flags=flags, comment=" rude "
            )
        return named

    return rate


def test_a_program_rates_its_calls_and_what_it_says_again_takes_the_place(
    app_key, stranger, called, problem
):
    [call] = called()
    said = {"request_id": request_id(call.event_id), "rating": "up"}
    app_key.done("POST", "/feedback", said)
    again = app_key.done("POST", "/feedback", said | {"rating": "down", "flags": ["biased"]})
    assert (again["rating"], again["flags"]) == ("down", ["biased"])
    assert app_key.done("GET", "/feedback") == {"feedback": [again]}
    problem(stranger("POST", "/feedback", said), 404, "not_found")


def test_feedback_is_read_by_its_organization(customer, app_key, stranger, rated, problem):
    first, second = rated(), rated(Rating.DOWN, FeedbackFlag.HARMFUL)
    listed = customer.done("GET", "/feedback?model=tw/small")["feedback"]
    assert [each["request_id"] for each in listed] == [second, first]
    said = listed[0]
    assert (said["rating"], said["flags"], said["comment"]) == ("down", ["harmful"], "rude")
    assert app_key.done("GET", f"/feedback?request_id={first}")["feedback"] == listed[1:]
    assert customer.done("GET", "/feedback?model=tw/large") == {"feedback": []}
    assert stranger.done("GET", "/feedback") == {"feedback": []}
    problem(customer("GET", "/feedback?request_id=1"), 422, "invalid_input")


def test_sums_of_a_model_are_for_everybody_once_there_are_five(stranger, rated):
    for _ in range(4):
        rated()
    assert stranger.done("GET", "/feedback/models") == {"models": []}
    rated(Rating.DOWN, FeedbackFlag.BIASED)
    row = {"model": "tw/small", "up": 4, "down": 1, "flags": {"biased": 1}}
    assert stranger.done("GET", "/feedback/models") == {"models": [row]}
    assert stranger.done("GET", "/feedback/models?model=tw/large") == {"models": []}
