"""National numbers of persons: how they look and what proves them. Pure.

Each function takes the digits and letters alone, in upper case, as its pattern let them through.
Sources: the issuing offices' own descriptions, as gathered in OECD's "Tax Identification Numbers"
sheets and in each country's law; a number without check digits is known by its form and its date.
"""

from datetime import date

from tradewind.plugins.checks.checksums import is_date, luhn, verhoeff, weighted

_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_CURP = "0123456789ABCDEFGHIJKLMN\u00d1OPQRSTUVWXYZ"
_CF_DIGITS = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)
_CF_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        [*_CF_DIGITS, *_CF_DIGITS, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23],
        strict=True,
    )
)
_NRIC = {"S": "JZIHGFEDCBA", "T": "GFEDCBAJZIH", "F": "XWUTRQPNMLK", "G": "RQPNMLKXWUT"}


def us_ssn(digits: str) -> bool:
    """Never given out: areas 000, 666 and 900 to 999, and zeros; nor the two that were printed."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    is_given = area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"
    return is_given and digits not in {"078051120", "219099999", "123456789"}


def es_dni(number: str) -> bool:
    return _DNI[int(number[:8]) % 23] == number[8]


def es_nie(number: str) -> bool:
    return _DNI[int("XYZ".index(number[0]) * 10**7 + int(number[1:8])) % 23] == number[8]


def gb_nhs(digits: str) -> bool:
    check = (11 - weighted(digits[:9], range(10, 1, -1), 11)) % 11
    return check == int(digits[9])


def gb_nino(number: str) -> bool:
    return number[:2] not in {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"}


def br_cpf(digits: str) -> bool:
    if digits == digits[0] * 11:
        return False
    first = weighted(digits[:9], range(10, 1, -1), 11)
    second = weighted(digits[:10], range(11, 1, -1), 11)
    return int(digits[9]) == (11 - first if first > 1 else 0) and int(digits[10]) == (
        11 - second if second > 1 else 0
    )


def in_aadhaar(digits: str) -> bool:
    return digits[0] > "1" and verhoeff(digits)


def cl_rut(number: str) -> bool:
    body = number[:-1]
    check = 11 - sum(int(each) * (2 + at % 6) for at, each in enumerate(reversed(body))) % 11
    return number[-1] == {11: "0", 10: "K"}.get(check, str(check))


def it_codice_fiscale(number: str) -> bool:
    odd = sum(_CF_ODD[each] for each in number[:15:2])
    even = sum(int(each) if each.isdigit() else ord(each) - 65 for each in number[1:15:2])
    return chr(65 + (odd + even) % 26) == number[15]


def fr_nir(digits: str) -> bool:
    is_month = 1 <= int(digits[3:5]) <= 12 or 20 <= int(digits[3:5]) <= 42
    return is_month and 97 - int(digits[:13]) % 97 == int(digits[13:])


def de_steuer_id(digits: str) -> bool:
    """ISO 7064, MOD 11,10; the first ten hold one digit two or three times."""
    if digits[0] == "0" or not 2 <= max(digits[:10].count(each) for each in digits[:10]) <= 3:
        return False
    product = 10
    for digit in digits[:10]:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def pl_pesel(digits: str) -> bool:
    month = int(digits[2:4]) % 20
    check = weighted(digits[:10], (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), 10)
    return 1 <= month <= 12 and 1 <= int(digits[4:6]) <= 31 and (10 - check) % 10 == int(digits[10])


def nl_bsn(digits: str) -> bool:
    return digits != "000000000" and weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1), 11) == 0


def se_personnummer(digits: str) -> bool:
    short = digits[-10:]
    day = int(short[4:6])
    return is_date(2000, int(short[2:4]), day - 60 if day > 60 else day) and luhn(short)


def fi_hetu(number: str) -> bool:
    digits = number[:6] + number[-4:-1]
    return is_date(2000, int(number[2:4]), int(number[:2])) and (
        _HETU[int(digits) % 31] == number[-1]
    )


def no_fodselsnummer(digits: str) -> bool:
    day, month = int(digits[:2]) % 40, int(digits[2:4]) % 40
    return (
        is_date(2000, month, day)
        and weighted(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1), 11) == 0
        and weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1), 11) == 0
    )


def be_rijksregister(digits: str) -> bool:
    body, check = int(digits[:9]), int(digits[9:])
    return check in {97 - body % 97, 97 - (2 * 10**9 + body) % 97} and int(digits[2:4]) <= 12


def kr_rrn(digits: str) -> bool:
    return is_date(2000, int(digits[2:4]), int(digits[4:6]))


def cn_resident_id(number: str) -> bool:
    check = weighted(number[:17], (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), 11)
    born = (int(number[6:10]), int(number[10:12]), int(number[12:14]))
    is_born = 1900 <= born[0] <= date.max.year and is_date(*born)
    return is_born and "10X98765432"[check] == number[17]


def za_id(digits: str) -> bool:
    return is_date(2000, int(digits[2:4]), int(digits[4:6])) and digits[10] in "01" and luhn(digits)


def mx_curp(number: str) -> bool:
    total = sum(_CURP.index(each) * (18 - at) for at, each in enumerate(number[:17]))
    return str((10 - total % 10) % 10) == number[17]


def tr_kimlik(digits: str) -> bool:
    values = [int(each) for each in digits]
    tenth = (sum(values[0:9:2]) * 7 - sum(values[1:8:2])) % 10
    return values[0] != 0 and tenth == values[9] and sum(values[:10]) % 10 == values[10]


def au_tfn(digits: str) -> bool:
    return digits != "000000000" and weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10), 11) == 0


def ca_sin(digits: str) -> bool:
    return digits[0] != "8" and digits != "000000000" and luhn(digits)


def sg_nric(number: str) -> bool:
    letters = _NRIC.get(number[0])
    return letters is not None and (
        letters[weighted(number[1:8], (2, 7, 6, 5, 4, 3, 2), 11)] == number[8]
    )
