"""Sends or checks an upload as a process that a test kills. It tells each step on stdout before it
goes on; at the step it is told to, it waits there to be killed.

    acting_process.py URL FOLDER KEY (send|check) HOURS_AHEAD STOP_AT [ORGANIZATION UPLOAD SOURCE]
"""

import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.core.permissions import Permission
from tradewind.db.database import Database
from tradewind.db.sealing import HeldKeys
from tradewind.db.vault import Vault
from tradewind.features.artifacts.manifest import PlatformSigner
from tradewind.features.artifacts.schemas import PART_BYTES, PartRow
from tradewind.features.artifacts.services import build_artifact_services
from tradewind.features.artifacts.staging import BLOCK_BYTES
from tradewind.features.artifacts.stores.disk import DiskStore


@dataclass(frozen=True)
class Sender:
    organization_id: OrganizationId
    project_id: ProjectId

    def may(self, permission: Permission) -> bool:
        return permission in Permission


class Ahead:
    def __init__(self, hours: float) -> None:
        self._ahead = timedelta(hours=hours)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def monotonic(self) -> float:
        return 0.0


class Steps:
    def __init__(self, stop_at: str) -> None:
        self._stop_at = stop_at

    def reach(self, step: str) -> None:
        print(step, flush=True)
        if step == self._stop_at:
            threading.Event().wait()


class TellingStore(DiskStore):
    def __init__(self, folder: Path, steps: Steps) -> None:
        super().__init__(folder)
        self._steps = steps

    def put(self, location: str, source: Path) -> None:
        self._steps.reach("before-put")
        super().put(location, source)
        self._steps.reach("after-put")


def main() -> None:
    url, folder, key, act, hours, stop_at, *rest = sys.argv[1:]
    steps, clock = Steps(stop_at), Ahead(float(hours))
    database = Database(url, application_name="acting")
    services = build_artifact_services(
        Path(folder),
        Vault(HeldKeys([bytes.fromhex(key)]), clock),
        clock,
        PlatformSigner(bytes(32)),
        store=TellingStore(Path(folder), steps),
    )
    steps.reach("started")
    if act == "check":
        services.arrivals.check_next(database)
        steps.reach("checked")
        return
    organization, upload_id, source = rest
    sender = Sender(OrganizationId(organization), ProjectId.new())
    content = Path(source).read_bytes()
    for number, start in enumerate(range(0, len(content), PART_BYTES), 1):
        part = content[start : start + PART_BYTES]
        with database.transaction() as tx:
            opened = services.uploads.open_part(tx, sender, upload_id, number)
        if isinstance(opened, PartRow):
            continue
        with opened.writer as writer:
            for at in range(0, len(part), BLOCK_BYTES):
                writer.write(part[at : at + BLOCK_BYTES])
                if at:
                    steps.reach(f"writing-{number}")
            writer.finish()
            steps.reach(f"written-{number}")
            with database.transaction() as tx:
                services.uploads.part_written(tx, opened)
        services.uploads.hash_ahead(opened)
        steps.reach(f"recorded-{number}")
    with database.transaction() as tx:
        services.uploads.complete(tx, sender, upload_id)
    steps.reach("completed")


if __name__ == "__main__":
    main()
