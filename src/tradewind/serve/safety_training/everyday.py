"""Short harmless texts of everyday chat: those that are learnt from, and those that are held out.

Both are written, and filled by chance that is seeded; the two files have no sentence in common.
"""

import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files

LEARNT = "harms_everyday.toml"
HELD_OUT = "harms_everyday_held_out.toml"
_SEED = 7
_FILLED = 8
"""Texts of each written sentence that has places to fill."""


def everyday_texts(file: str) -> Iterator[str]:
    """Return the texts of one of the two files, each once and always in the same order."""
    data = files("tradewind.plugins.checks") / "data" / file
    tables = tomllib.loads(data.read_text("utf-8"))
    chance = random.Random(_SEED)  # noqa: S311 no secret
    made = list(tables["lines"])
    for template in tables["templates"]:
        made.extend(filled(template, tables["slots"], chance) for _ in range(_FILLED))
    yield from dict.fromkeys(made)


def filled(text: str, slots: Mapping[str, Sequence[str]], chance: random.Random) -> str:
    """Return a sentence with words in its places: `{group}`, and `{Group}` where it begins."""

    def fill(found: re.Match[str]) -> str:
        name = found[1].rstrip("2")
        value = chance.choice(slots[name.lower()])
        return value[0].upper() + value[1:] if name[0].isupper() else value

    return re.sub(r"\{(\w+)\}", fill, text)
