"""Tries models that publishers submitted, and again what is listed; and looks for what proves
publishers.

A run is claimed for some minutes, which a thread beside the work renews, so that one whose worker
died is carried on by the next: what was tried already is not tried again.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Generator, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Protocol, Self

from tradewind.core.base_urls import parse_base_url
from tradewind.core.errors import Unavailable
from tradewind.core.ids import OrganizationId, ValidationRunId
from tradewind.db.database import Database
from tradewind.features.publishing import rules
from tradewind.features.publishing.publishers import Publishers
from tradewind.features.publishing.schemas import (
    Check,
    CheckState,
    Claimed,
    DueProof,
    Proof,
    ProofKind,
    Timing,
)
from tradewind.features.publishing.validations import Validations
from tradewind.features.webhooks.schemas import EventUrl, Outcome
from tradewind.worker.dns_txt import TxtRecords, TxtUnanswered
from tradewind.worker.validation_checks import (
    Calls,
    Files,
    Loaded,
    checks_of_calls,
    checks_of_card,
    checks_of_files,
)
from tradewind.worker.validation_places import Interrupted

_LOOK_EVERY_S = 1.0
_RENEW_EVERY_S = 20.0
_SCHEDULE_EVERY_S = 60.0
_log = logging.getLogger(__name__)


class Opens(Protocol):
    """The part of `validation_places.Places` that is needed here."""

    def files(self, owner: OrganizationId, digest: str) -> Files | None: ...

    def loaded(
        self, claimed: Claimed, files: Files | None, goes_on: Callable[[], bool]
    ) -> contextlib.AbstractContextManager[Loaded]: ...


class Fetch(Protocol):
    async def fetch(
        self,
        url: EventUrl,
        headers: Mapping[str, str],
        body: bytes,
        *,
        must_be_public: bool,
        method: str,
    ) -> tuple[Outcome, bytes]: ...


class Validator:
    """Carries out validation runs, one at a time: what is measured must not disturb itself."""

    def __init__(
        self, database: Database, validations: Validations, places: Opens, calls: Calls
    ) -> None:
        self._database = database
        self._validations = validations
        self._places = places
        self._calls = calls

    def run(self, stop: threading.Event, *, every: timedelta) -> None:
        """Work until `stop` is set. What is listed is tried again `every` so often."""
        schedule_at = 0.0
        while not stop.is_set():
            try:
                if time.monotonic() >= schedule_at:
                    schedule_at = time.monotonic() + _SCHEDULE_EVERY_S
                    with self._database.transaction() as tx:
                        self._validations.schedule(tx, every)
                while not stop.is_set() and self.carry_on(stop):
                    pass
            except Unavailable as error:
                _log.warning("models are not validated: %s", error)
            stop.wait(_LOOK_EVERY_S)

    def carry_on(self, stop: threading.Event) -> bool:
        """Carry out one run, if one waits; return whether there was one."""
        with self._database.transaction() as tx:
            claimed = self._validations.claim(tx)
        if claimed is None:
            return False
        with _Heart(self._database, self._validations, claimed.run_id) as heart:

            def goes_on() -> bool:
                return not stop.is_set() and heart.is_beating

            try:
                self._try(claimed, heart, goes_on)
            except Interrupted:
                if heart.is_beating:
                    with self._database.transaction() as tx:
                        self._validations.put_off(tx, claimed.run_id)
                return True
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - one run's edge: a file or a host that breaks
                # something of ours must not keep all other models from being tried.
                _log.exception("the validation %s failed", claimed.run_id)
                self._give_up(claimed, f"the platform failed: {type(error).__name__}")
        with self._database.transaction() as tx:
            self._validations.settle(tx, claimed.run_id)
        return True

    def _try(self, claimed: Claimed, heart: "_Heart", goes_on: Callable[[], bool]) -> None:
        """Make the checks that are missing. Raises Interrupted."""
        done = {check.name: check for check in claimed.checks}
        timing = claimed.timing
        content = claimed.content
        files = None
        if not content.is_bound:
            heart.say("verifies the files")
            files = self._places.files(claimed.organization_id, content.artifact)
        with contextlib.closing(self._steps(claimed, files, done, goes_on)) as steps:
            for stage, check, measured in steps:
                if measured is not None:
                    timing = measured
                if check is not None:
                    done.setdefault(check.name, check)
                heart.say(stage)
                if not goes_on() or not self._note(claimed, done, timing):
                    raise Interrupted

    def _steps(
        self,
        claimed: Claimed,
        files: Files | None,
        done: Mapping[str, Check],
        goes_on: Callable[[], bool],
    ) -> Generator[tuple[str, Check | None, Timing | None]]:
        content = claimed.content
        if not {"artifact", "digests", "scan"} <= done.keys():
            for stage, check in checks_of_files(content, files):
                yield stage, check, None
        if not {"licence", "card"} <= done.keys():
            for stage, check in checks_of_card(content):
                yield stage, check, None
        failed = {name for name, check in done.items() if check.state is CheckState.FAILED}
        if failed or set(rules.CALLED) <= done.keys():
            return  # what is wrong before a model is loaded is to be put right first
        yield from checks_of_calls(
            content, lambda: self._places.loaded(claimed, files, goes_on), self._calls
        )

    def _note(self, claimed: Claimed, done: Mapping[str, Check], timing: Timing) -> bool:
        ordered = [done[name] for name in rules.CHECKS if name in done]
        with self._database.transaction() as tx:
            return self._validations.note(tx, claimed.run_id, ordered, timing)

    def _give_up(self, claimed: Claimed, why: str) -> None:
        failed = Check(name="smoke", state=CheckState.FAILED, detail=why)
        with self._database.transaction() as tx:
            kept = self._validations.checks_of(tx, claimed.run_id)
            self._validations.note(tx, claimed.run_id, (*kept, failed), claimed.timing)


class _Heart:
    """Renews the claim of a run while its work goes on."""

    def __init__(
        self, database: Database, validations: Validations, run_id: ValidationRunId
    ) -> None:
        self._database = database
        self._validations = validations
        self._run_id = run_id
        self._stage = ""
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="renew-validation")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def is_beating(self) -> bool:
        """False once somebody has ended the run."""
        return not self._lost.is_set()

    def say(self, stage: str) -> None:
        """Tell what is done now."""
        if stage:
            self._stage = stage
            self._renew()

    def _beat(self) -> None:
        while not self._ended.wait(_RENEW_EVERY_S):
            self._renew()

    def _renew(self) -> None:
        try:
            with self._database.transaction() as tx:
                if not self._validations.renew(tx, self._run_id, self._stage):
                    self._lost.set()
        except Unavailable as error:
            _log.warning("the validation %s was not renewed: %s", self._run_id, error)


def look_for_proofs(
    database: Database,
    publishers: Publishers,
    fetch: Fetch,
    records: TxtRecords,
    stop: threading.Event,
) -> None:
    """Look for the proofs of publishers that asked for it, and again for those that were found,
    until `stop` is set.
    """
    while not stop.wait(_LOOK_EVERY_S):
        try:
            prove_due(database, publishers, fetch, records)
        except Unavailable as error:
            _log.warning("publishers are not looked up: %s", error)


def prove_due(database: Database, publishers: Publishers, fetch: Fetch, records: TxtRecords) -> int:
    """Look for the proofs that are due, and note what was found; return how many there were."""
    with database.transaction() as tx:
        due = publishers.due_proofs(tx)
    # No transaction is open while websites are waited for.
    for each in due:
        proof = asyncio.run(_prove(fetch, records, each))
        with database.transaction() as tx:
            publishers.settle_proof(tx, each, proof)
    return len(due)


async def _prove(fetch: Fetch, records: TxtRecords, due: DueProof) -> Proof:
    """Return what is found of a proof: the record of the domain, or the file of the website."""
    by_record = await _prove_by_record(records, due)
    if by_record.found is not None:
        return by_record
    by_file = await _prove_by_file(fetch, due)
    if by_file.found is not None:
        return by_file
    errors = (by_record.error, by_file.error)
    is_certain = by_record.is_certain and by_file.is_certain
    return Proof(None, "; ".join(error for error in errors if error), is_certain=is_certain)


async def _prove_by_record(records: TxtRecords, due: DueProof) -> Proof:
    if due.challenge is None:
        return Proof(None)
    try:
        found = await records.txt(due.challenge)
    except TxtUnanswered as error:
        return Proof(None, f"the record: {error}", is_certain=False)
    if any(text.strip() == due.proof for text in found):
        return Proof(ProofKind.DNS)
    return Proof(None, "the record: it is not there" if not found else "the record: it says else")


async def _prove_by_file(fetch: Fetch, due: DueProof) -> Proof:
    try:
        url = parse_base_url(due.website)
    except ValueError as error:
        return Proof(None, f"the website {error}")
    # The file speaks for the whole host, wherever on it the publisher's own pages begin.
    place = EventUrl(url.scheme, url.host, url.port, rules.WELL_KNOWN)
    outcome, body = await fetch.fetch(
        place, {"accept": "text/plain"}, b"", must_be_public=True, method="GET"
    )
    if outcome.error is not None:
        # A host that is down says nothing of its files; one that answers does.
        is_certain = (
            outcome.status is not None and outcome.status < HTTPStatus.INTERNAL_SERVER_ERROR
        )
        return Proof(None, f"the file: {outcome.error}", is_certain=is_certain)
    if rules.is_proved(body, due.proof):
        return Proof(ProofKind.FILE)
    return Proof(None, "the file: it does not have the line asked for")
