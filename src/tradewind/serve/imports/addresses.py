"""Which addresses are in the operator's own network, and which are the same. Pure."""

from collections.abc import Collection

from tradewind.core.base_urls import BaseUrl, parse_base_url
from tradewind.core.public_addresses import is_public

# Endings that no name of the internet has: RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`, and
# what container platforms and offices use.
_PRIVATE_ENDINGS = frozenset(
    {"corp", "home", "internal", "intranet", "lan", "local", "localhost", "private"}
)


def is_private(url: BaseUrl, named: Collection[str] = ()) -> bool:
    """Say whether an address can only be meant for the network the platform itself is in.

    `named` are hosts of which the operator says so.
    """
    if url.host in named:
        return True
    if url.is_address:
        return not is_public(url.host)
    labels = url.host.split(".")
    return len(labels) == 1 or labels[-1] in _PRIVATE_ENDINGS or url.host.endswith(".home.arpa")


def is_same(one: str, other: str) -> bool:
    """Say whether two base URLs are one address, however they are written."""
    try:
        return parse_base_url(one) == parse_base_url(other)
    except ValueError:
        return False


def with_path(base_url: str, path: str) -> str:
    """Return a base URL that ends with a path, which is added only if it is not there."""
    base_url = base_url.rstrip("/")
    return base_url if base_url.endswith(path) else base_url + path
