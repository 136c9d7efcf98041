"""The forms an upstream's address has, and how much each is trusted."""

from dataclasses import dataclass

from tradewind.core.base_urls import parse_base_url

MAX_SHOWN_CHARACTERS = 100
_URL_SCHEMES = frozenset({"http", "https", "http+private", "https+private"})


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """An engine of ours, on this machine."""

    path: str


@dataclass(frozen=True, slots=True)
class OwnHost:
    """A process of ours: whatever the name resolves to is connected to."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class RemoteHost:
    """A host somebody typed the URL of."""

    host: str
    """A name or an address, IPv6 without brackets."""
    port: int
    is_tls: bool
    must_be_public: bool
    """Connected to only when every address it resolves to is a public one."""


UpstreamAddress = UnixSocket | OwnHost | RemoteHost


def parse_upstream_address(address: str) -> UpstreamAddress:
    """Raises ValueError that names the forms. A URL that holds a password is not repeated in it."""
    if address.startswith("/"):
        return UnixSocket(address)
    if "://" in address:
        return _parse_url(address)
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise ValueError(f"{_shown(address)} is not host:port, [ipv6]:port or an absolute path")
    return OwnHost(host.removeprefix("[").removesuffix("]"), int(port))


def _parse_url(address: str) -> RemoteHost:
    form = "http://host:port or https://host:port, with +private for one in a private network"
    scheme, _, rest = address.partition("://")
    if scheme not in _URL_SCHEMES:
        raise ValueError(f"{_shown(address)} is not {form}")
    try:
        url = parse_base_url(f"{scheme.removesuffix('+private')}://{rest}")
    except ValueError as error:
        raise ValueError(f"{_shown(address)} is not {form}: it {error}") from error
    if "/" in rest:
        raise ValueError(f"{_shown(address)} is not {form}: it has a path")
    is_tls = url.scheme == "https"
    return RemoteHost(url.host, url.port, is_tls, must_be_public=not scheme.endswith("+private"))


def _shown(address: str) -> str:
    if "@" in address:
        return "an address with a user name"
    return repr(address[:MAX_SHOWN_CHARACTERS])
