"""Who belongs to an organization, how they come in, and where they look."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, NotFound
from tradewind.core.ids import InvitationId, OrganizationId, ProjectId, UserId
from tradewind.core.permissions import Permission, Role
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.accounts import rules
from tradewind.features.accounts.errors import (
    InvitationRefused,
    LastAdministrator,
    TooManyInAccounts,
)
from tradewind.features.accounts.passwords import Passwords
from tradewind.features.accounts.repository import keys, members, people, sessions
from tradewind.features.accounts.schemas import (
    Actor,
    InvitationRow,
    MadeInvitation,
    MadeOrganization,
    MemberRow,
    OpenInvitation,
    OrganizationRow,
    Place,
    ProjectRow,
    SignedIn,
    Viewer,
)
from tradewind.features.accounts.service import Accounts
from tradewind.features.accounts.tokens import Tokens

ORGANIZATIONS_MAX = 10_000
MEMBERS_MAX = 1_000
"""Of an organization."""
INVITATIONS_MAX = 200
"""Open ones of an organization."""
PROJECTS_MAX = 1_000
"""Of an organization."""
PLACES_MAX = 1_000
_FIRST_PROJECT = "Default"


class People:
    """Members, invitations and projects of organizations, and the organizations themselves."""

    def __init__(
        self, pepper: bytes, clock: Clock, accounts: Accounts, passwords: Passwords | None = None
    ) -> None:
        self._clock = clock
        self._accounts = accounts
        self._tokens = Tokens(pepper)
        self._passwords = passwords or Passwords()

    # --- organizations -----------------------------------------------------------------------

    def list_organizations(self, tx: Connection, actor: Actor) -> list[OrganizationRow]:
        """Return all organizations by name. For administrators of the platform."""
        rules.require(actor, Permission.PLATFORM_READ)
        rows = members.list_organizations(tx, limit=ORGANIZATIONS_MAX)
        return [_organization_row(row) for row in rows]

    def get_organization(self, tx: Connection, actor: Actor) -> OrganizationRow:
        """Return the actor's own."""
        rules.require(actor, Permission.ACCOUNTS_READ)
        return self._organization(tx, actor.organization_id)

    def add_organization(
        self, tx: Connection, actor: Actor, *, name: str, administrator: str, by: UserId | None
    ) -> MadeOrganization:
        """Make an organization with a first project, and invite its first administrator, an e-mail
        address. For administrators of the platform.

        Raises InvalidInput, TooManyInAccounts (409) at 10,000.
        """
        rules.require(actor, Permission.PLATFORM_WRITE)
        name = rules.clean_name(name, what="organization")
        email = rules.clean_email(administrator)
        # What counts organizations is what makes the first one.
        people.lock_first_run(tx)
        if members.count_organizations(tx) >= ORGANIZATIONS_MAX:
            raise TooManyInAccounts(f"there are {ORGANIZATIONS_MAX} organizations")
        now = self._clock.now()
        organization_id = people.add_organization(tx, name, now)
        # The platform's default safety policy holds for it.
        record_change(tx, ChangeKind.TERMS, [organization_id])
        people.add_project(tx, organization_id, _FIRST_PROJECT, now)
        made = self._invite(tx, organization_id, email, Role.ADMIN, by)
        return MadeOrganization(self._organization(tx, organization_id), made)

    def rename_organization(self, tx: Connection, actor: Actor, name: str) -> OrganizationRow:
        """Give the actor's own organization another name."""
        rules.require(actor, Permission.ACCOUNTS_WRITE)
        name = rules.clean_name(name, what="organization")
        members.rename_organization(tx, actor.organization_id, name)
        return self._organization(tx, actor.organization_id)

    def _organization(self, tx: Connection, organization_id: OrganizationId) -> OrganizationRow:
        rows = members.list_organizations(tx, only=organization_id, limit=1)
        if not rows:
            raise NotFound(f"there is no organization {organization_id!r}")
        return _organization_row(rows[0])

    # --- projects ----------------------------------------------------------------------------

    def list_projects(self, tx: Connection, actor: Actor) -> list[ProjectRow]:
        """Return the projects of the actor's organization, the oldest first."""
        rules.require(actor, Permission.ACCOUNTS_READ)
        rows = members.list_projects(tx, actor.organization_id, limit=PROJECTS_MAX)
        return [_project_row(row) for row in rows]

    def add_project(self, tx: Connection, actor: Actor, name: str) -> ProjectRow:
        """Raises InvalidInput, Conflict for a name that another project has, TooManyInAccounts
        (409) at 1,000.
        """
        rules.require(actor, Permission.ACCOUNTS_WRITE)
        name = rules.clean_name(name, what="project")
        members.lock_organization(tx, actor.organization_id)
        there = members.list_projects(tx, actor.organization_id, limit=PROJECTS_MAX)
        if len(there) >= PROJECTS_MAX:
            raise TooManyInAccounts(f"this organization has {PROJECTS_MAX} projects")
        _check_project_name(name, there, but="")
        now = self._clock.now()
        project_id = people.add_project(tx, actor.organization_id, name, now)
        return ProjectRow(project_id, actor.organization_id, name, now)

    def rename_project(
        self, tx: Connection, actor: Actor, project_id: str, name: str
    ) -> ProjectRow:
        """Raises InvalidInput, Conflict, NotFound also for another organization's project."""
        rules.require(actor, Permission.ACCOUNTS_WRITE)
        name = rules.clean_name(name, what="project")
        members.lock_organization(tx, actor.organization_id)
        row = members.find_project(tx, actor.organization_id, project_id)
        if row is None:
            raise NotFound(f"there is no project {project_id[:64]!r}", hint="list the projects")
        there = members.list_projects(tx, actor.organization_id, limit=PROJECTS_MAX)
        _check_project_name(name, there, but=row.id)
        members.rename_project(tx, ProjectId(row.id), name)
        return _project_row(members.find_project(tx, actor.organization_id, row.id))

    def places(self, tx: Connection, viewer: Viewer) -> list[Place]:
        """Return what the viewer may look at: the projects of all organizations they are in."""
        rows = members.places_of(tx, viewer.user_id, limit=PLACES_MAX)
        return [_place(row) for row in rows]

    def look_at(self, tx: Connection, viewer: Viewer, session_token: str, project_id: str) -> Place:
        """Have a session look at a project from now on. Raises NotFound for one that is not
        theirs.
        """
        row = members.find_place(tx, viewer.user_id, project_id)
        digest = self._tokens.session_digest(session_token)
        if row is None or digest is None:
            raise NotFound("there is no such project", hint="choose one of yours")
        place = _place(row)
        sessions.look_at(tx, digest, place.organization_id, place.project_id)
        return place

    # --- members -----------------------------------------------------------------------------

    def list_members(self, tx: Connection, actor: Actor) -> list[MemberRow]:
        rules.require(actor, Permission.ACCOUNTS_READ)
        rows = members.list_members(tx, actor.organization_id, limit=MEMBERS_MAX)
        return [_member_row(row) for row in rows]

    def change_role(self, tx: Connection, actor: Actor, user_id: str, role: Role) -> MemberRow:
        """Raises NotFound, LastAdministrator (409)."""
        rules.require(actor, Permission.ACCOUNTS_WRITE)
        members.lock_organization(tx, actor.organization_id)
        former = self._member(tx, actor, user_id)
        if role is not Role.ADMIN:
            self._keep_one_administrator(tx, actor, former)
        members.set_role(tx, actor.organization_id, former.user_id, role)
        return self._member(tx, actor, user_id)

    def remove_member(self, tx: Connection, actor: Actor, user_id: str) -> None:
        """Take somebody out of the actor's organization. Their account stays, and so do the keys
        they made for programs, which belong to projects; those of their browsers are revoked.

        Raises NotFound, LastAdministrator (409).
        """
        rules.require(actor, Permission.ACCOUNTS_WRITE)
        members.lock_organization(tx, actor.organization_id)
        former = self._member(tx, actor, user_id)
        self._keep_one_administrator(tx, actor, former)
        members.delete_membership(tx, actor.organization_id, former.user_id)
        sessions.look_elsewhere(tx, former.user_id, actor.organization_id)
        revoked = keys.revoke_playground_keys(
            tx, former.user_id, self._clock.now(), organization_id=actor.organization_id
        )
        record_change(tx, ChangeKind.GRANT, revoked)

    def _member(self, tx: Connection, actor: Actor, user_id: str) -> MemberRow:
        row = members.find_member(tx, actor.organization_id, user_id)
        if row is None:
            raise NotFound(f"there is no member {user_id[:64]!r}", hint="list the members")
        return _member_row(row)

    def _keep_one_administrator(self, tx: Connection, actor: Actor, former: MemberRow) -> None:
        if former.role is not Role.ADMIN:
            return
        if not members.has_other_administrator(tx, actor.organization_id, former.user_id):
            raise LastAdministrator(
                f"{former.name} is the only administrator",
                hint="make somebody else one first",
            )

    # --- invitations -------------------------------------------------------------------------

    def list_invitations(self, tx: Connection, actor: Actor) -> list[InvitationRow]:
        """Return those that can still be accepted, the newest first."""
        rules.require(actor, Permission.ACCOUNTS_READ)
        rows = members.list_invitations(
            tx, actor.organization_id, self._clock.now(), limit=INVITATIONS_MAX
        )
        return [_invitation_row(row) for row in rows]

    def invite(
        self, tx: Connection, actor: Actor, *, email: str, role: Role, by: UserId | None
    ) -> MadeInvitation:
        """Invite an address into the actor's organization for a week. An open invitation of the
        same address no longer works.

        Nothing is sent: whoever invites hands the link over. Raises InvalidInput, Conflict for a
        member, TooManyInAccounts (409).
        """
        rules.require(actor, Permission.ACCOUNTS_WRITE)
        address = rules.clean_email(email)
        members.lock_organization(tx, actor.organization_id)
        if members.find_member_by_email(tx, actor.organization_id, address) is not None:
            raise Conflict(f"{address} is a member already", hint="change the role instead")
        now = self._clock.now()
        waiting = members.list_invitations(tx, actor.organization_id, now, limit=INVITATIONS_MAX)
        others = [row for row in waiting if row.email != address]
        if len(others) >= INVITATIONS_MAX:
            raise TooManyInAccounts(
                f"{INVITATIONS_MAX} invitations are open", hint="withdraw some of them"
            )
        if members.count_members(tx, actor.organization_id) + len(others) >= MEMBERS_MAX:
            raise TooManyInAccounts(f"an organization has at most {MEMBERS_MAX} members")
        return self._invite(tx, actor.organization_id, address, role, by)

    def withdraw_invitation(self, tx: Connection, actor: Actor, invitation_id: str) -> None:
        """Idempotent. Raises NotFound, also for another organization's."""
        rules.require(actor, Permission.ACCOUNTS_WRITE)
        row = members.find_invitation(tx, actor.organization_id, invitation_id)
        if row is None:
            raise NotFound(
                f"there is no invitation {invitation_id[:64]!r}", hint="list the invitations"
            )
        members.withdraw_invitation(tx, InvitationId(row.id), self._clock.now())

    def read_invitation(self, tx: Connection, code: str) -> OpenInvitation:
        """Return what a code invites to. Raises InvitationRefused."""
        row = self._open_invitation(tx, code)
        credentials = sessions.credentials_of_email(tx, row.email)
        return OpenInvitation(row, has_account=credentials is not None)

    def accept_as_new(self, tx: Connection, code: str, *, name: str, password: str) -> SignedIn:
        """Make the account of an invited address, and sign it in.

        Raises InvitationRefused, InvalidInput, Conflict where the address has an account: a link
        must never be the way into that.
        """
        row = self._open_invitation(tx, code)
        name = rules.clean_name(name, what="person")
        # Before anything is locked: it takes a fifth of a second.
        password_hash = self._passwords.hash(rules.check_new_password(password, row.email))
        row = self._open_invitation(tx, code, locks=True)
        user_id = people.add_new_user(tx, email=row.email, name=name, now=self._clock.now())
        if user_id is None:
            raise Conflict(
                f"there is an account for {row.email}", hint="sign in with it, then accept"
            )
        self._join(tx, row, user_id)
        return self._accounts.begin(tx, user_id, password_hash)

    def accept(self, tx: Connection, viewer: Viewer, code: str) -> InvitationRow:
        """Have the viewer join. Raises InvitationRefused, also for somebody else's invitation."""
        row = self._open_invitation(tx, code, locks=True)
        if row.email != viewer.email:
            raise InvitationRefused(
                f"this invitation is for {row.email}", hint="sign in with that account"
            )
        self._join(tx, row, viewer.user_id)
        return row

    def _invite(
        self,
        tx: Connection,
        organization_id: OrganizationId,
        email: str,
        role: Role,
        by: UserId | None,
    ) -> MadeInvitation:
        code, now = self._tokens.new(), self._clock.now()
        digest = self._tokens.invitation_digest(code)
        assert digest is not None
        invitation_id = InvitationId.new()
        members.add_invitation(
            tx,
            invitation_id,
            digest,
            organization_id=organization_id,
            email=email,
            role=role,
            created_by=by,
            now=now,
            expires_at=now + rules.INVITATION_LIFETIME,
        )
        row = members.find_invitation(tx, organization_id, invitation_id)
        assert row is not None, "it was just added"
        return MadeInvitation(_invitation_row(row), code)

    def _open_invitation(self, tx: Connection, code: str, *, locks: bool = False) -> InvitationRow:
        digest = self._tokens.invitation_digest(code)
        row = None
        if digest is not None:
            row = members.find_open_invitation(tx, digest, self._clock.now(), locks=locks)
        if row is None:
            raise InvitationRefused(
                "this invitation was used already, has expired or was withdrawn",
                hint="ask for another one",
            )
        return _invitation_row(row)

    def _join(self, tx: Connection, row: InvitationRow, user_id: UserId) -> None:
        members.lock_organization(tx, row.organization_id)
        if members.find_member(tx, row.organization_id, user_id) is None:
            people.add_membership(tx, user_id, row.organization_id, row.role)
        members.accept_invitation(tx, row.invitation_id, self._clock.now())


def _check_project_name(name: str, there: Sequence[Row[Any]], *, but: str) -> None:
    if any(row.name.casefold() == name.casefold() and row.id != but for row in there):
        raise Conflict(f"another project is called {name}", hint="choose another name")


def _organization_row(row: Row[Any]) -> OrganizationRow:
    return OrganizationRow(
        organization_id=OrganizationId(row.id),
        name=row.name,
        created_at=row.created_at.astimezone(UTC),
        is_platform=row.is_platform,
        members=row.members,
        projects=row.projects,
    )


def _project_row(row: Row[Any] | None) -> ProjectRow:
    assert row is not None, "it is locked"
    return ProjectRow(
        project_id=ProjectId(row.id),
        organization_id=OrganizationId(row.organization_id),
        name=row.name,
        created_at=row.created_at.astimezone(UTC),
    )


def _place(row: Row[Any]) -> Place:
    return Place(
        OrganizationId(row.organization_id),
        row.organization_name,
        ProjectId(row.project_id),
        row.project_name,
    )


def _member_row(row: Row[Any]) -> MemberRow:
    return MemberRow(
        user_id=UserId(row.id),
        name=row.name,
        email=row.email,
        role=Role(row.role),
        is_disabled=row.disabled_at is not None,
        last_seen_at=_utc(row.last_seen_at),
    )


def _invitation_row(row: Row[Any]) -> InvitationRow:
    return InvitationRow(
        invitation_id=InvitationId(row.id),
        organization_id=OrganizationId(row.organization_id),
        organization_name=row.organization_name,
        email=row.email,
        role=Role(row.role),
        created_at=row.created_at.astimezone(UTC),
        expires_at=row.expires_at.astimezone(UTC),
        invited_by=row.invited_by,
    )


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
