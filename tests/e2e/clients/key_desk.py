"""Makes keys on a running platform, by the same service that the portal's keys page calls."""

import time
from datetime import timedelta
from pathlib import Path

import httpx2

from tradewind.core.data_folder import DataFolder
from tradewind.db.database import Database
from tradewind.db.embedded import url_of_running
from tradewind.serve.secret_files import load_or_create_key_encryption, load_or_create_pepper
from tradewind.serve.services import build_services
from tradewind.snapshot.contents import Limits

_PATIENCE_S = 60


class KeyDesk:
    """Signed in as the administrator of a platform."""

    def __init__(self, data: Path, gateway: httpx2.Client) -> None:
        """`gateway` is where new keys are tried, and `data` the folder of the same platform."""
        folder = DataFolder(data.resolve())
        self._gateway = gateway
        self._accounts = build_services(
            load_or_create_pepper(folder.secrets), load_or_create_key_encryption(folder.secrets)
        ).accounts
        self._database = Database(
            url_of_running(folder), application_name="tests-keys", pool_size=1
        )
        with self._database.transaction() as tx:
            code = self._accounts.create_sign_in_link(tx, lifetime=timedelta(hours=1))
            self._viewer = self._accounts.sign_in_with_link(tx, code).viewer

    def make(self, name: str, *, requests_per_minute: int | None = None) -> str:
        """Return a new key once the gateway knows it."""
        limits = Limits(requests_per_minute=requests_per_minute)
        with self._database.transaction() as tx:
            key = self._accounts.create_key(tx, self._viewer, name=name, limits=limits).text
        deadline = time.monotonic() + _PATIENCE_S
        while (status := self._status_of(key)) != 200:
            assert status == 401, status
            assert time.monotonic() < deadline, "the gateway never heard of the key"
            time.sleep(0.02)
        return key

    def close(self) -> None:
        self._database.close()

    def _status_of(self, key: str) -> int:
        headers = {"authorization": f"Bearer {key}"}
        return self._gateway.get("/v1/models", headers=headers).status_code
