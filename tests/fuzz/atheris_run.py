"""Feed one target with atheris: `python atheris_run.py NAME CORPUS [libFuzzer's options]`.

A process of its own, because libFuzzer ends the one it runs in. Everything of ours that is imported
is instrumented, so that bytes which reach something new are kept and changed further; without that
it would try half a million inputs a second and learn nothing.
"""

import ctypes
import logging
import os
import resource
import sys
from pathlib import Path

import atheris

_NO_RANDOM_ADDRESSES = 0x0040000  # ADDR_NO_RANDOMIZE of personality(2)


def _begin_again_without_random_addresses() -> None:
    """What libFuzzer tries next depends on addresses: with the same ones it tries the same.

    Where the system forbids it, runs differ a little from each other.
    """
    personality = ctypes.CDLL(None).personality
    now = personality(0xFFFFFFFF)
    if now & _NO_RANDOM_ADDRESSES or personality(now | _NO_RANDOM_ADDRESSES) < 0:
        return
    os.execv(sys.executable, [sys.executable, *sys.argv])


if __name__ == "__main__":
    _begin_again_without_random_addresses()

# The gateway's own test parts, which import each other by their plain names.
sys.path.append(str(Path(__file__).parents[1] / "gateway" / "http"))

with atheris.instrument_imports(include=["tradewind"]):  # pyright: ignore[reportAttributeAccessIssue] - untyped
    from targets import TARGETS

MOST_MEMORY = 2 * 1024**3
"""Address space; a parser that wants more fails, which is a finding."""


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    name, corpus, *options = sys.argv[1:]
    target = TARGETS[name]
    logging.disable(logging.ERROR)  # the application behind the connections fails on purpose
    folder = Path(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (folder / f"seed-{number}").write_bytes(seed)
    words = folder.with_name(f"{name}.words")
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    atheris.Setup([sys.argv[0], str(folder), f"-dict={words}", *options], target.check)
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main()
