"""The rules of accounts: pure, without clock, database or randomness."""

import ipaddress
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from tradewind.core.errors import Forbidden, InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Actor, KeyState
from tradewind.snapshot.contents import Limits

NAME_MAX = 80
EMAIL_MAX = 254  # RFC 5321 leaves this much of a path for the address itself
PASSWORD_MIN = 12
PASSWORD_MAX = 1024
MODELS_MAX = 1_000
MODEL_NAME_MAX = 200
LIMIT_MAX = 2**31 - 1  # what the column holds
RED_TEAM_LIFETIME_MAX = timedelta(days=30)
KEY_LIFETIME_MAX = timedelta(days=3660)

SESSION_IDLE = timedelta(hours=1)
SESSION_LIFETIME = timedelta(hours=12)
SESSION_TOUCH = timedelta(minutes=1)
"""A session is written at most this often, however many pages are opened."""
LINK_LIFETIME_MAX = timedelta(hours=24)
INVITATION_LIFETIME = timedelta(days=7)
LINK_FRESH = timedelta(minutes=30)
"""For so long a session opened by a link may replace the password without knowing it."""

FAILURES_FORGOTTEN = timedelta(hours=1)


# --- names and passwords ---------------------------------------------------------------------


def clean_name(text: str, *, what: str) -> str:
    """Return a name without outer spaces. Raises InvalidInput unless 1 to 80 printable characters.

    Printable excludes control characters and the marks that turn the direction of text around, so
    that one name cannot be made to look like another.
    """
    name = text.strip()
    if not 1 <= len(name) <= NAME_MAX or not name.isprintable():
        raise InvalidInput(
            f"the name of the {what} is not 1 to {NAME_MAX} printable characters",
            hint="choose another name",
        )
    return name


def clean_email(text: str) -> str:
    """Return the address in the one form it is stored in. Raises InvalidInput.

    Only the shape is checked: whether mail arrives is for a message to find out.
    """
    email = unicodedata.normalize("NFKC", text[: EMAIL_MAX + 1]).strip().lower()
    local, at, domain = email.rpartition("@")
    if (
        len(email) > EMAIL_MAX
        or not (local and at and domain)
        or "@" in local
        or not email.isprintable()
        or any(character.isspace() for character in email)
    ):
        raise InvalidInput("this is not an e-mail address", hint="use the form name@example.org")
    return email


def password_bytes(password: str) -> bytes | None:
    """Return what is hashed of a password, or None when no password can look like this.

    NFKC makes the same letters typed on two keyboards the same bytes (NIST SP 800-63B, 5.1.1.2).
    """
    if len(password) > PASSWORD_MAX:
        return None
    try:
        return unicodedata.normalize("NFKC", password).encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can carry and UTF-8 cannot
        return None


def check_new_password(password: str, email: str) -> bytes:
    """Return what is hashed. Raises InvalidInput and says which rule was broken."""
    if len(password) < PASSWORD_MIN:
        raise InvalidInput(
            f"the password is shorter than {PASSWORD_MIN} characters",
            hint="a few words in a row are good and easy to keep",
        )
    raw = password_bytes(password)
    if raw is None:
        raise InvalidInput(f"the password is longer than {PASSWORD_MAX} characters or not text")
    lowered, address = password.lower(), email.lower()
    if lowered in address or address in lowered:
        raise InvalidInput("the password is part of the e-mail address, or contains it")
    return raw


# --- permissions -----------------------------------------------------------------------------


def require(actor: Actor, permission: Permission) -> None:
    """Raise Forbidden unless `actor` may."""
    if not actor.may(permission):
        raise Forbidden(
            f"this needs the permission {permission.value}",
            hint="ask an administrator of the organization for a role that has it",
        )


# --- sessions --------------------------------------------------------------------------------


def is_session_live(*, last_seen_at: datetime, expires_at: datetime, now: datetime) -> bool:
    """Say whether a session still counts: 12 h in all, and no hour without a visit."""
    return now < expires_at and now - last_seen_at < SESSION_IDLE


# --- lockout ---------------------------------------------------------------------------------


class SubjectKind(StrEnum):
    """What failed sign-ins are counted for."""

    PAIR = "pair"
    """One account from one peer: somebody guesses, or has forgotten."""
    PEER = "peer"
    """One peer over all accounts: one password tried on many people."""
    ACCOUNT = "account"
    """One account over all peers: many machines guess together."""


class Lockout(NamedTuple):
    failures: int
    """How many are free before the first wait."""
    first_s: int
    longest_s: int


# The account's own wait is short because anyone can cause it from anywhere: it slows a distributed
# guess to one a minute and cannot shut the owner out, who also has the link from the terminal.
LOCKOUTS: dict[SubjectKind, Lockout] = {
    SubjectKind.PAIR: Lockout(failures=5, first_s=30, longest_s=900),
    SubjectKind.PEER: Lockout(failures=20, first_s=30, longest_s=900),
    SubjectKind.ACCOUNT: Lockout(failures=100, first_s=15, longest_s=60),
}


def lockout_s(
    kind: SubjectKind, *, failures: int, last_failed_at: datetime, now: datetime
) -> int | None:
    """Return for how many seconds to refuse, rounded up, or None. The wait doubles each time."""
    lockout = LOCKOUTS[kind]
    if failures < lockout.failures:
        return None
    doublings = min(failures - lockout.failures, 16)
    wait = timedelta(seconds=min(lockout.first_s << doublings, lockout.longest_s))
    left = last_failed_at + wait - now
    return None if left <= timedelta(0) else -(-left // timedelta(seconds=1))


def failures_after(*, failures: int, last_failed_at: datetime, now: datetime) -> int:
    """Return the count after one more failure; a quiet hour makes it start again."""
    return 1 if now - last_failed_at >= FAILURES_FORGOTTEN else failures + 1


def peer_subject(peer: str) -> str:
    """Return who a peer is when failures are counted.

    A household or a machine owns a whole /64 of IPv6, so single addresses would be no limit.
    Text that is no address stands for itself, cut to a sane length.
    """
    try:
        address = ipaddress.ip_address(peer[:64].strip("[]").partition("%")[0])
    except ValueError:
        return peer[:64]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


# --- keys ------------------------------------------------------------------------------------


def key_state(
    *,
    expires_at: datetime | None,
    revoked_at: datetime | None,
    now: datetime,
    suspended_at: datetime | None = None,
) -> KeyState:
    if revoked_at is not None:
        return KeyState.REVOKED
    if expires_at is not None and expires_at <= now:
        return KeyState.EXPIRED
    if suspended_at is not None:
        return KeyState.SUSPENDED
    return KeyState.LIVE


def check_red_team_expiry(expires_at: datetime | None, now: datetime) -> None:
    """Raises InvalidInput unless there is one within 30 days: a key that may switch safety policies
    off must not be forgotten.
    """
    if (
        expires_at is None
        or expires_at.tzinfo is None
        or not (now < expires_at <= now + RED_TEAM_LIFETIME_MAX)
    ):
        raise InvalidInput(
            "a red-team key expires within 30 days", hint="give it an expiry with a time zone"
        )


def check_expiry(expires_at: datetime | None, now: datetime) -> None:
    """Raises InvalidInput unless the time is in the future and within ten years."""
    if expires_at is None:
        return
    if expires_at.tzinfo is None:
        raise InvalidInput("the expiry has no time zone", hint="write it like 2030-01-31T00:00:00Z")
    if not now < expires_at <= now + KEY_LIFETIME_MAX:
        raise InvalidInput(
            "the expiry is not between now and ten years from now",
            hint="leave it out for a key that does not expire",
        )


def check_limits(limits: Limits) -> None:
    """Raises InvalidInput unless each limit is missing or a positive number that can be kept."""
    for name in ("requests_per_minute", "tokens_per_minute", "concurrent_requests"):
        value: int | None = getattr(limits, name)
        if value is not None and not 1 <= value <= LIMIT_MAX:
            raise InvalidInput(
                f"{name} is not between 1 and {LIMIT_MAX}", hint="leave it out for no limit"
            )


def clean_models(models: Iterable[str] | None) -> frozenset[str] | None:
    """Return the names of the models a key may call. Raises InvalidInput for none at all."""
    if models is None:
        return None
    names: set[str] = set()
    for name in models:
        if not 1 <= len(name) <= MODEL_NAME_MAX or not name.isprintable():
            raise InvalidInput(
                f"the name of a model is not 1 to {MODEL_NAME_MAX} printable characters"
            )
        names.add(name)
        if len(names) > MODELS_MAX:
            raise InvalidInput(f"a key names at most {MODELS_MAX} models")
    if not names:
        raise InvalidInput("a key for no model can do nothing", hint="leave models out for all")
    return frozenset(names)
