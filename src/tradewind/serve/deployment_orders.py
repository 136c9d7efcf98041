"""Builds what takes orders for deployments, for whichever process needs it."""

from tradewind.features.artifacts.service import Artifacts
from tradewind.features.deployments.fit import Machine
from tradewind.features.deployments.orders import DeploymentOrders
from tradewind.features.deployments.weighing import weigher
from tradewind.plugins.engines.capacity import read_capacity
from tradewind.serve.services import Services


def build_deployment_orders(
    services: Services, artifacts: Artifacts, *, currency: str
) -> DeploymentOrders:
    """`currency` is that of models which have no price yet."""
    return DeploymentOrders(
        services.catalog,
        services.licences,
        services.market,
        services.clock,
        weigh=weigher(artifacts.find),
        machine=lambda: Machine(*read_capacity()),
        serve=services.endpoints.serve_deployment,
        currency=currency,
    )
