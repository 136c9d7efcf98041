import pytest

from tradewind.core.public_addresses import is_public, why_not_public

FORBIDDEN = {
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "10.0.0.1": "private",
    "100.64.0.1": "shared by a carrier's customers",
    "100.127.255.255": "shared by a carrier's customers",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "169.254.169.254": "link-local",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.8": "reserved for protocols",
    "192.0.0.171": "reserved for protocols",
    "192.0.2.1": "for documentation",
    "192.88.99.1": "a relay of 6to4",
    "192.168.1.1": "private",
    "198.18.0.1": "for benchmarks",
    "198.19.255.255": "for benchmarks",
    "198.51.100.1": "for documentation",
    "203.0.113.1": "for documentation",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::ffff:127.0.0.1": "an IPv4 address inside IPv6",
    "::ffff:8.8.8.8": "an IPv4 address inside IPv6",
    "::ffff:0:127.0.0.1": "not assigned",
    "::127.0.0.1": "an IPv4 address inside IPv6",
    "64:ff9b::7f00:1": "an IPv4 address behind NAT64",
    "64:ff9b::8.8.8.8": "an IPv4 address behind NAT64",
    "64:ff9b:1::a00:1": "an IPv4 address behind NAT64",
    "100::1": "for discarding",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": "an IPv4 address behind Teredo",
    "2001:2::1": "reserved for protocols",
    "2001:10::1": "reserved for protocols",
    "2001:20::1": "reserved for protocols",
    "2001:db8::1": "for documentation",
    "2002:7f00:1::1": "an IPv4 address behind 6to4",
    "2002:808:808::1": "an IPv4 address behind 6to4",
    "3fff::1": "for documentation",
    "5f00::1": "not assigned",
    "4000::1": "not assigned",
    "fc00::1": "private",
    "fd12:3456:789a::1": "private",
    "fe80::1": "link-local",
    "fec0::1": "private",
    "ff02::1": "multicast",
}
PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
)


@pytest.mark.parametrize(("address", "kind"), FORBIDDEN.items())
def test_an_address_of_a_special_block_is_not_public(address, kind):
    assert why_not_public(address) == kind
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_beside_the_special_blocks_is_public(address):
    assert why_not_public(address) is None
    assert is_public(address)


@pytest.mark.parametrize("address", ["fe80::1%eth0", "2606:4700::1%2"])
def test_an_address_that_names_an_interface_is_not_public(address):
    assert why_not_public(address) == "bound to one network interface"


@pytest.mark.parametrize(
    "address",
    ["", "host", "127.1", "0177.0.0.1", "08.8.8.8", "0x8080808", "2130706433", "8.8.8.8 ", "[::1]"],
)
def test_what_is_no_plain_address_is_not_public(address):
    assert why_not_public(address) == "not an address"
