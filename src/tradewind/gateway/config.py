"""What the gateway is told when it is started. JSON, so that its process needs no settings
library.
"""

from pathlib import Path

import msgspec

from tradewind.core.errors import StartupError
from tradewind.usage.journal import Durability

MIB = 1024 * 1024


class GatewayConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    port: int = 8080
    listen_fd: int | None = None
    """An inherited listening socket instead of host and port. It outlives this process, so clients
    that connect while a gateway is restarted wait instead of being refused."""
    tls_certificate: Path | None = None
    """Certificate chain (PEM); with it the port speaks TLS and nothing else."""
    tls_key: Path | None = None
    ca_bundle: Path | None = None
    """Certificate authorities (PEM) to trust beside the system's, for hosts of providers."""
    snapshot_path: Path
    journal_folder: Path
    content_folder: Path | None = None
    """Where contents of calls wait to be shipped; None keeps none, whatever an organization says.
    """
    check_data_folder: Path | None = None
    """Where data of checks (blocklists, weights) are kept; the gateways of a host may share it.
    None keeps them in memory."""
    pepper_path: Path
    control_socket: Path | None = None
    """Unix socket of the control plane; None answers its paths with 404."""
    portal_url: str | None = None
    """Where portal and control API are when not here: said in that 404."""
    backstage: str | None = None
    """Unix socket (or `host:port`) of the control plane's `backstage`; None is a gateway that
    stands alone."""
    limits_file: Path | None = None
    """File in which all gateway processes of this host count limits; None counts in memory."""
    valkey_url: str | None = None
    """Server in which the gateways of all hosts count limits; wins over `limits_file`."""
    live_gateways_path: Path | None = None
    """File that says how many gateways share the limits; None is this host alone."""
    metrics_folder: Path | None = None
    """Where the gateway processes of this host keep their metrics, so that each can answer for all;
    None keeps them in memory."""
    metrics_key: str | None = None
    """Whoever scrapes must send it as a bearer token; None lets this machine alone scrape."""
    durability: Durability = "process"
    node: str = "gateway"
    """Name of this gateway in the journal; unique among gateways of one installation."""
    max_body_bytes: int = 32 * MIB
    snapshot_poll_s: float = 0.1
    drain_timeout_s: float = 20.0
    stream_coalesce_ms: float = 0.0
    """How long an event of a stream may wait for those that follow; 0 sends each at once."""


def load(path: Path) -> GatewayConfig:
    """Raises StartupError that names the field."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=GatewayConfig, dec_hook=_decode_path)
    except OSError as error:
        raise StartupError(f"cannot read the gateway's configuration {path}: {error}") from error
    except msgspec.MsgspecError as error:
        raise StartupError(f"the gateway's configuration {path} is wrong: {error}") from error


def _decode_path(wanted: type, value: object) -> Path:
    if wanted is not Path:
        raise NotImplementedError(wanted)
    if not isinstance(value, str):
        raise TypeError("Expected a path")
    return Path(value)
