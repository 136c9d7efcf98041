"""What accounts hand out and take in. Secrets are kept out of every repr, hence out of logs."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from tradewind.core.acting import By
from tradewind.core.api_keys import masked
from tradewind.core.errors import Forbidden
from tradewind.core.ids import InvitationId, OrganizationId, ProjectId, UserId
from tradewind.core.permissions import PLATFORM_ONLY, Permission, Role, permissions_of, require
from tradewind.snapshot.contents import Limits


class Actor(Protocol):
    """Whoever acts in a project: a person in the portal, or a program with a key."""

    @property
    def organization_id(self) -> OrganizationId: ...

    @property
    def project_id(self) -> ProjectId: ...

    def may(self, permission: Permission) -> bool: ...


def is_platform_administrator(actor: Actor) -> bool:
    """Say whether `actor` decides for the whole platform: what belongs to no organization."""
    return actor.may(Permission.PLATFORM_WRITE)


def may_review(actor: Actor) -> bool:
    """Say whether the actor decides what comes into the catalog, which is everybody's."""
    return actor.may(Permission.REVIEWS_READ) and is_platform_administrator(actor)


def require_reviewer(actor: Actor, permission: Permission) -> None:
    """Raises Forbidden."""
    require(actor, permission)
    if not is_platform_administrator(actor):
        raise Forbidden(
            "the catalog is everybody's, so an administrator of the platform decides about it",
            hint="ask one",
        )


@dataclass(frozen=True, slots=True)
class Viewer:
    """A signed-in person, with the organization and the project they look at."""

    user_id: UserId
    email: str
    name: str
    organization_id: OrganizationId
    organization_name: str
    project_id: ProjectId
    project_name: str
    role: Role
    is_of_platform: bool
    """The organization is the one that runs the platform."""
    has_password: bool
    csrf_token: str = field(repr=False)
    """Every form that changes something sends it back; derived from the session, so not stored."""
    signed_in_by_link: bool = False
    """A link from the terminal was opened lately: a forgotten password may be replaced."""

    @property
    def by(self) -> By:
        """As trails name this person."""
        return By(self.user_id, self.name)

    def may(self, permission: Permission) -> bool:
        return permission in permissions_of(self.role, of_platform=self.is_of_platform)


@dataclass(frozen=True, slots=True)
class SignedIn:
    session_token: str = field(repr=False)
    """The value of the session cookie."""
    viewer: Viewer


class KeyPurpose(StrEnum):
    CLIENT = "client"
    """Made by a person for a program."""
    PLAYGROUND = "playground"
    """Made by the portal for one browser; lives an hour."""
    START_UP = "start_up"
    """Made by the platform for its own first call; lives ten minutes."""
    MANAGEMENT = "management"
    """Made by an administrator for a program that runs the platform. It calls no models."""
    RED_TEAM = "red_team"
    """Made by an administrator for an exercise that attacks models: it may switch safety policies
    off call by call, what it does is no abuse, and it always expires."""


PURPOSES_OF_PEOPLE = (KeyPurpose.CLIENT, KeyPurpose.MANAGEMENT, KeyPurpose.RED_TEAM)
"""Keys that somebody made and has to see to; the others come and go by themselves."""


class KeyState(StrEnum):
    LIVE = "live"
    EXPIRED = "expired"
    REVOKED = "revoked"
    SUSPENDED = "suspended"
    """By whoever runs the platform; it can be lifted."""


# A key of the portal or of the platform itself calls models; it does not read the books.
KEY_PERMISSIONS: dict[KeyPurpose, frozenset[Permission]] = {
    KeyPurpose.CLIENT: frozenset(
        {
            Permission.MODELS_READ,
            Permission.CATALOG_READ,
            Permission.USAGE_READ,
            Permission.REQUESTS_READ,
            Permission.KEYS_READ,
            Permission.FEEDBACK_WRITE,
        }
    ),
    KeyPurpose.PLAYGROUND: frozenset({Permission.MODELS_READ}),
    KeyPurpose.START_UP: frozenset({Permission.MODELS_READ}),
    KeyPurpose.MANAGEMENT: frozenset(Permission),
    KeyPurpose.RED_TEAM: frozenset({Permission.MODELS_READ}),
}


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A program that proved to hold a live key."""

    key_id: str
    key_name: str
    organization_id: OrganizationId
    organization_name: str
    project_id: ProjectId
    project_name: str
    purpose: KeyPurpose
    is_of_platform: bool
    """Its organization is the one that runs the platform."""
    models: frozenset[str] | None
    """Names of the models the key may call; None is all."""

    @property
    def permissions(self) -> frozenset[Permission]:
        given = KEY_PERMISSIONS[self.purpose]
        return given if self.is_of_platform else given - PLATFORM_ONLY

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as lists show it."""

    key_id: str
    name: str
    purpose: KeyPurpose
    state: KeyState
    """As of the moment it was read."""
    organization_id: OrganizationId
    project_id: ProjectId
    created_by: UserId | None
    """None for a key the platform made itself."""
    created_by_name: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    limits: Limits
    models: frozenset[str] | None
    """Names of the models the key may call; None is all."""

    @property
    def masked(self) -> str:
        return masked(self.key_id)


@dataclass(frozen=True, slots=True)
class CreatedKey:
    text: str = field(repr=False)
    """The key itself. It is shown once and cannot be had again."""
    row: KeyRow


@dataclass(frozen=True, slots=True)
class FirstRun:
    """What the very first start made."""

    organization_id: OrganizationId
    project_id: ProjectId
    user_id: UserId
    key_id: str
    api_key: str = field(repr=False)
    """The first key's text. It is shown once and cannot be had again."""


@dataclass(frozen=True, slots=True)
class OrganizationRow:
    organization_id: OrganizationId
    name: str
    created_at: datetime
    is_platform: bool
    """It runs the platform."""
    members: int
    projects: int


@dataclass(frozen=True, slots=True)
class ProjectRow:
    project_id: ProjectId
    organization_id: OrganizationId
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MemberRow:
    user_id: UserId
    name: str
    email: str
    role: Role
    is_disabled: bool
    last_seen_at: datetime | None
    """None is not lately: sessions are forgotten some time after they ended."""


@dataclass(frozen=True, slots=True)
class InvitationRow:
    invitation_id: InvitationId
    organization_id: OrganizationId
    organization_name: str
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime
    invited_by: str
    """Name of a person; empty is a program."""


@dataclass(frozen=True, slots=True)
class MadeInvitation:
    row: InvitationRow
    code: str = field(repr=False)
    """Lets whoever has it in once, as the invited address. It is shown once."""


@dataclass(frozen=True, slots=True)
class OpenInvitation:
    """An invitation as whoever holds its code sees it."""

    row: InvitationRow
    has_account: bool
    """Somebody has the address already: they sign in to accept."""


@dataclass(frozen=True, slots=True)
class MadeOrganization:
    row: OrganizationRow
    invitation: MadeInvitation
    """Of its first administrator."""


@dataclass(frozen=True, slots=True)
class Place:
    """A project that somebody may look at."""

    organization_id: OrganizationId
    organization_name: str
    project_id: ProjectId
    project_name: str
