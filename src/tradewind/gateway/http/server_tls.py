"""TLS of the public port."""

import ssl
from pathlib import Path

from tradewind.core.errors import StartupError


def server_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """Return the context for a certificate chain and its key, both PEM. Raises StartupError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # An empty passphrase, so that a locked key is refused instead of asked for on a terminal.
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise StartupError(
            f"the certificate {certificate} cannot be used with its key: {reason}",
            hint="see TRADEWIND_TLS_CERTIFICATE and TRADEWIND_TLS_KEY",
        ) from error
    return context
