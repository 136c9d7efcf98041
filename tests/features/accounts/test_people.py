"""Organizations, members, invitations and projects; who looks where."""

from datetime import timedelta

import pytest

from tests.features.accounts.conftest import EMAIL, FAST_HASHER, PASSWORD
from tradewind.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from tradewind.core.permissions import PLATFORM_ONLY, Permission, Role
from tradewind.features.accounts.errors import (
    InvitationRefused,
    LastAdministrator,
    TooManyInAccounts,
)
from tradewind.features.accounts.passwords import Passwords
from tradewind.features.accounts.people import INVITATIONS_MAX, People

pytestmark = pytest.mark.postgres

GRACE = "grace@example.org"


@pytest.fixture
def people(pepper, clock, accounts):
    return People(pepper, clock, accounts, Passwords(FAST_HASHER))


@pytest.fixture
def do(database):
    def do(action, *arguments, **options):
        with database.transaction() as tx:
            return action(tx, *arguments, **options)

    return do


@pytest.fixture
def viewer(admin):
    return admin.viewer


@pytest.fixture
def invite(do, people, viewer):
    def invite(email=GRACE, role=Role.DEVELOPER, actor=None):
        return do(people.invite, actor or viewer, email=email, role=role, by=viewer.user_id)

    return invite


@pytest.fixture
def join(do, people):
    def join(made, name="Grace", password=PASSWORD):
        return do(people.accept_as_new, made.code, name=name, password=password)

    return join


@pytest.fixture
def acme(do, people, viewer, join):
    """Another organization, with its administrator signed in."""
    made = do(
        people.add_organization,
        viewer,
        name="Acme",
        administrator="ceo@acme.example",
        by=viewer.user_id,
    )
    return join(made.invitation, name="Chief")


def test_an_invitation_makes_an_account_with_its_role_and_is_used_up(
    *, do, people, viewer, invite, join, sign_in
):
    made = invite(role=Role.VIEWER)
    assert made.row.invited_by == "Ada"
    assert made.code not in repr(made)
    read = do(people.read_invitation, made.code)
    assert (read.row.email, read.has_account) == (GRACE, False)
    session = join(made)
    assert (session.viewer.role, session.viewer.organization_id) == (
        Role.VIEWER,
        viewer.organization_id,
    )
    assert sign_in(email=GRACE).viewer.name == "Grace"
    assert [(row.name, row.role) for row in do(people.list_members, viewer)] == [
        ("Ada", Role.ADMIN),
        ("Grace", Role.VIEWER),
    ]
    assert do(people.list_invitations, viewer) == []
    with pytest.raises(InvitationRefused):
        join(made)


@pytest.mark.parametrize("how", ["withdrawn", "replaced", "too old", "made up", "short"])
def test_a_code_that_no_longer_counts_lets_nobody_in(
    *, do, people, viewer, invite, join, clock, how
):
    made = invite()
    code = made.code
    if how == "withdrawn":
        do(people.withdraw_invitation, viewer, made.row.invitation_id)
        do(people.withdraw_invitation, viewer, made.row.invitation_id)
    elif how == "replaced":
        invite()
    elif how == "too old":
        clock.turn(days=7)
    else:
        code = "A" * 43 if how == "made up" else "A"
    with pytest.raises(InvitationRefused):
        do(people.read_invitation, code)
    with pytest.raises(InvitationRefused):
        do(people.accept_as_new, code, name="Grace", password=PASSWORD)
    assert len(do(people.list_members, viewer)) == 1


def test_a_link_is_never_the_way_into_an_account_that_is_there(
    *, do, people, viewer, invite, join, acme
):
    made = invite(email="ceo@acme.example")
    assert do(people.read_invitation, made.code).has_account
    with pytest.raises(Conflict, match="there is an account"):
        join(made, password="another long password")
    with pytest.raises(InvitationRefused, match=r"is for ceo@acme\.example"):
        do(people.accept, viewer, made.code)
    do(people.accept, acme.viewer, made.code)
    names = {row.email for row in do(people.list_members, viewer)}
    assert names == {EMAIL, "ceo@acme.example"}


def test_whoever_is_in_two_organizations_chooses_where_to_look(
    *, do, people, accounts, viewer, invite, acme
):
    do(people.accept, acme.viewer, invite(email="ceo@acme.example", role=Role.VIEWER).code)
    own, token = acme.viewer, acme.session_token
    places = do(people.places, own)
    assert {place.organization_name for place in places} == {"Acme", viewer.organization_name}
    here = do(people.look_at, own, token, viewer.project_id)
    assert here.organization_id == viewer.organization_id
    seen = do(accounts.resolve_session, token)
    assert (seen.organization_id, seen.project_id, seen.role) == (
        viewer.organization_id,
        viewer.project_id,
        Role.VIEWER,
    )
    do(people.remove_member, viewer, own.user_id)
    back = do(accounts.resolve_session, token)
    assert (back.organization_id, back.role) == (own.organization_id, Role.ADMIN)
    with pytest.raises(NotFound):
        do(people.look_at, own, token, viewer.project_id)


def test_administrators_of_another_organization_decide_nothing_for_the_platform(
    *, do, people, accounts, acme, viewer
):
    chief = acme.viewer
    assert not any(chief.may(permission) for permission in PLATFORM_ONLY)
    assert all(chief.may(permission) for permission in set(Permission) - PLATFORM_ONLY)
    assert all(viewer.may(permission) for permission in Permission)
    key = do(accounts.create_key, chief, name="k", purpose="management")
    holder = do(accounts.authenticate_key, f"Bearer {key.text}")
    assert not holder.may(Permission.PLATFORM_WRITE)
    assert holder.may(Permission.ACCOUNTS_WRITE)
    with pytest.raises(Forbidden):
        do(people.list_organizations, chief)
    with pytest.raises(Forbidden):
        do(people.add_organization, chief, name="B", administrator="b@example.org", by=None)
    assert [row.name for row in do(people.list_members, chief)] == ["Chief"]
    named = {row.name: row for row in do(people.list_organizations, viewer)}
    assert (named["Acme"].members, named["Acme"].projects, named["Acme"].is_platform) == (
        1,
        1,
        False,
    )


def test_the_way_back_in_from_the_terminal_is_for_the_platform_alone(
    *, do, people, accounts, acme, database
):
    with database.transaction() as tx:
        tx.exec_driver_sql("UPDATE user_account SET disabled_at = now() WHERE email = %s", (EMAIL,))
        assert not accounts.has_administrator(tx), "one of another organization does not count"
        with pytest.raises(NotFound):
            accounts.create_sign_in_link(tx, lifetime=timedelta(minutes=5))


def test_an_organization_keeps_one_administrator(*, do, people, viewer, invite, join):
    for change in (
        lambda: do(people.change_role, viewer, viewer.user_id, Role.VIEWER),
        lambda: do(people.remove_member, viewer, viewer.user_id),
    ):
        with pytest.raises(LastAdministrator):
            change()
    grace = join(invite(role=Role.ADMIN)).viewer
    assert do(people.change_role, grace, viewer.user_id, Role.DEVELOPER).role is Role.DEVELOPER
    with pytest.raises(LastAdministrator):
        do(people.remove_member, grace, grace.user_id)


def test_who_leaves_loses_the_keys_of_their_browsers_there_and_nowhere_else(
    *, do, people, accounts, viewer, invite, acme, database
):
    do(people.accept, acme.viewer, invite(email="ceo@acme.example", role=Role.DEVELOPER).code)
    elsewhere = do(accounts.mint_playground_key, acme.viewer)
    do(people.look_at, acme.viewer, acme.session_token, viewer.project_id)
    here = do(accounts.mint_playground_key, do(accounts.resolve_session, acme.session_token))
    do(people.remove_member, viewer, acme.viewer.user_id)
    live = {grant.key_id for grant in do(lambda tx: list(accounts.grants(tx)))}
    assert elsewhere.row.key_id in live
    assert here.row.key_id not in live


def test_nobody_touches_members_invitations_or_projects_of_others(
    *, do, people, viewer, invite, acme
):
    made, chief = invite(), acme.viewer
    project = do(people.add_project, viewer, "Ours")
    for change in (
        lambda: do(people.change_role, chief, viewer.user_id, Role.VIEWER),
        lambda: do(people.remove_member, chief, viewer.user_id),
        lambda: do(people.withdraw_invitation, chief, made.row.invitation_id),
        lambda: do(people.rename_project, chief, project.project_id, "Theirs"),
    ):
        with pytest.raises(NotFound):
            change()
    assert do(people.list_invitations, chief) == []
    assert do(people.read_invitation, made.code).row == made.row


def test_without_the_right_nothing_changes(*, do, people, invite, join):
    developer = join(invite()).viewer
    for change in (
        lambda: invite("x@example.org", actor=developer),
        lambda: do(people.add_project, developer, "Mine"),
        lambda: do(people.rename_organization, developer, "Mine"),
        lambda: do(people.list_organizations, developer),
    ):
        with pytest.raises(Forbidden):
            change()
    assert [row.name for row in do(people.list_projects, developer)] == ["Default"]


def test_projects_have_names_of_their_own(*, do, people, viewer):
    made = do(people.add_project, viewer, " Research ")
    assert made.name == "Research"
    with pytest.raises(Conflict):
        do(people.add_project, viewer, "research")
    assert do(people.rename_project, viewer, made.project_id, "RESEARCH").name == "RESEARCH"
    with pytest.raises(InvalidInput):
        do(people.add_project, viewer, " ")
    assert [row.name for row in do(people.list_projects, viewer)] == ["Default", "RESEARCH"]
    assert do(people.rename_organization, viewer, "Centre").name == "Centre"


def test_a_member_is_not_invited_again_and_invitations_are_bounded(invite):
    with pytest.raises(Conflict, match="is a member"):
        invite(email=EMAIL.upper())
    for number in range(INVITATIONS_MAX):
        invite(f"{number}@example.org")
    invite("0@example.org")
    with pytest.raises(TooManyInAccounts):
        invite("one-more@example.org")
