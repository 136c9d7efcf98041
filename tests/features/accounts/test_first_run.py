"""The first start, and setting the administrator up."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from tradewind.core.errors import Conflict, Forbidden, InvalidInput, NotFound, StartupError
from tradewind.core.permissions import Role
from tradewind.features.accounts.service import Accounts

pytestmark = pytest.mark.postgres


def test_the_first_run_makes_a_key_that_works_and_the_second_changes_nothing(database, accounts):
    with database.transaction() as tx:
        made = accounts.first_run(tx)
    with database.transaction() as tx:
        again = accounts.first_run(tx)
        holder = accounts.authenticate_key(tx, f"Bearer {made.api_key}")
    assert again is None
    assert (holder.organization_id, holder.project_id) == (made.organization_id, made.project_id)
    assert holder.key_id == made.key_id


def test_the_key_and_the_token_are_not_in_any_repr(first_run, link_session):
    assert first_run.api_key not in repr(first_run)
    assert link_session.session_token not in repr(link_session)
    assert link_session.viewer.csrf_token not in repr(link_session)


def test_before_the_first_run_there_is_nobody_to_sign_in(database, accounts):
    with database.transaction() as tx:
        assert not accounts.has_administrator(tx)
        with pytest.raises(NotFound):
            accounts.create_sign_in_link(tx, lifetime=timedelta(minutes=1))
        with pytest.raises(NotFound):
            accounts.mint_start_up_key(tx)


def test_there_is_an_administrator_once_a_password_is_set(
    database, accounts, first_run, link_session
):
    assert not link_session.viewer.has_password
    with database.transaction() as tx:
        assert not accounts.has_administrator(tx)
        signed_in = accounts.set_up_administrator(
            tx, link_session.viewer, name=" Ada ", email="Ada@Example.org", password="twelve chars!"
        )
    with database.transaction() as tx:
        assert accounts.has_administrator(tx)
    viewer = signed_in.viewer
    assert (viewer.name, viewer.email, viewer.role) == ("Ada", "ada@example.org", Role.ADMIN)
    assert viewer.has_password


def test_setting_up_rotates_the_session(database, accounts, link_session, admin):
    with database.transaction() as tx:
        assert accounts.resolve_session(tx, link_session.session_token) is None
        assert accounts.resolve_session(tx, admin.session_token) == admin.viewer
    assert admin.viewer.csrf_token != link_session.viewer.csrf_token


def test_setting_up_twice_is_a_conflict(database, accounts, admin):
    with pytest.raises(Conflict), database.transaction() as tx:
        accounts.set_up_administrator(
            tx, admin.viewer, name="Eve", email="eve@example.org", password="another password"
        )


def test_setting_up_takes_a_good_password_and_an_address_of_ones_own(
    database, accounts, link_session, add_viewer
):
    with database.transaction() as tx:
        other = add_viewer(tx)
        for email, password, error in (
            ("ada@example.org", "short", InvalidInput),
            ("not an address", "twelve chars!", InvalidInput),
            (other.email, "twelve chars!", Conflict),
        ):
            with pytest.raises(error):
                accounts.set_up_administrator(
                    tx, link_session.viewer, name="Ada", email=email, password=password
                )
    with database.transaction() as tx:
        assert not accounts.has_administrator(tx)


def test_only_an_administrator_sets_the_administrator_up(database, accounts, admin, add_viewer):
    with database.transaction() as tx:
        developer = add_viewer(tx, role=Role.DEVELOPER, beside=admin.viewer)
        with pytest.raises(Forbidden):
            accounts.set_up_administrator(
                tx, developer, name="Dev", email="dev@example.org", password="twelve chars!"
            )


def test_a_short_pepper_does_not_start(clock):
    with pytest.raises(StartupError):
        Accounts(b"", clock)


def test_no_secret_stands_in_the_database(database, accounts, first_run, admin):
    with database.transaction() as tx:
        code = accounts.create_sign_in_link(tx, lifetime=timedelta(minutes=1))
    with database.transaction() as tx:
        tables = ("user_account", "api_key", "sign_in_link", "session", "sign_in_attempt")
        stored = "".join(
            str(tx.execute(text(f"SELECT json_agg(t)::text FROM {table} t")).scalar())
            for table in tables
        )
    for secret in (first_run.api_key, admin.session_token, code, "correct horse battery"):
        assert secret not in stored
        assert secret.encode().hex() not in stored
