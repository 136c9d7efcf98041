"""Who acts through a key: a program is nobody, so the person who made its key is named."""

from tradewind.control.access import AuthenticatedCall
from tradewind.control.services import ControlServices
from tradewind.core.acting import By


def acting(services: ControlServices, call: AuthenticatedCall) -> By:
    """Return the person who made the key, and which key it was. The id is the person's, so that
    nobody reviews themselves by way of a key; the key's where no person made it.
    """
    key = services.accounts.get_key(call.tx, call.holder, call.holder.key_id)
    if key.created_by is None:
        return By(key.key_id, f"the key {key.name[:80]}")
    person = (key.created_by_name or "somebody")[:80]
    return By(key.created_by, f"{person} (the key {key.name[:80]})")
