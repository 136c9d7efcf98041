"""Webhooks of apps: what is sent next, and what came of it. Requests are made by the worker."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core import signed_posts
from tradewind.core.base_urls import BaseUrl
from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput
from tradewind.core.ids import OperationId
from tradewind.db.sealing import SealBroken, Secret
from tradewind.db.vault import Sealed, Vault
from tradewind.features.marketplace.fulfilment import secret_place
from tradewind.features.marketplace.ports import SaleDesk
from tradewind.features.marketplace.repository import operations as repository
from tradewind.features.marketplace.rules import actions
from tradewind.features.marketplace.rules.places import parse_place
from tradewind.features.marketplace.schemas import Notice, OperationStatus

CLAIM = timedelta(seconds=60)
"""A request that has not ended after so long belongs to a worker that died."""
_log = logging.getLogger(__name__)


class Notices:
    def __init__(self, desk: SaleDesk, vault: Vault, clock: Clock) -> None:
        self._desk = desk
        self._vault = vault
        self._clock = clock

    def claim(self, tx: Connection, limit: int) -> list[Notice]:
        """Return requests to make now. Whoever claimed one tells what came of it by `settle`, or
        it is made again after a minute.
        """
        now = self._clock.now()
        rows = repository.claim(tx, now, until=now + CLAIM, limit=limit)
        return [
            Notice(
                OperationId(row.operation_id),
                row.attempts,
                _url(row),
                row.is_private_network,
                self._secret(tx, row),
                bytes(row.body),
            )
            for row in rows
        ]

    def headers(self, notice: Notice) -> Mapping[str, str]:
        """Return the headers that identify and sign a request that is made now."""
        assert notice.secret is not None, "nothing is sent that is not signed"
        return signed_posts.signed_headers(
            notice.operation_id,
            int(self._clock.now().timestamp()),
            notice.body,
            [notice.secret.reveal()],
        )

    def settle(self, tx: Connection, notice: Notice, status: int | None, error: str) -> None:
        """Note what came of a request: from its delivery on, a publisher has ten seconds to refuse.
        An operation whose publisher was not reached within eight hours is not carried out.
        """
        found = repository.find(tx, notice.operation_id)
        if found is None:
            return
        # The subscription first: everybody locks them in this order.
        self._desk.find(tx, found.subscription_id, locks=True)
        row = repository.delivery_of(tx, notice.operation_id)
        if row is None or row.attempts != notice.number or row.delivered_at is not None:
            return
        now = self._clock.now()
        is_open = row.status == OperationStatus.IN_PROGRESS.value
        if status is not None and 200 <= status < 300:
            values: dict[str, Any] = {
                "delivered_at": now,
                "next_try_at": None,
                "delivery_error": "",
                "decide_by": now + actions.PATCH_WINDOW if is_open else row.decide_by,
            }
        elif row.attempts >= actions.MOST_ATTEMPTS or now >= row.created_at + actions.GIVE_UP:
            values = {"next_try_at": None, "delivery_error": error[:200]}
            if is_open:
                values |= {
                    "status": OperationStatus.FAILED.value,
                    "ended_at": now,
                    "error": "The publisher's webhook was not reached.",
                }
        else:
            values = {
                "next_try_at": now + actions.wait_after(row.attempts),
                "delivery_error": error[:200],
            }
        repository.change(tx, notice.operation_id, values)

    def _secret(self, tx: Connection, row: Row[Any]) -> Secret | None:
        sold = self._desk.find(tx, _subscription_of(tx, row.operation_id))
        assert sold is not None, "an operation has its subscription"
        place = secret_place(row.offer_id, sold.offer.organization_id, row.secret_version)
        try:
            return self._vault.open(tx, Sealed(row.data_key_id, bytes(row.sealed_secret)), place)
        except SealBroken as error:
            _log.error("nothing is sent to the webhook of %s: %s", row.offer_id, error)
            return None


def _subscription_of(tx: Connection, operation_id: str) -> str:
    found = repository.find(tx, operation_id)
    assert found is not None, "it was just claimed"
    return found.subscription_id


def _url(row: Row[Any]) -> BaseUrl | None:
    """None for a URL that was taken in by looser rules than today's."""
    try:
        return parse_place("webhook", row.webhook_url, is_private_network=row.is_private_network)
    except InvalidInput as error:
        _log.error("nothing is sent to the webhook of %s: %s", row.offer_id, error)
        return None
