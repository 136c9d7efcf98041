"""What tests of artifacts share: uploads over a real database, a staging folder and a store."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tradewind.db.database import Database
from tradewind.db.vault import Vault
from tradewind.features.artifacts.manifest import PlatformSigner
from tradewind.features.artifacts.schemas import NewFile, NewUpload, PartRow, Visibility
from tradewind.features.artifacts.services import ArtifactServices, build_artifact_services
from tradewind.features.artifacts.staging import BLOCK_BYTES

SEED = secrets.token_bytes(32)


class SettableClock:
    def __init__(self):
        self.time = datetime(2030, 1, 1, tzinfo=UTC)

    def now(self):
        return self.time

    def monotonic(self):
        return self.time.timestamp()

    def advance(self, **span):
        self.time += timedelta(**span)


@dataclass
class Desk:
    """Uploads as their routes do, without HTTP."""

    database: Database
    folder: Path
    services: ArtifactServices
    clock: SettableClock

    def begin(self, actor, name, content, *, sha256=None, visibility=Visibility.OPEN):
        new = NewUpload(name, len(content), sha256, visibility)
        with self.database.transaction() as tx:
            return self.services.uploads.begin(tx, actor, new).row

    def put(self, actor, row, number, content, *, sha256=None):
        uploads = self.services.uploads
        with self.database.transaction() as tx:
            opened = uploads.open_part(tx, actor, row.upload_id, number, sha256=sha256)
        if isinstance(opened, PartRow):
            return opened
        with opened.writer as writer:
            for start in range(0, len(content), BLOCK_BYTES):
                writer.write(content[start : start + BLOCK_BYTES])
            writer.finish()
            with self.database.transaction() as tx:
                part = uploads.part_written(tx, opened, sha256=sha256)
        uploads.hash_ahead(opened)
        return part

    def complete(self, actor, row):
        with self.database.transaction() as tx:
            return self.services.uploads.complete(tx, actor, row.upload_id)

    def get(self, actor, row):
        with self.database.transaction() as tx:
            return self.services.uploads.get_upload(tx, actor, row.upload_id)

    def check(self):
        return self.services.arrivals.check_next(self.database)

    def upload(self, actor, name, content, **more):
        """Send a whole file and have it checked; return the upload as it ended."""
        row = self.begin(actor, name, content, **more)
        part = 16 * 1024 * 1024
        for number, start in enumerate(range(0, len(content), part), 1):
            self.put(actor, row, number, content[start : start + part])
        self.complete(actor, row)
        while self.check():
            pass
        return self.get(actor, row).row

    def make(self, actor, files, **more):
        """Make an artifact of files by their paths."""
        made = []
        for path, content in files.items():
            row = self.upload(actor, path.split("/")[-1], content, **more)
            assert row.state.value == "ready", row.reason
            made.append(NewFile(path, row.upload_id))
        with self.database.transaction() as tx:
            return self.services.artifacts.make_artifact(tx, actor, made)

    def open(self, digest):
        with self.database.transaction() as tx:
            return self.services.artifacts.open_for_worker(tx, digest)

    def sweep(self):
        self.services.arrivals.sweep(self.database)

    def stored(self):
        """Every file below the folder."""
        return sorted(
            str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()
        )


@pytest.fixture
def clock():
    return SettableClock()


@pytest.fixture
def make_desk(database, keys, clock, tmp_path):
    """Return a function that builds the services anew, as another process would."""

    def make(**more):
        folder = tmp_path / "data" / "artifacts"
        services = build_artifact_services(
            folder, Vault(keys, clock), clock, PlatformSigner(SEED), **more
        )
        return Desk(database, folder, services, clock)

    return make


@pytest.fixture
def desk(make_desk):
    return make_desk()
