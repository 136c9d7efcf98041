"""What all tables of sales have in common."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, insert

from tradewind.core.pricing.charges import PlanTerms

MICROSECOND = timedelta(microseconds=1)


def add(tx: Connection, table: Table, *rows: Mapping[str, Any]) -> None:
    if rows:
        tx.execute(insert(table), [dict(row) for row in rows])


def as_json(terms: PlanTerms) -> Any:
    return msgspec.to_builtins(terms)


def terms_of(stored: Any) -> PlanTerms:
    return msgspec.convert(stored, PlanTerms)
