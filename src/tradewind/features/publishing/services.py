"""Builds what acts on listings, once, for whichever process needs it."""

from typing import NamedTuple

from tradewind.core.clock import Clock
from tradewind.features.catalog.service import Catalog
from tradewind.features.endpoints.service import Endpoints
from tradewind.features.providers.service import Providers
from tradewind.features.publishing.publishers import Publishers
from tradewind.features.publishing.service import ArtifactFacts, Publishing, ReleaseGate
from tradewind.features.publishing.validations import Validations


class PublishingServices(NamedTuple):
    publishers: Publishers
    listings: Publishing
    validations: Validations


def build_publishing(
    catalog: Catalog,
    providers: Providers,
    endpoints: Endpoints,
    clock: Clock,
    *,
    artifacts: ArtifactFacts | None,
    allows_self_review: bool = False,
    release_gate: ReleaseGate | None = None,
) -> PublishingServices:
    """Without `artifacts` only models at providers' hosts are published."""
    publishers = Publishers(catalog, clock)
    return PublishingServices(
        publishers,
        Publishing(
            catalog,
            providers,
            endpoints,
            publishers,
            clock,
            artifacts=artifacts,
            allows_self_review=allows_self_review,
            release_gate=release_gate,
        ),
        Validations(clock),
    )
