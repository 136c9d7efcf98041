"""Rules for the names of endpoints, and what changes when the catalog does. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from tradewind.snapshot.contents import Endpoint


def resolve_aliases(endpoints: Iterable[Endpoint]) -> dict[str, str]:
    """Return which endpoint's name each alias stands for. `endpoints` come in catalog order.

    A name is never taken over by an alias, nor an alias by a newer endpoint's: calls would silently
    go to another publisher. What is spelled with capitals is found by its lower case too, unless
    that is another's name or alias.
    """
    by_name = {endpoint.name: endpoint for endpoint in endpoints}
    aliases: dict[str, str] = {}
    for endpoint in by_name.values():
        for alias in endpoint.aliases:
            if alias not in by_name:
                aliases.setdefault(alias, endpoint.name)
    for endpoint in by_name.values():
        for spelled in (endpoint.name, *endpoint.aliases):
            folded = spelled.lower()
            if folded != spelled and folded not in by_name:
                owner = spelled if spelled in by_name else aliases[spelled]
                aliases.setdefault(folded, owner)
    return aliases


def order_after(order: Sequence[str], changed: Mapping[str, Endpoint | None]) -> list[str]:
    """Return the catalog's order after a change: what is gone leaves its place, what is new comes
    last.
    """
    known = set(order)
    kept = [name for name in order if changed.get(name, name) is not None]
    new = [name for name, endpoint in changed.items() if endpoint is not None]
    return kept + [name for name in new if name not in known]
