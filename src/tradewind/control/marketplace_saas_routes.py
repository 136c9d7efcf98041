"""Azure's SaaS fulfilment API, version 2: what publishers do with subscriptions to their apps.

Format: learn.microsoft.com, "SaaS fulfillment Subscription APIs v2", "SaaS fulfillment Operations
APIs v2". Subscriptions and operations are named by GUIDs, plans by their names.
"""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Path, Query
from fastapi.responses import Response

from tradewind.control.access import Call, Routes
from tradewind.control.acting import acting
from tradewind.control.marketplace_wire import (
    API_VERSION,
    AZURE_ANSWERS,
    Asked,
    AzureCall,
    seats_of,
    text_of,
)
from tradewind.control.services import ControlServices
from tradewind.core.errors import InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.marketplace.bodies import (
    operation_body,
    plan_body,
    resolved_body,
    subscription_body,
)
from tradewind.features.marketplace.rules.guids import guid_of
from tradewind.features.marketplace.schemas import OperationRow

_BASE = "/saas/subscriptions"
_ONE = f"{_BASE}/{{subscription_id}}"
_TARGET = "subscription"
_Id = Annotated[str, Path(max_length=100)]
_OK = HTTPStatus.OK


def add_saas_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/saas/subscriptions`."""
    routes = routes.answering(AZURE_ANSWERS)
    _add_subscriptions(routes, services)
    _add_changes(routes, services)
    _add_operations(routes, services)


def _add_subscriptions(routes: Routes, services: ControlServices) -> None:
    fulfilment = services.marketplace.fulfilment
    reads, writes = Permission.SALES_READ, Permission.SALES_WRITE

    @routes.post(f"{_BASE}/resolve", permission=writes, summary="What a purchase token is for")
    def resolve(call: Call, asked: AzureCall) -> Response:
        with asked.shaped("x-ms-marketplace-token"):
            if not asked.token:
                raise InvalidInput("the header x-ms-marketplace-token is missing")
            return asked.answer(
                _OK, resolved_body(fulfilment.resolve(call.tx, call.holder, asked.token))
            )

    @routes.get(_BASE, permission=reads, summary="Subscriptions to own apps and models")
    def subscriptions(
        call: Call,
        asked: AzureCall,
        continuation_token: Annotated[str, Query(alias="continuationToken", max_length=100)] = "",
    ) -> Response:
        with asked.shaped(_TARGET):
            rows, more = fulfilment.page(call.tx, call.holder, continuation_token)
            body: dict[str, object] = {"subscriptions": [subscription_body(row) for row in rows]}
            if more:
                query = urlencode({"continuationToken": more, "api-version": API_VERSION})
                body["@nextLink"] = asked.url(services.public_url, f"{_BASE}?{query}")
            return asked.answer(_OK, body)

    @routes.get(_ONE, permission=reads, summary="A subscription")
    def subscription(call: Call, asked: AzureCall, subscription_id: _Id) -> Response:
        with asked.shaped(_TARGET):
            found = fulfilment.get(call.tx, call.holder, subscription_id)
            return asked.answer(_OK, subscription_body(found))

    @routes.get(f"{_ONE}/listAvailablePlans", permission=reads, summary="Plans it could change to")
    def plans(call: Call, asked: AzureCall, subscription_id: _Id) -> Response:
        with asked.shaped(_TARGET):
            found = fulfilment.plans(call.tx, call.holder, subscription_id)
            return asked.answer(_OK, {"plans": [plan_body(plan) for plan in found]})

    @routes.post(
        f"{_ONE}/activate", permission=writes, summary="Begin what was bought; nothing costs before"
    )
    def activate(call: Call, asked: AzureCall, subscription_id: _Id) -> Response:
        with asked.shaped(_TARGET):
            fields = asked.fields()
            plan = text_of(fields, "planId")
            if not plan:
                raise InvalidInput("the planId is required")
            fulfilment.activate(
                call.tx,
                call.holder,
                acting(services, call),
                subscription_id,
                plan,
                seats_of(fields),
            )
            return asked.answer(_OK)


def _add_changes(routes: Routes, services: ControlServices) -> None:
    fulfilment = services.marketplace.fulfilment
    writes = Permission.SALES_WRITE

    @routes.patch(_ONE, permission=writes, summary="Another plan, or another quantity")
    def change(call: Call, asked: AzureCall, subscription_id: _Id) -> Response:
        with asked.shaped(_TARGET):
            fields = asked.fields()
            by = acting(services, call)
            operation = fulfilment.change_sold(
                call.tx,
                call.holder,
                by,
                subscription_id,
                text_of(fields, "planId") or None,
                seats_of(fields),
            )
            return _begun(asked, services.public_url, operation)

    @routes.delete(_ONE, permission=writes, summary="End it; the rest of the fee is given back")
    def cancel(call: Call, asked: AzureCall, subscription_id: _Id) -> Response:
        with asked.shaped(_TARGET):
            by = acting(services, call)
            operation = fulfilment.cancel_sold(call.tx, call.holder, by, subscription_id)
            return _begun(asked, services.public_url, operation)


def _add_operations(routes: Routes, services: ControlServices) -> None:
    fulfilment = services.marketplace.fulfilment
    reads, writes = Permission.SALES_READ, Permission.SALES_WRITE

    @routes.get(f"{_ONE}/operations", permission=reads, summary="What waits for the publisher")
    def operations(call: Call, asked: AzureCall, subscription_id: _Id) -> Response:
        with asked.shaped(_TARGET):
            found = fulfilment.running(call.tx, call.holder, subscription_id)
            return asked.answer(_OK, {"operations": [operation_body(row) for row in found]})

    @routes.get(f"{_ONE}/operations/{{operation_id}}", permission=reads, summary="An operation")
    def operation(
        call: Call, asked: AzureCall, subscription_id: _Id, operation_id: _Id
    ) -> Response:
        with asked.shaped("operation"):
            found = fulfilment.operation(call.tx, call.holder, subscription_id, operation_id)
            return asked.answer(_OK, operation_body(found))

    @routes.patch(
        f"{_ONE}/operations/{{operation_id}}",
        permission=writes,
        summary="Agree to an operation, or refuse it; who says nothing for ten seconds agrees",
    )
    def decide(call: Call, asked: AzureCall, subscription_id: _Id, operation_id: _Id) -> Response:
        with asked.shaped("operation"):
            status = text_of(asked.fields(), "status")
            if status not in {"Success", "Failure"}:
                raise InvalidInput("`status` is Success or Failure")
            fulfilment.decide(
                call.tx,
                call.holder,
                acting(services, call),
                subscription_id,
                operation_id,
                agrees=status == "Success",
            )
            return asked.answer(_OK)


def _begun(asked: Asked, public_url: str, row: OperationRow) -> Response:
    place = f"{_BASE}/{guid_of(row.subscription_id)}/operations/{guid_of(row.operation_id)}"
    return asked.answer(
        HTTPStatus.ACCEPTED,
        headers={"operation-location": asked.url(public_url, f"{place}?api-version={API_VERSION}")},
    )
