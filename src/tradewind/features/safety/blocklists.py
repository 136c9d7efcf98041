"""Blocklists: terms that an organization does not want to read or write."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.ids import BlocklistId, BlocklistItemId, OrganizationId
from tradewind.core.permissions import Permission, require
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.accounts.schemas import Actor
from tradewind.features.safety.errors import SafetyInUse, TooManySafetyThings
from tradewind.features.safety.keeping import keep_data
from tradewind.features.safety.reading import changed_since
from tradewind.features.safety.repository import blocklists, policies
from tradewind.features.safety.rules.limits import (
    BLOCKLISTS_MAX,
    DESCRIPTION_MAX,
    ITEMS_AT_ONCE,
    ITEMS_MAX,
    TERM_MAX,
)
from tradewind.features.safety.schemas import BlocklistRow, ItemRow, NewItem

ITEMS_ON_PAGE_MAX = 1_000
NAME = re.compile(r"[0-9A-Za-z._~-]{1,64}")
"""As Azure AI Content Safety names them."""

Pack = Callable[[Sequence[tuple[str, str, bool]]], bytes]
"""Makes data of terms: id, text, whether it is a regular expression. Raises InvalidInput naming the
term that cannot be."""


class Blocklists:
    """Lists of the actor's own organization."""

    def __init__(self, clock: Clock, pack: Pack) -> None:
        self._clock = clock
        self._pack = pack

    # --- reading ---------------------------------------------------------------------------

    def list_blocklists(self, tx: Connection, actor: Actor) -> list[BlocklistRow]:
        """Return the lists by name."""
        require(actor, Permission.SAFETY_READ)
        rows = blocklists.list_blocklists(tx, actor.organization_id, BLOCKLISTS_MAX)
        return [_row(row) for row in rows]

    def get_blocklist(self, tx: Connection, actor: Actor, blocklist_id: str) -> BlocklistRow:
        """Raises NotFound, also for another organization's."""
        require(actor, Permission.SAFETY_READ)
        return _row(self._find(tx, actor, blocklist_id))

    def find_by_name(self, tx: Connection, actor: Actor, name: str) -> BlocklistRow | None:
        require(actor, Permission.SAFETY_READ)
        row = blocklists.find_by_name(tx, actor.organization_id, name[:100])
        return None if row is None else _row(row)

    def list_items(
        self,
        tx: Connection,
        actor: Actor,
        blocklist_id: str,
        *,
        after: str | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> list[ItemRow]:
        """Return terms in the order in which they were added. Raises NotFound."""
        require(actor, Permission.SAFETY_READ)
        found = self._find(tx, actor, blocklist_id)
        rows = blocklists.list_items(
            tx,
            found.id,
            after=after,
            offset=min(max(offset, 0), ITEMS_MAX),
            limit=min(limit, ITEMS_ON_PAGE_MAX + 1),
        )
        return [_item_row(row) for row in rows]

    def get_item(self, tx: Connection, actor: Actor, blocklist_id: str, item_id: str) -> ItemRow:
        """Raises NotFound."""
        require(actor, Permission.SAFETY_READ)
        found = self._find(tx, actor, blocklist_id)
        row = blocklists.find_item(tx, found.id, item_id[:100])
        if row is None:
            raise NotFound(f"there is no term {item_id[:60]!r} in {found.name!r}")
        return _item_row(row)

    # --- changing --------------------------------------------------------------------------

    def add_blocklist(
        self, tx: Connection, actor: Actor, name: str, description: str = ""
    ) -> BlocklistRow:
        """Add an empty list. It is used once a policy names it.

        Raises InvalidInput, Conflict for a name that is taken, TooManySafetyThings (409) at 100.
        """
        require(actor, Permission.SAFETY_WRITE)
        _check_name(name)
        _check_description(description)
        owner, now = actor.organization_id, self._clock.now()
        policies.lock_owner(tx, owner)
        if blocklists.find_by_name(tx, owner, name) is not None:
            raise Conflict(f"there is a blocklist {name!r} already", hint="take another name")
        if blocklists.count_blocklists(tx, owner) >= BLOCKLISTS_MAX:
            raise TooManySafetyThings(
                f"this organization has {BLOCKLISTS_MAX} blocklists", hint="delete one not in use"
            )
        blocklist_id = BlocklistId.new()
        blocklists.add_blocklist(
            tx,
            {
                "id": blocklist_id,
                "organization_id": owner,
                "name": name,
                "description": description,
                "items": 0,
                "digest": "",
                "size": 0,
                "revision": 1,
                "created_at": now,
                "updated_at": now,
            },
        )
        return _row(self._find(tx, actor, blocklist_id))

    def describe(
        self,
        tx: Connection,
        actor: Actor,
        blocklist_id: str,
        description: str,
        *,
        revision: int | None = None,
    ) -> BlocklistRow:
        """Change what a list says of itself. Its name stays: findings and policies name it."""
        found = self._lock(tx, actor, blocklist_id, revision)
        _check_description(description)
        blocklists.update_blocklist(
            tx, found.id, {"description": description, "updated_at": self._clock.now()}
        )
        return _row(self._find(tx, actor, blocklist_id))

    def delete_blocklist(
        self, tx: Connection, actor: Actor, blocklist_id: str, *, revision: int | None = None
    ) -> None:
        """Delete a list with its terms. Raises SafetyInUse (409) naming what uses it."""
        found = self._lock(tx, actor, blocklist_id, revision)
        refuse_if_used(tx, found.id, f"the blocklist {found.name!r}")
        blocklists.delete_blocklist(tx, found.id)

    def add_items(
        self, tx: Connection, actor: Actor, blocklist_id: str, items: Sequence[NewItem]
    ) -> list[ItemRow]:
        """Add up to 100 terms; one that is there already is described anew.

        Gateways look for them within seconds, where a policy names the list. Raises InvalidInput
        for a term that cannot be, TooManySafetyThings (409) at 10,000 terms.
        """
        found = self._lock(tx, actor, blocklist_id, None)
        if not 1 <= len(items) <= ITEMS_AT_ONCE:
            raise InvalidInput(
                f"{len(items)} terms at once", hint=f"send 1 to {ITEMS_AT_ONCE} in each call"
            )
        for at, item in enumerate(items):
            _check_item(at, item)
        unique = {(item.text, item.is_regex): item for item in items}
        rows = blocklists.put_items(
            tx,
            found.id,
            [
                {
                    "id": BlocklistItemId.new(),
                    "text": item.text,
                    "description": item.description,
                    "is_regex": item.is_regex,
                }
                for item in unique.values()
            ],
            self._clock.now(),
        )
        self._pack_again(tx, found)
        return [_item_row(row) for row in rows]

    def remove_items(
        self, tx: Connection, actor: Actor, blocklist_id: str, item_ids: Collection[str]
    ) -> int:
        """Take up to 100 terms out; return how many there were. Idempotent."""
        found = self._lock(tx, actor, blocklist_id, None)
        if not 1 <= len(item_ids) <= ITEMS_AT_ONCE:
            raise InvalidInput(
                f"{len(item_ids)} terms at once", hint=f"name 1 to {ITEMS_AT_ONCE} in each call"
            )
        removed = blocklists.delete_items(tx, found.id, [each[:100] for each in item_ids])
        if removed:
            self._pack_again(tx, found)
        return removed

    # --- inside ----------------------------------------------------------------------------

    def _pack_again(self, tx: Connection, found: Row[Any]) -> None:
        count = blocklists.count_items(tx, found.id)
        if count > ITEMS_MAX:
            raise TooManySafetyThings(
                f"{found.name!r} would have {count:,} terms, more than {ITEMS_MAX:,}",
                hint="begin another list; a policy may name several",
            )
        now = self._clock.now()
        values: dict[str, Any] = {"items": count, "digest": "", "size": 0, "updated_at": now}
        if count:
            terms = blocklists.list_items(tx, found.id, limit=ITEMS_MAX)
            packed = self._pack([(row.id, row.text, row.is_regex) for row in terms])
            values |= {"digest": keep_data(tx, packed, now), "size": len(packed)}
        blocklists.update_blocklist(tx, found.id, values)
        record_change(tx, ChangeKind.POLICIES)

    def _find(
        self, tx: Connection, actor: Actor, blocklist_id: str, *, locks: bool = False
    ) -> Row[Any]:
        row = blocklists.find_blocklist(tx, actor.organization_id, blocklist_id[:100], locks=locks)
        if row is None:
            raise NotFound(
                f"there is no blocklist {blocklist_id[:60]!r}",
                hint="list the blocklists to see which there are",
            )
        return row

    def _lock(
        self, tx: Connection, actor: Actor, blocklist_id: str, revision: int | None
    ) -> Row[Any]:
        require(actor, Permission.SAFETY_WRITE)
        found = self._find(tx, actor, blocklist_id, locks=True)
        if revision is not None and revision != found.revision:
            raise changed_since(f"the blocklist {found.name!r}")
        return found


def refuse_if_used(tx: Connection, data_id: str, what: str) -> None:
    """Raise SafetyInUse when a policy names these data."""
    named = policies.policies_naming(tx, data_id, 5)
    if named:
        names = ", ".join(repr(row.name) for row in named)
        raise SafetyInUse(f"{what} is used by {names}", hint="take it out of the policy first")


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:80]!r} is no name of a blocklist",
            hint="use 1 to 64 of A-Z, a-z, 0-9, dots, hyphens, underscores and tildes",
        )


def _check_description(description: str) -> None:
    if len(description) > DESCRIPTION_MAX or "\0" in description:
        raise InvalidInput(f"a description has at most {DESCRIPTION_MAX} characters")


def _check_item(at: int, item: NewItem) -> None:
    if not item.text.strip() or len(item.text) > TERM_MAX or "\0" in item.text:
        raise InvalidInput(
            f"items[{at}].text is not 1 to {TERM_MAX} characters", hint="shorten the term"
        )
    _check_description(item.description)


def _row(row: Row[Any]) -> BlocklistRow:
    return BlocklistRow(
        blocklist_id=row.id,
        organization_id=OrganizationId(row.organization_id),
        name=row.name,
        description=row.description,
        items=row.items,
        digest=row.digest,
        size=row.size,
        revision=row.revision,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _item_row(row: Row[Any]) -> ItemRow:
    return ItemRow(row.id, row.text, row.description, row.is_regex, row.created_at)
