"""What a model at a host is called here: "publisher/slug". Pure.

The same name as in the catalog (`features.catalog.folding`), so that a model which is added from a
connection is the one that people find there, and a second host of it becomes a second target.
"""

from tradewind.features.catalog.folding.names import PUBLISHER_MAX, clean_slug, read_id


def name_of(upstream_model: str, *, host: str, family: str = "") -> str:
    """Return the name in the catalog of a model that a host calls `upstream_model`.

    `host` makes up for a maker that cannot be told. Two ids of a host that differ in their terms
    alone (free, a region, a snapshot of some day) have one name.
    """
    read = read_id(upstream_model, host=host, family=family)
    publisher = read.publisher or clean_slug(host, PUBLISHER_MAX) or "host"
    return f"{publisher}/{read.slug or 'model'}"
