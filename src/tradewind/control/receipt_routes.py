"""The routes of receipts. What is exported is JSON lines, to be checked without the platform."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from fastapi import Path
from fastapi.responses import Response

from tradewind.control.access import PUBLIC, Call, CallOfAnyone, Routes
from tradewind.control.receipt_answers import ReceiptAnswer, ReceiptKey, ReceiptKeys
from tradewind.control.services import ControlServices
from tradewind.control.span import span_of
from tradewind.core.errors import InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.receipts.signing import pem_of
from tradewind.readmodels.receipt_facts import buyers_of, find_view, ledger_entries_of

MOST_RECEIPTS = 20_000
"""Of one export, which is about 25 MB."""
KEYS_PATH = "/receipts/keys.pem"
_LINES = "application/jsonl"
_PEM = "application/x-pem-file"
_RequestId = Annotated[str, Path(max_length=100)]
_Publisher = Annotated[str, Path(max_length=200, pattern=r"^[^\x00]*$")]


def add_receipt_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/receipts`."""
    receipts = services.receipts

    @routes.get(
        "/receipts/keys",
        permission=PUBLIC,
        is_open=True,
        summary="Public keys that receipts are signed with",
    )
    def keys(call: CallOfAnyone) -> ReceiptKeys:
        return ReceiptKeys(keys=[ReceiptKey.of(key) for key in receipts.public_keys(call.tx)])

    @routes.get(
        KEYS_PATH,
        permission=PUBLIC,
        is_open=True,
        summary="The same as a PEM file",
        media_type=_PEM,
    )
    def keys_pem(call: CallOfAnyone) -> Response:
        pem = "".join(pem_of(key.public_key) for key in receipts.public_keys(call.tx))
        return Response(pem, media_type=_PEM)

    @routes.get(
        "/receipts",
        permission=Permission.BILLING_READ,
        summary="Receipts of the organization's calls of a time (JSON lines)",
        media_type=_LINES,
    )
    def export(
        call: Call, since: datetime | None = None, until: datetime | None = None
    ) -> Response:
        span = span_of(since, until, services.clock.now())
        return _lines(receipts.export(call.tx, call.holder.organization_id, span.since, span.until))

    @routes.get(
        "/receipts/sales/{publisher}",
        permission=Permission.SALES_READ,
        summary="Chains with the sales of one's publisher, all else in them as digests",
        media_type=_LINES,
    )
    def sales(
        call: Call,
        publisher: _Publisher,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Response:
        span = span_of(since, until, services.clock.now())
        buyers = buyers_of(call.tx, publisher, call.holder.organization_id, span.since, span.until)
        return _lines(
            line
            for buyer in buyers
            for line in receipts.export(call.tx, buyer, span.since, span.until, seller=publisher)
        )

    @routes.get(
        "/receipts/{request_id}",
        permission=Permission.REQUESTS_READ,
        summary="The receipt of a call of this project",
    )
    def receipt(call: Call, request_id: _RequestId) -> ReceiptAnswer:
        view = find_view(call.tx, receipts, call.holder, request_id)
        return ReceiptAnswer.of(view, ledger_entries_of(call.tx, view.receipt.event_id))

    @routes.get(
        "/receipts/{request_id}/proof",
        permission=Permission.REQUESTS_READ,
        summary="The receipt of a call of this project, up to its signed head (JSON lines)",
        media_type=_LINES,
    )
    def proof(call: Call, request_id: _RequestId) -> Response:
        return _lines(receipts.lines_of(find_view(call.tx, receipts, call.holder, request_id)))


def _lines(lines: Iterator[bytes]) -> Response:
    kept: list[bytes] = []
    for line in lines:
        # Heads and ends are few, so lines are counted for receipts.
        if len(kept) > MOST_RECEIPTS:
            raise InvalidInput(
                f"there are more than {MOST_RECEIPTS:,} receipts in this time",
                hint="ask for a shorter time; exports may be put one after the other in one file",
            )
        kept.append(line)
    return Response(b"".join(kept), media_type=_LINES)
