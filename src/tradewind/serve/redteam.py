"""Builds what red teaming runs on: the service for people, and what carries campaigns out."""

import http.client
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from tradewind.core.clock import Clock
from tradewind.core.data_folder import DataFolder
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.features.accounts.schemas import CreatedKey
from tradewind.features.accounts.service import Accounts
from tradewind.features.redteam.runs import Runs
from tradewind.features.redteam.schemas import Claimed
from tradewind.features.redteam.service import RedTeam
from tradewind.plugins.redteam.registry import red_team_tools
from tradewind.readmodels.redteam import find_target
from tradewind.serve.environments import ensure_environment
from tradewind.serve.first_call import connect
from tradewind.worker.redteam import Place, RedTeamer


def build_red_team(folder: DataFolder, clock: Clock) -> RedTeam:
    return RedTeam(clock, red_team_tools(), find_target, folder.red_team)


def build_red_teamer(
    settings: Settings,
    folder: DataFolder,
    database: Database,
    accounts: Accounts,
    clock: Clock,
    *,
    gateway: str,
) -> RedTeamer:
    """`gateway` is the base address of the public port as this machine reaches it."""
    certificate = settings.tls_certificate
    environ = {} if certificate is None else {"SSL_CERT_FILE": str(certificate.resolve())}

    def python(name: str | None, progress: Callable[[str], None]) -> Path:
        if name is None:
            return Path(sys.executable)
        return ensure_environment(folder.environments, name, progress)

    def is_known(key: str) -> bool:
        return _is_known(gateway, key, certificate)

    place = Place(
        evidence=folder.red_team,
        gateway=gateway.rstrip("/"),
        python=python,
        is_known=is_known,
        environ=environ,
    )
    return RedTeamer(
        database,
        Runs(clock, find_target),
        red_team_tools(),
        CampaignKeys(database, accounts, clock),
        place,
    )


class CampaignKeys:
    """A red-team key for each campaign, for the models that it calls and no others."""

    def __init__(self, database: Database, accounts: Accounts, clock: Clock) -> None:
        self._database = database
        self._accounts = accounts
        self._clock = clock

    def make(self, claimed: Claimed, lifetime: timedelta) -> CreatedKey:
        spec = claimed.spec
        with self._database.transaction() as tx:
            return self._accounts.mint_red_team_key(
                tx,
                claimed.organization_id,
                claimed.project_id,
                name=f"Red team {claimed.campaign_id[-8:]}",
                created_by=claimed.created_by,
                expires_at=self._clock.now() + lifetime,
                models=sorted({spec.target, spec.attacker, spec.judge} - {""}),
            )

    def revoke(self, claimed: Claimed, key_id: str) -> None:
        with self._database.transaction() as tx:
            self._accounts.end_red_team_key(tx, claimed.organization_id, key_id)


def _is_known(gateway: str, key: str, certificate: Path | None) -> bool:
    """Ask for the list of models, which costs nothing and takes a key."""
    place = urlsplit(gateway)
    port = place.port or (443 if place.scheme == "https" else 80)
    connection = connect(
        place.hostname or "127.0.0.1", port, certificate if place.scheme == "https" else None
    )
    try:
        connection.request("GET", "/v1/models", headers={"authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return False
    else:
        return answer.status == http.client.OK
    finally:
        connection.close()
