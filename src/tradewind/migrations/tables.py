"""Brings every feature's tables into the one MetaData."""

import importlib
import pkgutil

from sqlalchemy import MetaData

import tradewind.features
from tradewind.db.metadata import metadata


def load_tables() -> MetaData:
    """Import each `features/<name>/tables.py` there is and return the MetaData they fill.

    Found rather than listed: a feature that were forgotten here would lose its tables in the next
    drafted migration.
    """
    # The tables that are no feature's: every feature may write to them.
    for shared in ("change_feed", "node_roll", "outbox", "vault"):
        importlib.import_module(f"tradewind.db.{shared}")
    package = tradewind.features
    for feature in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if not feature.ispkg:
            continue
        folder = importlib.import_module(feature.name).__path__
        if any(module.name == "tables" for module in pkgutil.iter_modules(folder)):
            importlib.import_module(f"{feature.name}.tables")
    # Derived from the features', each written by its read model alone.
    for derived in ("catalog_search", "offer_stats"):
        importlib.import_module(f"tradewind.readmodels.{derived}.tables")
    return metadata
