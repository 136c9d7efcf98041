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
    # The one table that is no feature's: every feature writes to it.
    importlib.import_module("tradewind.db.change_feed")
    package = tradewind.features
    for feature in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if not feature.ispkg:
            continue
        folder = importlib.import_module(feature.name).__path__
        if any(module.name == "tables" for module in pkgutil.iter_modules(folder)):
            importlib.import_module(f"{feature.name}.tables")
    return metadata
