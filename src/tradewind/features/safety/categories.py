"""Custom categories: what an organization defines by examples."""

from typing import Any

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.ids import CustomCategoryId, OrganizationId
from tradewind.core.permissions import Permission, require
from tradewind.db.notify import announce
from tradewind.features.accounts.schemas import Actor
from tradewind.features.safety.blocklists import NAME, refuse_if_used
from tradewind.features.safety.dry_runs import SAFETY_CHANNEL
from tradewind.features.safety.errors import TooManySafetyThings
from tradewind.features.safety.reading import changed_since
from tradewind.features.safety.repository import materials, policies
from tradewind.features.safety.repository.materials import CATEGORY, AnyRow
from tradewind.features.safety.rules.limits import (
    CATEGORIES_MAX,
    DEFINITION_MAX,
    EXAMPLE_CHARACTERS_MAX,
    EXAMPLES_MAX,
    EXAMPLES_MIN,
    RAPID_EXAMPLE_CHARACTERS_MAX,
    RAPID_EXAMPLES_MAX,
)
from tradewind.features.safety.schemas import CategoryRow, NewCategory, Readiness


class Categories:
    """Categories of the actor's own organization. The worker trains them, in under a minute."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def list_categories(self, tx: Connection, actor: Actor) -> list[CategoryRow]:
        """Return categories by name."""
        require(actor, Permission.SAFETY_READ)
        rows = materials.list_rows(tx, CATEGORY, actor.organization_id, CATEGORIES_MAX)
        return [_row(row) for row in rows]

    def get_category(self, tx: Connection, actor: Actor, category_id: str) -> CategoryRow:
        """Raises NotFound, also for another organization's."""
        require(actor, Permission.SAFETY_READ)
        return _row(self._find(tx, actor, category_id))

    def add_category(self, tx: Connection, actor: Actor, new: NewCategory) -> CategoryRow:
        """Add a category, and have it trained.

        Raises InvalidInput, Conflict for a name that is taken, TooManySafetyThings (409) at 50.
        """
        require(actor, Permission.SAFETY_WRITE)
        if not NAME.fullmatch(new.name):
            raise InvalidInput(
                f"{new.name[:80]!r} is no name of a category",
                hint="use 1 to 64 of A-Z, a-z, 0-9, dots, hyphens, underscores and tildes",
            )
        _check_examples(new)
        owner, now = actor.organization_id, self._clock.now()
        policies.lock_owner(tx, owner)
        if materials.is_name_taken(tx, CATEGORY, owner, new.name):
            raise Conflict(f"there is a category {new.name!r} already", hint="take another name")
        if materials.count_rows(tx, CATEGORY, owner) >= CATEGORIES_MAX:
            raise TooManySafetyThings(
                f"this organization has {CATEGORIES_MAX} categories", hint="delete one not in use"
            )
        category_id = CustomCategoryId.new()
        materials.add_row(
            tx,
            CATEGORY,
            {
                "id": category_id,
                "organization_id": owner,
                "name": new.name,
                **_examples(new),
                "state": Readiness.QUEUED.value,
                "digest": "",
                "size": 0,
                "revision": 1,
                "created_at": now,
                "updated_at": now,
            },
        )
        announce(tx, SAFETY_CHANNEL)
        return _row(self._find(tx, actor, category_id))

    def train_again(
        self,
        tx: Connection,
        actor: Actor,
        category_id: str,
        new: NewCategory,
        *,
        revision: int | None = None,
    ) -> CategoryRow:
        """Have a category trained from other examples. Policies hold the former until then; its
        name stays.
        """
        found = self._lock(tx, actor, category_id, revision)
        _check_examples(new)
        values = {
            **_examples(new),
            "state": Readiness.QUEUED.value,
            "percent": 0,
            "error": "",
            "revision": found.revision + 1,
            "updated_at": self._clock.now(),
        }
        materials.update_row(tx, CATEGORY, found.id, values)
        announce(tx, SAFETY_CHANNEL)
        return _row(self._find(tx, actor, category_id))

    def delete_category(
        self, tx: Connection, actor: Actor, category_id: str, *, revision: int | None = None
    ) -> None:
        """Delete a category with its examples. Raises SafetyInUse (409) naming what uses it."""
        found = self._lock(tx, actor, category_id, revision)
        refuse_if_used(tx, found.id, f"the category {found.name!r}")
        materials.delete_row(tx, CATEGORY, found.id)

    def _find(
        self, tx: Connection, actor: Actor, category_id: str, *, locks: bool = False
    ) -> AnyRow:
        row = materials.find_row(
            tx, CATEGORY, actor.organization_id, category_id[:100], locks=locks
        )
        if row is None:
            raise NotFound(
                f"there is no category {category_id[:60]!r}",
                hint="list the categories to see which there are",
            )
        return row

    def _lock(self, tx: Connection, actor: Actor, category_id: str, revision: int | None) -> AnyRow:
        require(actor, Permission.SAFETY_WRITE)
        found = self._find(tx, actor, category_id, locks=True)
        if revision is not None and revision != found.revision:
            raise changed_since(f"the category {found.name!r}")
        return found


def _examples(new: NewCategory) -> dict[str, Any]:
    return {
        "definition": new.definition,
        "is_rapid": new.is_rapid,
        "positives": list(new.positives),
        "negatives": list(new.negatives),
    }


def _check_examples(new: NewCategory) -> None:
    if len(new.definition) > DEFINITION_MAX or "\0" in new.definition:
        raise InvalidInput(f"a definition has at most {DEFINITION_MAX:,} characters")
    least, most = (1, RAPID_EXAMPLES_MAX) if new.is_rapid else (EXAMPLES_MIN, EXAMPLES_MAX)
    longest = RAPID_EXAMPLE_CHARACTERS_MAX if new.is_rapid else EXAMPLE_CHARACTERS_MAX
    if new.is_rapid and new.negatives:
        raise InvalidInput("a rapid category takes no negatives", hint="leave them out")
    count = len(new.positives) + len(new.negatives)
    if len(new.positives) < least or count > most:
        raise InvalidInput(
            f"there are {len(new.positives):,} positives and {len(new.negatives):,} negatives",
            hint=f"give at least {least} of what it is, and at most {most:,} in all",
        )
    for kind, examples in (("positives", new.positives), ("negatives", new.negatives)):
        for at, example in enumerate(examples):
            if not example.strip() or len(example) > longest or "\0" in example:
                raise InvalidInput(
                    f"{kind}[{at}] does not have 1 to {longest:,} characters",
                    hint="shorten it, or leave it out",
                )


def _row(row: AnyRow) -> CategoryRow:
    return CategoryRow(
        category_id=row.id,
        organization_id=OrganizationId(row.organization_id),
        name=row.name,
        definition=row.definition,
        is_rapid=row.is_rapid,
        positives=row.positives,
        negatives=row.negatives,
        state=Readiness(row.state),
        percent=row.percent,
        error=row.error,
        digest=row.digest,
        size=row.size,
        revision=row.revision,
        quality=row.quality,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
