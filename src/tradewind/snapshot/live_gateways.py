"""How many gateways share the limits, as a small file beside the snapshot.

Like the snapshot, it stays when the database goes away: a gateway that starts then divides limits
by the last number that was known.
"""

import os
from pathlib import Path

import msgspec

_MOST_BYTES = 4096


class LiveGateways(msgspec.Struct, frozen=True):
    """Of all hosts together, this one included."""

    nodes: int = 1
    """Hosts, more or less: each counts limits together in itself."""
    gateways: int = 1
    """Processes that serve calls."""


ALONE = LiveGateways()


def write_live_gateways(path: Path, live: LiveGateways) -> None:
    """Replace the file whole: nobody reads half a number. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(msgspec.json.encode(live))
    beside.rename(path)


def read_live_gateways(path: Path) -> LiveGateways | None:
    """Return what the file says; None when there is none, or none that says anything."""
    try:
        with path.open("rb") as stream:
            live = msgspec.json.decode(stream.read(_MOST_BYTES), type=LiveGateways)
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return live if live.nodes >= 1 and live.gateways >= live.nodes else None


def stamp_of(path: Path) -> tuple[int, int] | None:
    """Return what changes with each write; None when there is no file."""
    try:
        found = os.stat(path)  # noqa: PTH116  asked twice a second
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
