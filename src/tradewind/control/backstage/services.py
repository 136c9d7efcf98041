"""What the routes on the gateways' socket stand on."""

from dataclasses import dataclass

from tradewind.core.clock import Clock
from tradewind.db.database import Database


@dataclass(frozen=True, slots=True)
class BackstageServices:
    """Built once in `serve/`."""

    database: Database
    clock: Clock
