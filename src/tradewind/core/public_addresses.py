"""Which internet addresses belong to the public internet, and to nothing nearer.

Whoever types a URL must not make the platform call what only the platform can reach: its own
loopback, the networks around it, the metadata service of a cloud. The rule is asked twice: when an
operator types an address, and for every address a name resolves to before anything is connected.

The lists are IANA's registries of special-purpose addresses (RFC 6890 and what was registered
since), kept here because `ipaddress.is_global` changes with the patch release of Python. Of IPv6
only what is handed out (2000::/3) can be public, so that every form that carries an IPv4 address
inside is refused without being unwrapped, and a block that is defined tomorrow is refused today.
"""

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

_SPECIAL_IPV4 = tuple(
    (IPv4Network(network), name)
    for network, name in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a carrier's customers"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "a relay of 6to4"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
# The first match names it; what matches none and is outside 2000::/3 is "not assigned".
_SPECIAL_IPV6 = tuple(
    (IPv6Network(network), name)
    for network, name in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "an IPv4 address inside IPv6"),
        ("::/96", "an IPv4 address inside IPv6"),
        ("64:ff9b::/96", "an IPv4 address behind NAT64"),
        ("64:ff9b:1::/48", "an IPv4 address behind NAT64"),
        ("100::/64", "for discarding"),
        ("2001::/32", "an IPv4 address behind Teredo"),
        ("2001::/23", "reserved for protocols"),
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "an IPv4 address behind 6to4"),
        ("3fff::/20", "for documentation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
    )
)
_ASSIGNED_IPV6 = IPv6Network("2000::/3")


def is_public(address: str) -> bool:
    return why_not_public(address) is None


def why_not_public(address: str) -> str | None:
    """Return what kind of address it is when not a public one ("loopback"), None for a public one.

    `address` is text as a resolver or a URL has it, without brackets. What is not an address at
    all is not public either.
    """
    if "%" in address:
        return "bound to one network interface"
    try:
        parsed = ip_address(address)
    except ValueError:
        return "not an address"
    return _special_ipv4(parsed) if isinstance(parsed, IPv4Address) else _special_ipv6(parsed)


def _special_ipv4(address: IPv4Address) -> str | None:
    return next((name for network, name in _SPECIAL_IPV4 if address in network), None)


def _special_ipv6(address: IPv6Address) -> str | None:
    name = next((name for network, name in _SPECIAL_IPV6 if address in network), None)
    if name is None and address not in _ASSIGNED_IPV6:
        return "not assigned"
    return name
