"""The one parser of base URLs: where a provider answers, as an operator typed it.

Libraries disagree on what an odd URL means, and an attacker lives in the difference: the check
reads one host and the client connects to another. So nothing odd is repaired here; it is refused.
What is accepted means the same to every parser.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

MAX_URL_CHARACTERS = 2048
_MAX_HOST_CHARACTERS = 253
_DEFAULT_PORTS = {"http": 80, "https": 443}

_SCHEME = re.compile(r"(https?)://", re.IGNORECASE)
_PORT = re.compile(r"[1-9][0-9]{0,4}")
# Letters, digits and inner hyphens; the underscore is in no name of the internet, but in many of
# container networks.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# What `inet_aton` takes for a number: 127, 0177, 0x7f. A host that ends in one is an IPv4 address
# to some and a name to others (WHATWG URL, "ends in a number").
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SEGMENT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")
# Percent-encoded, these would be hidden from us and seen by the host: controls, blank, % . / \
_HIDDEN = re.compile(r"%(?:[01].|7f|20|25|2e|2f|5c|[89a-f].)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BaseUrl:
    scheme: str
    """`http` or `https`."""
    host: str
    """A name in lower case or an address in its shortest form; IPv6 without brackets."""
    port: int
    path: str
    """In front of the operation's own, without an ending slash: `/v1`, or nothing."""

    @property
    def is_address(self) -> bool:
        """The host is an internet address, not a name. A name's last label is never a number."""
        return ":" in self.host or self.host.rpartition(".")[2].isdigit()

    def address(self, *, is_private: bool) -> str:
        """Return the form of `Target.address`. `is_private` takes an operator's word that the host
        may be in a private network; without it only public addresses are connected to.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        private = "+private" if is_private else ""
        return f"{self.scheme}{private}://{host}:{self.port}"


def parse_base_url(text: str) -> BaseUrl:
    """Raises ValueError with what is wrong; the message never repeats the URL, which may hold a
    password.
    """
    if len(text) > MAX_URL_CHARACTERS:
        raise ValueError(f"is longer than {MAX_URL_CHARACTERS} characters")
    if not text.isascii():
        raise ValueError("has characters beyond ASCII; write an international name as xn--…")
    if any(not "!" <= character <= "~" for character in text):
        raise ValueError("has a blank or a control character")
    if "\\" in text:
        raise ValueError("has a backslash")
    scheme = _SCHEME.match(text)
    if scheme is None:
        raise ValueError("does not start with https:// or http://")
    if "?" in text or "#" in text:
        raise ValueError("has a query or a fragment")
    authority, slash, path = text[scheme.end() :].partition("/")
    name = scheme[1].lower()
    host, port = _parse_authority(authority, _DEFAULT_PORTS[name])
    return BaseUrl(name, host, port, _parse_path(slash + path))


def _parse_authority(authority: str, default_port: int) -> tuple[str, int]:
    if "@" in authority:
        raise ValueError("has a user name or password in front of the host")
    if authority.startswith("["):
        address, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("has no closed [address]")
        return _parse_ipv6(address), _parse_port(rest, default_port)
    host, colon, port = authority.partition(":")
    return _parse_host(host.lower()), _parse_port(colon + port, default_port)


def _parse_port(text: str, default_port: int) -> int:
    if not text:
        return default_port
    if not _PORT.fullmatch(text, 1) or int(text[1:]) > 65535:
        raise ValueError("has a port that is not a number from 1 to 65535")
    return int(text[1:])


def _parse_ipv6(text: str) -> str:
    if "%" in text:
        raise ValueError("names a network interface in its address")
    try:
        return IPv6Address(text).compressed
    except AddressValueError:
        raise ValueError("has no IPv6 address between its brackets") from None


def _parse_host(host: str) -> str:
    if not host:
        raise ValueError("has no host")
    if len(host) > _MAX_HOST_CHARACTERS:
        raise ValueError(f"has a host of more than {_MAX_HOST_CHARACTERS} characters")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _parse_ipv4(host)
    for label in labels:
        if not label:
            raise ValueError("has an empty part between the dots of its host")
        if not _LABEL.fullmatch(label):
            raise ValueError("has a host with characters that no name has")
        if label[2:4] == "--":
            _check_international(label)
    return host


def _parse_ipv4(host: str) -> str:
    try:
        return str(IPv4Address(host))  # four decimal numbers, none with a leading zero
    except AddressValueError:
        raise ValueError("has a host that is a number, but not four from 0 to 255") from None


def _check_international(label: str) -> None:
    """Of names with hyphens in third and fourth place only xn-- is defined, with letters beyond
    ASCII inside (RFC 5890, section 2.3.1).
    """
    try:
        is_fine = label.startswith("xn--") and not label[4:].encode().decode("punycode").isascii()
    except UnicodeError:
        is_fine = False
    if not is_fine:
        raise ValueError("has an international name that cannot be decoded")


def _parse_path(path: str) -> str:
    path = path.removesuffix("/")
    for segment in path.split("/")[1:]:
        if not segment:
            raise ValueError("has an empty part in its path")
        if not _SEGMENT.fullmatch(segment):
            raise ValueError("has a path with characters that must be percent-encoded")
        if segment in {".", ".."} or _HIDDEN.search(segment):
            raise ValueError("has a path that goes elsewhere than it reads")
    return path
