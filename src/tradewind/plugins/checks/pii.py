"""Personal data that is known by its form: addresses, telephone and card numbers, accounts,
identities, wallets, and dates of birth that are called so.

What proves itself by check digits is sure (severity 6), what has an unmistakable form or a form and
a word for it nearby is likely (4), what might be something else is suspected (2). Names and postal
addresses have no form; the `presidio` check looks for those.
"""

import ipaddress
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from tradewind.plugins.checks.base import CheckFailed, Content, Finding, Verdict
from tradewind.plugins.checks.checksums import (
    IBAN_LENGTHS,
    base58check,
    bech32,
    card_brand,
    machine_readable,
)
from tradewind.plugins.checks.pii_kinds import (
    BY_SHAPE,
    CONTEXT,
    LIKELY,
    LONGEST_SHAPE,
    PHONE_WORDS,
    SEPARATORS,
    SURE,
    SUSPECTED,
    Kind,
)
from tradewind.plugins.checks.pii_patterns import (
    BIRTH,
    BIRTH_WORDS,
    IBAN_HEAD,
    INTERNATIONAL,
    IPV4,
    IPV6,
    MACHINE_READABLE,
    end_of_account,
    is_international,
    is_public_ipv4,
)
from tradewind.snapshot.safety import Direction

PARTS = (
    *("email", "phone", "card", "iban", "ssn", "passport", "national_id", "health_id"),
    *("ip_address", "crypto_wallet", "date_of_birth"),
)
_MOST_FINDINGS = 1000
_LONGEST_LOCAL_PART = 64
_LONGEST_WALLET = 90
_SHORTEST_WALLET = 26
_DIGIT = re.compile("[0-9]")
_FREE = frozenset(" \n\t,;:=\"'()[]{}<>|#")
"""What may stand before a number of its own."""
_ALNUM = frozenset(string.ascii_letters + string.digits)
_TOKEN = re.compile(r"[0-9A-Za-z]*+")
_SHAPE = str.maketrans(
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "9" * 10 + "A" * 52
)
_NOT_ALNUM = re.compile(r"[^0-9A-Za-z]+")
_DOMAIN = re.compile(r"@((?:[\w-]{1,63}\.){1,8})([^\W\d_]{2,24})(?![\w@-]|\.\w)")
_LOGIN = re.compile(r"://[^\s@]{0,160}+\Z")
_LOGIN_REACH = 80
_LOCAL_PART = frozenset(".!#$%&'*+/=?^_`{|}~-")
# Units of systemd and files whose names hold an @: no domain ends so.
_NO_DOMAINS_LIST = (
    "service socket target timer slice mount path scope png jpg jpeg gif svg webp css js ts "
    "jsx tsx json html md txt yml yaml toml lock tgz zip gz whl jar dll exe"
)
_NO_DOMAINS = frozenset(_NO_DOMAINS_LIST.split())
_BITCOIN = (0x00, 0x05)
_WALLETS = {"1": _BITCOIN, "3": _BITCOIN, "L": (0x30,), "M": (0x32,), "D": (0x1E,), "T": (0x41,)}
_BECH32_HEADS = ("bc1", "ltc1", "tb1")
_ETHER = re.compile(r"0x[0-9A-Fa-f]{40}")
_ETHER_WORDS = re.compile(r"(?<![a-z])(?:eth|ether|ethereum|wallet|address|erc20|erc-20)(?![a-z])")
_VERSION_WORDS = re.compile(
    r"(?:version|versions|release|ver|build|section|chapter|clause|update|oid|firmware|driver|v|"
    r"upgraded to|==|>=|<=|~=|=)\s?[\"'(]?v?$"
)
_IP_WORDS = re.compile(
    r"(?<![a-z])(?:ip|ips|ipv4|ipv6|address|addr|host|client|remote|server)(?![a-z])"
)


class Pii:
    name: ClassVar[str] = "pii"
    version: ClassVar[str] = "1"
    categories: ClassVar[frozenset[str]] = frozenset({"pii", *(f"pii.{part}" for part in PARTS)})
    directions: ClassVar[frozenset[Direction]] = frozenset(Direction)
    most_characters: ClassVar[int] = 100_000
    hold_back: ClassVar[int] = 64

    def prepare(self, name: str, raw: bytes) -> object:
        del name, raw
        raise CheckFailed("personal data are found without data of a policy")

    def examine(
        self, contents: Sequence[Content], options: Mapping[str, str], data: Sequence[object]
    ) -> list[Verdict]:
        del options, data
        return [Verdict(self.name, self.version, _findings(content)) for content in contents]


def _findings(content: Content) -> tuple[Finding, ...]:
    found: list[Finding] = []
    done = 0
    # The gravest first where two begin at one place; one within another is the same thing twice.
    for each in sorted(
        _all(content.text), key=lambda each: (each.start, -each.severity, -each.end)
    ):
        if each.start >= done:
            done = each.end
            if each.end > content.look_back:
                found.append(each)
                if len(found) == _MOST_FINDINGS:
                    break
    return tuple(found)


def _all(text: str) -> Iterator[Finding]:
    lower = _lower(text)
    if "@" in text:
        yield from _mail_addresses(text)
    if _DIGIT.search(text) is None:
        return
    yield from _numbers(text, lower)
    if "+" in text:
        yield from _international(text, lower)
    if any(word in lower for word in BIRTH_WORDS):
        for found in BIRTH.finditer(lower):
            yield _finding("date_of_birth", LIKELY, found.span(1), "date-of-birth", "DATE_OF_BIRTH")
    if text.count(":") > 1:
        yield from _ipv6(text)
    if "<<" in text:
        yield from _passports(text)


def _lower(text: str) -> str:
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(each.lower() if len(each.lower()) == 1 else each for each in text)


def _finding(part: str, severity: int, span: tuple[int, int], source: str, label: str) -> Finding:
    score = {SUSPECTED: 0.5, LIKELY: 0.8}.get(severity, 1.0)
    return Finding(f"pii.{part}", severity, score, *span, source, label)


def _mail_addresses(text: str) -> Iterator[Finding]:
    for domain in _DOMAIN.finditer(text):
        top = domain[2]
        if top.lower() in _NO_DOMAINS or not (top.islower() or top.isupper()):
            continue
        at = start = domain.start()
        first = max(0, at - _LONGEST_LOCAL_PART)
        while start > first and (text[start - 1].isalnum() or text[start - 1] in _LOCAL_PART):
            start -= 1
        # `email=a@b.org` and `?to=a@b.org`: the name before it is not part of the address.
        start = max(start, text.rfind("=", start, at) + 1)
        while start < at and text[start] in "./'&?`":
            start += 1
        local = text[start:at]
        # A password before a host, and the one name that all of git's hosts share.
        is_login = _LOGIN.search(text, max(0, start - _LOGIN_REACH), at) is not None
        is_git = local == "git" and text[domain.end() : domain.end() + 1] in {":", "/"}
        if local and local[-1] != "." and not is_login and not is_git:
            yield _finding("email", SURE, (start, domain.end()), "e-mail", "EMAIL")


def _numbers(text: str, lower: str) -> Iterator[Finding]:
    done = 0
    while (digit := _DIGIT.search(text, done)) is not None:
        start = digit.start()
        first = max(done, start - LONGEST_SHAPE)
        while start > first and text[start - 1] in _ALNUM:
            start -= 1
        token = _TOKEN.match(text, start)
        assert token is not None, "it may be empty"
        done = token.end()
        if start and text[start - 1] not in _FREE and _continues(text, start):
            continue
        atom = token[0]
        shape, behind = atom.translate(_SHAPE), text[done : done + 1]
        kinds = BY_SHAPE.get(shape, ())
        if behind in SEPARATORS and behind:
            kinds += BY_SHAPE.get(shape + behind, ())
        is_octet = behind == "." and len(atom) <= 3
        if not (kinds or is_octet or len(atom) >= _SHORTEST_WALLET or shape[:4] == "AA99"):
            continue
        best: Finding | None = None
        for each in _at(text, lower, start, atom, kinds):
            if best is None or (each.severity, each.end) > (best.severity, best.end):
                best = each
        if best is not None:
            done = max(done, best.end)
            yield best


def _continues(text: str, start: int) -> bool:
    """Say whether what stands before makes it the rest of something longer."""
    before = text[start - 1]
    if before.isalnum() or before == "_":
        return True
    return before in ".-/+" and (before == "+" or (start > 1 and text[start - 2].isalnum()))


def _at(text: str, lower: str, start: int, atom: str, kinds: Sequence[Kind]) -> Iterator[Finding]:
    length = len(atom)
    if length >= _SHORTEST_WALLET:
        yield from _wallet(lower, start, atom)
    size = IBAN_LENGTHS.get(atom[:2].upper(), 0) if IBAN_HEAD.match(atom) else 0
    end = end_of_account(text, start, size) if size else 0
    if end:
        yield _finding("iban", SURE, (start, end), atom[:2].lower(), "IBAN")
    if length <= 3:
        yield from _ipv4(text, lower, start)
    for kind in kinds:
        found = kind.pattern.match(text, start)
        if found is not None:
            yield from _of_kind(kind, text, lower, found)


def _of_kind(kind: Kind, text: str, lower: str, found: re.Match[str]) -> Iterator[Finding]:
    number = _NOT_ALNUM.sub("", found[0]).upper()
    if not kind.is_valid(number):
        return
    start = found.start() - kind.before
    severity, source = kind.alone, kind.name
    if kind.context.search(lower, max(0, start - CONTEXT), start) is not None:
        severity = kind.named
    if kind.part == "card":
        source = card_brand(number)
        # In groups as they are printed: nobody writes an order number so.
        severity = severity if found[1] is None and found[2] is None else SURE
    elif kind.part == "phone" and start and text[start - 1] == "(" and ")" in found[0]:
        start, severity = start - 1, max(severity, LIKELY)
    if severity:
        yield _finding(kind.part, severity, (start, found.end()), source, kind.label)


def _wallet(lower: str, start: int, token: str) -> Iterator[Finding]:
    if len(token) > _LONGEST_WALLET:
        return
    span = (start, start + len(token))
    versions = _WALLETS.get(token[0])
    if versions is not None and len(token) <= 35 and base58check(token, versions):
        yield _finding("crypto_wallet", SURE, span, "base58", "WALLET")
    elif token.lower().startswith(_BECH32_HEADS) and bech32(token.lower()):
        yield _finding("crypto_wallet", SURE, span, "bech32", "WALLET")
    elif _ETHER.fullmatch(token) is not None:
        is_named = _ETHER_WORDS.search(lower, max(0, start - CONTEXT), start) is not None
        severity = LIKELY if is_named else SUSPECTED
        yield _finding("crypto_wallet", severity, span, "ethereum", "WALLET")


def _ipv4(text: str, lower: str, start: int) -> Iterator[Finding]:
    found = IPV4.match(text, start)
    if found is None or not is_public_ipv4(found[0]):
        return
    before = lower[max(0, start - CONTEXT) : start]
    is_named = _IP_WORDS.search(before) is not None
    # Four small numbers are a version or a section as often as an address.
    is_small = all(int(part) < 32 for part in found[0].split("."))
    is_version = _VERSION_WORDS.search(before) is not None or is_small
    if is_named or not is_version:
        yield _finding("ip_address", LIKELY, found.span(), "ipv4", "IP_ADDRESS")


def _ipv6(text: str) -> Iterator[Finding]:
    for found in IPV6.finditer(text):
        try:
            address = ipaddress.IPv6Address(found[0])
        except ValueError:
            continue
        if address.is_global and not address.is_multicast:
            yield _finding("ip_address", LIKELY, found.span(), "ipv6", "IP_ADDRESS")


def _international(text: str, lower: str) -> Iterator[Finding]:
    for found in INTERNATIONAL.finditer(text):
        start = found.start()
        if start and (text[start - 1].isalnum() or text[start - 1] in "+_=)]"):
            continue
        if is_international(_NOT_ALNUM.sub("", found[0])):
            is_named = PHONE_WORDS.search(lower, max(0, start - CONTEXT), start) is not None
            severity = SURE if is_named else LIKELY
            yield _finding("phone", severity, found.span(), "international", "PHONE")


def _passports(text: str) -> Iterator[Finding]:
    """The second line of a passport's machine-readable zone (ICAO 9303, part 4)."""
    for found in MACHINE_READABLE.finditer(text):
        line = found[0]
        whole = line[:10] + line[13:20] + line[21:43]
        if (
            machine_readable(line[:9], line[9])
            and machine_readable(line[13:19], line[19])
            and machine_readable(line[21:27], line[27])
            and machine_readable(whole, line[43])
        ):
            yield _finding("passport", SURE, found.span(), "machine-readable", "PASSPORT")
