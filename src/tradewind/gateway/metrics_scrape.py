"""Answers `GET /metrics`, to those whom it concerns: it names models and tells how much they do."""

import hmac
import logging
from pathlib import Path

from tradewind.gateway.http.exchange import Exchange
from tradewind.gateway.http.request import Request
from tradewind.gateway.metrics.families import JOURNAL_BYTES
from tradewind.gateway.metrics_sampler import Sampler
from tradewind.gateway.state import GatewayState
from tradewind.telemetry.families import CONTENT_TYPE, WORKER_TEXT
from tradewind.usage.segments import measure

_MOST_TEXT_BYTES = 256 * 1024
_JSON = b"content-type: application/json\r\n"
_ASK_FOR_KEY = b"www-authenticate: Bearer\r\n"
_LOOPBACK = frozenset({"::1", "unix"})
_LOOPBACK_PREFIXES = ("127.", "::ffff:127.")
_OF_PROXIES = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via")
_log = logging.getLogger(__name__)


def answer_scrape(state: GatewayState, sampler: Sampler, exchange: Exchange) -> None:
    """Answer with the numbers of all processes of this host, or say who may have them."""
    config = state.config
    if not may_scrape(exchange.request, config.metrics_key):
        if config.metrics_key is None:
            exchange.respond(403, _JSON, b'{"error":"scrape /metrics from this machine"}')
        else:
            headers = _JSON + _ASK_FOR_KEY
            exchange.respond(401, headers, b'{"error":"scrape /metrics with the metrics key"}')
        return
    sampler.sample()
    text = state.metrics.exposition([(JOURNAL_BYTES, _bytes_of(config.journal_folder))])
    headers = b"content-type: %b\r\ncache-control: no-store\r\n" % CONTENT_TYPE
    exchange.respond(200, headers, text + text_of_worker(config.metrics_folder))


def may_scrape(request: Request, key: str | None) -> bool:
    """Tell whether a request may see the metrics: with the key where there is one, else from this
    machine only.

    What a reverse proxy on this machine passes on comes from a stranger, wherever it connects from.
    """
    if key is not None:
        scheme, _, given = request.headers.get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), key.encode())
    if any(name in request.headers for name in _OF_PROXIES):
        return False
    return request.peer in _LOOPBACK or request.peer.startswith(_LOOPBACK_PREFIXES)


def text_of_worker(folder: Path | None) -> bytes:
    """Return what the worker of this host has written down of itself; nothing when it has not, or
    when that is too long or was cut off.
    """
    if folder is None:
        return b""
    path = folder / WORKER_TEXT
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_TEXT_BYTES + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        _log.warning("the metrics %s cannot be read: %s", path, error)
        return b""
    return text if len(text) <= _MOST_TEXT_BYTES and text.endswith(b"\n") else b""


def _bytes_of(folder: Path) -> int:
    try:
        return measure(folder)
    except OSError as error:
        _log.warning("the journal %s cannot be measured: %s", folder, error)
        return 0
