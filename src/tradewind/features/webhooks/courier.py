"""What the worker asks of webhooks: whom an event goes to, what to send next, what came of it."""

import logging
import random
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput
from tradewind.core.ids import DeliveryId, MessageId, WebhookId
from tradewind.db.notify import announce
from tradewind.db.outbox import Message
from tradewind.db.sealing import SealBroken, Secret
from tradewind.db.vault import Sealed, Vault
from tradewind.features.webhooks import repository, rules, signature
from tradewind.features.webhooks.schemas import (
    TEST_KIND,
    Attempt,
    DeliveryState,
    DisabledBy,
    EventKind,
    EventUrl,
    Outcome,
)
from tradewind.features.webhooks.service import WEBHOOKS_CHANNEL, body_of, place_of

CLAIM = timedelta(seconds=60)
"""An attempt that has not ended after so long belongs to a worker that died. More than the longest
request takes, with the transactions around it."""
MOST_EACH = 4
"""Attempts to one destination at a time."""
AT_ONCE = 1_000
"""Rows that one transaction forgets."""
_KEPT = timedelta(days=30)
_MOST_KEPT = 10_000
"""Deliveries of one destination."""
_log = logging.getLogger(__name__)


class Courier:
    """Acts for every organization; nobody's permission is asked here."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    def take_in(self, tx: Connection, message: Message) -> None:
        """Have a message of the outbox delivered to every destination that wants its kind."""
        body = body_of(
            message.kind,
            message.created_at.astimezone(UTC).isoformat(),
            message.payload,
        )
        added = repository.add_deliveries(
            tx,
            message.organization_id,
            EventKind(message.kind),
            message.message_id,
            body=body,
            now=self._clock.now(),
        )
        if added:
            announce(tx, WEBHOOKS_CHANNEL)

    def claim(
        self, tx: Connection, limit: int, *, but: Collection[WebhookId] = ()
    ) -> list[Attempt]:
        """Return requests to make now, none to destinations in `but`. Whoever claimed one tells
        what came of it by `settle`, or it is made again after a minute.
        """
        now = self._clock.now()
        rows = repository.claim(
            tx, now, until=now + CLAIM, limit=limit, most_each=MOST_EACH, but=but
        )
        return [
            Attempt(
                delivery_id=DeliveryId(row.delivery_id),
                webhook_id=WebhookId(row.id),
                message_id=MessageId(row.message_id),
                number=row.attempts,
                url=_url(row),
                is_private_network=row.is_private_network,
                secrets=self._secrets(tx, row, now),
                body=bytes(row.body),
            )
            for row in rows
        ]

    def headers(self, attempt: Attempt) -> Mapping[str, str]:
        """Return the headers that identify and sign an attempt that is made now."""
        unix_s = int(self._clock.now().timestamp())
        return signature.headers_of(attempt.message_id, unix_s, attempt.body, attempt.secrets)

    def settle(self, tx: Connection, attempt: Attempt, outcome: Outcome) -> None:
        """Note what came of an attempt, and decide what is next."""
        now = self._clock.now()
        # The destination first, as everybody locks them in this order.
        destination = repository.lock_webhook(tx, attempt.webhook_id)
        row = repository.find_delivery(tx, attempt.webhook_id, attempt.delivery_id, locks=True)
        if destination is None or row is None or row.attempts != attempt.number:
            return  # Deleted, or taken over by another worker while this one was held up.
        values: dict[str, Any] = {"status": outcome.status, "error": outcome.error}
        if outcome.is_delivered:
            values |= {
                "state": DeliveryState.DELIVERED.value,
                "next_try_at": None,
                "ended_at": now,
                "error": None,
            }
        elif row.state == DeliveryState.PENDING.value:
            values |= self._next(row, outcome, now)
        repository.update_delivery(tx, attempt.delivery_id, values)
        self._judge(tx, destination, row, outcome, now)

    def sweep(self, tx: Connection) -> bool:
        """Forget what is old. Return whether there may be more."""
        now = self._clock.now()
        repository.destroy_former_secrets(tx, now)
        old = repository.forget_deliveries(tx, now - _KEPT, AT_ONCE)
        surplus = repository.forget_surplus(tx, _MOST_KEPT, AT_ONCE)
        return max(old, surplus) == AT_ONCE

    def _next(self, row: Row[Any], outcome: Outcome, now: datetime) -> dict[str, Any]:
        """Return when the next attempt is made, or that there is none."""
        tried = row.attempts - row.attempts_before
        # A person waits for what comes of a test; it must not come hours later.
        most = 1 if row.kind == TEST_KIND else rules.MOST_ATTEMPTS
        if outcome.is_gone or tried >= most:
            return {"state": DeliveryState.FAILED.value, "next_try_at": None, "ended_at": now}
        wait = rules.wait_after(
            max(1, tried),
            random.random(),  # noqa: S311  spreads load, keeps no secret
            retry_after_s=outcome.retry_after_s,
        )
        return {"next_try_at": now + wait}

    def _judge(
        self,
        tx: Connection,
        destination: Row[Any],
        row: Row[Any],
        outcome: Outcome,
        now: datetime,
    ) -> None:
        """Note whether the destination is reached at all, and disable one that is not for days."""
        webhook_id = WebhookId(destination.id)
        if outcome.is_delivered:
            if destination.failing_since is not None:
                repository.note_failing(tx, webhook_id, None)
            return
        since = destination.failing_since
        if since is None and row.kind != TEST_KIND:
            since = now
            repository.note_failing(tx, webhook_id, since)
        if destination.disabled_at is not None:
            return
        if outcome.is_gone:
            self._disable(tx, webhook_id, DisabledBy.GONE, now)
        elif since is not None and now - since >= rules.FAILING_MAX:
            self._disable(tx, webhook_id, DisabledBy.FAILING, now)

    def _disable(
        self, tx: Connection, webhook_id: WebhookId, reason: DisabledBy, now: datetime
    ) -> None:
        repository.disable_webhook(tx, webhook_id, reason, now)
        repository.fail_pending(tx, webhook_id, "the webhook was disabled", now)
        _log.warning("the webhook %s was disabled: it is %s", webhook_id, reason.value)

    def _secrets(self, tx: Connection, row: Row[Any], now: datetime) -> tuple[Secret, ...]:
        """Return the secret and, in the overlap, the one before it; none when they do not open."""
        sealed = [(row.secret_version, Sealed(row.data_key_id, bytes(row.sealed_secret)))]
        if row.former_until is not None and row.former_until > now:
            former = Sealed(row.former_data_key_id, bytes(row.former_sealed_secret))
            sealed.append((row.former_version, former))
        try:
            return tuple(
                self._vault.open(tx, each, place_of(row.id, row.organization_id, version))
                for version, each in sealed
            )
        except SealBroken as error:
            _log.error("nothing is sent to the webhook %s: %s", row.id, error)
            return ()


def _url(row: Row[Any]) -> EventUrl | None:
    """None for a URL that was taken in by looser rules than today's."""
    try:
        return rules.parse_url(row.url, is_private_network=row.is_private_network)
    except InvalidInput as error:
        _log.error("nothing is sent to the webhook %s: %s", row.id, error)
        return None
