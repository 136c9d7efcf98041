"""What a session is worth, how it ends, and changing the password."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from tradewind.core.errors import InvalidInput
from tradewind.core.permissions import Permission, Role
from tradewind.features.accounts.errors import KeyRefused, SignInLocked, SignInRefused
from tradewind.features.accounts.rules import LOCKOUTS, SubjectKind
from tradewind.features.accounts.service import SESSIONS_MAX, Accounts
from tradewind.features.accounts.tables import membership, session, user_account

pytestmark = pytest.mark.postgres


@pytest.fixture
def resolve(database, accounts):
    def resolve_token(signed_in):
        with database.transaction() as tx:
            return accounts.resolve_session(tx, signed_in.session_token)

    return resolve_token


def test_a_session_stands_for_its_viewer(admin, resolve):
    viewer = resolve(admin)
    assert viewer == admin.viewer
    assert (viewer.organization_name, viewer.project_name) == ("My organization", "Default")
    assert all(viewer.may(permission) for permission in Permission)


def test_a_session_ends_after_an_idle_hour(admin, resolve, clock):
    clock.turn(minutes=60)
    assert resolve(admin) is None


def test_visits_keep_a_session_alive_for_twelve_hours_and_no_longer(admin, resolve, clock):
    for _ in range(23):
        clock.turn(minutes=30)
        assert resolve(admin) is not None
    clock.turn(minutes=30)
    assert resolve(admin) is None


def test_a_session_is_written_once_a_minute_at_most(database, admin, resolve, clock):
    def last_seen():
        with database.transaction() as tx:
            return tx.execute(select(session.c.last_seen_at)).scalar_one()

    opened = last_seen()
    clock.turn(seconds=59)
    resolve(admin)
    assert last_seen() == opened
    clock.turn(seconds=1)
    resolve(admin)
    assert last_seen() == opened + timedelta(seconds=60)


def test_signing_out_ends_one_session_and_is_idempotent(
    database, accounts, admin, sign_in, resolve
):
    other = sign_in()
    for _ in range(2):
        with database.transaction() as tx:
            accounts.sign_out(tx, admin.session_token)
    assert resolve(admin) is None
    assert resolve(other) is not None


def test_disabling_a_person_ends_their_sessions_at_once(database, admin, resolve, clock):
    with database.transaction() as tx:
        tx.execute(update(user_account).values(disabled_at=clock.now()))
    assert resolve(admin) is None


def test_a_changed_role_counts_from_the_next_request(database, admin, resolve):
    with database.transaction() as tx:
        tx.execute(update(membership).values(role=Role.VIEWER.value))
    assert not resolve(admin).may(Permission.KEYS_WRITE)


def test_a_session_of_another_pepper_is_worth_nothing(database, admin, clock):
    with database.transaction() as tx:
        assert Accounts(bytes(32), clock).resolve_session(tx, admin.session_token) is None


def test_the_oldest_session_goes_when_there_are_too_many(admin, sign_in, resolve, clock):
    sessions = [admin]
    for _ in range(SESSIONS_MAX):
        clock.turn(seconds=1)
        sessions.append(sign_in())
    assert [resolve(each) is not None for each in sessions] == [False] + [True] * SESSIONS_MAX


def test_expired_sessions_are_cleared_away(database, admin, sign_in, clock):
    clock.turn(hours=13)
    sign_in()
    with database.transaction() as tx:
        assert tx.execute(select(func.count()).select_from(session)).scalar() == 1


# --- changing the password -------------------------------------------------------------------


def test_a_new_password_signs_every_other_session_out(database, accounts, admin, sign_in, resolve):
    other = sign_in()
    with database.transaction() as tx:
        renewed = accounts.change_password(
            tx, admin.viewer, current="correct horse battery", new="another password"
        )
    assert resolve(admin) is None
    assert resolve(other) is None
    assert resolve(renewed) == renewed.viewer
    with pytest.raises(SignInRefused):
        sign_in()
    sign_in(password="another password")


def test_a_new_password_revokes_playground_keys(database, accounts, admin):
    with database.transaction() as tx:
        key = accounts.mint_playground_key(tx, admin.viewer)
        accounts.change_password(
            tx, admin.viewer, current="correct horse battery", new="another password"
        )
        with pytest.raises(KeyRefused):
            accounts.authenticate_key(tx, f"Bearer {key.text}")


@pytest.mark.parametrize("current", ["wrong password", "", None])
def test_a_new_password_takes_the_current_one(database, accounts, admin, resolve, current):
    with pytest.raises(SignInRefused), database.transaction() as tx:
        accounts.change_password(tx, admin.viewer, current=current, new="another password")
    assert resolve(admin) is not None


def test_the_current_password_cannot_be_found_out_by_trying(database, accounts, admin):
    for _ in range(LOCKOUTS[SubjectKind.PAIR].failures):
        with pytest.raises(SignInRefused), database.transaction() as tx:
            accounts.change_password(tx, admin.viewer, current="wrong", new="another password")
    with pytest.raises(SignInLocked), database.transaction() as tx:
        accounts.change_password(
            tx, admin.viewer, current="correct horse battery", new="another password"
        )


def test_whoever_came_by_link_may_replace_a_forgotten_password(database, accounts, admin, sign_in):
    with database.transaction() as tx:
        code = accounts.create_sign_in_link(tx, lifetime=timedelta(minutes=5))
        viewer = accounts.sign_in_with_link(tx, code).viewer
        renewed = accounts.change_password(tx, viewer, current=None, new="another password")
    assert not renewed.viewer.signed_in_by_link
    sign_in(password="another password")


def test_a_link_that_was_opened_long_ago_no_longer_replaces_the_password(
    database, accounts, admin, clock
):
    with database.transaction() as tx:
        code = accounts.create_sign_in_link(tx, lifetime=timedelta(minutes=5))
        token = accounts.sign_in_with_link(tx, code).session_token
    clock.turn(minutes=30)
    with database.transaction() as tx:
        viewer = accounts.resolve_session(tx, token)
        with pytest.raises(SignInRefused):
            accounts.change_password(tx, viewer, current=None, new="another password")


def test_a_new_password_follows_the_rules(database, accounts, admin):
    with pytest.raises(InvalidInput), database.transaction() as tx:
        accounts.change_password(tx, admin.viewer, current="correct horse battery", new="short")
