"""Signing in by link and by password, and what happens after failures."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from tradewind.core.errors import InvalidInput
from tradewind.features.accounts.errors import SignInBusy, SignInLocked, SignInRefused
from tradewind.features.accounts.lockout import Lockout
from tradewind.features.accounts.passwords import Passwords
from tradewind.features.accounts.rules import LOCKOUTS, SubjectKind
from tradewind.features.accounts.service import Accounts
from tradewind.features.accounts.tables import (
    membership,
    sign_in_attempt,
    sign_in_link,
    user_account,
)
from tradewind.features.accounts.tokens import Tokens

pytestmark = pytest.mark.postgres

FREE = LOCKOUTS[SubjectKind.PAIR].failures


# --- by link ---------------------------------------------------------------------------------


@pytest.fixture
def code(database, accounts, first_run):
    with database.transaction() as tx:
        return accounts.create_sign_in_link(tx, lifetime=timedelta(minutes=30))


def test_a_link_signs_in_once(database, accounts, first_run, code):
    with database.transaction() as tx:
        signed_in = accounts.sign_in_with_link(tx, code)
    with pytest.raises(SignInRefused), database.transaction() as tx:
        accounts.sign_in_with_link(tx, code)
    assert signed_in.viewer.user_id == first_run.user_id
    assert signed_in.viewer.signed_in_by_link


def test_of_two_browsers_that_open_a_link_at_once_one_gets_in(database, accounts, code):
    together = threading.Barrier(2)

    def open_link(_browser):
        with database.transaction() as tx:
            together.wait()
            try:
                return accounts.sign_in_with_link(tx, code)
            except SignInRefused:
                return None

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(open_link, range(2)))
    assert sum(outcome is not None for outcome in outcomes) == 1


def test_a_link_expires(database, accounts, clock, code):
    clock.turn(minutes=30)
    with pytest.raises(SignInRefused), database.transaction() as tx:
        accounts.sign_in_with_link(tx, code)


def test_a_new_link_replaces_the_earlier_one(database, accounts, code):
    with database.transaction() as tx:
        newer = accounts.create_sign_in_link(tx, lifetime=timedelta(minutes=30))
    with database.transaction() as tx:
        with pytest.raises(SignInRefused):
            accounts.sign_in_with_link(tx, code)
        assert accounts.sign_in_with_link(tx, newer)
        assert tx.execute(select(func.count()).select_from(sign_in_link)).scalar() == 1


def test_the_link_of_a_disabled_person_is_refused(database, accounts, clock, code):
    with database.transaction() as tx:
        tx.execute(update(user_account).values(disabled_at=clock.now()))
    with pytest.raises(SignInRefused), database.transaction() as tx:
        accounts.sign_in_with_link(tx, code)


@pytest.mark.parametrize("hours", [0, -1, 25])
def test_a_link_lives_for_a_day_at_most(database, accounts, first_run, hours):
    with pytest.raises(InvalidInput), database.transaction() as tx:
        accounts.create_sign_in_link(tx, lifetime=timedelta(hours=hours))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text() | st.text("abc-_019", min_size=43, max_size=43))
def test_any_text_as_link_or_session_is_refused_quietly(database, accounts, text):
    with database.transaction() as tx:
        with pytest.raises(SignInRefused):
            accounts.sign_in_with_link(tx, text)
        assert accounts.resolve_session(tx, text) is None
        accounts.sign_out(tx, text)


# --- by password -----------------------------------------------------------------------------


def test_the_password_signs_in_however_the_address_is_typed(admin, sign_in):
    signed_in = sign_in(email="  ADA@example.org ")
    assert signed_in.viewer.user_id == admin.viewer.user_id
    assert signed_in.session_token != admin.session_token
    assert not signed_in.viewer.signed_in_by_link


def test_every_refusal_reads_the_same(admin, sign_in):
    refusals = set()
    for email, password in (
        ("ada@example.org", "wrong password"),
        ("nobody@example.org", "correct horse battery"),
        ("not an address", "correct horse battery"),
        ("nul\x00@example.org", "\ud800"),
        ("ada@example.org", "x" * 100_000),
    ):
        with pytest.raises(SignInRefused) as refused:
            sign_in(email=email, password=password, peer=f"peer of {password[:9]!r} {email!r}")
        refusals.add((refused.value.code, refused.value.status, str(refused.value)))
    assert len(refusals) == 1


def test_a_disabled_person_is_refused_like_a_wrong_password(database, admin, clock, sign_in):
    with database.transaction() as tx:
        tx.execute(update(user_account).values(disabled_at=clock.now()))
    with pytest.raises(SignInRefused, match="e-mail or password is wrong"):
        sign_in()


def test_a_person_without_password_cannot_sign_in_with_one(first_run, sign_in):
    for password in ("", "anything at all"):
        with pytest.raises(SignInRefused):
            sign_in(email="admin@localhost", password=password)


def test_a_person_without_organization_is_told_so(database, admin, sign_in):
    with database.transaction() as tx:
        tx.execute(membership.delete())
    with pytest.raises(SignInRefused, match="belongs to no organization"):
        sign_in()


def test_a_password_is_hashed_anew_when_the_parameters_change(
    database, admin, pepper, clock, sign_in
):
    def stored_hash():
        with database.transaction() as tx:
            return tx.execute(select(user_account.c.password_hash)).scalar_one()

    before = stored_hash()
    sign_in()
    assert stored_hash() == before
    newer = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)
    with database.transaction() as tx:
        Accounts(pepper, clock, Passwords(newer)).sign_in_with_password(
            tx, "ada@example.org", "correct horse battery", peer="203.0.113.7"
        )
    assert not newer.check_needs_rehash(stored_hash())
    sign_in()


# --- after failures --------------------------------------------------------------------------


def fail(sign_in, times, **how):
    for _ in range(times):
        with pytest.raises(SignInRefused) as refused:
            sign_in(password="wrong password", **how)
        assert not isinstance(refused.value, SignInLocked)


def test_after_too_many_failures_even_the_right_password_waits(admin, sign_in, clock):
    fail(sign_in, FREE)
    with pytest.raises(SignInLocked) as locked:
        sign_in()
    assert locked.value.retry_after_s == 30
    assert locked.value.status == 429
    clock.turn(seconds=30)
    assert sign_in().viewer.email == "ada@example.org"


def test_each_failure_after_the_wait_doubles_the_next_one(admin, sign_in, clock):
    fail(sign_in, FREE)
    clock.turn(seconds=30)
    fail(sign_in, 1)
    with pytest.raises(SignInLocked) as locked:
        sign_in()
    assert locked.value.retry_after_s == 60


def test_asking_while_locked_does_not_make_the_wait_longer(admin, sign_in, clock):
    fail(sign_in, FREE)
    for _ in range(10):
        with pytest.raises(SignInLocked):
            sign_in()
    clock.turn(seconds=30)
    sign_in()


def test_an_unknown_account_is_locked_like_a_known_one(first_run, sign_in):
    fail(sign_in, FREE, email="nobody@example.org")
    with pytest.raises(SignInLocked):
        sign_in(email="nobody@example.org")


def test_failures_from_one_peer_do_not_lock_the_owner_out_elsewhere(admin, sign_in):
    fail(sign_in, FREE, peer="198.51.100.1")
    sign_in(peer="203.0.113.7")


def test_one_peer_that_tries_many_accounts_is_locked(admin, sign_in):
    peer = LOCKOUTS[SubjectKind.PEER]
    for number in range(peer.failures):
        fail(sign_in, 1, email=f"person{number}@example.org", peer="2001:db8::1")
    with pytest.raises(SignInLocked):
        sign_in(peer="2001:db8::ffff")
    sign_in(peer="2001:db8:0:1::1")


def test_an_own_account_does_not_wash_off_guesses_at_others(admin, sign_in):
    peer = LOCKOUTS[SubjectKind.PEER]
    for number in range(peer.failures):
        fail(sign_in, 1, email=f"person{number}@example.org")
        if number < peer.failures - 1:
            sign_in()
    with pytest.raises(SignInLocked):
        sign_in()


def test_success_forgets_the_failures_of_the_pair(admin, sign_in):
    fail(sign_in, FREE - 1)
    sign_in()
    fail(sign_in, FREE - 1)
    sign_in()


def test_a_quiet_hour_forgets_failures_and_their_rows_go(database, admin, sign_in, clock):
    fail(sign_in, FREE, email="nobody@example.org", peer="198.51.100.1")
    clock.turn(hours=1, seconds=1)
    fail(sign_in, FREE - 1)
    with database.transaction() as tx:
        # The account, the peer and the pair of the second half; the first half is gone.
        assert tx.execute(select(func.count()).select_from(sign_in_attempt)).scalar() == 3


def test_guesses_sent_at_once_are_not_free(database, accounts, admin):
    """Each is counted before its password is looked at; else all of them would be looked at."""

    def guess(_number):
        try:
            with database.transaction() as tx:
                accounts.sign_in_with_password(
                    tx, "ada@example.org", "wrong password", peer="203.0.113.7"
                )
        except SignInRefused as refused:
            return type(refused)
        return None

    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(guess, range(60)))
    assert outcomes.count(SignInRefused) == FREE
    assert set(outcomes) == {SignInRefused, SignInLocked}


def test_more_sign_ins_than_the_machine_can_do_are_turned_away(database, pepper, clock):
    lockout = Lockout(Tokens(pepper), clock)
    with database.transaction() as tx:
        engine = tx.engine
    with ExitStack() as inside:
        for number in range(3):
            inside.enter_context(lockout.attempt(engine, account=f"a{number}", peer=f"{number}"))
        with pytest.raises(SignInBusy), lockout.attempt(engine, account="d", peer="4"):
            pytest.fail("a fourth one must not get in")
    with lockout.attempt(engine, account="d", peer="4"):
        pass
