"""What gateways ask the control plane of an organization's lists, categories and texts, by the
names that its calls of the Content Safety API say. Both sides are ours.
"""

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    BLOCKLIST = "blocklist"
    CUSTOM_CATEGORY = "custom_category"
    CORPUS = "corpus"
    """Texts for protected material."""


class Asked(msgspec.Struct, frozen=True):
    organization_id: str
    kind: Kind
    names: list[str]
    """Empty is all that the organization has."""


class Reference(msgspec.Struct, frozen=True, array_like=True):
    name: str
    digest: str
    """SHA-256, hexadecimal; empty where there are no data yet."""
    size: int
    """In bytes."""


class Found(msgspec.Struct, frozen=True):
    """Those that are there; of an empty list there are no bytes, so that its size is 0."""

    references: list[Reference]


encode = msgspec.json.Encoder().encode
decode_asked = msgspec.json.Decoder(Asked).decode
decode_found = msgspec.json.Decoder(Found).decode
