"""Tells publishers of apps what happens to subscriptions, carries out what they did not refuse, and
sends usage to sinks.

No transaction is open while anybody outside is waited for. A worker that dies in between leaves
claims that others take over: what was on its way goes out again under the same id.
"""

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Protocol

from tradewind.core.base_urls import BaseUrl
from tradewind.core.errors import Unavailable
from tradewind.db.database import Database
from tradewind.features.marketplace.schemas import Notice, SinkOutcome, SinkWork
from tradewind.features.marketplace.services import MarketplaceServices
from tradewind.features.webhooks.schemas import EventUrl, Outcome
from tradewind.plugins.sinks.base import Fate, Sink, SinkRequest, SinkVerdict

MOST_AT_ONCE = 16
"""Requests to publishers on their way."""
_MOVES_AT_ONCE = 200
_ROUNDS = 50
"""Transactions of one kind in a row, before the others have their turn."""
_PAUSE_S = 2.0
_log = logging.getLogger(__name__)


class Fetch(Protocol):
    """The part of `worker.webhook_post.Poster` that is used here."""

    async def fetch(
        self,
        url: EventUrl,
        headers: Mapping[str, str],
        body: bytes,
        *,
        must_be_public: bool,
    ) -> tuple[Outcome, bytes]: ...


class MarketplaceUpkeep:
    """The loop. `run` once, in a thread of its own."""

    def __init__(
        self,
        database: Database,
        services: MarketplaceServices,
        members: Mapping[str, Sink],
        poster: Fetch,
    ) -> None:
        self._database = database
        self._services = services
        self._members = members
        self._poster = poster

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set. The database may go away and come back."""
        while not stop.is_set():
            try:
                is_busy = self.round()
            except Unavailable as error:
                _log.warning("the marketplace is not looked after: %s", error)
                is_busy = False
            if not is_busy:
                stop.wait(_PAUSE_S)

    def round(self) -> bool:
        """Do some of everything that is due; return whether there was anything."""
        told = self.tell()
        delivered = self.deliver()
        carried_out = self.carry_out()
        sent = self.send()
        return told or delivered or carried_out or sent

    # --- publishers ----------------------------------------------------------------------------

    def tell(self) -> bool:
        with self._database.transaction() as tx:
            moves = self._services.untold_moves(tx, _MOVES_AT_ONCE)
            return self._services.fulfilment.tell(tx, moves) > 0

    def deliver(self) -> bool:
        with self._database.transaction() as tx:
            notices = self._services.notices.claim(tx, MOST_AT_ONCE)
        if notices:
            asyncio.run(self._deliver_all(notices))
        return bool(notices)

    async def _deliver_all(self, notices: Sequence[Notice]) -> None:
        async with asyncio.TaskGroup() as group:
            for notice in notices:
                group.create_task(self._deliver(notice))

    async def _deliver(self, notice: Notice) -> None:
        outcome = await self._outcome(notice)
        await asyncio.to_thread(self._settle, notice, outcome)

    async def _outcome(self, notice: Notice) -> Outcome:
        if notice.url is None:
            return Outcome(None, "its URL is none that may be called")
        if notice.secret is None:
            return Outcome(None, "its signing secret does not open; turn it")
        outcome, _ = await self._poster.fetch(
            event_url(notice.url),
            self._services.notices.headers(notice),
            notice.body,
            must_be_public=not notice.is_private_network,
        )
        return outcome

    def _settle(self, notice: Notice, outcome: Outcome) -> None:
        try:
            with self._database.transaction() as tx:
                self._services.notices.settle(tx, notice, outcome.status, outcome.error or "")
        except Unavailable as error:
            # It may have arrived; it is sent again, and its id tells.
            _log.warning("what came of %s was not noted: %s", notice.operation_id, error)

    def carry_out(self) -> bool:
        for done in range(_ROUNDS):
            with self._database.transaction() as tx:
                if not self._services.fulfilment.carry_out_due(tx):
                    return done > 0
        return True

    # --- sinks ---------------------------------------------------------------------------------

    def send(self) -> bool:
        for _ in range(_ROUNDS):
            with self._database.transaction() as tx:
                if not self._services.sending.look(tx):
                    break
        with self._database.transaction() as tx:
            work = self._services.sending.claim(tx)
        if work is None:
            return False
        outcome = asyncio.run(self._send(work))
        with self._database.transaction() as tx:
            self._services.sending.settle(tx, work, outcome)
        return True

    async def _send(self, work: SinkWork) -> SinkOutcome:
        """Send parcels one request after another, until one of them has to wait."""
        taken: list[str] = []
        refused: list[str] = []
        member = self._members.get(work.kind)
        if member is None or work.base_url is None:
            return SinkOutcome(taken, refused, True, "its URL is none that may be called")
        if member.needs_credential and work.credential is None:
            return SinkOutcome(taken, refused, True, "its credential does not open; set it again")
        credential = "" if work.credential is None else work.credential.reveal()
        why = ""
        for request in member.requests(credential, work.parcels):
            verdict = await self._verdict(member, work, work.base_url, request)
            why = verdict.why or why
            match verdict.fate:
                case Fate.TAKEN:
                    taken += request.parcel_ids
                case Fate.REFUSED:
                    refused += request.parcel_ids
                case Fate.AGAIN:
                    taken += verdict.taken
                    refused += verdict.refused
                    if not verdict.taken and not verdict.refused:
                        return SinkOutcome(taken, refused, True, why)
        return SinkOutcome(taken, refused, False, why)

    async def _verdict(
        self, member: Sink, work: SinkWork, base: BaseUrl, request: SinkRequest
    ) -> SinkVerdict:
        outcome, body = await self._poster.fetch(
            event_url(base, request.path),
            request.headers,
            request.body,
            must_be_public=not work.is_private_network,
        )
        verdict = member.verdict(request, outcome.status, body)
        if outcome.status is None and outcome.error:
            return verdict._replace(why=outcome.error)
        return verdict


def event_url(base: BaseUrl, path: str = "") -> EventUrl:
    return EventUrl(base.scheme, base.host, base.port, (base.path + path) or "/")
