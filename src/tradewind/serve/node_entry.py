"""Who this node is, and whether it may serve the database it was given."""

import hashlib
import hmac
import secrets
from pathlib import Path

from tradewind.core.data_folder import DataFolder
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.db.node_roll import Node, NodeRefused, join_roll
from tradewind.migrations.history import list_migrations
from tradewind.migrations.runner import current_revision
from tradewind.serve.services import Services

_CHECKED = b"tradewind: the pepper of every node"
_ID_BYTES = 16
_ID_CHARACTERS = 2 * _ID_BYTES


def node_of(settings: Settings, folder: DataFolder, pepper: bytes) -> Node:
    """Return the entry of this data folder's node, for one life of one process."""
    return Node(
        name=settings.node,
        installation=_installation(folder.installation),
        life=secrets.token_hex(_ID_BYTES),
        gateways=settings.workers,
        secrets_check=hmac.new(pepper, _CHECKED, hashlib.sha256).hexdigest()[:32],
    )


def enter(
    database: Database, services: Services, node: Node, *, may_be_newer: bool = False
) -> None:
    """Enter a node that only runs gateways. Raises StartupError when it may not serve: the schema
    is another release's, the secrets are others, the name is taken.

    `may_be_newer` is for a node that serves already: this code runs on the schema of the next
    release, and must not stop because the first machine was updated before it.
    """
    _check_schema(database, may_be_newer=may_be_newer)
    with database.transaction() as tx:
        services.providers.check_keys(tx)
        join_roll(tx, node)


def _check_schema(database: Database, *, may_be_newer: bool) -> None:
    newest = list_migrations()[-1].revision
    current = current_revision(database)
    if current is None:
        raise NodeRefused(
            f"the database {database.place} has no tables of Tradewind",
            hint="start `tradewind up` with it on the first machine, or check DATABASE_URL",
        )
    if current < newest:
        raise NodeRefused(
            f"the database {database.place} is at the schema {current[:40]}, and this release needs"
            f" {newest}",
            hint="start `tradewind up` of this release on the first machine: it migrates",
        )
    if current > newest and not may_be_newer:
        raise NodeRefused(
            f"the database {database.place} is at the schema {current[:40]}, which is newer than "
            f"this release ({newest})",
            hint="install here the release that runs on the first machine",
        )


def _installation(path: Path) -> str:
    """Return what tells this folder from all others; made at the first start."""
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        text = ""
    if len(text) == _ID_CHARACTERS and text.isalnum():
        return text
    text = secrets.token_hex(_ID_BYTES)
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(f"{text}\n", encoding="ascii")
    beside.rename(path)
    return text
