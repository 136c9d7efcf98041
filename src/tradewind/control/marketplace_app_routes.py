"""Apps of publishers: where their buyers land, and what their publishers were asked."""

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.access import Call, Routes
from tradewind.control.bodies import Body
from tradewind.control.services import ControlServices
from tradewind.core.permissions import Permission
from tradewind.features.marketplace.schemas import (
    Action,
    AppRow,
    NewApp,
    OperationRow,
    OperationStatus,
)

_Id = Annotated[str, Path(max_length=100)]
_Url = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]


class AppBody(Body):
    landing_page: _Url = Field(description="Gets `?token=…` of somebody who bought the app.")
    webhook: _Url = Field(description="Is told of each operation, by signed POSTs.")
    is_private_network: bool = False
    turn_secret: bool = Field(default=False, description="Make the webhook another secret.")


class AppAnswer(BaseModel):
    offer: str
    landing_page: str
    webhook: str
    is_private_network: bool
    secret: str | None = Field(description="Shown once, when it is made.")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: AppRow, secret: str | None = None) -> "AppAnswer":
        return cls(
            offer=row.offer_id,
            landing_page=row.landing_url,
            webhook=row.webhook_url,
            is_private_network=row.is_private_network,
            secret=secret,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


class PurchaseLinkAnswer(BaseModel):
    url: str = Field(description="The publisher's page, with the token.")
    token: str
    expires_at: datetime


class AskedAnswer(BaseModel):
    id: str
    action: Action
    status: OperationStatus
    plan: str
    quantity: int
    error: str
    asked_at: datetime
    decided_by_itself_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, row: OperationRow) -> "AskedAnswer":
        return cls(
            id=row.operation_id,
            action=row.action,
            status=row.status,
            plan=row.plan_name,
            quantity=row.quantity,
            error=row.error,
            asked_at=row.created_at,
            decided_by_itself_at=row.decide_by,
            ended_at=row.ended_at,
        )


class AskedList(BaseModel):
    operations: list[AskedAnswer]


def add_app_routes(routes: Routes, services: ControlServices) -> None:
    """Add `/sales/offers/…/app`, and a buyer's way to the landing page."""
    fulfilment = services.marketplace.fulfilment

    @routes.get(
        "/sales/offers/{offer_id}/app",
        permission=Permission.SALES_READ,
        summary="Where buyers of an app land, and its publisher is told",
    )
    def app(call: Call, offer_id: _Id) -> AppAnswer:
        return AppAnswer.of(fulfilment.get_app(call.tx, call.holder, offer_id))

    @routes.put(
        "/sales/offers/{offer_id}/app",
        permission=Permission.SALES_WRITE,
        summary="Say where buyers of an app land, and its publisher is told",
    )
    def set_app(call: Call, offer_id: _Id, body: AppBody) -> AppAnswer:
        new = NewApp(body.landing_page, body.webhook, body.is_private_network)
        done = fulfilment.set_app(
            call.tx, call.holder, offer_id, new, turns_secret=body.turn_secret
        )
        return AppAnswer.of(done.row, None if done.secret is None else done.secret.reveal())

    @routes.post(
        "/subscriptions/{subscription_id}:set-up",
        permission=Permission.BILLING_WRITE,
        summary="A link to the app's landing page, good for a day",
    )
    def set_up(call: Call, subscription_id: _Id) -> PurchaseLinkAnswer:
        link = fulfilment.purchase_link(call.tx, call.holder, subscription_id)
        return PurchaseLinkAnswer(url=link.url, token=link.token, expires_at=link.expires_at)

    @routes.get(
        "/subscriptions/{subscription_id}/operations",
        permission=Permission.BILLING_READ,
        summary="What the app's publisher was asked and told",
    )
    def operations(call: Call, subscription_id: _Id) -> AskedList:
        rows = fulfilment.operations_of(call.tx, call.holder, subscription_id)
        return AskedList(operations=[AskedAnswer.of(row) for row in rows])
