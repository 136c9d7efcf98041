"""What other parts may ask of providers."""

import hmac
import logging
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from msgspec import UNSET
from sqlalchemy import Connection, Row

from tradewind.core.base_urls import parse_base_url
from tradewind.core.clock import Clock
from tradewind.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    MalformedId,
    NotFound,
    PreconditionFailed,
)
from tradewind.core.ids import ConnectionId, OrganizationId
from tradewind.core.permissions import Permission, require
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.db.sealing import Place, SealBroken, Secret
from tradewind.db.vault import Keyring, Sealed, Vault
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.providers import repository, rules
from tradewind.features.providers.errors import CredentialRequired, TooManyConnections
from tradewind.features.providers.host_kinds import PROVIDERS
from tradewind.features.providers.hosts import known_hosts, search_hosts, search_models
from tradewind.features.providers.schemas import (
    ConnectionChanges,
    ConnectionRow,
    DueAccount,
    HostModel,
    KnownHost,
    NewConnection,
    OpenConnection,
)
from tradewind.features.providers.service_accounts import Token, service_account_of
from tradewind.features.providers.service_accounts import check as check_account

CONNECTIONS_MAX = 1_000
"""Connections of one owner, and the longest list of them."""

TOKENS_AT_ONCE = 20
_TOKEN_RETRY = timedelta(seconds=30)
_RENEWED_AT = 0.7
"""The part of its life after which a token is renewed: what fails then is tried again often."""

_log = logging.getLogger(__name__)


class Providers:
    """Connections to hosts. A credential that was given here is never given back to people."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock
        self._told_broken: frozenset[str] = frozenset()

    # --- known hosts -----------------------------------------------------------------------

    def known_host(self, host_id: str) -> KnownHost | None:
        return known_hosts().get(host_id)

    def search_hosts(self, text: str = "") -> list[KnownHost]:
        """Return the known hosts with all words of `text` in their name, by name."""
        return list(search_hosts(text))

    def search_models(self, host_id: str, text: str = "") -> list[HostModel]:
        """Return the models of a known host with all words of `text` in their name.

        Raises NotFound.
        """
        host = self.known_host(host_id)
        if host is None:
            raise NotFound(f"there is no known host {host_id[:64]!r}", hint="search the hosts")
        return list(search_models(host, text))

    # --- reading ---------------------------------------------------------------------------

    def list_connections(self, tx: Connection, actor: Actor) -> list[ConnectionRow]:
        """Return the connections of the actor's organization, and the platform's to its
        administrators, by name.
        """
        require(actor, Permission.PROVIDERS_READ)
        rows = repository.list_connections(
            tx,
            actor.organization_id,
            with_shared=is_platform_administrator(actor),
            limit=2 * CONNECTIONS_MAX,
        )
        return [_connection_row(row) for row in rows]

    def get_connection(self, tx: Connection, actor: Actor, connection_id: str) -> ConnectionRow:
        """Raises NotFound, also for another organization's."""
        require(actor, Permission.PROVIDERS_READ)
        return self._find(tx, actor, connection_id)

    def owners_of(
        self, tx: Connection, connection_ids: Collection[ConnectionId]
    ) -> set[str | None]:
        """Return whose accounts these are; None is the platform. For the platform itself."""
        return repository.owners_of(tx, connection_ids)

    # --- changing --------------------------------------------------------------------------

    def add_connection(self, tx: Connection, actor: Actor, new: NewConnection) -> ConnectionRow:
        """Add an account at a host, by the host's name or by its address.

        Raises InvalidInput for what cannot be one, Forbidden for what only a platform
        administrator may, Conflict for a name that is taken, TooManyConnections (409) at 1,000.
        """
        require(actor, Permission.PROVIDERS_WRITE)
        if new.is_shared or new.is_private_network:
            _require_platform_administrator(actor)
        host = _known_host(new.host) if new.host is not None else None
        options = rules.clean_options(new.options)
        base_url = new.base_url
        if base_url is None:
            if host is None or not host.base_url:
                raise InvalidInput("there is no address", hint="give host or base_url")
            base_url = rules.fill_in(host.base_url, options)
        rules.clean_base_url(base_url, is_private_network=new.is_private_network)
        name = rules.clean_name(new.name if new.name is not None else host.name if host else "")
        owner = None if new.is_shared else actor.organization_id
        repository.lock_owner(tx, owner)
        if repository.count_connections(tx, owner) >= CONNECTIONS_MAX:
            raise TooManyConnections(
                f"there are {CONNECTIONS_MAX} connections", hint="delete some that are not used"
            )
        self._check_name(tx, owner, name)
        connection_id, now = ConnectionId.new(), self._clock.now()
        repository.add_connection(
            tx,
            {
                "id": connection_id,
                "organization_id": owner,
                "name": name,
                "host": None if host is None else host.id,
                "provider": _provider(new.provider, host),
                "base_url": base_url,
                "is_private_network": new.is_private_network,
                "options": options,
                "region": rules.clean_place(new.region, "region"),
                "zone": rules.clean_place(new.zone, "zone"),
                "retains_data": new.retains_data,
                "trains_on_data": new.trains_on_data,
                **self._sealed(tx, new.credential, _place(connection_id, owner, 1, base_url)),
                "revision": 1,
                "created_at": now,
                "updated_at": now,
            },
        )
        self._note_account(tx, connection_id, 1, new.credential)
        record_change(tx, ChangeKind.ENDPOINTS)
        return self._find(tx, actor, connection_id)

    def find_same(self, tx: Connection, actor: Actor, new: NewConnection) -> ConnectionRow | None:
        """Return the enabled connection that `new` would only repeat: of the same owner, at the
        same address, with the same credential. What is asked twice is so done once.
        """
        require(actor, Permission.PROVIDERS_WRITE)
        owner = None if new.is_shared else actor.organization_id
        host = _known_host(new.host) if new.host is not None else None
        base_url = new.base_url
        if base_url is None and host is not None:
            base_url = rules.fill_in(host.base_url, rules.clean_options(new.options))
        if new.is_shared:
            _require_platform_administrator(actor)
        wanted = b"" if new.credential is None else _sealed_text(new.credential).encode()
        keyring = self._vault.keyring(tx)
        for row in repository.enabled_connections_at(tx, owner, base_url or ""):
            try:
                known = _open(row, keyring).credential.reveal().encode()
            except SealBroken:
                continue  # told by the compiler, which needs it
            if row.host == new.host and hmac.compare_digest(known, wanted):
                return _connection_row(row)
        return None

    def update_connection(
        self,
        tx: Connection,
        actor: Actor,
        connection_id: str,
        changes: ConnectionChanges,
        *,
        revision: int | None = None,
    ) -> ConnectionRow:
        """Change what is named, if nothing was changed since `revision`.

        Raises PreconditionFailed (412) when something was, CredentialRequired (409) when the
        address changes and the credential is not given anew.
        """
        former = self._lock(tx, actor, connection_id, revision)
        is_private = _or(changes.is_private_network, former.is_private_network)
        if is_private and not former.is_private_network:
            _require_platform_administrator(actor)
        base_url = _or(changes.base_url, former.base_url)
        rules.clean_base_url(base_url, is_private_network=is_private)
        values: dict[str, Any] = {
            "base_url": base_url,
            "is_private_network": is_private,
            "region": rules.clean_place(_or(changes.region, former.region), "region"),
            "zone": rules.clean_place(_or(changes.zone, former.zone), "zone"),
            "retains_data": _or(changes.retains_data, former.retains_data),
            "trains_on_data": _or(changes.trains_on_data, former.trains_on_data),
            "updated_at": self._clock.now(),
        }
        if changes.name is not UNSET:
            values["name"] = rules.clean_name(changes.name)
            repository.lock_owner(tx, former.organization_id)
            self._check_name(tx, former.organization_id, values["name"], but=former.id)
        if changes.options is not UNSET:
            values["options"] = rules.clean_options(changes.options)
        if changes.is_enabled is not UNSET:
            since = former.disabled_at or self._clock.now()
            values["disabled_at"] = None if changes.is_enabled else since
        if changes.credential is not UNSET:
            # The revision grows with every change, so no version of a credential comes twice.
            place = _place(former.id, former.organization_id, former.revision + 1, base_url)
            values |= self._sealed(tx, changes.credential, place)
        elif base_url != former.base_url and former.credential_set_at is not None:
            raise CredentialRequired(
                "the credential is bound to the address that it was given for",
                hint="send the credential of the new address along",
            )
        repository.update_connection(tx, former.id, values)
        if changes.credential is not UNSET:
            self._note_account(tx, former.id, former.revision + 1, changes.credential)
        record_change(tx, ChangeKind.ENDPOINTS)
        return self._find(tx, actor, former.id)

    def replace_credential(
        self,
        tx: Connection,
        actor: Actor,
        connection_id: str,
        credential: Secret | None,
        *,
        revision: int | None = None,
    ) -> ConnectionRow:
        """Seal another credential, or none for a host that takes none."""
        return self.update_connection(
            tx, actor, connection_id, ConnectionChanges(credential=credential), revision=revision
        )

    def lock_connection(
        self, tx: Connection, actor: Actor, connection_id: str, *, revision: int | None = None
    ) -> ConnectionRow:
        """Return a connection that nobody else can change or name in a target before the end of
        `tx`. For whoever has to look at its targets before it is deleted.
        """
        return self._lock(tx, actor, connection_id, revision)

    def delete_connection(self, tx: Connection, connection: ConnectionRow) -> None:
        """Delete a connection that was locked and has no targets; the credential goes with it."""
        repository.delete_connection(tx, connection.id)
        record_change(tx, ChangeKind.ENDPOINTS)

    # --- credentials -----------------------------------------------------------------------

    def open_connections(self, tx: Connection) -> dict[str, OpenConnection]:
        """Return every enabled connection with its credential, by id. Only for the compiler.

        One whose credential does not open is left out, and told once in the log.
        """
        keyring = self._vault.keyring(tx)
        tokens, now = repository.tokens(tx), self._clock.now()
        opened: dict[str, OpenConnection] = {}
        broken: set[str] = set()
        for row in repository.enabled_connections(tx):
            try:
                connection = _open(row, keyring)
                if row.id in tokens:
                    connection = _with_token(row, connection, tokens[row.id], keyring, now)
                opened[row.id] = connection
            except SealBroken as error:
                broken.add(row.id)
                if row.id not in self._told_broken:
                    _log.error("the connection %s is not used: %s", row.id, error)
        self._told_broken = frozenset(broken)
        return opened

    def due_accounts(self, tx: Connection) -> list[DueAccount]:
        """Return service accounts that need a new token now. Only for who fetches them."""
        keyring, now = self._vault.keyring(tx), self._clock.now()
        due: list[DueAccount] = []
        for row in repository.due_tokens(tx, now, TOKENS_AT_ONCE):
            retry = {"next_try_at": now + _TOKEN_RETRY}
            # Also while it is fetched: whoever else looks meanwhile lets it be.
            repository.update_token(tx, row.id, row.credential_version, retry)
            try:
                account = service_account_of(_open(row, keyring).credential.reveal())
            except SealBroken as error:
                _log.error("no token for the connection %s: %s", row.id, error)
                continue
            if account is not None:
                due.append(
                    DueAccount(
                        ConnectionId(row.id),
                        row.credential_version,
                        account,
                        row.is_private_network,
                    )
                )
        return due

    def put_token(self, tx: Connection, due: DueAccount, token: Token) -> bool:
        """Seal the new token of a service account. False when its credential is another by now."""
        now = self._clock.now()
        expires_at = now.replace(microsecond=0) + token.lifetime
        row = repository.find_any_connection(tx, due.connection_id)
        if row is None:
            return False
        sealed = self._vault.seal(tx, Secret(token.text), _token_place(row, expires_at))
        is_put = repository.update_token(
            tx,
            due.connection_id,
            due.credential_version,
            {
                "data_key_id": sealed.data_key_id,
                "sealed_token": sealed.content,
                "expires_at": expires_at,
                "next_try_at": now + token.lifetime * _RENEWED_AT,
            },
        )
        if is_put:
            record_change(tx, ChangeKind.ENDPOINTS)
        return is_put

    def rewrap_data_keys(self, tx: Connection) -> int:
        """Wrap all data keys with the newest key-encryption key; return how many changed."""
        return self._vault.rewrap(tx)

    def check_keys(self, tx: Connection) -> None:
        """Raise StartupError when the key-encryption key of the stored credentials is not here."""
        self._vault.check(tx)

    # --- inside ----------------------------------------------------------------------------

    def _find(
        self, tx: Connection, actor: Actor, connection_id: str, *, locks: bool = False
    ) -> ConnectionRow:
        try:
            parsed = ConnectionId.parse(connection_id)
        except MalformedId:
            raise _not_found(connection_id) from None
        row = repository.find_connection(
            tx,
            actor.organization_id,
            parsed,
            with_shared=is_platform_administrator(actor),
            locks=locks,
        )
        if row is None:
            raise _not_found(connection_id)
        return _connection_row(row)

    def _lock(
        self, tx: Connection, actor: Actor, connection_id: str, revision: int | None
    ) -> ConnectionRow:
        require(actor, Permission.PROVIDERS_WRITE)
        found = self._find(tx, actor, connection_id, locks=True)
        if revision is not None and revision != found.revision:
            raise PreconditionFailed(
                f"the connection {found.id} was changed by somebody else",
                hint="read it again and repeat the change",
            )
        return found

    def _check_name(
        self,
        tx: Connection,
        owner: OrganizationId | None,
        name: str,
        *,
        but: ConnectionId | None = None,
    ) -> None:
        if repository.has_name(tx, owner, name, but=but):
            raise Conflict(f"there is a connection {name!r}", hint="choose another name")

    def _note_account(
        self,
        tx: Connection,
        connection_id: ConnectionId,
        version: int,
        credential: Secret | None,
    ) -> None:
        """Have a token fetched for a credential that is a service account."""
        text = "" if credential is None else credential.reveal().strip()
        if service_account_of(text) is None:
            repository.want_no_token(tx, connection_id)
        else:
            repository.want_token(tx, connection_id, version, self._clock.now())

    def _sealed(self, tx: Connection, credential: Secret | None, place: Place) -> dict[str, Any]:
        """Return the columns of a credential at its place."""
        columns: dict[str, Any] = {"credential_version": place.version, "credential_hint": ""}
        if credential is None:
            return columns | {
                "data_key_id": None,
                "sealed_credential": None,
                "credential_set_at": None,
            }
        text = _sealed_text(credential)
        if (account := service_account_of(text)) is not None:
            check_account(account)
        sealed = self._vault.seal(tx, Secret(text), place)
        return columns | {
            "data_key_id": sealed.data_key_id,
            "sealed_credential": sealed.content,
            "credential_hint": rules.hint_of(text),
            "credential_set_at": self._clock.now(),
        }


def _sealed_text(credential: Secret) -> str:
    return rules.clean_credential(credential.reveal())


def _open(row: Row[Any], keyring: Keyring) -> OpenConnection:
    """Raises SealBroken."""
    url = parse_base_url(row.base_url)
    credential = Secret("")
    if row.sealed_credential is not None:
        credential = keyring.open(
            Sealed(row.data_key_id, bytes(row.sealed_credential)),
            _place(row.id, row.organization_id, row.credential_version, row.base_url),
        )
    return OpenConnection(
        id=ConnectionId(row.id),
        host=row.host or rules.public_name(row.name),
        provider=row.provider,
        address=url.address(is_private=row.is_private_network),
        base_path=url.path,
        options=row.options,
        region=row.region,
        zone=row.zone,
        retains_data=row.retains_data,
        trains_on_data=row.trains_on_data,
        credential=credential,
    )


def _with_token(
    row: Row[Any],
    connection: OpenConnection,
    token: Row[Any],
    keyring: Keyring,
    now: datetime,
) -> OpenConnection:
    """Return a connection that is opened by its token instead of its service account.

    Raises SealBroken when there is no token that lives.
    """
    account = service_account_of(connection.credential.reveal())
    if account is None or token.credential_version != row.credential_version:
        raise SealBroken("its token is another credential's")
    if token.expires_at is None or token.expires_at <= now:
        raise SealBroken("there is no token of its service account yet")
    sealed = Sealed(token.data_key_id, bytes(token.sealed_token))
    text = keyring.open(sealed, _token_place(row, token.expires_at))
    options = dict(connection.options)
    if account.project_id:
        options.setdefault("project", account.project_id)
    return replace(connection, credential=text, options=options)


def _token_place(row: Row[Any], expires_at: datetime) -> Place:
    version = int(expires_at.timestamp())
    return Place("provider_token", row.id, row.organization_id, version, row.base_url)


def _place(connection_id: str, owner: str | None, version: int, base_url: str) -> Place:
    return Place("provider_connection", connection_id, owner, version, base_url)


def _connection_row(row: Row[Any]) -> ConnectionRow:
    return ConnectionRow(
        id=ConnectionId(row.id),
        organization_id=(
            None if row.organization_id is None else OrganizationId(row.organization_id)
        ),
        name=row.name,
        host=row.host,
        provider=row.provider,
        base_url=row.base_url,
        is_private_network=row.is_private_network,
        options=row.options,
        region=row.region,
        zone=row.zone,
        retains_data=row.retains_data,
        trains_on_data=row.trains_on_data,
        credential_hint=row.credential_hint,
        credential_set_at=row.credential_set_at,
        revision=row.revision,
        created_at=row.created_at,
        updated_at=row.updated_at,
        disabled_at=row.disabled_at,
    )


def _known_host(host_id: str) -> KnownHost:
    host = known_hosts().get(host_id)
    if host is None:
        raise InvalidInput(
            f"there is no known host {host_id[:64]!r}",
            hint="search the known hosts, or give base_url instead",
        )
    if host.provider is None:
        raise InvalidInput(f"{host.name} is not supported: {host.unsupported_reason}")
    return host


def _provider(asked: str | None, host: KnownHost | None) -> str:
    provider = asked or (host.provider if host is not None else None) or "openai_compatible"
    if provider not in PROVIDERS:
        raise InvalidInput(
            f"there is no provider {provider[:64]!r}", hint=f"one of {', '.join(sorted(PROVIDERS))}"
        )
    return provider


def _require_platform_administrator(actor: Actor) -> None:
    if not is_platform_administrator(actor):
        raise Forbidden(
            "this is for administrators of the platform",
            hint="leave is_shared and is_private_network off for your own organization",
        )


def _or(value: Any, former: Any) -> Any:
    return former if value is UNSET else value


def _not_found(connection_id: str) -> NotFound:
    return NotFound(
        f"there is no connection {connection_id[:64]!r}",
        hint="list the connections to see which there are",
    )
