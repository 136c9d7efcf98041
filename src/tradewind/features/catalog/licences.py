"""Accepting the licences of gated models."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.ids import ModelId, OrganizationId
from tradewind.core.permissions import Permission, require
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.accounts.schemas import Actor
from tradewind.features.catalog import rows
from tradewind.features.catalog.errors import LicenceChanged, LicenceNotAccepted, ModelNotFound
from tradewind.features.catalog.repository import licences, models
from tradewind.features.catalog.repository.visibility import may_see
from tradewind.features.catalog.schemas import CatalogModel
from tradewind.features.catalog.tables import model


class Acceptance(NamedTuple):
    model: str
    licence: str
    accepted_by: str
    accepted_at: str


class Licences:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def accept_licence(
        self, tx: Connection, actor: Actor, name: str, licence: str, *, by: str
    ) -> bool:
        """Accept the licence of a gated model for the actor's organization; `by` says who did.

        `licence` is the one that was read: it must be the one the model has now. Idempotent: False
        when it was accepted before. Raises LicenceChanged (409), ModelNotFound.
        """
        require(actor, Permission.CATALOG_WRITE)
        found = self._find(tx, actor.organization_id, name)
        if licence != found.licence:
            raise LicenceChanged(
                f"the licence of {found.name} is {found.licence or 'not told'} now",
                hint="read it and accept that one",
            )
        is_new = licences.accept(
            tx,
            actor.organization_id,
            found.model_id,
            licence,
            by=by,
            now=self._clock.now(),
        )
        if is_new:
            record_change(tx, ChangeKind.TERMS, [actor.organization_id])
        return is_new

    def needs_acceptance(
        self, tx: Connection, organization_id: OrganizationId, model_id: ModelId
    ) -> bool:
        """Tell whether an organization has to accept a licence before it uses the model."""
        row = models.get_model(tx, model_id)
        if row is None or not row.is_gated:
            return False
        accepted = licences.acceptance(tx, organization_id, model_id)
        return accepted is None or accepted.licence != row.licence

    def require_acceptance(
        self, tx: Connection, organization_id: OrganizationId, model_id: ModelId
    ) -> None:
        """Raises LicenceNotAccepted (403)."""
        if self.needs_acceptance(tx, organization_id, model_id):
            row = models.get_model(tx, model_id)
            assert row is not None, "it needs something"
            name = rows.name_of(row)
            raise LicenceNotAccepted(
                f"the licence of {name} has to be accepted first",
                hint=f"an administrator of the organization does so on /models/{name}",
            )

    def accepted(self, tx: Connection, actor: Actor) -> Sequence[Acceptance]:
        """Return what the actor's organization has accepted and is in force."""
        require(actor, Permission.CATALOG_READ)
        return [
            Acceptance(rows.name_of(row), row.licence, row.accepted_by, row.accepted_at.isoformat())
            for row in licences.accepted_by(tx, actor.organization_id)
        ]

    def _find(self, tx: Connection, organization_id: OrganizationId, name: str) -> CatalogModel:
        publisher, _, slug = name.partition("/")
        condition = (model.c.publisher_slug == publisher) & (model.c.slug == slug)
        found = models.describe(tx, condition & may_see(organization_id))
        if not found:
            raise ModelNotFound(name)
        return rows.catalog_model(found[0])
