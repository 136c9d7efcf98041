"""Invoices of the organization: the list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.billing.drawing import amount
from tradewind.features.billing.schemas import BillingAccount, InvoiceRow
from tradewind.portal.parts import Portal

_ROWS = 50


@dataclass(frozen=True, slots=True)
class InvoicesPage:
    account: BillingAccount | None
    """None where the organization is not charged."""
    rows: Sequence[InvoiceRow]
    next: str | None
    is_first: bool

    @staticmethod
    def money(minor: int, currency: str) -> str:
        return f"{amount(minor, currency)} {currency}"


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    may_read = access.allowed(Permission.BILLING_READ)

    @router.get("/invoices")
    def all_invoices(
        request: Request,
        viewer: Annotated[Viewer, Depends(may_read)],
        after: Annotated[str | None, Query(max_length=100)] = None,
    ) -> Response:
        with services.database.transaction() as tx:
            account = services.office.own_account(tx, viewer)
            rows = services.office.own_invoices(tx, viewer, before=after, limit=_ROWS + 1)
        shown = rows[:_ROWS]
        page = InvoicesPage(
            account,
            shown,
            str(shown[-1].invoice_id) if len(rows) > _ROWS else None,
            is_first=after is None,
        )
        return portal.shell.page(request, "invoices.html", page, viewer=viewer)

    return router
