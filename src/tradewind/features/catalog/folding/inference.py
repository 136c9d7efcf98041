"""What follows about a model that no source says: its task, and the licence of its family. Pure.

Names come first: `families.toml` says what models of a family serve and under which licence they
are, by their makers' own pages. Then prices: what takes tokens and gives tokens, each for a price,
has a context, and is not named for something else, answers in text. Everything from here is told
with `INFERRED` as its source, and any source that says something is believed before it.
"""

import functools
import re
import tomllib
from collections.abc import Iterable
from importlib import resources
from typing import Any, NamedTuple

from tradewind.features.catalog.folding.licences import licence_of
from tradewind.plugins.sources.base import SourceEntry
from tradewind.snapshot.contents import Operation

_DATA = "families.toml"
_NONE = "none"
# What is priced by tokens and is no answer in text.
_NOT_TEXT = re.compile(r"audio|sound|music|image|video|speech|guard|safety|classif|detect|score")


def task_of(name: str, entries: Iterable[SourceEntry]) -> Operation | None:
    """Return what a model serves of which nobody says what goes in and out of it.

    None is nothing here, or not to be told.
    """
    for task in known_families().tasks:
        if task.names.match(name):
            return task.operation
    if _NOT_TEXT.search(name):
        return None
    return Operation.CHAT if any(_takes_and_gives_tokens(entry) for entry in entries) else None


def licence_by_family(name: str) -> str:
    """Return the SPDX id of the licence of a well known family, or empty."""
    for family in known_families().licences:
        if family.names.match(name):
            return family.licence
    return ""


class Task(NamedTuple):
    names: re.Pattern[str]
    operation: Operation | None


class FamilyLicence(NamedTuple):
    names: re.Pattern[str]
    licence: str
    source: str
    """The page or the model card that says so."""


class KnownFamilies(NamedTuple):
    tasks: tuple[Task, ...]
    licences: tuple[FamilyLicence, ...]


@functools.cache
def known_families() -> KnownFamilies:
    """Return the shipped table, read once: 3 ms."""
    data = (resources.files("tradewind.features.catalog.folding") / _DATA).read_bytes()
    return read_families(data.decode())


def read_families(text: str) -> KnownFamilies:
    """Raises ValueError for a task or a licence that there is not."""
    tables: dict[str, Any] = tomllib.loads(text)
    return KnownFamilies(
        tuple(
            Task(_names(row), None if row["task"] == _NONE else Operation(row["task"]))
            for row in tables["tasks"]
        ),
        tuple(
            FamilyLicence(_names(row), _known_licence(row["licence"]), row["source"])
            for row in tables["licences"]
        ),
    )


def _names(row: dict[str, Any]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in row["names"]))


def _known_licence(licence: str) -> str:
    if licence_of(licence) != licence:
        raise ValueError(f"{licence!r} is no licence that is known")
    return licence


def _takes_and_gives_tokens(entry: SourceEntry) -> bool:
    if entry.meters or not entry.context_tokens:
        return False
    return any(tier.input_nanos and tier.output_nanos for tier in entry.prices)
