"""`tradewind organizations`, `members` and `projects`, on a platform's database, whether the
platform runs or rests.
"""

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import Connection

from tradewind.core.data_folder import DataFolder
from tradewind.core.ids import OrganizationId
from tradewind.core.permissions import Role
from tradewind.core.settings import Settings
from tradewind.features.accounts.people import People
from tradewind.features.accounts.schemas import (
    InvitationRow,
    MadeInvitation,
    MadeOrganization,
    MemberRow,
    OrganizationRow,
    ProjectRow,
)
from tradewind.readmodels.first_organization import first_organization
from tradewind.serve.operating import Operator
from tradewind.serve.resting_platform import any_database
from tradewind.serve.secret_files import load_or_create_key_encryption, load_or_create_pepper
from tradewind.serve.services import build_services
from tradewind.serve.sign_in_link import base_url_of


def organizations(settings: Settings) -> list[OrganizationRow]:
    with _opened(settings, None) as (tx, people, operator):
        return people.list_organizations(tx, operator)


def add_organization(
    settings: Settings, name: str, administrator: str
) -> tuple[MadeOrganization, str]:
    """Return what was made, and the link to hand over. Raises InvalidInput, TooManyInAccounts."""
    with _opened(settings, None) as (tx, people, operator):
        made = people.add_organization(
            tx, operator, name=name, administrator=administrator, by=None
        )
    return made, _link(settings, made.invitation)


def members(
    settings: Settings, organization: str | None
) -> tuple[list[MemberRow], list[InvitationRow]]:
    """Return the members, and the open invitations. Raises NotFound."""
    with _opened(settings, organization) as (tx, people, operator):
        return people.list_members(tx, operator), people.list_invitations(tx, operator)


def invite(
    settings: Settings, organization: str | None, email: str, role: Role
) -> tuple[MadeInvitation, str]:
    """Return what was made, and the link to hand over. Raises as `People.invite`."""
    with _opened(settings, organization) as (tx, people, operator):
        made = people.invite(tx, operator, email=email, role=role, by=None)
    return made, _link(settings, made)


def change_role(
    settings: Settings, organization: str | None, user_id: str, role: Role
) -> MemberRow:
    """Raises NotFound, LastAdministrator."""
    with _opened(settings, organization) as (tx, people, operator):
        return people.change_role(tx, operator, user_id, role)


def remove_member(settings: Settings, organization: str | None, user_id: str) -> None:
    """Raises NotFound, LastAdministrator."""
    with _opened(settings, organization) as (tx, people, operator):
        people.remove_member(tx, operator, user_id)


def projects(settings: Settings, organization: str | None) -> list[ProjectRow]:
    with _opened(settings, organization) as (tx, people, operator):
        return people.list_projects(tx, operator)


def add_project(settings: Settings, organization: str | None, name: str) -> ProjectRow:
    """Raises InvalidInput, Conflict, TooManyInAccounts."""
    with _opened(settings, organization) as (tx, people, operator):
        return people.add_project(tx, operator, name)


@contextmanager
def _opened(
    settings: Settings, organization: str | None
) -> Generator[tuple[Connection, People, Operator]]:
    """Yield a transaction and who acts in it: in the named organization, or in the platform's."""
    secrets = DataFolder(settings.data.resolve()).secrets
    with any_database(settings, "tradewind-people") as database:
        people = build_services(
            load_or_create_pepper(secrets), load_or_create_key_encryption(secrets)
        ).people
        with database.transaction() as tx:
            where = (
                OrganizationId.parse(organization)
                if organization is not None
                else first_organization(tx)
            )
            operator = Operator(where)
            people.get_organization(tx, operator)
            yield tx, people, operator


def _link(settings: Settings, made: MadeInvitation) -> str:
    base = base_url_of(DataFolder(settings.data.resolve())) or settings.public_url or ""
    return f"{base}/invitation?code={made.code}"
