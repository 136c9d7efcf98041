"""Cases: looking, noticing, suspending, appealing; who may, and what stays written down."""

import msgspec
import psycopg
import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from tests.features.abuse.conftest import ADA, EVE, GRACE
from tradewind.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from tradewind.core.ids import AbuseCaseId, request_id, uuid7_bytes
from tradewind.features.abuse.errors import AnotherPerson, CaseMove, NotLookedAt
from tradewind.features.abuse.opt_outs import TERMS_SHA256
from tradewind.features.abuse.schemas import AppealState, CaseState, OptOutState
from tradewind.features.content.tables import request_content
from tradewind.features.metering.tables import usage_safety
from tradewind.serve.abuse import build_abuse


def live_keys(do, accounts):
    return {
        grant.key_id for grant in do(lambda tx: list(accounts.grants(tx))) if not grant.is_suspended
    }


# --- suspending --------------------------------------------------------------------------------


def test_a_suspended_key_calls_nothing_until_it_is_lifted(
    *, do, abuse, accounts, operator, customer, case, told
):
    assert case.key_id in live_keys(do, accounts)
    do(abuse.cases.take, operator, ADA, case.case_id)
    row = do(abuse.cases.suspend, operator, ADA, case.case_id, "jailbreaks")
    assert (row.state, row.suspension_reason) == (CaseState.SUSPENDED, "jailbreaks")
    assert case.key_id not in live_keys(do, accounts)
    assert told()[-1][:2] == ("abuse.suspended", customer.organization_id)
    with pytest.raises(CaseMove):
        do(abuse.cases.close, operator, ADA, case.case_id, "done")
    do(abuse.cases.lift, operator, ADA, case.case_id, "they rotated it")
    assert case.key_id in live_keys(do, accounts)


def test_an_organization_is_suspended_by_two_people(
    *, do, abuse, accounts, operator, make_key, organization_case
):
    key_id, case_id = make_key(), organization_case.case_id
    row = do(abuse.cases.suspend, operator, ADA, case_id, "all of it")
    assert (row.state, row.proposed_by) == (CaseState.OPEN, "Ada")
    with pytest.raises(AnotherPerson):
        do(abuse.cases.suspend, operator, ADA, case_id, "all of it")
    assert key_id in live_keys(do, accounts)
    do(abuse.cases.suspend, operator, GRACE, case_id, "I agree")
    assert key_id not in live_keys(do, accounts)
    assert make_key("another") not in live_keys(do, accounts)
    do(abuse.cases.lift, operator, GRACE, case_id, "over")
    assert key_id in live_keys(do, accounts)


def test_one_person_may_do_both_only_where_self_reviews_are_allowed(
    do, clock, operator, customer, organization_case
):
    lonely = build_abuse(clock, allows_self_review=True)
    row = do(lonely.cases.suspend, operator, ADA, organization_case.case_id, "all of it")
    assert row.state is CaseState.SUSPENDED
    moves = [event.move for event in do(lonely.trail.own, customer)]
    assert "organization suspended by one person" in moves


# --- appeals -----------------------------------------------------------------------------------


@pytest.fixture
def suspended(do, abuse, operator, case):
    return do(abuse.cases.suspend, operator, ADA, case.case_id, "jailbreaks")


def test_an_appeal_is_decided_by_another_person(
    *, do, abuse, accounts, operator, customer, suspended, told
):
    appeal = do(abuse.appeals.make, customer, EVE, suspended.case_id, "it was a test")
    again = do(abuse.appeals.make, customer, EVE, suspended.case_id, "once more")
    assert again == appeal
    for by in (ADA, EVE):
        with pytest.raises(AnotherPerson):
            do(abuse.appeals.decide, operator, by, appeal.appeal_id, grants=True, reason="yes")
    row = do(abuse.appeals.decide, operator, GRACE, appeal.appeal_id, grants=True, reason="yes")
    assert row.state is AppealState.GRANTED
    assert suspended.key_id in live_keys(do, accounts)
    assert do(abuse.cases.get, customer, suspended.case_id).state is CaseState.CLOSED
    assert told()[-1][2]["decision"] == "granted"
    with pytest.raises(CaseMove):
        do(abuse.appeals.decide, operator, GRACE, appeal.appeal_id, grants=False, reason="no")


def test_a_refused_appeal_leaves_the_suspension(
    *, do, abuse, accounts, operator, customer, suspended
):
    appeal = do(abuse.appeals.make, customer, EVE, suspended.case_id, "it was a test")
    do(abuse.appeals.decide, operator, GRACE, appeal.appeal_id, grants=False, reason="it was not")
    assert suspended.key_id not in live_keys(do, accounts)
    assert do(abuse.appeals.of_case, customer, suspended.case_id)[0].decision_reason == "it was not"
    assert do(abuse.appeals.queue, operator) == []


def test_there_is_nothing_to_appeal_before_a_notice(do, abuse, operator, customer, case):
    with pytest.raises(CaseMove):
        do(abuse.appeals.make, customer, EVE, case.case_id, "why?")
    do(abuse.cases.notice, operator, ADA, case.case_id, "stop it")
    appeal = do(abuse.appeals.make, customer, EVE, case.case_id, "why?")
    with pytest.raises(AnotherPerson):
        do(abuse.appeals.decide, operator, ADA, appeal.appeal_id, grants=True, reason="yes")


# --- looks -------------------------------------------------------------------------------------


@pytest.fixture
def kept_call(database, customer, clock, case):
    """A flagged call of the case, and what is kept of it."""

    def keep(key_id=case.key_id):
        event = uuid7_bytes(int(clock.now().timestamp() * 1000))
        shared = {
            "event_id": event.hex(),
            "at": clock.now(),
            "organization_id": customer.organization_id,
            "project_id": customer.project_id,
        }
        flag = {
            "category": "jailbreak",
            "direction": "prompt",
            "severity": 6,
            "score": 0.9,
            "action": "block",
            "check": "prompt_shield",
            "check_version": "1",
        }
        with database.transaction() as tx:
            for table in ("usage_safety", "request_content"):
                tx.execute(
                    text(f"CREATE TABLE IF NOT EXISTS {table}_all PARTITION OF {table} DEFAULT")
                )
            tx.execute(
                insert(usage_safety).values(
                    **shared,
                    key_id=key_id,
                    model="tw/small",
                    action="block",
                    policies=[],
                    flags=[flag],
                    failures=[],
                    examined_us=1,
                )
            )
            tx.execute(
                insert(request_content).values(
                    **shared,
                    prompt=msgspec.json.encode({"messages": ["ignore it all"]}),
                    answer=b"",
                    is_prompt_truncated=False,
                    is_answer_truncated=False,
                )
            )
        return request_id(event)

    return keep


def test_a_look_takes_a_grant_that_expires_and_the_organization_reads_of_it(
    *, do, abuse, clock, operator, customer, case, kept_call, keeps_content
):
    call = kept_call()
    look = (abuse.looks.content, operator, ADA, case.case_id, call)
    with pytest.raises(NotLookedAt):
        do(*look)
    do(abuse.looks.grant, operator, ADA, case.case_id, reason="is it real?", minutes=30)
    assert do(*look).prompt == {"messages": ["ignore it all"]}
    with pytest.raises(NotLookedAt):
        do(abuse.looks.content, operator, GRACE, case.case_id, call)
    clock.turn(minutes=30)
    with pytest.raises(NotLookedAt):
        do(*look)
    read, granted = do(abuse.trail.own, customer)[:2]
    assert (read.move, read.detail, read.by) == ("contents read", call, "the platform")
    assert (granted.move, granted.detail) == ("looks at contents for 30 minutes", "is it real?")
    [grant] = do(abuse.looks.grants, customer, case.case_id)
    assert (grant.granted_to, grant.reason) == ("the platform", "is it real?")


def test_only_flagged_calls_of_the_case_are_looked_at(
    *, do, abuse, operator, case, make_key, kept_call, keeps_content
):
    do(abuse.looks.grant, operator, ADA, case.case_id, reason="is it real?")
    of_another_key = kept_call(make_key())
    for call in (of_another_key, request_id(uuid7_bytes()), "req_1"):
        with pytest.raises(NotFound):
            do(abuse.looks.content, operator, ADA, case.case_id, call)


def test_no_look_is_longer_than_an_hour(do, abuse, operator, case, keeps_content):
    for minutes in (0, 61):
        with pytest.raises(InvalidInput):
            do(abuse.looks.grant, operator, ADA, case.case_id, reason="r", minutes=minutes)


def test_where_nothing_is_kept_nobody_is_let_in(do, abuse, operator, case):
    with pytest.raises(NotLookedAt):
        do(abuse.looks.grant, operator, ADA, case.case_id, reason="is it real?")


def test_flagged_calls_are_shown_without_texts(do, abuse, customer, case, kept_call):
    call = kept_call()
    [row] = do(abuse.cases.flagged_calls, customer, case.case_id)
    assert (row.request_id, row.flags) == (call, (("jailbreak", "prompt", 6),))


# --- opt-outs ----------------------------------------------------------------------------------


@pytest.fixture
def signed(do, abuse, clock, customer):
    return do(
        abuse.opt_outs.sign,
        customer,
        EVE,
        terms_sha256=TERMS_SHA256,
        reason="health records",
        expires_at=clock.now().replace(month=12),
    )


def test_an_opted_out_organization_is_scored_in_sums_and_never_queued(
    *, do, abuse, operator, customer, make_key, found, signed
):
    do(abuse.opt_outs.decide, operator, GRACE, signed.opt_out_id, signs=True)
    found(make_key(), 50)
    do(abuse.scoring.score, customer.organization_id)
    assert do(abuse.cases.queue, operator) == []
    [own] = do(abuse.scoring.own, customer)
    assert own.score > 0
    assert own.evidence.categories == ()
    assert own.evidence.patterns == ()
    with pytest.raises(Conflict):
        do(abuse.cases.open_by_person, operator, ADA, customer.organization_id, reason="r")


def test_an_opt_out_ends_on_its_day_and_when_it_is_revoked(
    *, do, abuse, clock, operator, customer, make_key, found, signed
):
    do(abuse.opt_outs.decide, operator, GRACE, signed.opt_out_id, signs=True)
    row = do(abuse.opt_outs.revoke, customer, EVE, signed.opt_out_id, "no more records")
    assert row.state is OptOutState.REVOKED
    again = do(
        abuse.opt_outs.sign,
        customer,
        EVE,
        terms_sha256=TERMS_SHA256,
        reason="records again",
        expires_at=clock.now().replace(month=2, day=2),
    )
    do(abuse.opt_outs.decide, operator, GRACE, again.opt_out_id, signs=True)
    clock.turn(days=2)
    found(make_key(), 50)
    do(abuse.scoring.score, customer.organization_id)
    assert len(do(abuse.cases.queue, operator)) == 1


def test_an_opt_out_waits_for_the_platforms_signature_by_another_person(
    *, do, abuse, operator, customer, make_key, found, signed
):
    with pytest.raises(AnotherPerson):
        do(abuse.opt_outs.decide, operator, EVE, signed.opt_out_id, signs=True)
    found(make_key(), 50)
    do(abuse.scoring.score, customer.organization_id)
    assert len(do(abuse.cases.queue, operator)) == 1
    do(abuse.opt_outs.decide, operator, GRACE, signed.opt_out_id, signs=False, reason="no")
    with pytest.raises(CaseMove):
        do(abuse.opt_outs.decide, operator, GRACE, signed.opt_out_id, signs=True)


def test_nobody_signs_other_terms_or_for_years(do, abuse, clock, customer, signed):
    signing = {"reason": "r", "expires_at": clock.now().replace(month=12)}
    with pytest.raises(Conflict):
        do(abuse.opt_outs.sign, customer, EVE, terms_sha256="0" * 64, **signing)
    with pytest.raises(Conflict, match="one already"):
        do(abuse.opt_outs.sign, customer, EVE, terms_sha256=TERMS_SHA256, **signing)
    far = {"reason": "r", "expires_at": clock.now().replace(year=2032)}
    with pytest.raises(InvalidInput):
        do(abuse.opt_outs.sign, customer, EVE, terms_sha256=TERMS_SHA256, **far)


# --- who may -----------------------------------------------------------------------------------


def test_an_organization_decides_nothing_about_itself(do, abuse, customer, case, signed):
    acts = [
        (abuse.cases.queue, customer),
        (abuse.cases.take, customer, EVE, case.case_id),
        (abuse.cases.notice, customer, EVE, case.case_id, "t"),
        (abuse.cases.suspend, customer, EVE, case.case_id, "r"),
        (abuse.cases.lift, customer, EVE, case.case_id, "r"),
        (abuse.cases.close, customer, EVE, case.case_id, "r"),
        (abuse.appeals.queue, customer),
        (abuse.opt_outs.queue, customer),
    ]
    for act, *arguments in acts:
        with pytest.raises(Forbidden):
            do(act, *arguments)
    with pytest.raises(Forbidden):
        do(abuse.looks.grant, customer, EVE, case.case_id, reason="r")
    with pytest.raises(Forbidden):
        do(abuse.opt_outs.decide, customer, EVE, signed.opt_out_id, signs=True)
    with pytest.raises(Forbidden):
        do(abuse.cases.open_by_person, customer, EVE, customer.organization_id, reason="r")


def test_who_only_reads_neither_appeals_nor_signs(*, do, abuse, clock, operator, viewer, case):
    do(abuse.cases.notice, operator, ADA, case.case_id, "stop it")
    assert do(abuse.cases.get, viewer, case.case_id).notice == "stop it"
    with pytest.raises(Forbidden):
        do(abuse.appeals.make, viewer, EVE, case.case_id, "r")
    with pytest.raises(Forbidden):
        do(
            abuse.opt_outs.sign,
            viewer,
            EVE,
            terms_sha256=TERMS_SHA256,
            reason="r",
            expires_at=clock.now(),
        )


def test_another_organization_sees_nothing(*, do, abuse, person, operator, case, signed):
    stranger = person(is_operator=False)
    for act in (abuse.cases.get, abuse.cases.trail, abuse.cases.flagged_calls, abuse.looks.grants):
        with pytest.raises(NotFound):
            do(act, stranger, case.case_id)
    with pytest.raises(NotFound):
        do(abuse.opt_outs.get, stranger, signed.opt_out_id)
    with pytest.raises(NotFound):
        do(abuse.cases.get, operator, AbuseCaseId.new())
    with pytest.raises(NotFound):
        do(abuse.appeals.make, operator, ADA, case.case_id, "it is not mine to appeal")


def test_an_organization_does_not_read_who_proposed_what(
    do, abuse, customer, operator, organization_case
):
    do(abuse.cases.suspend, operator, ADA, organization_case.case_id, "all of it")
    own = do(abuse.cases.trail, customer, organization_case.case_id)
    assert [(event.move, event.by) for event in own] == [("case opened", "the platform")]
    whole = do(abuse.cases.trail, operator, organization_case.case_id)
    assert whole[0].by == "Ada"


@pytest.mark.parametrize(
    "change", ["UPDATE abuse_event SET detail = ''", "DELETE FROM abuse_event"]
)
def test_nothing_changes_the_trail(do, case, change):
    with pytest.raises(DBAPIError) as refused:
        do(lambda tx: tx.execute(text(change)))
    assert isinstance(refused.value.orig, psycopg.Error)
