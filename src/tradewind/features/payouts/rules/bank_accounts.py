"""Account numbers: IBAN (ISO 13616) and BIC (ISO 9362).

The length of an IBAN is fixed by its country; the table is that of the IBAN registry
(swift.com/standards/data-standards/iban-international-bank-account-number). The check digits make
the whole, with its first four characters behind it and letters as numbers (A is 10), leave 1 when
divided by 97 (ISO 7064, MOD 97-10).
"""

import re

from tradewind.core.errors import InvalidInput

_LENGTHS = {
    length: frozenset(countries.split())
    for length, countries in (
        (15, "NO"),
        (16, "BE"),
        (18, "DK FI FK FO GL NL SD"),
        (19, "MK SI"),
        (20, "AT BA EE KZ LT LU MN XK"),
        (21, "CH HR LI LV"),
        (22, "BG BH CR DE GB GE IE ME RS VA"),
        (23, "AE GI IL IQ OM SO TL"),
        (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
        (25, "LY PT ST"),
        (26, "IS TR"),
        (27, "BI DJ FR GR IT MC MR SM"),
        (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"),
        (29, "BR EG PS QA UA"),
        (30, "JO KW MU YE"),
        (31, "MT SC"),
        (32, "LC"),
        (33, "RU"),
    )
}
IBAN_LENGTHS = {country: length for length, some in _LENGTHS.items() for country in some}
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?")
_TEXT_MAX = 60


def clean_iban(text: str) -> str:
    """Return an IBAN without spaces, in capitals. Raises InvalidInput."""
    iban = re.sub(r"\s", "", text[:_TEXT_MAX]).upper()
    length = IBAN_LENGTHS.get(iban[:2])
    if not _IBAN.fullmatch(iban) or length is None:
        raise InvalidInput(
            "this is no IBAN", hint="it begins with the two letters of a country that has them"
        )
    if len(iban) != length:
        raise InvalidInput(f"an IBAN of {iban[:2]} has {length} characters, not {len(iban)}")
    if int("".join(str(int(each, 36)) for each in iban[4:] + iban[:4])) % 97 != 1:
        raise InvalidInput("the check digits of this IBAN are wrong", hint="look for a typo")
    return iban


def clean_bic(text: str) -> str:
    """Return a BIC in capitals; empty for none. Raises InvalidInput."""
    bic = re.sub(r"\s", "", text[:_TEXT_MAX]).upper()
    if bic and not _BIC.fullmatch(bic):
        raise InvalidInput("this is no BIC", hint="it has 8 or 11 letters and digits")
    return bic


def printed_iban(iban: str) -> str:
    """Return it in groups of four, as it stands on paper."""
    return " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))


def masked_iban(iban: str) -> str:
    """Return enough of an IBAN to be recognised."""
    return f"{iban[:4]} … {iban[-4:]}" if iban else ""
