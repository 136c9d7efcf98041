"""What commands need to act on a running platform: its database, its services, who acts."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from tradewind.core.data_folder import DataFolder
from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.core.permissions import Permission
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.features.artifacts.services import ArtifactServices
from tradewind.features.deployments.orders import DeploymentOrders
from tradewind.plugins.engines.engine_logs import EngineLogs
from tradewind.readmodels.first_organization import first_organization
from tradewind.serve.artifacts import build_artifacts
from tradewind.serve.deployment_orders import build_deployment_orders
from tradewind.serve.running_platform import running_database
from tradewind.serve.secret_files import load_or_create_key_encryption, load_or_create_pepper
from tradewind.serve.services import Services, build_services

AT_THE_COMMAND = "the command line"


@dataclass(frozen=True, slots=True)
class Operator:
    """Whoever may write into the data folder: an administrator of the platform, for its first
    organization.
    """

    organization_id: OrganizationId
    project_id: ProjectId = field(default_factory=ProjectId.new)

    def may(self, permission: Permission) -> bool:
        del permission
        return True


class Operating(NamedTuple):
    database: Database
    services: Services
    artifacts: ArtifactServices
    orders: DeploymentOrders
    logs: EngineLogs
    operator: Operator


@contextmanager
def operating(settings: Settings) -> Generator[Operating]:
    """Yield what acts on the platform of a data folder, which has to run. Raises StartupError."""
    folder = DataFolder(settings.data.resolve())
    with running_database(settings, "tradewind-command", pool_size=2) as database:
        keys = load_or_create_key_encryption(folder.secrets)
        services = build_services(load_or_create_pepper(folder.secrets), keys)
        artifacts = build_artifacts(settings, folder, keys)
        with database.transaction() as tx:
            owner = first_organization(tx)
        yield Operating(
            database,
            services,
            artifacts,
            build_deployment_orders(services, artifacts.artifacts, currency=settings.currency),
            EngineLogs(folder.logs),
            Operator(owner),
        )
