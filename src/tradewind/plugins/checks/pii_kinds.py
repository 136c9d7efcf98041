"""Personal numbers: what they look like, where they may begin, and what is said near them. Pure.

A text is first cut into *atoms*: runs of ASCII letters and digits that hold a digit. The *shape* of
an atom (9 for a digit, A for a letter) says which kinds may begin there, so a text without numbers
costs one search for digits. Every pattern is bounded, and its separators are the same throughout,
so that a column of figures is no telephone number.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from tradewind.plugins.checks import identities
from tradewind.plugins.checks.checksums import card_brand, is_card_number
from tradewind.plugins.checks.pii_patterns import is_north_american

SUSPECTED, LIKELY, SURE = 2, 4, 6
CONTEXT = 48
"""Characters before a number in which its name is looked for."""
# Nothing of a longer number, path or version may stand behind.
_EDGE = r"(?![A-Za-z0-9_]|[.\-/:][A-Za-z0-9])"


class Kind(NamedTuple):
    name: str
    """What a finding's source says."""
    part: str
    """The category is `pii.` and this."""
    label: str
    pattern: re.Pattern[str]
    shapes: tuple[str, ...]
    """Of the atom that begins it; behind `~` what stands between it and the next, `_` for a space.
    """
    is_valid: Callable[[str], bool]
    """Given its letters and digits alone, in upper case."""
    alone: int
    """Severity where nothing near says what it is; 0 is no finding."""
    named: int
    """Severity where something does."""
    context: re.Pattern[str]
    before: int = 0
    """Characters in front of the atom that belong to it: a bracket."""


def _near(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{words})(?![a-z])")


def _always(_number: str) -> bool:
    return True


PHONE_WORDS = _near(
    r"tel|telephone|telefon\w{0,3}|t[ée]l[ée]phone|tel[ée]fono|phone|phones|mobile|mob|cell|cellular|"
    r"call|calls|called|call me|fax|whatsapp|handy|sms|text me|ring|dial|hotline|contact|"
    r"phone number|phone_number|phonenumber|mobil|portable|m[óo]vil|cellulare|rufnummer"
)
_ID = r"id|identity|national|nationality|citizen|passport|personal"


def _digits(least: int, most: int) -> Callable[[str], bool]:
    return lambda number: least <= len(number) <= most and len(set(number)) > 2


def _card(digits: str) -> bool:
    return is_card_number(digits) and bool(card_brand(digits))


def _id(
    name: str,
    pattern: str,
    shapes: str,
    is_valid: Callable[[str], bool],
    *,
    alone: int,
    words: str,
    label: str = "NATIONAL_ID",
    part: str = "national_id",
    before: int = 0,
) -> Kind:
    compiled = re.compile(pattern + _EDGE)
    context = _near(words)
    return Kind(
        name, part, label, compiled, tuple(shapes.split()), is_valid, alone, SURE, context, before
    )


def _phone(
    name: str, pattern: str, shapes: str, is_valid: Callable[[str], bool], alone: int
) -> Kind:
    edge = r"(?![A-Za-z0-9_]|[.\-/:][0-9])"
    compiled = re.compile(pattern + edge)
    return Kind(
        name,
        "phone",
        "PHONE",
        compiled,
        tuple(shapes.split()),
        is_valid,
        alone,
        LIKELY,
        PHONE_WORDS,
    )


KINDS: tuple[Kind, ...] = (
    Kind(
        "card",
        "card",
        "CARD",
        re.compile(
            r"(?:[0-9]{13,19}|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1(?:[0-9]{4}\1[0-9]{3}|[0-9]{1,4})"
            rf"|[0-9]{{4}}([ -])[0-9]{{6}}\2[0-9]{{4,5}}){_EDGE}"
        ),
        ("9999~_-", *("9" * length for length in range(13, 20))),
        _card,
        LIKELY,
        SURE,
        _near(
            r"card|cards|credit|debit|visa|mastercard|amex|american express|kartennummer|carte|"
            r"tarjeta|karte|pan|cc|ccn|card number|card_number|cardnumber|payment"
        ),
    ),
    _phone(
        "north-america",
        r"[2-9][0-9]{2}([-. ])[2-9][0-9]{2}\1[0-9]{4}",
        "999~-._",
        is_north_american,
        SUSPECTED,
    ),
    _phone(
        "north-america",
        r"[2-9][0-9]{2}\) ?[2-9][0-9]{2}[-. ][0-9]{4}",
        "999~)",
        is_north_american,
        0,
    ),
    _phone(
        "north-america",
        r"1([-. ])\(?[2-9][0-9]{2}\)?[-. ][2-9][0-9]{2}[-. ][0-9]{4}",
        "9~-._",
        is_north_american,
        SUSPECTED,
    ),
    _phone("national", r"[2-9][0-9]{9}", "9999999999", is_north_american, 0),
    _phone(
        "national",
        r"0[0-9]{1,4}([ \-/])[0-9]{2,8}(?:[ \-][0-9]{2,6}){0,4}",
        "99~_-/ 999~_-/ 9999~_-/ 99999~_-/",
        _digits(8, 13),
        0,
    ),
    _phone(
        "national",
        r"0[0-9]{8,11}",
        "999999999 9999999999 99999999999 999999999999",
        _digits(9, 12),
        0,
    ),
    _phone(
        "national",
        r"0[1-9](?:([ .])[0-9]{2})(?:\1[0-9]{2}){3}",
        "99~_.",
        _digits(10, 10),
        SUSPECTED,
    ),
    _phone(
        "national", r"07[0-9]{3}[ -]?[0-9]{6}", "99999~_- 99999999999", _digits(11, 11), SUSPECTED
    ),
    _id(
        "us-ssn",
        r"[0-9]{3}([- ])[0-9]{2}\1[0-9]{4}",
        "999~-_",
        identities.us_ssn,
        alone=LIKELY,
        words=r"ssn|ss|social security|social security number|social|soc sec|ssns|taxpayer|itin",
        label="SSN",
        part="ssn",
    ),
    _id(
        "us-ssn",
        r"[0-9]{9}",
        "999999999",
        identities.us_ssn,
        alone=0,
        words=r"ssn|social security|social security number",
        label="SSN",
        part="ssn",
    ),
    _id(
        "passport",
        r"(?:[0-9]{9}|[A-Z][0-9]{7,8}|[A-Z]{2}[0-9]{7})",
        "999999999 A9999999 A99999999 AA9999999",
        _always,
        alone=0,
        words=r"passports?|passport number|passport no|reisepass|passeport|pasaporte|passaporto",
        label="PASSPORT",
        part="passport",
    ),
    _id(
        "es-dni",
        r"[0-9]{8}-?[A-Z]",
        "99999999A 99999999~-",
        identities.es_dni,
        alone=SUSPECTED,
        words=rf"dni|nif|{_ID}",
    ),
    _id(
        "es-nie",
        r"[XYZ][0-9]{7}-?[A-Z]",
        "A9999999A A9999999~-",
        identities.es_nie,
        alone=SUSPECTED,
        words=rf"nie|nif|{_ID}",
    ),
    _id(
        "sg-nric",
        r"[STFG][0-9]{7}[A-Z]",
        "A9999999A",
        identities.sg_nric,
        alone=LIKELY,
        words=rf"nric|fin|ic|{_ID}",
    ),
    _id(
        "gb-nino",
        r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]",
        "AA999999A",
        identities.gb_nino,
        alone=LIKELY,
        words=rf"ni|nino|national insurance|insurance|{_ID}",
    ),
    _id(
        "gb-nino",
        r"(?<=[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] )[0-9]{2} [0-9]{2} [0-9]{2} [A-D]",
        "99~_",
        _always,
        alone=LIKELY,
        words=rf"ni|nino|national insurance|insurance|{_ID}",
        before=3,
    ),
    _id(
        "gb-nhs",
        r"(?:[0-9]{3}([ -])[0-9]{3}\1[0-9]{4}|[0-9]{10})",
        "999~_- 9999999999",
        identities.gb_nhs,
        alone=0,
        words=r"nhs|nhs number|nhs no|patient",
        label="HEALTH_ID",
        part="health_id",
    ),
    _id(
        "ca-sin",
        r"[0-9]{3}([ -]?)[0-9]{3}\1[0-9]{3}",
        "999~_- 999999999",
        identities.ca_sin,
        alone=0,
        words=r"sin|social insurance|insurance number|nas",
    ),
    _id(
        "au-tfn",
        r"[0-9]{3}([ -]?)[0-9]{3}\1[0-9]{3}",
        "999~_- 999999999",
        identities.au_tfn,
        alone=0,
        words=r"tfn|tax file|tax file number",
    ),
    _id(
        "nl-bsn",
        r"[0-9]{9}",
        "999999999",
        identities.nl_bsn,
        alone=0,
        words=r"bsn|burgerservicenummer|sofinummer",
    ),
    _id(
        "br-cpf",
        r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}",
        "999~.",
        identities.br_cpf,
        alone=SURE,
        words=r"cpf",
    ),
    _id("br-cpf", r"[0-9]{11}", "99999999999", identities.br_cpf, alone=0, words=r"cpf"),
    _id(
        "in-aadhaar",
        r"[2-9][0-9]{3}([ -]?)[0-9]{4}\1[0-9]{4}",
        "9999~_- 999999999999",
        identities.in_aadhaar,
        alone=0,
        words=r"aadhaar|aadhar|uidai|uid",
    ),
    _id(
        "cl-rut",
        r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9Kk]",
        "9~. 99~.",
        identities.cl_rut,
        alone=LIKELY,
        words=rf"rut|run|{_ID}",
    ),
    _id(
        "it-codice-fiscale",
        r"[A-Z]{6}[0-9]{2}[ABCDEHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]",
        "AAAAAA99A99A999A",
        identities.it_codice_fiscale,
        alone=SURE,
        words=r"codice fiscale|cf",
    ),
    _id(
        "fr-nir",
        r"[12] [0-9]{2} [0-9]{2} [0-9]{2} [0-9]{3} [0-9]{3} [0-9]{2}",
        "9~_",
        identities.fr_nir,
        alone=SURE,
        words=r"nir|s[ée]curit[ée] sociale|insee|ss",
    ),
    _id(
        "fr-nir",
        r"[12][0-9]{14}",
        "9" * 15,
        identities.fr_nir,
        alone=SUSPECTED,
        words=r"nir|s[ée]curit[ée] sociale|insee|ss",
    ),
    _id(
        "de-steuer-id",
        r"(?:[0-9]{11}|[0-9]{2} [0-9]{3} [0-9]{3} [0-9]{3})",
        "99999999999 99~_",
        identities.de_steuer_id,
        alone=0,
        words=r"steuer-?id|steuer-?identifikationsnummer|idnr|tax id|tin",
        label="TAX_ID",
    ),
    _id("pl-pesel", r"[0-9]{11}", "99999999999", identities.pl_pesel, alone=0, words=r"pesel"),
    _id(
        "tr-kimlik",
        r"[0-9]{11}",
        "99999999999",
        identities.tr_kimlik,
        alone=0,
        words=r"tckn|tc kimlik|kimlik|kimlik no",
    ),
    _id(
        "no-fodselsnummer",
        r"[0-9]{6} ?[0-9]{5}",
        "99999999999 999999~_",
        identities.no_fodselsnummer,
        alone=LIKELY,
        words=r"f[øo]dselsnummer|personnummer|fnr",
    ),
    _id(
        "se-personnummer",
        r"[0-9]{6}[-+][0-9]{4}",
        "999999~-+",
        identities.se_personnummer,
        alone=LIKELY,
        words=r"personnummer|pnr|samordningsnummer",
    ),
    _id(
        "se-personnummer",
        r"(?:19|20)[0-9]{6}-?[0-9]{4}",
        "99999999~- 999999999999",
        identities.se_personnummer,
        alone=0,
        words=r"personnummer|pnr|samordningsnummer",
    ),
    _id(
        "fi-hetu",
        r"[0-9]{6}[-+A-F][0-9]{3}[0-9A-FHJ-NPR-Y]",
        "999999~-+ 999999A9999 999999A999A",
        identities.fi_hetu,
        alone=LIKELY,
        words=r"hetu|henkil[öo]tunnus",
    ),
    _id(
        "be-rijksregister",
        r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}",
        "99~.",
        identities.be_rijksregister,
        alone=SURE,
        words=r"rijksregister[a-z]{0,12}|num[ée]ro national",
    ),
    _id(
        "kr-rrn",
        r"[0-9]{6}-[1-8][0-9]{6}",
        "999999~-",
        identities.kr_rrn,
        alone=LIKELY,
        words=r"rrn|resident registration",
    ),
    _id(
        "cn-resident-id",
        r"[1-8][0-9]{16}[0-9Xx]",
        "9" * 17 + "A " + "9" * 18,
        identities.cn_resident_id,
        alone=SURE,
        words=rf"resident|{_ID}",
    ),
    _id(
        "za-id",
        r"[0-9]{13}",
        "9" * 13,
        identities.za_id,
        alone=0,
        words=r"id|id number|south african id|identity",
    ),
    _id(
        "mx-curp",
        r"[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[0-9A-Z][0-9]",
        "AAAA999999AAAAAA99 AAAA999999AAAAAAA9",
        identities.mx_curp,
        alone=SURE,
        words=r"curp",
    ),
)


def _by_shape() -> dict[str, tuple[Kind, ...]]:
    found: dict[str, list[Kind]] = {}
    for kind in KINDS:
        for shape in kind.shapes:
            atom, _, between = shape.partition("~")
            for separator in between.replace("_", " ") or ("",):
                found.setdefault(atom + separator, []).append(kind)
    return {shape: tuple(kinds) for shape, kinds in found.items()}


BY_SHAPE = _by_shape()
"""By the shape of the first atom with what stands behind it, where more has to follow."""
SEPARATORS = " -./)+"
LONGEST_SHAPE = max(map(len, BY_SHAPE))
