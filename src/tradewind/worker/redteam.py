"""Carries out campaigns: one at a time, since what is measured must not disturb itself.

A campaign is claimed for two minutes, which a thread beside the work renews, so that one whose
worker died is carried on by the next. Its driver calls the public gateway, as any client does, with
a key that is made for the campaign and revoked at its end.
"""

import hashlib
import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from tradewind.core.errors import TradewindError, Unavailable
from tradewind.db.database import Database
from tradewind.features.accounts.schemas import CreatedKey
from tradewind.features.redteam.runs import Evidence, Runs
from tradewind.features.redteam.schemas import CampaignState, Claimed
from tradewind.features.redteam.service import EVIDENCE
from tradewind.plugins.redteam.base import (
    Attacked,
    Ended,
    Failed,
    Job,
    Planned,
    RedTeamTool,
    Said,
    Seed,
    encode_job,
)
from tradewind.worker.redteam_driver import DriverBroke, DriverRun

_LOOK_EVERY_S = 1.0
_RENEW_EVERY_S = 2.0
"""Also how soon a cancelled campaign ends."""
_NOTE_EVERY_S = 1.0
_NOTED_AT_ONCE = 50
_KEY_LIFETIME = timedelta(days=2)
_LONGEST_RUN_S = 2 * 24 * 3600.0 - 3600
"""Its key lives no longer; whoever wants more resumes it."""
_KEY_WAIT_S = 60.0
_log = logging.getLogger(__name__)


class Keys(Protocol):
    """Makes and revokes the key of a campaign."""

    def make(self, claimed: Claimed, lifetime: timedelta) -> CreatedKey: ...

    def revoke(self, claimed: Claimed, key_id: str) -> None: ...


class Place(NamedTuple):
    """Where campaigns are carried out."""

    evidence: Path
    """One folder for each campaign below it."""
    gateway: str
    """Base address of the public port as this machine reaches it."""
    python: Callable[[str | None, Callable[[str], None]], Path]
    """Returns the interpreter of a list of packages, ours for None, and tells its progress."""
    is_known: Callable[[str], bool]
    """Whether the gateway takes a key yet: it learns of new ones within a second or so."""
    environ: Mapping[str, str]
    """What drivers get beside what their tool says."""


class Stopped(Exception):
    """The campaign is to end before it is done: cancelled, or the worker stops."""


class RedTeamer:
    def __init__(
        self,
        database: Database,
        runs: Runs,
        tools: Mapping[str, RedTeamTool],
        keys: Keys,
        place: Place,
    ) -> None:
        self._database = database
        self._runs = runs
        self._tools = tools
        self._keys = keys
        self._place = place

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            try:
                with self._database.transaction() as tx:
                    self._runs.schedule(tx)
                while not stop.is_set() and self.carry_on(stop):
                    pass
            except Unavailable as error:
                _log.warning("no model is attacked: %s", error)
            stop.wait(_LOOK_EVERY_S)

    def carry_on(self, stop: threading.Event) -> bool:
        """Carry out one campaign, if one waits; return whether there was one."""
        with self._database.transaction() as tx:
            found = self._runs.claim(tx)
        if found is None:
            return False
        claimed, left_key = found
        if left_key is not None:
            self._revoke(claimed, left_key)
        with self._database.transaction() as tx:
            if not self._runs.is_running(tx, claimed.campaign_id):
                return True  # it was cancelled, or given up, by being claimed
        with _Heart(self._database, self._runs, claimed.campaign_id) as heart:

            def goes_on() -> bool:
                return not stop.is_set() and heart.is_beating

            try:
                ended = self._attack(claimed, heart, goes_on)
            except Stopped:
                self._end_early(claimed, is_cancelled=not heart.is_beating)
                return True
            except (DriverBroke, TradewindError, OSError) as error:
                if isinstance(error, Unavailable) and not heart.is_reached:
                    raise  # the database is away; the claim runs out and it is carried on later
                self._settle(claimed, CampaignState.FAILED, error=str(error))
                return True
        self._settle(claimed, CampaignState.COMPLETED, is_spent=ended.reason == "budget")
        return True

    def _attack(self, claimed: Claimed, heart: "_Heart", goes_on: Callable[[], bool]) -> Ended:
        """Raises Stopped, DriverBroke, Unavailable."""
        tool = self._tools.get(claimed.spec.tool)
        if tool is None:
            raise DriverBroke(f"there is no tool {claimed.spec.tool!r} here")
        folder = self._place.evidence / claimed.campaign_id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        heart.say("prepares the tool")
        python = self._place.python(tool.environment, heart.say)
        if not goes_on():
            raise Stopped
        heart.say("makes a key")
        key = self._keys.make(claimed, _KEY_LIFETIME)
        try:
            with self._database.transaction() as tx:
                self._runs.note_key(tx, claimed.campaign_id, key.row.key_id)
            self._await_key(key.text, goes_on)
            environment = {**tool.environ(folder), **self._place.environ}
            job = encode_job(self._job(claimed, tool, folder, key.text))
            heart.say("attacks")
            with DriverRun(tool.command(python), environment, job) as driver:
                return self._follow(claimed, driver, heart, goes_on)
        finally:
            self._revoke(claimed, key.row.key_id)
            # What libraries wrote beside the evidence: caches, and copies of what is in it.
            for name in ("xdg", "work"):
                shutil.rmtree(folder / name, ignore_errors=True)

    def _job(self, claimed: Claimed, tool: RedTeamTool, folder: Path, key: str) -> Job:
        spec = claimed.spec
        return Job(
            evidence=str(folder / EVIDENCE),
            endpoint=f"{self._place.gateway}/v1",
            key=key,
            target=spec.target,
            attacker=spec.attacker,
            judge=spec.judge or spec.attacker,
            datasets=tuple(name for name in spec.datasets if name in tool.catalog.datasets),
            seeds=tuple(Seed(each.value, each.harm, each.dataset) for each in claimed.seeds),
            converters=spec.converters,
            strategies=spec.strategies,
            scorer=spec.scorer,
            filters=spec.filters,
            per_harm=spec.per_harm,
            most_attacks=20_000,
            seed=spec.seed,
            max_turns=spec.max_turns,
            max_tokens=spec.max_tokens,
            concurrency=spec.concurrency,
            budget_tokens=spec.budget_tokens,
            tokens_used=claimed.tokens,
            labels={"campaign": claimed.campaign_id},
        )

    def _follow(
        self, claimed: Claimed, driver: DriverRun, heart: "_Heart", goes_on: Callable[[], bool]
    ) -> Ended:
        waiting: list[Attacked] = []
        noted_at = time.monotonic()
        ends_at = noted_at + _LONGEST_RUN_S
        tokens = claimed.tokens
        ended: Ended | None = None
        try:
            for line in driver.lines(_NOTE_EVERY_S / 2):
                match line:
                    case Planned():
                        with self._database.transaction() as tx:
                            self._runs.note_plan(tx, claimed.campaign_id, line.attacks, line.tool)
                    case Attacked():
                        waiting.append(line)
                        tokens = max(tokens, line.tokens_of_all)
                    case Said():
                        heart.say(line.text)
                    case Ended():
                        ended, tokens = line, max(tokens, line.tokens)
                    case Failed():
                        raise DriverBroke(line.error)
                    case None:
                        pass
                is_due = time.monotonic() >= noted_at + _NOTE_EVERY_S
                if waiting and (is_due or len(waiting) >= _NOTED_AT_ONCE):
                    self._note(claimed, waiting, tokens)
                    waiting, noted_at = [], time.monotonic()
                if not goes_on():
                    raise Stopped
                if time.monotonic() > ends_at:
                    raise DriverBroke("it took longer than two days; resume it to go on")
        finally:
            # However it ends, what was done is done.
            self._note(claimed, waiting, tokens)
        if ended is None:
            raise DriverBroke(
                f"the tool ended with status {driver.exit_status()} before it was done"
            )
        return ended

    def _note(self, claimed: Claimed, attacks: list[Attacked], tokens: int) -> None:
        with self._database.transaction() as tx:
            self._runs.note_attacks(tx, claimed.campaign_id, attacks, tokens)

    def _await_key(self, key: str, goes_on: Callable[[], bool]) -> None:
        """Wait until the gateway knows the key: it learns of it from the next snapshot."""
        deadline = time.monotonic() + _KEY_WAIT_S
        while not self._place.is_known(key):
            if not goes_on():
                raise Stopped
            if time.monotonic() > deadline:
                raise DriverBroke("the gateway does not take the campaign's key")
            time.sleep(0.2)

    def _revoke(self, claimed: Claimed, key_id: str) -> None:
        self._keys.revoke(claimed, key_id)
        with self._database.transaction() as tx:
            self._runs.note_key(tx, claimed.campaign_id, None)

    def _end_early(self, claimed: Claimed, *, is_cancelled: bool) -> None:
        if is_cancelled:
            self._settle(claimed, CampaignState.CANCELLED)
            return
        with self._database.transaction() as tx:
            self._runs.put_off(tx, claimed.campaign_id)

    def _settle(
        self,
        claimed: Claimed,
        state: CampaignState,
        *,
        error: str = "",
        is_spent: bool = False,
    ) -> None:
        if error:
            _log.warning("the campaign %s failed: %s", claimed.campaign_id, error)
        evidence = evidence_of(self._place.evidence / claimed.campaign_id / EVIDENCE)
        with self._database.transaction() as tx:
            self._runs.settle(
                tx,
                claimed.campaign_id,
                state,
                error=error,
                evidence=evidence,
                is_spent=is_spent,
            )


def evidence_of(path: Path) -> Evidence | None:
    """Return digest and size of a campaign's evidence; None when nothing was written."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return Evidence(digest, file.tell())
    except FileNotFoundError:
        return None


class _Heart:
    """Renews the claim of a campaign while its work goes on."""

    def __init__(self, database: Database, runs: Runs, campaign_id: str) -> None:
        self._database = database
        self._runs = runs
        self._campaign_id = campaign_id
        self._stage = ""
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._unreached = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="renew-campaign")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def is_beating(self) -> bool:
        """False once somebody has cancelled the campaign."""
        return not self._lost.is_set()

    @property
    def is_reached(self) -> bool:
        """False while the database does not answer."""
        return not self._unreached.is_set()

    def say(self, stage: str) -> None:
        """Tell what is done now; told with the next beat at the latest."""
        self._stage = stage

    def _beat(self) -> None:
        while True:
            self._renew()
            if self._ended.wait(_RENEW_EVERY_S):
                return

    def _renew(self) -> None:
        try:
            with self._database.transaction() as tx:
                if not self._runs.renew(tx, self._campaign_id, self._stage):
                    self._lost.set()
            self._unreached.clear()
        except Unavailable as error:
            self._unreached.set()
            _log.warning("the campaign %s was not renewed: %s", self._campaign_id, error)
