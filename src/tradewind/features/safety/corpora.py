"""Corpora: texts that belong to somebody, with their licence and where they are to be had."""

from collections.abc import Sequence

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.ids import CorpusId, OrganizationId
from tradewind.core.permissions import Permission, require
from tradewind.db.notify import announce
from tradewind.features.accounts.schemas import Actor
from tradewind.features.safety.blocklists import NAME, refuse_if_used
from tradewind.features.safety.dry_runs import SAFETY_CHANNEL
from tradewind.features.safety.errors import TooManySafetyThings
from tradewind.features.safety.reading import changed_since
from tradewind.features.safety.repository import materials, policies
from tradewind.features.safety.repository.materials import CORPUS, AnyRow
from tradewind.features.safety.rules.limits import (
    CORPORA_MAX,
    CORPUS_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    TEXTS_AT_ONCE,
    TEXTS_MAX,
)
from tradewind.features.safety.schemas import CorpusRow, NewCorpus, NewText, Readiness

_FIELD_MAX = 300
_TITLE_MAX = 200


class Corpora:
    """Corpora of the actor's own organization. The worker indexes them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def list_corpora(self, tx: Connection, actor: Actor) -> list[CorpusRow]:
        """Return corpora by name."""
        require(actor, Permission.SAFETY_READ)
        rows = materials.list_rows(tx, CORPUS, actor.organization_id, CORPORA_MAX)
        return [_row(row) for row in rows]

    def get_corpus(self, tx: Connection, actor: Actor, corpus_id: str) -> CorpusRow:
        """Raises NotFound, also for another organization's."""
        require(actor, Permission.SAFETY_READ)
        return _row(self._find(tx, actor, corpus_id))

    def add_corpus(self, tx: Connection, actor: Actor, new: NewCorpus) -> CorpusRow:
        """Add a corpus without texts. Raises InvalidInput, Conflict for a name that is taken,
        TooManySafetyThings (409) at 50.
        """
        require(actor, Permission.SAFETY_WRITE)
        if not NAME.fullmatch(new.name):
            raise InvalidInput(
                f"{new.name[:80]!r} is no name of a corpus",
                hint="use 1 to 64 of A-Z, a-z, 0-9, dots, hyphens, underscores and tildes",
            )
        for what, said in (("licence", new.licence), ("citation", new.citation)):
            if not 1 <= len(said.strip()) <= _FIELD_MAX or not said.isprintable():
                raise InvalidInput(
                    f"the {what} does not have 1 to {_FIELD_MAX} characters",
                    hint="findings tell it to whoever copied the text",
                )
        owner, now = actor.organization_id, self._clock.now()
        policies.lock_owner(tx, owner)
        if materials.is_name_taken(tx, CORPUS, owner, new.name):
            raise Conflict(f"there is a corpus {new.name!r} already", hint="take another name")
        if materials.count_rows(tx, CORPUS, owner) >= CORPORA_MAX:
            raise TooManySafetyThings(
                f"this organization has {CORPORA_MAX} corpora", hint="delete one not in use"
            )
        corpus_id = CorpusId.new()
        materials.add_row(
            tx,
            CORPUS,
            {
                "id": corpus_id,
                "organization_id": owner,
                "name": new.name,
                "licence": new.licence.strip(),
                "citation": new.citation.strip(),
                "is_code": new.is_code,
                "texts": 0,
                "characters": 0,
                "state": Readiness.READY.value,
                "digest": "",
                "size": 0,
                "revision": 1,
                "created_at": now,
                "updated_at": now,
            },
        )
        return _row(self._find(tx, actor, corpus_id))

    def add_texts(
        self, tx: Connection, actor: Actor, corpus_id: str, texts: Sequence[NewText]
    ) -> CorpusRow:
        """Add up to 20 texts and have the corpus indexed again. Raises InvalidInput,
        TooManySafetyThings (409) at 1,000 texts or 10 million characters.
        """
        found = self._lock(tx, actor, corpus_id, None)
        if not 1 <= len(texts) <= TEXTS_AT_ONCE:
            raise InvalidInput(
                f"{len(texts)} texts at once", hint=f"send 1 to {TEXTS_AT_ONCE} in each call"
            )
        for at, each in enumerate(texts):
            _check_text(at, each)
        characters = found.characters + sum(len(each.text) for each in texts)
        if found.texts + len(texts) > TEXTS_MAX or characters > CORPUS_CHARACTERS_MAX:
            raise TooManySafetyThings(
                f"{found.name!r} would have more than {TEXTS_MAX:,} texts or"
                f" {CORPUS_CHARACTERS_MAX:,} characters",
                hint="begin another corpus; a policy may name several",
            )
        materials.add_texts(
            tx, found.id, found.texts + 1, [(each.title, each.text) for each in texts]
        )
        values = {
            "texts": found.texts + len(texts),
            "characters": characters,
            "state": Readiness.QUEUED.value,
            "percent": 0,
            "error": "",
            "revision": found.revision + 1,
            "updated_at": self._clock.now(),
        }
        materials.update_row(tx, CORPUS, found.id, values)
        announce(tx, SAFETY_CHANNEL)
        return _row(self._find(tx, actor, corpus_id))

    def delete_corpus(
        self, tx: Connection, actor: Actor, corpus_id: str, *, revision: int | None = None
    ) -> None:
        """Delete a corpus with its texts. Raises SafetyInUse (409) naming what uses it."""
        found = self._lock(tx, actor, corpus_id, revision)
        refuse_if_used(tx, found.id, f"the corpus {found.name!r}")
        materials.delete_row(tx, CORPUS, found.id)

    def _find(self, tx: Connection, actor: Actor, corpus_id: str, *, locks: bool = False) -> AnyRow:
        row = materials.find_row(tx, CORPUS, actor.organization_id, corpus_id[:100], locks=locks)
        if row is None:
            raise NotFound(
                f"there is no corpus {corpus_id[:60]!r}",
                hint="list the corpora to see which there are",
            )
        return row

    def _lock(self, tx: Connection, actor: Actor, corpus_id: str, revision: int | None) -> AnyRow:
        require(actor, Permission.SAFETY_WRITE)
        found = self._find(tx, actor, corpus_id, locks=True)
        if revision is not None and revision != found.revision:
            raise changed_since(f"the corpus {found.name!r}")
        return found


def _check_text(at: int, new: NewText) -> None:
    if not new.text.strip() or len(new.text) > TEXT_CHARACTERS_MAX or "\0" in new.text:
        raise InvalidInput(
            f"texts[{at}].text does not have 1 to {TEXT_CHARACTERS_MAX:,} characters",
            hint="split it into chapters",
        )
    if len(new.title) > _TITLE_MAX or "\0" in new.title:
        raise InvalidInput(f"texts[{at}].title has more than {_TITLE_MAX} characters")


def _row(row: AnyRow) -> CorpusRow:
    return CorpusRow(
        corpus_id=row.id,
        organization_id=OrganizationId(row.organization_id),
        name=row.name,
        licence=row.licence,
        citation=row.citation,
        is_code=row.is_code,
        texts=row.texts,
        characters=row.characters,
        state=Readiness(row.state),
        percent=row.percent,
        error=row.error,
        digest=row.digest,
        size=row.size,
        revision=row.revision,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
