"""The facts of a transparency note, from wherever the platform has them."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from tradewind.features.accounts.schemas import Actor
from tradewind.features.catalog.repository.visibility import may_see
from tradewind.features.catalog.tables import model, publisher
from tradewind.features.safety.repository import policies
from tradewind.features.safety.rules.words import words_of_policy
from tradewind.features.safety.schemas import DEFAULT_POLICY, FLOOR_POLICY, PolicyContent
from tradewind.features.trust.schemas import NoteFacts, Subject, SubjectKind
from tradewind.readmodels.trust_evidence import newest_campaign, newest_listing

_NOT_TOLD = "not told"
_RETENTION = (
    "The platform counts tokens and keeps no prompt and no answer, unless the organization that"
    " calls has chosen to keep its own; these are redacted before they are stored and go after the"
    " days it chose. A provider's host has terms of its own, which the endpoint names."
)


class TrustNotes:
    """Finds them. `quality` is what the platform's checks were measured to be worth."""

    def __init__(self, quality: Sequence[tuple[str, str, str]] = ()) -> None:
        """`quality` is check, category, and the measure in words."""
        self._quality = tuple(quality)

    def find(self, tx: Connection, actor: Actor | None, about: Subject) -> NoteFacts | None:
        """Return what a note says of a model that the actor may see; of nothing else yet."""
        if about.kind is not SubjectKind.MODEL:
            return None
        slug, _, name = about.name.partition("/")
        organization_id = None if actor is None else actor.organization_id
        row = tx.execute(
            select(model, publisher.c.name.label("publisher_name"))
            .join(publisher, publisher.c.slug == model.c.publisher_slug)
            .where(model.c.publisher_slug == slug, model.c.slug == name)
            .where(may_see(organization_id))
        ).one_or_none()
        if row is None:
            return None
        listing = newest_listing(tx, slug, name)
        is_listed = listing is not None and listing.state == "listed"
        said: dict[str, Any] = listing.content if listing is not None and is_listed else {}
        filters = _filters(tx)
        return NoteFacts(
            title=row.display_name or about.name,
            description=row.description,
            facts=_facts(row, said),
            intended_use=said.get("intended_use", ""),
            limits=said.get("limits", ""),
            evaluated_harms=said.get("evaluated_harms", ""),
            campaign=newest_campaign(tx, slug, name),
            filters=filters,
            quality=self._quality if filters else (),
            retention=_RETENTION,
            gaps=tuple(_gaps(row)),
        )


def _facts(row: Row[Any], said: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    def told(value: Any) -> str:
        return str(value) if value else _NOT_TOLD

    return (
        ("Model", f"{row.publisher_slug}/{row.slug}"),
        ("Publisher", row.publisher_name),
        ("Version", told(said.get("version"))),
        ("Task", told(row.operation)),
        ("Licence", told(row.licence)),
        ("Context", f"{row.context_tokens:,} tokens" if row.context_tokens else _NOT_TOLD),
        ("Released", told(row.released_on)),
        ("Knowledge until", told(row.knowledge)),
        ("Stage", row.lifecycle),
    )


def _filters(tx: Connection) -> tuple[str, ...]:
    """Return a sentence for each rule of the platform's own policies, which hold for whoever has
    bound none.
    """
    found: list[str] = []
    for row in policies.newest(tx, {DEFAULT_POLICY, FLOOR_POLICY}):
        content = msgspec.convert(row.content, PolicyContent)
        if not content.is_empty:
            found += words_of_policy(content)
    return tuple(found)


def _gaps(row: Row[Any]) -> list[str]:
    gaps: list[str] = []
    if not row.licence:
        gaps.append("Its licence is not known here.")
    if not row.knowledge:
        gaps.append("Nobody says until when its knowledge reaches.")
    return gaps
