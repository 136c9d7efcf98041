"""Numbers that prove themselves: check digits of cards, accounts, wallets and identities. Pure.

Each function takes the characters without separators and says whether they can be such a number;
what is random passes one in ten (a digit), one in 97 (an account) or never (a wallet).
"""

import hashlib
from collections.abc import Sequence
from datetime import date

CARD_LENGTHS = range(13, 20)
CARD_STARTS = "23456"
_LONGEST_WALLET = 90
# SWIFT, IBAN Registry, release 99.
IBAN_LENGTHS = {
    country: int(length)
    for length, countries in {
        "15": "NO",
        "16": "BE",
        "18": "DK FI FK FO GL NL SD",
        "19": "MK SI",
        "20": "AT BA EE KZ LT LU XK",
        "21": "CH HR LI LV",
        "22": "BG BH CR DE GB GE IE ME RS VA",
        "23": "AE GI IL IQ OM SO TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG",
        "25": "LY PT ST",
        "26": "IS TR",
        "27": "BI DJ FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HU LB NI PL SV",
        "29": "BR EG PS QA UA",
        "30": "JO KW MU YE",
        "31": "MT SC",
        "32": "LC",
        "33": "RU",
    }.items()
    for country in countries.split()
}
# ISO/IEC 7812-1 ranges as the networks publish them: first digits and lengths.
_BRANDS: tuple[tuple[str, tuple[tuple[int, int], ...], tuple[int, ...]], ...] = (
    ("visa", ((4, 4),), (13, 16, 19)),
    ("mastercard", ((51, 55), (2221, 2720)), (16,)),
    ("american-express", ((34, 34), (37, 37)), (15,)),
    ("discover", ((6011, 6011), (644, 649), (65, 65)), (16, 19)),
    ("diners-club", ((300, 305), (3095, 3095), (36, 36), (38, 39)), (14, 16, 19)),
    ("jcb", ((3528, 3589),), (16, 17, 18, 19)),
    ("unionpay", ((62, 62), (81, 81)), (16, 17, 18, 19)),
    ("maestro", ((5018, 5018), (5020, 5020), (5038, 5038), (6304, 6304), (6759, 6763)), (16, 19)),
)
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_CONSTANTS = (1, 0x2BC830A3)
"""BIP 173 and BIP 350."""
_VERHOEFF_PRODUCT = (
    "0123456789123406789523401789563401289567401239567859876043216598710432"
    "765982104387659321049876543210"
)
_VERHOEFF_ORDER = "01234567891576283094580379614289160437529453126870428657390127938064157046913258"


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    # Every second digit from the right counts double, less nine when it has two digits then.
    doubled = sum(2 * int(digit) - 9 * (digit > "4") for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + doubled) % 10 == 0


def is_card_number(digits: str) -> bool:
    return len(digits) in CARD_LENGTHS and digits[0] in CARD_STARTS and luhn(digits)


def card_brand(digits: str) -> str:
    """Return the network that gives out such numbers; empty where none does."""
    for brand, ranges, lengths in _BRANDS:
        if len(digits) in lengths:
            for first, last in ranges:
                if first <= int(digits[: len(str(first))]) <= last:
                    return brand
    return ""


def is_account_number(characters: str) -> bool:
    """ISO 13616-1: country, two check digits, the account; mod 97 is 1 with the first four last."""
    if IBAN_LENGTHS.get(characters[:2].upper()) != len(characters):
        return False
    moved = characters[4:] + characters[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def base58check(text: str, versions: Sequence[int]) -> bool:
    """An address of 20 bytes behind one of the version bytes, with its four check bytes."""
    number = 0
    for character in text:
        at = _BASE58.find(character)
        if at < 0:
            return False
        number = number * 58 + at
    if number >= 1 << 200:
        return False
    raw = number.to_bytes(25, "big")
    check = hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()
    return raw[0] in versions and raw[21:] == check[:4]


def bech32(text: str) -> bool:
    """BIP 173 and 350; text is in lower case and holds its prefix."""
    prefix, separator, rest = text.rpartition("1")
    values = [_BECH32.find(character) for character in rest]
    if not prefix or not separator or len(text) > _LONGEST_WALLET or min(values, default=-1) < 0:
        return False
    expanded = [ord(each) >> 5 for each in prefix] + [0] + [ord(each) & 31 for each in prefix]
    check = 1
    for value in expanded + values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(
            (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
        ):
            check ^= generator if top >> bit & 1 else 0
    return check in _BECH32_CONSTANTS


def weighted(digits: str, weights: Sequence[int], modulus: int) -> int:
    """Return the weighted sum modulo; weights may be fewer than digits."""
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False)) % (
        modulus
    )


def verhoeff(digits: str) -> bool:
    """Verhoeff, 1969; India's Aadhaar."""
    check = 0
    for at, digit in enumerate(reversed(digits)):
        placed = int(_VERHOEFF_ORDER[at % 8 * 10 + int(digit)])
        check = int(_VERHOEFF_PRODUCT[check * 10 + placed])
    return check == 0


def machine_readable(characters: str, digit: str) -> bool:
    """ICAO 9303, part 3, 4.9: weights 7, 3, 1; letters count from ten, `<` is nothing."""
    values = (0 if each == "<" else int(each, 36) for each in characters)
    return sum(value * (7, 3, 1)[at % 3] for at, value in enumerate(values)) % 10 == int(digit)


def is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
