"""The worker's care for uploads: what is announced is checked, and the end comes when asked for."""

import threading
import time

import pytest

from tradewind.core.clock import SystemClock
from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.core.permissions import Permission
from tradewind.db.sealing import HeldKeys
from tradewind.db.vault import Vault
from tradewind.features.accounts.service import Accounts
from tradewind.features.artifacts.manifest import PlatformSigner
from tradewind.features.artifacts.schemas import NewUpload, UploadState
from tradewind.features.artifacts.services import build_artifact_services
from tradewind.features.artifacts.uploads import OpenPart
from tradewind.testing.model_files import gguf_file
from tradewind.worker.artifacts import look_after_artifacts

pytestmark = pytest.mark.postgres

_PATIENCE_S = 60


class Sender:
    def __init__(self, organization_id: OrganizationId):
        self.organization_id = organization_id
        self.project_id = ProjectId.new()

    def may(self, permission: Permission) -> bool:
        return permission in Permission


def test_a_completed_upload_is_checked_by_the_worker(database, tmp_path):
    clock, content = SystemClock(), gguf_file()
    vault = Vault(HeldKeys([bytes(32)]), clock)
    services = build_artifact_services(tmp_path, vault, clock, PlatformSigner(bytes(32)))
    with database.transaction() as tx:
        first = Accounts(bytes(32), clock).first_run(tx)
    assert first is not None
    sender = Sender(first.organization_id)
    stop = threading.Event()
    loop = threading.Thread(target=look_after_artifacts, args=(database, services.arrivals, stop))
    loop.start()
    try:
        uploads = services.uploads
        with database.transaction() as tx:
            row = uploads.begin(tx, sender, NewUpload("a.gguf", len(content))).row
            part = uploads.open_part(tx, sender, row.upload_id, 1)
        assert isinstance(part, OpenPart)
        with part.writer as writer:
            writer.write(content)
            writer.finish()
            with database.transaction() as tx:
                uploads.part_written(tx, part)
        with database.transaction() as tx:
            uploads.complete(tx, sender, row.upload_id)
        deadline = time.monotonic() + _PATIENCE_S
        state = UploadState.CHECKING
        while state is UploadState.CHECKING and time.monotonic() < deadline:
            with database.transaction() as tx:
                state = uploads.get_upload(tx, sender, row.upload_id).row.state
        assert state is UploadState.READY
    finally:
        stop.set()
        loop.join(_PATIENCE_S)
    assert not loop.is_alive()
