"""Our ids as GUIDs. Programs that were written for Azure parse them as such; both say the same 128
bits, so nothing has to be stored.
"""

from typing import TypeVar
from uuid import UUID

from tradewind.core.ids import Id, encode_base32

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {sign: value for value, sign in enumerate(_ALPHABET)}
_I = TypeVar("_I", bound=Id)


def guid_of(identifier: Id) -> str:
    number = 0
    for sign in identifier.removeprefix(identifier.prefix):
        number = number << 5 | _VALUES[sign]
    return str(UUID(int=number & (1 << 128) - 1))


def id_of(kind: type[_I], text: str) -> _I | None:
    """Return the id that a GUID stands for; ours as it is written; None for anything else."""
    if text.startswith(kind.prefix):
        suffix = text[len(kind.prefix) :]
        is_ours = len(suffix) == 26 and set(suffix) <= set(_ALPHABET)
        return kind(text) if is_ours else None
    try:
        found = UUID(text)
    except ValueError:
        return None
    return kind(kind.prefix + encode_base32(found.bytes))
