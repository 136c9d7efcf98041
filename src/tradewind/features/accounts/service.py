"""What the rest of the platform may ask of accounts."""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core import api_keys
from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.ids import OrganizationId, ProjectId, UserId
from tradewind.core.permissions import Permission, Role
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.accounts import bearer, rules
from tradewind.features.accounts.errors import KeyRefused, SignInRefused, TooManyKeys
from tradewind.features.accounts.lockout import Lockout
from tradewind.features.accounts.passwords import Passwords, Verdict
from tradewind.features.accounts.repository import keys, people, sessions
from tradewind.features.accounts.schemas import (
    PURPOSES_OF_PEOPLE,
    Actor,
    CreatedKey,
    FirstRun,
    KeyHolder,
    KeyPurpose,
    KeyRow,
    KeyState,
    SignedIn,
    Viewer,
)
from tradewind.features.accounts.tokens import Tokens
from tradewind.snapshot.contents import Grant, Limits

KEYS_MAX = 1_000
"""Unrevoked keys of one project, and the longest list of keys."""
SESSIONS_MAX = 20
"""Sessions of one person; the oldest one goes when another is opened."""
PLAYGROUND_KEYS_MAX = 5
"""Playground keys of one person, one for each open browser; the oldest is revoked."""
PLAYGROUND_KEY_LIFETIME = timedelta(hours=1)
START_UP_KEY_LIFETIME = timedelta(minutes=10)

_SHORT_LIVED_KEPT = timedelta(days=30)
_NO_LIMITS = Limits()
_PLAYGROUND_LIMITS = Limits(requests_per_minute=120, concurrent_requests=8)
_LINK_HINT = "print a new sign-in link in the terminal"
_REFUSED_HINT = "check e-mail and password, or print a new sign-in link in the terminal"


class Accounts:
    """Organizations, people, sessions and keys. Holds no state that a restart would lose."""

    def __init__(self, pepper: bytes, clock: Clock, passwords: Passwords | None = None) -> None:
        self._pepper = pepper
        self._clock = clock
        self._passwords = passwords or Passwords()
        self._tokens = Tokens(pepper)
        self._lockout = Lockout(self._tokens, clock)

    # --- first run -------------------------------------------------------------------------

    def first_run(self, tx: Connection) -> FirstRun | None:
        """Create an organization, a project, an administrator without password and a first key.

        Idempotent: returns None when there is an organization already, and changes nothing.
        """
        people.lock_first_run(tx)
        if people.has_organization(tx):
            return None
        now = self._clock.now()
        organization_id = people.add_organization(tx, "My organization", now, is_platform=True)
        project_id = people.add_project(tx, organization_id, "Default", now)
        user_id = people.add_user(tx, email="admin@localhost", name="Administrator", now=now)
        people.add_membership(tx, user_id, organization_id, Role.ADMIN)
        # The platform's default safety policy holds for it.
        record_change(tx, ChangeKind.TERMS, [organization_id])
        key = self._add_key(
            tx,
            organization_id,
            project_id,
            name="First key",
            created_by=user_id,
            purpose=KeyPurpose.CLIENT,
        )
        return FirstRun(organization_id, project_id, user_id, key.row.key_id, key.text)

    def has_administrator(self, tx: Connection) -> bool:
        """Say whether an administrator has set a password, so that the platform may be exposed."""
        return people.has_administrator_with_password(tx)

    def set_up_administrator(
        self, tx: Connection, viewer: Viewer, *, name: str, email: str, password: str
    ) -> SignedIn:
        """Give the administrator of the first run a name, an address and a password.

        All earlier sessions end and a new one is opened. Raises Conflict when there is a password
        already: changing it is `change_password`.
        """
        rules.require(viewer, Permission.ACCOUNTS_WRITE)
        name, email = rules.clean_name(name, what="person"), rules.clean_email(email)
        raw = rules.check_new_password(password, email)
        credentials = sessions.lock_credentials(tx, viewer.user_id)
        if credentials is None or credentials.is_disabled:
            raise SignInRefused(hint=_LINK_HINT)
        if credentials.password_hash is not None:
            raise Conflict("this account has a password", hint="change it in the account settings")
        if not sessions.set_identity(tx, viewer.user_id, name=name, email=email):
            raise Conflict("another account has this e-mail address", hint="use another one")
        return self._renew_password(tx, viewer.user_id, raw)

    # --- sign-in and sessions --------------------------------------------------------------

    def create_sign_in_link(self, tx: Connection, *, lifetime: timedelta) -> str:
        """Return a code that signs the administrator in once. Earlier codes no longer work.

        Whoever can call this has the machine, so it is also the way back in after a forgotten
        password. Raises NotFound before the first run.
        """
        if not timedelta(0) < lifetime <= rules.LINK_LIFETIME_MAX:
            raise InvalidInput("a sign-in link lives for at most 24 hours")
        user_id = people.administrator(tx)
        if user_id is None:
            raise NotFound("there is no administrator", hint="start the platform once")
        code, now = self._tokens.new(), self._clock.now()
        digest = self._tokens.link_digest(code)
        assert digest is not None
        sessions.replace_sign_in_link(tx, user_id, digest, now=now, expires_at=now + lifetime)
        return code

    def sign_in_with_link(self, tx: Connection, code: str) -> SignedIn:
        """Open a session for a code that was never used. Raises SignInRefused.

        Not counted by the lockout: 256 random bits are not guessed.
        """
        digest = self._tokens.link_digest(code)
        user_id = None
        if digest is not None:
            user_id = sessions.use_sign_in_link(tx, digest, self._clock.now())
        if user_id is None:
            raise SignInRefused(
                "this sign-in link was used already, has expired or was replaced", hint=_LINK_HINT
            )
        return self._open_session(tx, user_id, opened_by="link")

    def sign_in_with_password(
        self, tx: Connection, email: str, password: str, *, peer: str
    ) -> SignedIn:
        """Open a session. `peer` is the address of the browser.

        Raises SignInRefused, the same for an unknown account, a wrong password and a disabled
        account, and its kinds SignInLocked and SignInBusy with `retry_after_s`. Failures are
        remembered even when `tx` is rolled back. Takes about 0.2 s of one core.
        """
        try:
            address = rules.clean_email(email)
        except InvalidInput:
            address = ""  # which nobody has; refused like any other unknown account
        with self._lockout.attempt(tx.engine, account=address, peer=peer):
            credentials = sessions.credentials_of_email(tx, address)
            stored = credentials.password_hash if credentials is not None else None
            raw = rules.password_bytes(password)
            verdict = self._passwords.check(stored, raw)
            if credentials is None or credentials.is_disabled or verdict is Verdict.WRONG:
                raise SignInRefused("e-mail or password is wrong", hint=_REFUSED_HINT)
        if verdict is Verdict.RIGHT_BUT_OLD:
            assert stored is not None
            assert raw is not None
            sessions.replace_password_hash(
                tx, credentials.user_id, old=stored, new=self._passwords.hash(raw)
            )
        return self._open_session(tx, credentials.user_id, opened_by="password")

    def change_password(
        self, tx: Connection, viewer: Viewer, *, current: str | None, new: str
    ) -> SignedIn:
        """Replace the viewer's own password, end all their sessions and open a new one.

        `current` may be None for half an hour after a link from the terminal was opened. Raises
        SignInRefused for a wrong current password, and counts it. Playground keys are revoked.
        """
        credentials = sessions.lock_credentials(tx, viewer.user_id)
        if credentials is None or credentials.is_disabled:
            raise SignInRefused(hint=_LINK_HINT)
        raw = rules.check_new_password(new, credentials.email)
        if not (current is None and viewer.signed_in_by_link):
            # Counted for the person and not for an address: whoever took over a session must not
            # find out the password by trying.
            with self._lockout.attempt(
                tx.engine, account=viewer.user_id, peer=f"session of {viewer.user_id}"
            ):
                verdict = self._passwords.check(
                    credentials.password_hash, rules.password_bytes(current or "")
                )
                if verdict is Verdict.WRONG:
                    raise SignInRefused(
                        "the current password is wrong",
                        hint=f"forgotten? Sign out and {_LINK_HINT}",
                    )
        return self._renew_password(tx, viewer.user_id, raw)

    def begin(self, tx: Connection, user_id: UserId, password_hash: str) -> SignedIn:
        """Give a fresh account its password and open its first session."""
        sessions.set_password(tx, user_id, password_hash)
        return self._open_session(tx, user_id, opened_by="password")

    def resolve_session(self, tx: Connection, token: str) -> Viewer | None:
        """Return who has this session, or None when it is unknown, idle for an hour, or 12 h old.

        Writes at most once a minute.
        """
        digest = self._tokens.session_digest(token)
        if digest is None:
            return None
        row = sessions.find_session(tx, digest)
        now = self._clock.now()
        if row is None or not rules.is_session_live(
            last_seen_at=row.last_seen_at, expires_at=row.expires_at, now=now
        ):
            return None
        if now - row.last_seen_at >= rules.SESSION_TOUCH:
            sessions.touch_session(tx, digest, now=now, not_since=now - rules.SESSION_TOUCH)
        return self._viewer(row, token, now)

    def sign_out(self, tx: Connection, token: str) -> None:
        """End a session. Idempotent."""
        digest = self._tokens.session_digest(token)
        if digest is not None:
            sessions.delete_session(tx, digest)

    def _renew_password(self, tx: Connection, user_id: UserId, raw: bytes) -> SignedIn:
        sessions.set_password(tx, user_id, self._passwords.hash(raw))
        sessions.delete_sessions_of(tx, user_id)
        revoked = keys.revoke_playground_keys(tx, user_id, self._clock.now())
        record_change(tx, ChangeKind.GRANT, revoked)
        return self._open_session(tx, user_id, opened_by="password")

    def _open_session(self, tx: Connection, user_id: UserId, *, opened_by: str) -> SignedIn:
        token, now = self._tokens.new(), self._clock.now()
        digest = self._tokens.session_digest(token)
        assert digest is not None
        sessions.purge_sessions(tx, now)
        sessions.keep_newest_sessions(tx, user_id, SESSIONS_MAX - 1)
        sessions.add_session(
            tx,
            digest,
            user_id,
            opened_by=opened_by,
            now=now,
            expires_at=now + rules.SESSION_LIFETIME,
        )
        row = sessions.find_session(tx, digest)
        if row is None:
            raise SignInRefused(
                "this account belongs to no organization", hint="ask an administrator to invite you"
            )
        return SignedIn(token, self._viewer(row, token, now))

    def _viewer(self, row: Row[Any], token: str, now: datetime) -> Viewer:
        return Viewer(
            user_id=UserId(row.user_id),
            email=row.email,
            name=row.name,
            organization_id=OrganizationId(row.organization_id),
            organization_name=row.organization_name,
            project_id=ProjectId(row.project_id),
            project_name=row.project_name,
            role=Role(row.role),
            is_of_platform=row.is_of_platform,
            has_password=row.has_password,
            csrf_token=self._tokens.csrf_token(token),
            signed_in_by_link=(row.opened_by == "link" and now - row.created_at < rules.LINK_FRESH),
        )

    # --- keys ------------------------------------------------------------------------------

    def list_keys(
        self, tx: Connection, actor: Actor, *, purposes: Iterable[KeyPurpose] = PURPOSES_OF_PEOPLE
    ) -> list[KeyRow]:
        """Return the keys of the actor's project: unrevoked first, then newest first."""
        rules.require(actor, Permission.KEYS_READ)
        now = self._clock.now()
        rows = keys.list_keys(
            tx, actor.organization_id, actor.project_id, purposes=purposes, limit=KEYS_MAX
        )
        return [_key_row(row, now) for row in rows]

    def get_key(self, tx: Connection, actor: Actor, key_id: str) -> KeyRow:
        """Return a key of the actor's project. Raises NotFound, also for other people's."""
        rules.require(actor, Permission.KEYS_READ)
        _check_key_id(key_id)
        row = keys.find_key(tx, actor.organization_id, key_id, project_id=actor.project_id)
        if row is None:
            raise _key_not_found(key_id)
        return _key_row(row, self._clock.now())

    def create_key(
        self,
        tx: Connection,
        viewer: Viewer,
        *,
        name: str,
        expires_at: datetime | None = None,
        limits: Limits = _NO_LIMITS,
        models: Iterable[str] | None = None,
        purpose: KeyPurpose | str = KeyPurpose.CLIENT,
    ) -> CreatedKey:
        """Make a key in the viewer's project. Its text is in the answer and nowhere else.

        A management key may all that an administrator may, so it takes one to make it; as does a
        red-team key, which may switch safety policies off and expires within 30 days. Raises
        InvalidInput for a bad name, expiry, limit or model name, TooManyKeys (409) at 1,000.
        """
        rules.require(viewer, Permission.KEYS_WRITE)
        if KeyPurpose(purpose) is KeyPurpose.MANAGEMENT:
            rules.require(viewer, Permission.ACCOUNTS_WRITE)
        if KeyPurpose(purpose) is KeyPurpose.RED_TEAM:
            rules.require(viewer, Permission.SAFETY_WRITE)
            rules.check_red_team_expiry(expires_at, self._clock.now())
        name = rules.clean_name(name, what="key")
        rules.check_expiry(expires_at, self._clock.now())
        rules.check_limits(limits)
        names = rules.clean_models(models)
        if not keys.lock_project(tx, viewer.organization_id, viewer.project_id):
            raise NotFound(f"there is no project {viewer.project_id}")
        count = keys.count_keys_of_people(tx, viewer.organization_id, viewer.project_id)
        if count >= KEYS_MAX:
            raise TooManyKeys(
                f"this project has {count} keys", hint="revoke some that are no longer used"
            )
        return self._add_key(
            tx,
            viewer.organization_id,
            viewer.project_id,
            name=name,
            created_by=viewer.user_id,
            expires_at=expires_at,
            limits=limits,
            models=names,
            purpose=KeyPurpose(purpose),
        )

    def revoke_key(self, tx: Connection, viewer: Viewer, key_id: str) -> KeyRow:
        """Revoke a key of the viewer's organization. Idempotent: the first time stays the time.

        Gateways refuse it within seconds. Raises NotFound for another organization's key.
        """
        rules.require(viewer, Permission.KEYS_WRITE)
        _check_key_id(key_id)
        now = self._clock.now()
        if keys.revoke_key(tx, viewer.organization_id, key_id, now):
            record_change(tx, ChangeKind.GRANT, [key_id])
        row = keys.find_key(tx, viewer.organization_id, key_id)
        if row is None:
            raise _key_not_found(key_id)
        return _key_row(row, now)

    def mint_playground_key(self, tx: Connection, viewer: Viewer) -> CreatedKey:
        """Make a key for the viewer's browser that lives an hour.

        It spends like any other key, so it takes the permission to make one.
        """
        rules.require(viewer, Permission.KEYS_WRITE)
        now = self._clock.now()
        revoked = keys.revoke_playground_keys(
            tx, viewer.user_id, now, keep_newest=PLAYGROUND_KEYS_MAX - 1
        )
        record_change(tx, ChangeKind.GRANT, revoked)
        keys.purge_short_lived_keys(tx, now - _SHORT_LIVED_KEPT)
        return self._add_key(
            tx,
            viewer.organization_id,
            viewer.project_id,
            name="Playground",
            created_by=viewer.user_id,
            expires_at=now + PLAYGROUND_KEY_LIFETIME,
            limits=_PLAYGROUND_LIMITS,
            purpose=KeyPurpose.PLAYGROUND,
        )

    def mint_start_up_key(self, tx: Connection) -> CreatedKey:
        """Make a key for the platform's own first call that lives ten minutes.

        Earlier ones are revoked. Raises NotFound before the first run.
        """
        row = people.first_project(tx)
        if row is None:
            raise NotFound("there is no project", hint="the first run makes one")
        now = self._clock.now()
        record_change(tx, ChangeKind.GRANT, keys.revoke_start_up_keys(tx, now))
        keys.purge_short_lived_keys(tx, now - _SHORT_LIVED_KEPT)
        return self._add_key(
            tx,
            OrganizationId(row.organization_id),
            ProjectId(row.id),
            name="Start-up",
            created_by=None,
            expires_at=now + START_UP_KEY_LIFETIME,
            purpose=KeyPurpose.START_UP,
        )

    def mint_red_team_key(
        self,
        tx: Connection,
        organization_id: OrganizationId,
        project_id: ProjectId,
        *,
        name: str,
        created_by: UserId | None,
        expires_at: datetime,
        models: Iterable[str] | None = None,
        limits: Limits = _NO_LIMITS,
    ) -> CreatedKey:
        """Make the key of an exercise that the platform itself runs. Whoever calls this has asked
        for the permission, and revokes it by `end_red_team_key` when the exercise is over.
        """
        rules.check_red_team_expiry(expires_at, self._clock.now())
        rules.check_limits(limits)
        return self._add_key(
            tx,
            organization_id,
            project_id,
            name=rules.clean_name(name, what="key"),
            created_by=created_by,
            expires_at=expires_at,
            limits=limits,
            models=rules.clean_models(models),
            purpose=KeyPurpose.RED_TEAM,
        )

    def end_red_team_key(
        self, tx: Connection, organization_id: OrganizationId, key_id: str
    ) -> None:
        """Revoke the key of an exercise. Idempotent."""
        if keys.revoke_key(tx, organization_id, key_id, self._clock.now()):
            record_change(tx, ChangeKind.GRANT, [key_id])

    def grants(self, tx: Connection, key_ids: Collection[str] | None = None) -> Iterator[Grant]:
        """Yield what each live or suspended key may do, or each of these, for the compiler of the
        snapshot.

        All of them come as a stream, because they may be a million.
        """
        for row in keys.live_keys(tx, self._clock.now(), key_ids):
            yield Grant(
                key_id=row.id,
                digest=bytes(row.digest),
                organization_id=row.organization_id,
                project_id=row.project_id,
                expires_at_ms=_unix_ms(row.expires_at),
                models=_models(row),
                limits=_limits(row),
                is_red_team=row.purpose == KeyPurpose.RED_TEAM.value,
                is_suspended=row.is_suspended,
            )

    def authenticate_key(self, tx: Connection, authorization: str | None) -> KeyHolder:
        """Return who holds the key of an `Authorization: Bearer` header. Raises KeyRefused.

        Only the id of a well-formed key reaches the database, and there as a parameter.
        """
        key = bearer.parse(authorization)
        row = keys.find_key_to_authenticate(tx, key.key_id)
        if not key.proves(self._pepper, bytes(row.digest) if row is not None else None):
            raise KeyRefused("this API key is not known", hint=bearer.HINT)
        assert row is not None
        # From here on the caller has shown the secret, so saying more tells nothing to a stranger.
        state = rules.key_state(
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            suspended_at=row.suspended_at,
            now=self._clock.now(),
        )
        if state is not KeyState.LIVE:
            raise KeyRefused(
                f"the API key {api_keys.masked(key.key_id)} is {state.value}", hint=bearer.HINT
            )
        return KeyHolder(
            key_id=row.id,
            key_name=row.name,
            organization_id=OrganizationId(row.organization_id),
            organization_name=row.organization_name,
            project_id=ProjectId(row.project_id),
            project_name=row.project_name,
            purpose=KeyPurpose(row.purpose),
            is_of_platform=row.is_of_platform,
            models=_models(row),
        )

    def _add_key(
        self,
        tx: Connection,
        organization_id: OrganizationId,
        project_id: ProjectId,
        *,
        name: str,
        created_by: UserId | None,
        purpose: KeyPurpose,
        expires_at: datetime | None = None,
        limits: Limits = _NO_LIMITS,
        models: frozenset[str] | None = None,
    ) -> CreatedKey:
        minted, now = api_keys.mint(self._pepper), self._clock.now()
        keys.add_key(
            tx,
            minted,
            organization_id=organization_id,
            project_id=project_id,
            name=name,
            created_by=created_by,
            now=now,
            expires_at=expires_at,
            limits=limits,
            models=models,
            purpose=purpose,
        )
        record_change(tx, ChangeKind.GRANT, [minted.key_id])
        row = keys.find_key(tx, organization_id, minted.key_id)
        assert row is not None
        return CreatedKey(minted.text, _key_row(row, now))


def _key_row(row: Row[Any], now: datetime) -> KeyRow:
    return KeyRow(
        key_id=row.id,
        name=row.name,
        purpose=KeyPurpose(row.purpose),
        state=rules.key_state(
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            suspended_at=row.suspended_at,
            now=now,
        ),
        organization_id=OrganizationId(row.organization_id),
        project_id=ProjectId(row.project_id),
        created_by=UserId(row.created_by) if row.created_by is not None else None,
        created_by_name=row.created_by_name,
        created_at=row.created_at.astimezone(UTC),
        expires_at=_utc(row.expires_at),
        revoked_at=_utc(row.revoked_at),
        limits=_limits(row),
        models=_models(row),
    )


def _limits(row: Row[Any]) -> Limits:
    return Limits(row.requests_per_minute, row.tokens_per_minute, row.concurrent_requests)


def _models(row: Row[Any]) -> frozenset[str] | None:
    return None if row.models is None else frozenset(row.models)


def _utc(moment: datetime | None) -> datetime | None:
    # The driver hands times out in the zone of the server.
    return None if moment is None else moment.astimezone(UTC)


def _unix_ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)


def _check_key_id(text: str) -> None:
    """Raises NotFound for what can be no key's id, so that it never reaches the database."""
    if not bearer.is_key_id(text):
        raise _key_not_found(text)


def _key_not_found(key_id: str) -> NotFound:
    return NotFound(f"there is no key {key_id[:32]!r}", hint="list the keys to see which there are")
