"""Whom to connect to when somebody typed a URL: resolve once, check all, connect to exactly these.

A name is never resolved twice on the way, because the second answer may be another (DNS rebinding).
One address that is not public spoils the name: whoever controls it chose the order too. TLS still
checks the certificate for the name. Every client that goes to such hosts takes its addresses from
here: the gateway's upstreams, webhooks, lists of models, trials of validations.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Protocol

from tradewind.core.public_addresses import is_public

MOST_TRIED = 8
"""Addresses of one name that are tried; all are checked."""
_SHUTDOWN_S = 1.0


class NotPublic(Exception):
    """The host has an address that is not public."""


class NoAddress(socket.gaierror):
    """The name is known and has no address."""


class Resolver(Protocol):
    async def resolve(self, host: str, port: int) -> list[str]:
        """Return the host's addresses in the order to try them. Raises OSError."""
        ...


class Connector(Protocol):
    async def connect(
        self,
        factory: Callable[[], asyncio.Protocol],
        ip: str,
        port: int,
        tls: ssl.SSLContext | None,
        server_name: str | None,
    ) -> None:
        """Connect to exactly this address. `server_name`, with TLS only, is whose certificate it
        must be. Raises OSError.
        """
        ...


class LoopConnector:
    """Connects by the running loop."""

    async def connect(
        self,
        factory: Callable[[], asyncio.Protocol],
        ip: str,
        port: int,
        tls: ssl.SSLContext | None,
        server_name: str | None,
    ) -> None:
        await asyncio.get_running_loop().create_connection(
            factory,
            ip,
            port,
            flags=socket.AI_NUMERICHOST,  # a name is an error here, not a second look-up
            ssl=tls,
            server_hostname=server_name,
            ssl_shutdown_timeout=_SHUTDOWN_S if tls else None,
        )


async def checked_addresses(
    resolver: Resolver, host: str, port: int, *, must_be_public: bool
) -> list[str]:
    """Return the addresses to try, one after another; `host` may be one itself.

    Raises NotPublic, NoAddress, and OSError of the resolver.
    """
    found = [host] if _is_address(host) else await resolver.resolve(host, port)
    return checked(found, allows=is_public if must_be_public else _any)


def checked(found: Iterable[str], *, allows: Callable[[str], bool] = is_public) -> list[str]:
    """Return what of a name's addresses to try. Raises NotPublic, NoAddress."""
    addresses = list(dict.fromkeys(found))
    if not all(map(allows, addresses)):
        raise NotPublic
    if not addresses:
        raise NoAddress(socket.EAI_NONAME, "Name has no address")
    return addresses[:MOST_TRIED]


def _any(_address: str) -> bool:
    return True


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
