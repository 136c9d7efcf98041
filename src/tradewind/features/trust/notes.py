"""Transparency notes: made of the facts whenever somebody reads one, kept whenever they changed."""

import hashlib
from typing import NamedTuple

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import NotFound
from tradewind.features.accounts.schemas import Actor
from tradewind.features.trust import repository, rows
from tradewind.features.trust.papers.blocks import Document
from tradewind.features.trust.papers.markdown import markdown
from tradewind.features.trust.papers.note import note
from tradewind.features.trust.ports import FindNoteFacts
from tradewind.features.trust.schemas import AssessmentState, NoteRow, Subject
from tradewind.features.trust.subjects import Subjects

VERSIONS_SHOWN = 50
_VERSIONS_LOOKED_AT = 10


class MadeNote(NamedTuple):
    row: NoteRow
    document: Document


class Notes:
    def __init__(self, subjects: Subjects, find_facts: FindNoteFacts, clock: Clock) -> None:
        self._subjects = subjects
        self._find_facts = find_facts
        self._clock = clock

    def show(self, tx: Connection, actor: Actor | None, subject: Subject) -> MadeNote:
        """Return the note as the facts are now, and keep it if they changed.

        For everybody who may see the subject. Raises NotFound.
        """
        owned = self._subjects.require_known(tx, subject)
        facts = self._find_facts(tx, actor, owned.about)
        if facts is None:
            raise NotFound(f"there is no {subject.kind.value} {subject.name[:100]!r}")
        approved = None
        for row in repository.assessments_of(tx, str(owned.about), _VERSIONS_LOOKED_AT):
            # What is not decided yet is the publisher's own.
            if row.state == AssessmentState.APPROVED.value:
                approved = rows.assessment_row(row)
                break
        document = note(facts._replace(assessment=approved))
        return MadeNote(self._keep(tx, owned.about, markdown(document)), document)

    def history(self, tx: Connection, actor: Actor, subject: Subject) -> list[NoteRow]:
        """Return what the note said, the newest first. Raises NotFound as `show`."""
        about = self.show(tx, actor, subject).row.subject
        return [rows.note_row(row) for row in repository.notes_of(tx, str(about), VERSIONS_SHOWN)]

    def _keep(self, tx: Connection, about: Subject, text: str) -> NoteRow:
        digest = hashlib.sha256(text.encode()).hexdigest()
        newest = repository.newest_note(tx, str(about))
        if newest is None or newest.digest != digest:
            repository.lock_subject(tx, str(about))
            newest = repository.newest_note(tx, str(about))
        if newest is None or newest.digest != digest:
            repository.add_note(
                tx,
                {
                    "subject": str(about),
                    "version": 1 if newest is None else newest.version + 1,
                    "digest": digest,
                    "markdown": text,
                    "made_at": self._clock.now(),
                },
            )
            newest = repository.newest_note(tx, str(about))
        assert newest is not None, "it was added"
        return rows.note_row(newest)
