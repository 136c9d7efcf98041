"""The loop that makes receipts and signs their chains."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from tradewind.core.clock import SystemClock
from tradewind.features.receipts.service import Receipts
from tradewind.features.receipts.signing import ReceiptSigner
from tradewind.features.receipts.verifying import verify
from tradewind.readmodels.receipt_facts import read_calls
from tradewind.testing.logged_calls import ended_call, log_calls
from tradewind.worker.receipts import keep_receipts

pytestmark = pytest.mark.postgres


def test_what_was_shipped_before_a_stop_has_a_signed_receipt(database):
    signer = ReceiptSigner(bytes(32))
    receipts = Receipts(SystemClock(), signer, read_calls)
    now = datetime.now(UTC)
    log_calls(database, *(ended_call(now, organization_id="org_a") for _ in range(3)))
    stop = threading.Event()
    stop.set()

    keep_receipts(database, receipts, stop)

    with database.transaction() as tx:
        day = timedelta(days=1)
        lines = list(receipts.export(tx, "org_a", now - day, now + day))
    found = verify(lines, {signer.key_id: signer.public_key})
    assert found.problems == []
    assert (found.receipts, found.heads) == (3, 1)
