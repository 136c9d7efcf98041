"""Who acts through a key: a program is nobody, so the person who made its key is named."""

from typing import NamedTuple

from tradewind.control.access import AuthenticatedCall
from tradewind.control.services import ControlServices


class Acting(NamedTuple):
    id: str
    """Of the person, so that nobody reviews themselves by way of a key; of the key where no person
    made it."""
    name: str


def acting(services: ControlServices, call: AuthenticatedCall) -> Acting:
    """Return the person who made the key, and which key it was."""
    key = services.accounts.get_key(call.tx, call.holder, call.holder.key_id)
    if key.created_by is None:
        return Acting(key.key_id, f"the key {key.name[:80]}")
    person = (key.created_by_name or "somebody")[:80]
    return Acting(key.created_by, f"{person} (the key {key.name[:80]})")
