"""What personal data of other forms than a number in groups look like. Pure.

Every pattern repeats a bounded number of times and gives nothing back that it need not.
"""

import ipaddress
import re

from tradewind.plugins.checks.checksums import is_account_number


def is_north_american(digits: str) -> bool:
    """North America: areas and exchanges begin with 2 to 9, and no exchange ends in 11."""
    ten = digits[-10:]
    is_given = ten[0] > "1" and ten[3] > "1" and ten[4:6] != "11" and ten[1:3] != "11"
    return is_given and len(set(ten)) > 2


def is_public_ipv4(text: str) -> bool:
    """Networks at home, of documentation, of resolvers that everybody uses tell of nobody."""
    if text.startswith(("10.", "192.168.", "127.")):
        return False
    address = ipaddress.IPv4Address(text)
    return address.is_global and not address.is_multicast and text not in _RESOLVERS


_RESOLVERS_LIST = (
    "1.1.1.1 1.0.0.1 8.8.8.8 8.8.4.4 9.9.9.9 149.112.112.112 208.67.222.222 208.67.220.220 "
    "4.2.2.1 4.2.2.2"
)
_RESOLVERS = frozenset(_RESOLVERS_LIST.split())


_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV4 = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}(?![A-Za-z0-9_]|\.[0-9]|/[0-9]|-[A-Za-z0-9])")

IBAN_HEAD = re.compile(r"[A-Za-z]{2}[0-9]{2}")
_SEPARATORS = " \u00a0-"


def end_of_account(text: str, start: int, length: int) -> int:
    """Return where an IBAN of a length ends that begins at a place; 0 where there is none."""
    characters: list[str] = []
    at, was_separator = start, False
    while at < len(text) and len(characters) < length:
        character = text[at]
        if character in _SEPARATORS and not was_separator:
            was_separator = True
        elif character.isascii() and character.isalnum():
            characters.append(character)
            was_separator = False
        else:
            break
        at += 1
    is_longer = at < len(text) and text[at].isascii() and text[at].isalnum()
    if len(characters) != length or is_longer:
        return 0
    return at if is_account_number("".join(characters)) else 0


_MONTHS = (
    r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|m[äa]r|mai|okt|dez|f[ée]v|avr|juin|juil|"
    r"ao[ûu]|d[ée]c|ene|abr|ago|dic|gen|mag|giu|lug|set|ott"
)
_DATE = (
    r"(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ][0-9]{2,4}"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th|\.)? (?:of |de )?(?:{_MONTHS})[^\W\d_]{{0,9}}+\.?,?"
    r" (?:de )?[0-9]{4}"
    rf"|(?:{_MONTHS})[^\W\d_]{{0,9}}+\.? [0-9]{{1,2}}(?:st|nd|rd|th)?,? [0-9]{{4}})(?![0-9])"
)
BIRTH = re.compile(
    r"(?<![^\W_])(?>date[ _-]?of[ _-]?birth|birth[ _-]?date|birthday|d\.?o\.?b\.?|born|geboren|"
    r"geburtsdatum|geburtstag|geb\.|n[ée]{1,2}e? le|date de naissance|fecha de nacimiento|"
    r"naci[óo] el|nat[oa] il|data di nascita)[\"']?[\s:=(]{0,4}+"
    r"(?:is|was|on|am|in|the|el)?\s?[\"']?"
    rf"({_DATE})"
)
BIRTH_WORDS = (
    "birth",
    "born",
    "dob",
    "d.o.b",
    "gebor",
    "geburt",
    "geb.",
    "naiss",
    "naci",
    "nat",
    "n\u00e9",
)
MACHINE_READABLE = re.compile(
    r"(?<![A-Z0-9<])[A-Z0-9<]{9}[0-9][A-Z<]{3}[0-9]{7}[MFX<][0-9]{7}[A-Z0-9<]{14}[0-9<][0-9]"
    r"(?![A-Z0-9<])"
)
IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4}+|:)(?::[0-9A-Fa-f]{0,4}+){2,7}+(?![\w:])")
INTERNATIONAL = re.compile(r"\+[1-9](?:[ \u00a0().\-/]{0,2}+[0-9]){7,14}+(?![0-9A-Za-z_])")
_SHORTEST, _LONGEST = 8, 15
# ITU-T E.164, list of assigned country codes: these begin no number.
_UNASSIGNED_LIST = (
    "210 214 215 217 219 259 28 384 388 422 424 425 426 427 428 429 671 684 693 694 695 696 "
    "697 698 699 83 851 854 857 858 859 871 872 873 874 875 876 877 879 884 885 887 889 89 "
    "969 978 979 990 997 999"
)
_UNASSIGNED = frozenset(_UNASSIGNED_LIST.split())


def is_international(digits: str) -> bool:
    if not _SHORTEST <= len(digits) <= _LONGEST or len(set(digits)) < 3:
        return False
    if digits[0] == "1":
        return len(digits) == 11 and is_north_american(digits)
    return digits[:2] not in _UNASSIGNED and digits[:3] not in _UNASSIGNED
