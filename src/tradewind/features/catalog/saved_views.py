"""Views of the catalog that somebody keeps by a name: what is searched, chosen and sorted by.

A view is one person's within one organization, and may be shared with all of it. It holds a
question and never an answer, so that opening another's view shows what the opener may see. The
question is text that whoever asks has read and written in its one form (`CatalogQuery`); this
feature knows nothing of its meaning.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, InvalidInput, MalformedId, NotFound
from tradewind.core.ids import SavedViewId, UserId
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor
from tradewind.features.catalog.repository import saved_views

MOST_VIEWS = 50
"""Of one person in one organization."""
MOST_SHARED = 200
"""In one organization, by whomever."""
NAME_MAX = 80
QUERY_MAX = 4_000


@dataclass(frozen=True, slots=True)
class SavedView:
    view_id: SavedViewId
    name: str
    query: str
    is_shared: bool
    is_own: bool
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ViewChanges:
    """None is: as it was."""

    name: str | None = None
    query: str | None = None
    is_shared: bool | None = None


class SavedViews:
    """`user_id` is whose views they are; None is nobody's key, which has none."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def save(
        self,
        tx: Connection,
        actor: Actor,
        user_id: UserId | None,
        name: str,
        query: str,
        *,
        is_shared: bool = False,
    ) -> SavedView:
        """Keep a question by a name of one's own.

        Raises InvalidInput, and Conflict for a name that one has already, for more than 50 of one's
        own or 200 shared ones.
        """
        require(actor, Permission.MODELS_READ)
        if user_id is None:
            raise Conflict("this key is nobody's, and a view is somebody's", hint="use your own")
        saved_views.lock(tx, actor.organization_id)
        if saved_views.count_own(tx, actor.organization_id, user_id) >= MOST_VIEWS:
            raise Conflict(f"you have {MOST_VIEWS} views already", hint="delete one first")
        if is_shared:
            self._check_shared(tx, actor)
        view_id, now = SavedViewId.new(), self._clock.now()
        is_added = saved_views.add(
            tx,
            {
                "id": view_id,
                "organization_id": actor.organization_id,
                "user_id": user_id,
                "name": _name(name),
                "query": _query(query),
                "is_shared": is_shared,
                "created_at": now,
                "updated_at": now,
            },
        )
        if not is_added:
            raise _name_taken(name)
        return self.open(tx, actor, user_id, view_id)

    def open(self, tx: Connection, actor: Actor, user_id: UserId | None, view_id: str) -> SavedView:
        """Return a view of one's own, or one that is shared. Raises NotFound for all others."""
        require(actor, Permission.MODELS_READ)
        return _view(self._find(tx, actor, user_id, view_id), user_id)

    def change(
        self,
        tx: Connection,
        actor: Actor,
        user_id: UserId | None,
        view_id: str,
        changes: ViewChanges,
    ) -> SavedView:
        """Change what is named of one's own view. Raises NotFound, InvalidInput, and Conflict as
        `save` does.
        """
        require(actor, Permission.MODELS_READ)
        saved_views.lock(tx, actor.organization_id)
        found = self._find(tx, actor, user_id, view_id)
        if found.user_id != user_id:
            raise _not_found(view_id)
        values: dict[str, Any] = {"updated_at": self._clock.now()}
        if changes.name is not None:
            values["name"] = _name(changes.name)
            taken = saved_views.find_named(tx, actor.organization_id, found.user_id, values["name"])
            if taken not in {None, found.id}:
                raise _name_taken(changes.name)
        if changes.query is not None:
            values["query"] = _query(changes.query)
        if changes.is_shared is not None:
            if changes.is_shared and not found.is_shared:
                self._check_shared(tx, actor)
            values["is_shared"] = changes.is_shared
        saved_views.update(tx, found.id, values)
        return self.open(tx, actor, user_id, view_id)

    def delete(self, tx: Connection, actor: Actor, user_id: UserId | None, view_id: str) -> None:
        """Delete one's own view; as an administrator also a shared one. Raises NotFound."""
        require(actor, Permission.MODELS_READ)
        found = self._find(tx, actor, user_id, view_id)
        if found.user_id != user_id and not may_delete_shared(actor):
            raise _not_found(view_id)
        saved_views.delete(tx, found.id)

    def _find(self, tx: Connection, actor: Actor, user_id: UserId | None, view_id: str) -> Row[Any]:
        try:
            parsed = SavedViewId.parse(view_id)
        except MalformedId:
            raise _not_found(view_id) from None
        found = saved_views.find(tx, actor.organization_id, parsed)
        if found is None or not (found.is_shared or found.user_id == user_id):
            raise _not_found(view_id)
        return found

    def _check_shared(self, tx: Connection, actor: Actor) -> None:
        if saved_views.count_shared(tx, actor.organization_id) >= MOST_SHARED:
            raise Conflict(
                f"the organization shares {MOST_SHARED} views already",
                hint="keep it to yourself, or have one deleted",
            )


def may_delete_shared(actor: Actor) -> bool:
    """Tell whether `actor` may delete what others share: somebody has to when they have left."""
    return actor.may(Permission.ACCOUNTS_WRITE)


def _view(row: Row[Any], user_id: UserId | None) -> SavedView:
    return SavedView(
        SavedViewId(row.id),
        row.name,
        row.query,
        row.is_shared,
        row.user_id == user_id,
        row.updated_at,
    )


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not 1 <= len(name) <= NAME_MAX or not name.isprintable():
        raise InvalidInput(f"the name of a view has 1 to {NAME_MAX} printable characters")
    return name


def _query(text: str) -> str:
    if len(text) > QUERY_MAX or not text.isprintable():
        raise InvalidInput(
            f"a view holds a question of at most {QUERY_MAX} characters",
            hint="choose fewer values",
        )
    return text


def _name_taken(name: str) -> Conflict:
    return Conflict(f"you have a view '{name[:NAME_MAX]}' already", hint="choose another name")


def _not_found(view_id: str) -> NotFound:
    return NotFound(
        f"there is no view '{view_id[:80]}'", hint="it may have been deleted, or shared no longer"
    )
