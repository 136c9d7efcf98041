"""TLS to upstreams: the trust it starts from, the words for its failures, and what the event
loops' TLS transports do not do by themselves.

Both loops put a layer of their own between a connection and its socket. What that layer holds back
is invisible, so the functions here say when it must hold nothing (`hold_back`) and whether an end
was a real one (`has_ended_properly`).
"""

import asyncio
import os
import ssl
from pathlib import Path
from typing import Protocol, cast

from tradewind.core.errors import StartupError

TLS_WRITE_BYTES = 128 * 1024
"""A larger request body is encrypted piece by piece, as the peer takes it. At once, 32 MB would
hold up every other call for tens of milliseconds and stand in memory twice."""


def build_ssl_context(ca_bundle: Path | None = None) -> ssl.SSLContext:
    """Return a context for connections to upstreams: certificate and host name checked, TLS 1.2 or
    newer, HTTP/1.1. `ca_bundle` (PEM) is trusted besides the system's store. Reads files and takes
    some milliseconds: build one and keep it.

    Raises StartupError when there is nothing to trust.
    """
    # Its defaults read the system's store and ask for certificate and host name.
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_bundle is not None:
        try:
            context.load_verify_locations(cafile=str(ca_bundle))
        except ssl.SSLError as error:
            raise StartupError(f"no certificate can be read from '{ca_bundle}'") from error
        except OSError as error:
            raise StartupError(f"the CA bundle '{ca_bundle}': {error.strerror}") from error
    if not context.cert_store_stats()["x509_ca"] and not _has_certificate_folder():
        raise StartupError(
            "no CA certificates are installed, so no provider can be verified",
            hint="install the package ca-certificates, or name a CA bundle",
        )
    return context


def _has_certificate_folder() -> bool:
    """The certificates of the folder are read when one is needed, and counted nowhere."""
    paths = ssl.get_default_verify_paths()
    folders = os.environ.get(paths.openssl_capath_env) or paths.openssl_capath
    return any(any(Path(folder).glob("*.[0-9]")) for folder in folders.split(os.pathsep))


def reason_of(error: OSError) -> str:
    """Say in a few words why a handshake failed. Nothing in it comes from the peer."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.rstrip(".")
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return "the peer ended the connection in the handshake"


def has_ended_properly(tls: ssl.SSLObject) -> bool:
    """The peer said that this was all (close_notify): without it, whoever can cut a connection
    could shorten a response that ends with it, and nobody would see.

    asyncio calls `eof_received` in both cases, uvloop only after close_notify.
    """
    try:
        return tls.read(1) == b""
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False


class _TlsTransport(Protocol):
    """What both loops' TLS transports have and `asyncio.Transport` does not name."""

    def set_read_buffer_limits(self, high: int | None = None) -> None: ...


def hold_back(transport: asyncio.Transport) -> None:
    """Stop reading from the socket, not only telling: uvloop throws away what its layer still holds
    when the socket ends, and a paused response would be cut that was whole.
    """
    cast("_TlsTransport", transport).set_read_buffer_limits(0)


def let_go(transport: asyncio.Transport) -> None:
    cast("_TlsTransport", transport).set_read_buffer_limits()


def report_unsent(transport: asyncio.WriteTransport) -> None:
    """Have `pause_writing` called as soon as the peer takes less than it is sent: the layer's own
    limit is 512 KB beyond the socket's.
    """
    transport.set_write_buffer_limits(high=1, low=0)
