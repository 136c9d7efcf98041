"""What each gateway of this host is told, see `gateway.config`."""

import json
import os
import shutil
import socket
from pathlib import Path
from typing import NamedTuple

from tradewind.core.data_folder import DataFolder
from tradewind.core.settings import Settings
from tradewind.serve.secret_files import pepper_path

METRICS_FOLDER = "metrics"
"""In the run folder: where the processes of this host put their numbers, see `gateway.metrics`."""


class Surroundings(NamedTuple):
    """What all gateways of this host have in common."""

    settings: Settings
    folder: DataFolder
    run: Path
    control_socket: Path | None
    """None where the control plane is on another host."""
    portal_url: str | None = None


def gateway_name(number: int, count: int) -> str:
    return "gateway" if count == 1 else f"gateway-{number}"


def gateway_config(
    around: Surroundings, name: str, listener: socket.socket, *, is_alone: bool
) -> dict[str, str | int | None]:
    """Return the configuration of one gateway. `is_alone`: no other counts limits on this host."""
    settings, folder, run = around.settings, around.folder, around.run
    certificate, key = settings.tls_certificate, settings.tls_key
    host, port = listener.getsockname()[:2]
    control = around.control_socket
    return {
        "host": host,
        "port": port,
        "listen_fd": listener.fileno(),
        "tls_certificate": None if certificate is None else str(certificate.resolve()),
        "tls_key": None if key is None else str(key.resolve()),
        "ca_bundle": None if settings.ca_bundle is None else str(settings.ca_bundle.resolve()),
        "snapshot_path": str(folder.snapshot),
        "journal_folder": str(folder.journal),
        "content_folder": str(folder.content),
        "check_data_folder": str(folder.check_data),
        "pepper_path": str(pepper_path(folder.secrets)),
        "control_socket": None if control is None else str(control),
        "portal_url": around.portal_url,
        "backstage": str(run / "backstage.sock"),
        # One process counts in its memory; several share a file.
        "limits_file": None if is_alone else str(run / "limits"),
        "valkey_url": settings.valkey_url,
        "metrics_folder": str(run / METRICS_FOLDER),
        "metrics_key": settings.metrics_key,
        "live_gateways_path": str(folder.live_gateways),
        "durability": settings.durability,
        "stream_coalesce_ms": settings.stream_coalesce_ms,
        "node": f"{settings.node}.{name}",
        "max_body_bytes": settings.max_body_bytes,
    }


def write_config(path: Path, config: dict[str, str | int | None]) -> None:
    """Write a configuration that only its owner can read: it may hold keys and passwords."""
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with open(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123  a descriptor
        json.dump(config, file)


def forget_metrics(run: Path) -> None:
    """Begin to count anew: gateways of a former start may have been more than there will be."""
    shutil.rmtree(run / METRICS_FOLDER, ignore_errors=True)
