"""Links to the calendar of models that end, for programs that send no key.

A link is one person's and reads one thing: what their organization may see of the days ahead. Its
token has 256 random bits, of which the SHA-256 is kept: a fast hash is right where nobody chose the
secret. Who leaves the organization, or is disabled, leaves no link behind that opens.
"""

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, InvalidInput, LimitExceeded, MalformedId, NotFound
from tradewind.core.ids import CalendarLinkId, OrganizationId, UserId
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor
from tradewind.features.catalog.repository import calendars

IsMember = Callable[[Connection, UserId, OrganizationId], bool]
"""Says whether somebody may act in an organization still. It is accounts', so it is handed in."""

MOST_LINKS = 10
"""Of one person in one organization."""
NAME_MAX = 80
READS_AT_MOST = 60
"""Of one link in one window: calendars ask a few times a day."""
WINDOW = timedelta(hours=1)
_TOKEN = re.compile(r"twcal_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class CreatedLink:
    link_id: CalendarLinkId
    token: str = field(repr=False)
    """The last part of its URL. It is shown once and cannot be had again."""

    @property
    def path(self) -> str:
        return f"/api/catalog/calendars/{self.token}.ics"


class CalendarLinks:
    def __init__(self, clock: Clock, is_member: IsMember) -> None:
        self._clock = clock
        self._is_member = is_member

    def create(
        self, tx: Connection, actor: Actor, user_id: UserId | None, name: str
    ) -> CreatedLink:
        """Make a link of a person. Raises InvalidInput, Conflict when they have 10, or are no
        person: a key that the platform made itself.
        """
        require(actor, Permission.KEYS_WRITE)
        name = name.strip()
        if not 1 <= len(name) <= NAME_MAX or not name.isprintable():
            raise InvalidInput(
                f"a name has 1 to {NAME_MAX} printable characters", hint="say which calendar it is"
            )
        if user_id is None:
            raise Conflict("this key is nobody's, and a link is somebody's", hint="use your own")
        calendars.lock_links(tx, actor.organization_id, user_id)
        if calendars.count_links(tx, actor.organization_id, user_id) >= MOST_LINKS:
            raise Conflict(f"there are {MOST_LINKS} links already", hint="revoke one first")
        link_id, token = CalendarLinkId.new(), f"twcal_{secrets.token_urlsafe(32)}"
        calendars.add_link(
            tx,
            {
                "id": link_id,
                "digest": _digest(token),
                "organization_id": actor.organization_id,
                "user_id": user_id,
                "name": name,
                "created_at": self._clock.now(),
            },
        )
        return CreatedLink(link_id, token)

    def revoke(self, tx: Connection, actor: Actor, user_id: UserId | None, link_id: str) -> None:
        """Make a link open nothing from now on: one's own, or as an administrator anybody's of the
        organization. Raises NotFound.
        """
        require(actor, Permission.KEYS_WRITE)
        try:
            parsed = CalendarLinkId.parse(link_id)
        except MalformedId:
            raise _not_found(link_id) from None
        sees_all = sees_all_links(actor)
        is_nobody = user_id is None and not sees_all
        whose = None if sees_all else user_id
        if is_nobody or not calendars.delete_link(tx, actor.organization_id, parsed, whose):
            raise _not_found(link_id)

    def open(self, tx: Connection, token: str) -> OrganizationId:
        """Return whose calendar a link reads, and count the reading. Raises NotFound, which tells
        nothing of why, and LimitExceeded.
        """
        found = None
        # What has not its form is refused before the database is asked.
        if _TOKEN.fullmatch(token):
            found = calendars.find_link(tx, _digest(token))
        if found is None:
            raise _closed()
        organization_id = OrganizationId(found.organization_id)
        if not self._is_member(tx, UserId(found.user_id), organization_id):
            raise _closed()
        now = self._clock.now()
        if not calendars.count_read(tx, found.id, now, now - WINDOW, READS_AT_MOST):
            raise LimitExceeded(
                f"this calendar was read {READS_AT_MOST} times within an hour",
                hint="ask less often: it changes a few times a year",
                retry_after_s=int(WINDOW.total_seconds()),
            )
        return organization_id


def sees_all_links(actor: Actor) -> bool:
    """Say whether the actor sees to the links of everybody in the organization."""
    return actor.may(Permission.ACCOUNTS_WRITE)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _closed() -> NotFound:
    return NotFound("there is no such calendar", hint="make a new link in the portal")


def _not_found(link_id: str) -> NotFound:
    return NotFound(f"there is no link {link_id[:64]!r}", hint="list the links")
