"""Builds the marketplace, and runs `tradewind sinks` on a platform's database, whether the platform
runs or rests.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from tradewind.core.clock import Clock, SystemClock
from tradewind.core.data_folder import DataFolder
from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.core.permissions import Permission
from tradewind.core.settings import Settings
from tradewind.db.sealing import KeyEncryption
from tradewind.db.vault import Vault
from tradewind.features.marketplace.ports import Signs
from tradewind.features.marketplace.schemas import NewSink, SinkChanges, SinkRow
from tradewind.features.marketplace.services import MarketplaceServices
from tradewind.features.marketplace.services import build_marketplace as build
from tradewind.features.marketplace.sinks import Sinks
from tradewind.features.sales.service import Sales
from tradewind.features.sales.sold import SoldDesk
from tradewind.plugins.sinks.registry import sinks
from tradewind.readmodels.first_organization import first_organization
from tradewind.readmodels.marketplace import hour_differences, untold_moves
from tradewind.serve.resting_platform import any_database
from tradewind.serve.secret_files import load_or_create_key_encryption


def build_marketplace(
    sales: Sales, keys: KeyEncryption, signer: Signs, pepper: bytes, clock: Clock
) -> MarketplaceServices:
    return build(
        sales,
        SoldDesk(sales),
        Vault(keys, clock),
        signer,
        pepper,
        clock,
        untold_moves=untold_moves,
        differences=hour_differences,
    )


@dataclass(frozen=True, slots=True)
class _Operator:
    """Whoever can open the database runs the platform."""

    organization_id: OrganizationId
    project_id: ProjectId

    def may(self, permission: Permission) -> bool:  # noqa: ARG002
        return True


def _operator(tx: Connection, organization_id: str | None) -> _Operator:
    """Act for an organization, the platform's own where none is named. Raises NotFound."""
    if organization_id is None:
        return _Operator(first_organization(tx), ProjectId(""))
    return _Operator(OrganizationId.parse(organization_id), ProjectId(""))


def list_sinks(settings: Settings, organization_id: str | None) -> list[SinkRow]:
    with any_database(settings, "tradewind-sinks") as database, database.transaction() as tx:
        return _sinks(settings).list_sinks(tx, _operator(tx, organization_id))


def add_sink(settings: Settings, organization_id: str | None, new: NewSink) -> SinkRow:
    """Raises InvalidInput, Conflict."""
    with any_database(settings, "tradewind-sinks") as database, database.transaction() as tx:
        return _sinks(settings).add(tx, _operator(tx, organization_id), new)


def change_sink(
    settings: Settings, organization_id: str | None, sink_id: str, changes: SinkChanges
) -> SinkRow:
    """Raises NotFound."""
    with any_database(settings, "tradewind-sinks") as database, database.transaction() as tx:
        actor = _operator(tx, organization_id)
        return _sinks(settings).change(tx, actor, sink_id, changes)


def delete_sink(settings: Settings, organization_id: str | None, sink_id: str) -> None:
    """Raises NotFound."""
    with any_database(settings, "tradewind-sinks") as database, database.transaction() as tx:
        _sinks(settings).delete(tx, _operator(tx, organization_id), sink_id)


def _sinks(settings: Settings) -> Sinks:
    clock = SystemClock()
    folder = DataFolder(settings.data.resolve())
    return Sinks(Vault(load_or_create_key_encryption(folder.secrets), clock), sinks(), clock)
