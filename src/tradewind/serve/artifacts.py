"""Builds the services of artifacts from the settings, for whichever process needs them."""

from urllib.parse import urlsplit

from tradewind.core.clock import SystemClock
from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError
from tradewind.core.settings import Settings
from tradewind.db.sealing import KeyEncryption
from tradewind.db.vault import Vault
from tradewind.features.artifacts.manifest import PlatformSigner
from tradewind.features.artifacts.services import ArtifactServices, build_artifact_services
from tradewind.features.artifacts.stores.base import Store
from tradewind.features.publishing.service import artifact_in_use as listings_with_artifact
from tradewind.readmodels.deployments import artifact_in_use as deployments_with_artifact
from tradewind.serve.secret_files import load_or_create_signing_key


def build_artifacts(
    settings: Settings, folder: DataFolder, keys: KeyEncryption
) -> ArtifactServices:
    """Raises StartupError for a store that cannot be, or a damaged signing key."""
    clock = SystemClock()
    return build_artifact_services(
        folder.artifacts,
        Vault(keys, clock),
        clock,
        PlatformSigner(load_or_create_signing_key(folder.secrets)),
        store=object_store(settings),
        accepts_pickles=settings.accept_pickles,
        users=(listings_with_artifact, deployments_with_artifact),
    )


def object_store(settings: Settings) -> Store | None:
    """Return what TRADEWIND_ARTIFACT_STORE names; None for this disk. Raises StartupError."""
    if settings.artifact_store is None:
        return None
    url = urlsplit(settings.artifact_store)
    if url.scheme != "s3" or not url.hostname or url.query or url.fragment:
        raise StartupError(
            "TRADEWIND_ARTIFACT_STORE is not a bucket", hint="write it as s3://bucket/prefix"
        )
    # Imported only where it is used: the library costs each process 25 ms and 20 MB.
    from tradewind.features.artifacts.stores.s3 import S3Place, S3Store  # noqa: PLC0415

    return S3Store(S3Place(url.netloc, url.path.strip("/"), settings.s3_endpoint))
