"""Becomes another program that is killed when this one's parent ends, however that ended.

Run by file as `python -I -S bound.py <parent's pid> <program> <argument>…`. A program of its own,
because code between fork and exec in a process with threads may deadlock, and standing alone,
because it starts with every replica: 15 ms this way, 50 ms with site-packages.
"""

import os
import signal
import sys

_SOURCE_ROOT = __file__.rsplit(os.sep, 4)[0]


def main(arguments: list[str]) -> None:
    sys.path.insert(0, _SOURCE_ROOT)
    from tradewind.core.parent_death import end_with_parent  # noqa: PLC0415 - found only now

    # SIGKILL: with the parent gone, nobody is left to insist.
    end_with_parent(int(arguments[0]), signal.SIGKILL)
    os.umask(0o077)
    try:
        os.execv(arguments[1], arguments[1:])  # noqa: S606 - an argument list, no shell
    except OSError as error:
        sys.exit(f"cannot start {arguments[1]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
