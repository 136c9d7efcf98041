"""Creditor references: what a payer writes on a transfer so that it finds its way.

ISO 11649: `RF`, two check digits, up to 21 letters and digits. The check digits make the whole,
with `RF` and themselves behind it and letters as numbers (A is 10), leave 1 when divided by 97
(ISO 7064, MOD 97-10), so that one wrong character or two that changed places are noticed.
"""

import re

_BODY = re.compile(r"[A-Z0-9]{1,21}")
_WHOLE = re.compile(r"RF[0-9]{2}[A-Z0-9]{1,21}")
_IN_TEXT = re.compile(r"(?<![A-Z0-9])RF ?[0-9]{2}(?: ?[A-Z0-9]){1,21}")


def creditor_reference(body: str) -> str:
    """Return the reference of up to 21 capital letters and digits. Raises ValueError."""
    if not _BODY.fullmatch(body):
        raise ValueError(f"{body[:40]!r} cannot be the body of a reference")
    return f"RF{98 - _remainder(body + 'RF00'):02d}{body}"


def normalized(text: str) -> str:
    """Return a reference without spaces, in capitals; empty where it is none, or mistyped."""
    packed = re.sub(r"\s", "", text).upper()
    if not _WHOLE.fullmatch(packed) or _remainder(packed[4:] + packed[:4]) != 1:
        return ""
    return packed


def candidates(text: str) -> list[str]:
    """Return what may be meant by what a payer wrote: all beginnings that check, the longest first.

    People write on behind a reference, and with spaces in it, so that one in 97 wrong beginnings
    checks too: whoever asks takes the first that names something.
    """
    found: list[str] = []
    for match in _IN_TEXT.finditer(text.upper()):
        packed = re.sub(r"\s", "", match[0])
        lengths = range(min(25, len(packed)), 4, -1)
        found += [packed[:length] for length in lengths if normalized(packed[:length])]
    return list(dict.fromkeys(found))


def printed(reference: str) -> str:
    """Return it in groups of four, as it stands on paper."""
    return " ".join(reference[at : at + 4] for at in range(0, len(reference), 4))


def reference_of_invoice(number: str) -> str:
    """Return what a transfer for an invoice has to carry."""
    return creditor_reference(body_of_invoice(number))


def body_of_invoice(number: str) -> str:
    """Return the letters and digits of an invoice's number."""
    return re.sub(r"[^A-Z0-9]", "", number.upper())[:21]


def _remainder(text: str) -> int:
    return int("".join(str(int(character, 36)) for character in text)) % 97
