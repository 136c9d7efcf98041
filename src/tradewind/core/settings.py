"""Settings of the platform, read from the environment as `TRADEWIND_<NAME>` and from nowhere else.

The gateway does not import this file: it gets a small `GatewayConfig` from whoever starts it, so
that its process carries no pydantic.
"""

import os
import re
import socket
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024
NODE_MAX = 48
"""Characters of a node's name: with the name of a gateway behind it, it is part of file names."""


def default_data_folder() -> Path:
    """Return `.tradewind` in a checkout or where it exists, else the user's data home."""
    here = Path.cwd() / ".tradewind"
    if here.is_dir() or (Path.cwd() / "pyproject.toml").is_file():
        return here
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "tradewind"


def default_node() -> str:
    """Return the host's name, made fit for a node's."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", socket.gethostname()).strip("-_")[:NODE_MAX] or "node"


class Durability(StrEnum):
    """When the end of an answer may go out.

    `process`: after its frame was written to the journal file; survives the death of any process.
    `disk`: after that frame is on disk; survives power loss and costs one group commit of waiting.
    """

    PROCESS = "process"
    DISK = "disk"


class Settings(BaseSettings):
    """Every field is a setting; the default suits one machine that tries the platform out."""

    model_config = SettingsConfigDict(env_prefix="TRADEWIND_", extra="ignore")

    data: Path = Field(default_factory=default_data_folder)
    """Folder of everything the platform keeps."""
    host: str = "127.0.0.1"
    """Address of the one public port. Stays on loopback until an administrator exists."""
    port: int = Field(default=8080, ge=0, le=65535)
    """The one public port; 0 takes a free one."""
    tls_certificate: Path | None = None
    """Certificate chain (PEM) of the public port, which then speaks TLS."""
    tls_key: Path | None = None
    """Private key (PEM) that belongs to it."""
    ca_bundle: Path | None = None
    """Certificate authorities (PEM) to trust beside the system's, for hosts of providers."""
    public_url: str | None = None
    """How browsers and clients reach the platform, when that is not `http://host:port`."""
    database_url: str | None = Field(
        default=None, validation_alias=AliasChoices("TRADEWIND_DATABASE_URL", "DATABASE_URL")
    )
    """A PostgreSQL (15 or newer) to use instead of the embedded one."""
    postgres_user: str = "nobody"
    """The system user that the embedded PostgreSQL runs as when the platform runs as root."""
    llama_server: Path | None = None
    """An own llama-server program to use instead of the packaged one."""
    workers: int = Field(default=1, ge=1, le=64)
    """Gateway processes that share the public port; one for each core that should serve calls."""
    stream_coalesce_ms: int = Field(default=0, ge=0, le=1000)
    """Milliseconds that an event of a stream may wait so that those which follow leave in the same
    write; 0 sends each at once.
    """
    node: str = Field(
        default_factory=default_node, pattern=rf"^[A-Za-z0-9][A-Za-z0-9_-]{{0,{NODE_MAX - 1}}}$"
    )
    """Name of this host among all whose gateways serve one database; unique among them."""
    valkey_url: str | None = Field(default=None, repr=False)
    """A Valkey or Redis server in which the gateways of several hosts count limits together."""
    metrics_key: str | None = Field(
        default=None, repr=False, min_length=16, max_length=256, pattern=r"^[!-~]+$"
    )
    """What a scraper of `/metrics` must send as its bearer token; without it, only this machine may
    scrape."""
    durability: Durability = Durability.PROCESS
    max_body_bytes: int = Field(default=32 * MIB, ge=1024)
    """Largest request body; a larger one is refused with 413."""
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    """ISO 4217 code in which the models of this machine are priced."""
    artifact_store: str | None = None
    """Bucket for the files of artifacts, as `s3://bucket/prefix`; without it, the data folder."""
    s3_endpoint: str | None = None
    """Address of the object store, when it is not AWS."""
    weights_cache_gib: int = Field(default=50, ge=0, le=1_000_000)
    """GiB of weights from the object store that this host keeps for the next start of an engine."""
    accept_pickles: bool = False
    """Take pickled checkpoints whose operations look harmless, into quarantine."""
    request_log_days: int = Field(default=30, ge=1, le=3650)
    """Days that the request log is kept; usage itself is kept as `usage_days` says."""
    archive_usage: bool = False
    """Whether usage of each day that is over is written to a Parquet file: to the object store of
    artifacts, or to the data folder."""
    usage_days: int = Field(default=0, ge=0, le=36_500)
    """Days that usage stays in the tables once it is archived; 0 is for good."""
    catalog_is_public: bool = False
    """Whether whoever is not signed in may read the catalog: models, prices, measured figures."""
    catalog_sync_hours: int = Field(default=0, ge=0, le=8760)
    """Hours after which the public lists of models are read again; 0 never fetches any."""
    catalog_hub_url: str = ""
    """Address of a mirror of the Hugging Face hub, for syncs of it; empty is the public hub."""
    self_review: bool = False
    """Whether who submitted a listing may approve it, for a platform that one person runs; the
    listing and its trail say so."""
    validation_hours: int = Field(default=168, ge=1, le=8760)
    """Hours after which what publishers have listed is tried again."""
    stripe_secret_key: str | None = Field(default=None, repr=False)
    """Secret key of a Stripe account, for payments by card; without it, there are none."""
    stripe_webhook_secrets: str | None = Field(default=None, repr=False)
    """Signing secrets of Stripe's webhook, separated by commas: two while one is replaced."""
    payout_self_approval: bool = False
    """Whether who prepared a payout run may approve it, for a platform that one person runs; the
    run and its trail say so."""
    price_notice_days: int = Field(default=30, ge=0, le=365)
    """Days between saying that a model will cost more and its costing more."""
    platform_fee_percent: Decimal = Field(default=Decimal(3), ge=0, le=100, decimal_places=4)
    """What the platform keeps of what publishers sell through it, in percent; an offer may have
    its own."""
    dunning_overdue_days: int = Field(default=0, ge=0, le=365)
    """Days after an invoice was due that are forgiven before its subscriptions are past due."""
    dunning_suspend_days: int = Field(default=14, ge=0, le=365)
    """Days that a subscription may be past due before it is suspended."""
    dunning_cancel_days: int = Field(default=44, ge=1, le=730)
    """Days that a subscription may be past due before it is cancelled."""
    trace_share: float = Field(default=0.01, ge=0.0, le=1.0)
    """Share of calls that are exported as spans when their client's trace does not ask for it."""
