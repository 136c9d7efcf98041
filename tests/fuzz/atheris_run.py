"""Feed one target with atheris: `python atheris_run.py NAME CORPUS [libFuzzer's options]`.

A process of its own, because libFuzzer ends the one it runs in. Everything of ours that is imported
is instrumented, so that bytes which reach something new are kept and changed further; without that
it would try half a million inputs a second and learn nothing.
"""

import logging
import sys
from pathlib import Path

import atheris

# The gateway's own test parts, which import each other by their plain names.
sys.path.append(str(Path(__file__).parents[1] / "gateway" / "http"))

with atheris.instrument_imports(include=["tradewind"]):  # pyright: ignore[reportAttributeAccessIssue] - untyped
    from targets import TARGETS


def main() -> None:
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
