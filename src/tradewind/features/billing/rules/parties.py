"""What has to be right about who sells or buys. Pure."""

import re

from tradewind.core.errors import InvalidInput
from tradewind.features.billing.schemas import Party

_COUNTRY = re.compile(r"[A-Z]{2}")


def check_party(party: Party) -> None:
    if not 1 <= len(party.legal_name) <= 200:
        raise InvalidInput("`legal_name` is empty or longer than 200 characters")
    if not _COUNTRY.fullmatch(party.country):
        raise InvalidInput("`country` is not two capital letters")
    for name in ("street", "city", "postal_code", "tax_id", "email"):
        value: str = getattr(party, name)
        if len(value) > 200 or any(ord(sign) < 0x20 for sign in value):
            raise InvalidInput(f"`{name}` is longer than 200 characters or has control ones")
    if any(ord(sign) < 0x20 for sign in party.legal_name):
        raise InvalidInput("`legal_name` has control characters")
