"""Builds what acts on artifacts, once, over one staging folder, one store and one vault."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tradewind.core.clock import Clock
from tradewind.db.vault import Vault
from tradewind.features.artifacts.arrivals import Arrivals
from tradewind.features.artifacts.manifest import PlatformSigner
from tradewind.features.artifacts.rules import UploadLimits
from tradewind.features.artifacts.service import Artifacts, User
from tradewind.features.artifacts.staging import Staging
from tradewind.features.artifacts.stores.base import Store
from tradewind.features.artifacts.stores.disk import DiskStore
from tradewind.features.artifacts.uploads import Uploads


class ArtifactServices(NamedTuple):
    uploads: Uploads
    artifacts: Artifacts
    arrivals: Arrivals
    """For the worker alone."""


def build_artifact_services(
    folder: Path,
    vault: Vault,
    clock: Clock,
    signer: PlatformSigner,
    *,
    store: Store | None = None,
    accepts_pickles: bool = False,
    limits: UploadLimits | None = None,
    users: Sequence[User] = (),
) -> ArtifactServices:
    """`folder` is the data folder's for artifacts; blobs are in there too when no store is given.
    What `users` need is not deleted.

    Nothing is created or connected before the first use.
    """
    staging = Staging(folder / "uploads")
    blobs = store or DiskStore(folder)
    return ArtifactServices(
        Uploads(staging, vault, clock, limits or UploadLimits()),
        Artifacts(blobs, vault, clock, signer, users=users),
        Arrivals(staging, blobs, vault, clock, accepts_pickles=accepts_pickles),
    )
