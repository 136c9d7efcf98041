from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.base_urls import MAX_URL_CHARACTERS, BaseUrl, parse_base_url

GOOD = {
    "https://api.example.com": BaseUrl("https", "api.example.com", 443, ""),
    "https://api.example.com/": BaseUrl("https", "api.example.com", 443, ""),
    "http://api.example.com/v1/": BaseUrl("http", "api.example.com", 80, "/v1"),
    "HTTPS://API.Example.COM:8443/V1": BaseUrl("https", "api.example.com", 8443, "/V1"),
    "https://eu-west.example/a/b@1/c:d": BaseUrl("https", "eu-west.example", 443, "/a/b@1/c:d"),
    "https://h/a%3Ab": BaseUrl("https", "h", 443, "/a%3Ab"),
    "http://my_engine:8000/v1": BaseUrl("http", "my_engine", 8000, "/v1"),
    "http://10.1.2.3:8000": BaseUrl("http", "10.1.2.3", 8000, ""),
    "http://[::1]:8000/v1": BaseUrl("http", "::1", 8000, "/v1"),
    "https://[2606:4700:0:0::1111]": BaseUrl("https", "2606:4700::1111", 443, ""),
    "https://xn--bcher-kva.example": BaseUrl("https", "xn--bcher-kva.example", 443, ""),
    "https://3com.example": BaseUrl("https", "3com.example", 443, ""),
}
USER = "has a user name or password in front of the host"
NUMBER = "has a host that is a number, but not four from 0 to 255"
LABEL = "has a host with characters that no name has"
EMPTY = "has an empty part between the dots of its host"
PORT = "has a port that is not a number from 1 to 65535"
ELSEWHERE = "has a path that goes elsewhere than it reads"
ASCII = "has characters beyond ASCII; write an international name as xn--…"
BLANK = "has a blank or a control character"
SCHEME = "does not start with https:// or http://"
QUERY = "has a query or a fragment"
# What parsers read differently, or what hides where a request goes.
HOSTILE = {
    "": SCHEME,
    "api.example.com": SCHEME,
    "//api.example.com": SCHEME,
    "ftp://api.example.com": SCHEME,
    "file:///etc/passwd": SCHEME,
    "gopher://127.0.0.1:6379/_INFO": SCHEME,
    "https:/api.example.com": SCHEME,
    "https:api.example.com": SCHEME,
    "http+private://h": SCHEME,
    "https://": "has no host",
    "https:///v1": "has no host",
    "https://:443": "has no host",
    "https://user@api.example.com": USER,
    "https://user:pass@api.example.com": USER,
    "https://api.example.com@127.0.0.1": USER,
    "https://api.example.com:443@127.0.0.1": USER,
    "https://127.0.0.1:80@api.example.com/": USER,
    "https://api.example.com#@127.0.0.1/": QUERY,
    "https://api.example.com?@127.0.0.1/": QUERY,
    "https://h/v1?key=1": QUERY,
    "https://h/v1#part": QUERY,
    "https://h/v1?": QUERY,
    "https://api.example.com\\@127.0.0.1": "has a backslash",
    "https:\\\\127.0.0.1": "has a backslash",
    "https://h/a\\..\\b": "has a backslash",
    " https://h": BLANK,
    "https://h ": BLANK,
    "https://h/a b": BLANK,
    "https://api.example.com\t.evil.example": BLANK,
    "https://h/v1\r\nhost: evil": BLANK,
    "https://h\x00.example": BLANK,
    "https://h\x7f": BLANK,
    "https://127.1": NUMBER,
    "https://2130706433": NUMBER,
    "https://0x7f000001": NUMBER,
    "https://0x7f.0.0.1": NUMBER,
    "https://0177.0.0.1": NUMBER,
    "https://127.0.0.0x1": NUMBER,
    "https://127.0.0.01": NUMBER,
    "https://127.0.0.256": NUMBER,
    "https://1.2.3.4.5": NUMBER,
    "https://name.0x": NUMBER,
    "https://name.7": NUMBER,
    "https://127.0.0.1.": EMPTY,
    "https://h.": EMPTY,
    "https://.h": EMPTY,
    "https://a..b": EMPTY,
    "https://-a.example": LABEL,
    "https://a-.example": LABEL,
    "https://a%2eb.example": LABEL,
    "https://%31%32%37.0.0.a": LABEL,
    "https://a,b.example": LABEL,
    "https://a|b": LABEL,
    "https://::1": "has no host",
    "https://*.example": LABEL,
    "https://" + "a" * 64 + ".example": LABEL,
    "https://" + "a." * 127 + "example": "has a host of more than 253 characters",
    "https://１２７.0.0.1": ASCII,
    "https://127。0。0。1": ASCII,
    "https://ⓔxample.com": ASCII,
    "https://bücher.example": ASCII,
    "https://h/ü": ASCII,
    "https://xn--.example": LABEL,
    "https://xn--a-.example": LABEL,
    "https://xn--localhost-.h": LABEL,
    "https://xn--99999999999.h": "has an international name that cannot be decoded",
    "https://ab--cd.example": "has an international name that cannot be decoded",
    "https://[::1": "has no closed [address]",
    "https://[::1]evil": "has no closed [address]",
    "https://[::1].evil.example": "has no closed [address]",
    "https://[fe80::1%25eth0]": "names a network interface in its address",
    "https://[127.0.0.1]": "has no IPv6 address between its brackets",
    "https://[h]": "has no IPv6 address between its brackets",
    "https://[]": "has no IPv6 address between its brackets",
    "https://h:": PORT,
    "https://h:0": PORT,
    "https://h:080": PORT,
    "https://h:65536": PORT,
    "https://h:+80": PORT,
    "https://h:80:80": PORT,
    "https://h:8_0": PORT,
    "https://h//v1": "has an empty part in its path",
    "https://h/v1//": "has an empty part in its path",
    "https://h/../v1": ELSEWHERE,
    "https://h/v1/..": ELSEWHERE,
    "https://h/./v1": ELSEWHERE,
    "https://h/%2e%2E/v1": ELSEWHERE,
    "https://h/a%2fb": ELSEWHERE,
    "https://h/a%5Cb": ELSEWHERE,
    "https://h/a%00": ELSEWHERE,
    "https://h/a%0d%0ab": ELSEWHERE,
    "https://h/a%252e": ELSEWHERE,
    "https://h/a%2": "has a path with characters that must be percent-encoded",
    "https://h/{model}": "has a path with characters that must be percent-encoded",
    'https://h/"': "has a path with characters that must be percent-encoded",
}


@pytest.mark.parametrize(("text", "url"), GOOD.items())
def test_a_plain_base_url_is_taken_apart(text, url):
    assert parse_base_url(text) == url


@pytest.mark.parametrize(("text", "wrong"), HOSTILE.items())
def test_a_hostile_base_url_is_refused_with_what_is_wrong(text, wrong):
    with pytest.raises(ValueError) as error:
        parse_base_url(text)
    assert str(error.value) == wrong


def test_a_long_base_url_is_refused():
    url = "https://h/" + "a" * (MAX_URL_CHARACTERS - 10)
    assert parse_base_url(url).path == url[9:]
    with pytest.raises(ValueError, match="longer"):
        parse_base_url(url + "a")


def test_a_path_beyond_ascii_is_refused_also_when_encoded():
    with pytest.raises(ValueError, match="elsewhere"):
        parse_base_url("https://h/a%C3%A9")


def test_a_refusal_never_repeats_the_password():
    with pytest.raises(ValueError) as error:
        parse_base_url("https://user:s3cret@h")
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "public", "private"),
    [
        ("https://h/v1", "https://h:443", "https+private://h:443"),
        ("http://[::1]:8000", "http://[::1]:8000", "http+private://[::1]:8000"),
    ],
)
def test_a_base_url_gives_the_address_of_a_target(text, public, private):
    url = parse_base_url(text)
    assert url.address(is_private=False) == public
    assert url.address(is_private=True) == private


@pytest.mark.parametrize(
    ("text", "is_address"),
    [("http://1.2.3.4", True), ("http://[::1]", True), ("http://h", False), ("http://4.h", False)],
)
def test_a_base_url_knows_an_address_from_a_name(text, is_address):
    assert parse_base_url(text).is_address == is_address


@given(st.text(alphabet="aA0x.:/@[]%-_~?#\\ é\n", max_size=30))
def test_whatever_is_accepted_means_the_same_when_written_out(rest):
    try:
        url = parse_base_url("https://" + rest)
    except ValueError:
        return
    written = url.address(is_private=False) + url.path
    assert parse_base_url(written) == url
    assert "@" not in url.host
    assert not set(written) & set("?#\\ \n")
    # The standard library sees the same host and port.
    parts = urlsplit(written)
    assert (parts.hostname, parts.port, parts.path) == (url.host, url.port, url.path)
