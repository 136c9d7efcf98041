"""Format 3 of the base file: what writer and reader have to agree on.

    preamble   magic (6), format (2, big-endian), SHA-256 of everything behind it (32)
    records    each: kind and length (4), CRC-32 (4), MessagePack; all of one kind lie together
    slots      one table for each kind that is looked up, see `table`
    order      MessagePack array of the names of the endpoints, in the order of the catalog
    footer     version, time, salt, where the tables and the order lie

Numbers are little-endian but for the format's, which format 1 had where it is now. A grant is split
in two: what keys of a project mostly share (organization, project, models, limits, budgets) is a
record of its own, its *profile*, that many grants point at.
"""

from enum import IntEnum
from struct import Struct

MAGIC = b"TWSNAP"
FORMAT = 3
DIGEST_BYTES = 32
DIGEST_AT = len(MAGIC) + 2
PREAMBLE_BYTES = DIGEST_AT + DIGEST_BYTES

RECORD = Struct("<II")
"""Kind in the upper 8 bits and length of the payload in the lower 24; CRC-32 of the payload."""
KIND_SHIFT = 24
LENGTH_MASK = (1 << KIND_SHIFT) - 1


class Kind(IntEnum):
    """Of a record. Those up to POLICY have a table, in this order."""

    GRANT = 0
    TERMS = 1
    BUDGET = 2
    ENDPOINT = 3
    ALIAS = 4
    POLICY = 5
    PROFILE = 6


TABLES = (Kind.GRANT, Kind.TERMS, Kind.BUDGET, Kind.ENDPOINT, Kind.ALIAS, Kind.POLICY)
FOOTER = Struct("<qq16s" + "QQQQ" * len(TABLES) + "QQ")
"""Version, time, salt; for each table where its records begin and end, where its slots begin and
how many they are; where the order begins and its length."""
FEWEST_BYTES = PREAMBLE_BYTES + FOOTER.size

GrantRecord = tuple[str, bytes, int | None, int]
"""Key id, digest, expiry, offset of the profile."""
AliasRecord = tuple[str, str]
"""Alias, name of the endpoint that it stands for."""
