"""The publishers that are known, and by what their models are recognized. Data: publishers.toml."""

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, NamedTuple

_DATA = "publishers.toml"


@dataclass(frozen=True, slots=True)
class Publisher:
    slug: str
    name: str
    website: str
    hosts: frozenset[str]
    """Ids of hosts that serve its own models."""
    namespaces: tuple[str, ...]
    """What hosts write before its models, the longest first."""
    modes: tuple[str, ...]
    """Last words of a name that say how the same weights are run."""
    own: frozenset[str]
    """Names that end in such a word all the same."""
    is_numbered: bool
    """Its models have numbers: a name without one, at its latest, is a pointer."""
    rewrites: tuple[tuple[re.Pattern[str], str], ...]
    """From what hosts write to what the publisher writes."""


class Maker(NamedTuple):
    """Whom a namespace stands for."""

    publisher: str
    is_shelf: bool
    """Others' models stand there as well, so that the name of the model says more."""


@dataclass(frozen=True, slots=True)
class KnownPublishers:
    by_slug: Mapping[str, Publisher]
    namespaces: Mapping[str, Maker]
    hosts: Mapping[str, str]
    """Publisher by the host that serves its models alone."""
    names: Mapping[str, str]
    """Publisher by what the names of its models begin with."""
    longest_name: int
    carriers: frozenset[str]
    """Namespaces of hosts and packagers: they make nothing."""
    routers: frozenset[str]
    """Names of what picks a model for each call."""
    prefixes: frozenset[str]
    """What hosts write in front of the names of others' models."""
    changed: frozenset[str]
    """Words of a name that say that somebody changed a maker's model."""

    def by_name(self, slug: str) -> str | None:
        """Return the publisher with the longest beginning of `slug` that ends with a word."""
        length = self._known_length(slug)
        return self.names[slug[:length]] if length else None

    def is_changed(self, slug: str) -> bool:
        """Return whether a name goes on, behind a maker's, with a word for changed weights."""
        return not self.changed.isdisjoint(slug[self._known_length(slug) :].split("-"))

    def _known_length(self, slug: str) -> int:
        for length in range(min(len(slug), self.longest_name), 0, -1):
            if slug[:length] not in self.names:
                continue
            # "ling" begins "ling-2" and "ling2", and not "lingua".
            if not (slug[length - 1].isalpha() and slug[length : length + 1].isalpha()):
                return length
        return 0


@functools.cache
def known_publishers() -> KnownPublishers:
    """Return the publishers of the shipped list, read once: 5 ms."""
    data = (resources.files("tradewind.features.catalog.folding") / _DATA).read_bytes()
    return read_publishers(data.decode())


def read_publishers(text: str) -> KnownPublishers:
    """Raises ValueError for a list that contradicts itself."""
    tables: dict[str, Any] = tomllib.loads(text)
    by_slug: dict[str, Publisher] = {}
    namespaces: dict[str, Maker] = {}
    hosts: dict[str, str] = {}
    names: dict[str, str] = {}
    for slug, table in tables["publishers"].items():
        by_slug[slug] = Publisher(
            slug=slug,
            name=table["name"],
            website=table.get("website", ""),
            hosts=frozenset(table.get("hosts", ())),
            namespaces=tuple(
                sorted(
                    {slug, *table.get("namespaces", ()), *table.get("shelves", ())},
                    key=lambda namespace: (-len(namespace), namespace),
                )
            ),
            # "non-reasoning" before "reasoning", which ends it.
            modes=tuple(sorted(table.get("modes", ()), key=lambda mode: (-len(mode), mode))),
            own=frozenset(table.get("own", ())),
            is_numbered=bool(table.get("numbered")),
            rewrites=tuple((re.compile(old), new) for old, new in table.get("rewrites", ())),
        )
        shelves = tuple(table.get("shelves", ()))
        for namespace in {slug, *table.get("namespaces", ())} - {*shelves}:
            _put(namespaces, namespace, Maker(slug, is_shelf=False))
        for namespace in shelves:
            _put(namespaces, namespace, Maker(slug, is_shelf=True))
        for host in by_slug[slug].hosts:
            _put(hosts, host, slug)
        for name in table.get("names", ()):
            _put(names, name, slug)
    carriers = frozenset(tables["carriers"])
    if both := carriers & namespaces.keys():
        raise ValueError(f"both carriers and namespaces of publishers: {sorted(both)}")
    return KnownPublishers(
        by_slug,
        namespaces,
        hosts,
        names,
        max(map(len, names)),
        carriers,
        frozenset(tables["routers"]),
        frozenset(tables["prefixes"]),
        frozenset(tables["changed"]),
    )


def _put(table: dict[str, Any], key: str, value: object) -> None:
    if table.setdefault(key, value) != value:
        raise ValueError(f"{key!r} stands for two publishers")
