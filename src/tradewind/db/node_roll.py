"""The nodes whose gateways serve one database, so that each knows how many there are.

A node writes its row every few seconds; one that has been silent for `SILENT_AFTER` is not counted.
Times are the database's own, so clocks of hosts do not matter. A name belongs to one *installation*
(a data folder) at a time, and to one *life* of it: a second one is refused while the first is heard
of, because journals, leases and shares of limits are told apart by the name.
"""

from datetime import timedelta
from typing import NamedTuple

import sqlalchemy
from sqlalchemy import Column, DateTime, Integer, Table, Text, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from tradewind.core.errors import StartupError
from tradewind.db.metadata import metadata

SILENT_AFTER = timedelta(seconds=30)
_FORGOTTEN_AFTER = timedelta(days=1)

gateway_node = Table(
    "gateway_node",
    metadata,
    Column("name", Text, primary_key=True),
    Column("installation", Text, nullable=False, comment="the data folder it runs on"),
    Column("life", Text, nullable=False, comment="this start of it"),
    Column("gateways", Integer, nullable=False, comment="processes that serve calls"),
    Column("secrets_check", Text, nullable=False, comment="equal where secrets/pepper is"),
    Column("joined_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)


class Node(NamedTuple):
    """One node as it enters itself."""

    name: str
    installation: str
    life: str
    gateways: int
    secrets_check: str


class NodeCount(NamedTuple):
    """What was heard of of late, the one who asks included."""

    nodes: int
    gateways: int


class HeardOf(NamedTuple):
    name: str
    installation: str


class NodeRefused(StartupError):
    """The node may not serve this database as it is."""


def join_roll(tx: sqlalchemy.Connection, node: Node) -> NodeCount:
    """Enter a node that starts. Idempotent; a later start on the same data folder takes over.

    Raises NodeRefused when another data folder serves under this name, or when the secrets of this
    one are not those of the others.
    """
    former = gateway_node.c.installation == node.installation
    tx.execute(delete(gateway_node).where(former, gateway_node.c.name != node.name))
    tx.execute(delete(gateway_node).where(gateway_node.c.seen_at < func.now() - _FORGOTTEN_AFTER))
    stranger = tx.execute(
        select(gateway_node.c.name)
        .where(gateway_node.c.secrets_check != node.secrets_check)
        .order_by(gateway_node.c.name)
        .limit(1)
    ).scalar()
    if stranger is not None:
        raise NodeRefused(
            f"the file secrets/pepper of the node '{node.name}' is not that of the node "
            f"'{stranger}', so no key would be known here",
            hint="copy it from the first machine's data folder",
        )
    _enter(tx, node, or_(former, _is_silent()))
    return _count(tx)


def beat_roll(tx: sqlalchemy.Connection, node: Node) -> NodeCount:
    """Give a sign of life. Raises NodeRefused when the name was taken over meanwhile."""
    own = update(gateway_node).where(
        gateway_node.c.name == node.name, gateway_node.c.life == node.life
    )
    if tx.execute(own.values(seen_at=func.now(), gateways=node.gateways)).rowcount != 1:
        _enter(tx, node, _is_silent())
    return _count(tx)


def leave_roll(tx: sqlalchemy.Connection, node: Node) -> None:
    """Take out a node that has stopped, so that the others take its share at once."""
    tx.execute(
        delete(gateway_node).where(
            gateway_node.c.name == node.name, gateway_node.c.life == node.life
        )
    )


def nodes_heard_of(tx: sqlalchemy.Connection) -> list[HeardOf]:
    """Return the nodes that gave a sign of life of late, by name."""
    rows = tx.execute(
        select(gateway_node.c.name, gateway_node.c.installation)
        .where(gateway_node.c.seen_at >= func.now() - SILENT_AFTER)
        .order_by(gateway_node.c.name)
    )
    return [HeardOf(*row) for row in rows]


def _enter(
    tx: sqlalchemy.Connection, node: Node, may_take_over: sqlalchemy.ColumnElement[bool]
) -> None:
    entry = insert(gateway_node).values(**node._asdict())
    entered = tx.execute(
        entry.on_conflict_do_update(
            index_elements=[gateway_node.c.name],
            set_={**node._asdict(), "joined_at": func.now(), "seen_at": func.now()},
            where=may_take_over,
        ).returning(gateway_node.c.name)
    ).first()
    if entered is None:
        raise NodeRefused(
            f"another node named '{node.name}' serves this database",
            hint="set TRADEWIND_NODE to a name of its own; when that one was just killed on "
            f"another data folder, try again in {SILENT_AFTER.total_seconds():.0f} s",
        )


def _is_silent() -> sqlalchemy.ColumnElement[bool]:
    return gateway_node.c.seen_at < func.now() - SILENT_AFTER


def _count(tx: sqlalchemy.Connection) -> NodeCount:
    row = tx.execute(
        select(
            func.count(gateway_node.c.name),
            func.coalesce(func.sum(gateway_node.c.gateways), 0),
        ).where(gateway_node.c.seen_at >= func.now() - SILENT_AFTER)
    ).one()
    return NodeCount(row[0], row[1])
