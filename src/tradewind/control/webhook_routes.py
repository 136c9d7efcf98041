"""The routes of webhooks."""

from typing import Annotated

from fastapi import Path, Response

from tradewind.control.access import Call, Routes
from tradewind.control.pages import After, Limit
from tradewind.control.services import ControlServices
from tradewind.control.versions import IfMatch, etag, revision_of
from tradewind.control.webhook_answers import (
    DeliveryAnswer,
    DeliveryPage,
    SecretAnswer,
    SetAsideAnswer,
    WebhookAnswer,
    WebhookBody,
    WebhookList,
    WebhookPatch,
)
from tradewind.core.permissions import Permission
from tradewind.features.webhooks.schemas import DestinationRow

_WebhookId = Annotated[str, Path(max_length=100)]
_DeliveryId = Annotated[str, Path(max_length=100)]


def add_webhook_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/webhooks`."""
    webhooks = services.webhooks
    reads, writes = Permission.WEBHOOKS_READ, Permission.WEBHOOKS_WRITE

    @routes.get("/webhooks", permission=reads, summary="Webhooks of the organization")
    def all_webhooks(call: Call) -> WebhookList:
        return WebhookList(
            webhooks=[
                WebhookAnswer.of(row) for row in webhooks.list_webhooks(call.tx, call.holder)
            ],
            set_aside=[
                SetAsideAnswer.of(each) for each in webhooks.list_set_aside(call.tx, call.holder)
            ],
        )

    @routes.post("/webhooks", permission=writes, summary="Add a webhook")
    def add_webhook(call: Call, body: WebhookBody, response: Response) -> SecretAnswer:
        made = webhooks.add_webhook(call.tx, call.holder, body.to_new())
        response.headers["location"] = f"/api/webhooks/{made.row.webhook_id}"
        _mark(made.row, response)
        return SecretAnswer.of(made)

    @routes.get("/webhooks/{webhook_id}", permission=reads, summary="A webhook")
    def webhook(call: Call, webhook_id: _WebhookId, response: Response) -> WebhookAnswer:
        return _shown(webhooks.get_webhook(call.tx, call.holder, webhook_id), response)

    @routes.patch("/webhooks/{webhook_id}", permission=writes, summary="Change a webhook")
    def change_webhook(
        call: Call,
        webhook_id: _WebhookId,
        body: WebhookPatch,
        response: Response,
        if_match: IfMatch = None,
    ) -> WebhookAnswer:
        row = webhooks.update_webhook(
            call.tx, call.holder, webhook_id, body.to_changes(), revision=revision_of(if_match)
        )
        return _shown(row, response)

    @routes.delete("/webhooks/{webhook_id}", permission=writes, summary="Delete a webhook")
    def delete_webhook(call: Call, webhook_id: _WebhookId, if_match: IfMatch = None) -> None:
        webhooks.delete_webhook(call.tx, call.holder, webhook_id, revision=revision_of(if_match))

    @routes.post(
        "/webhooks/{webhook_id}/secret",
        permission=writes,
        summary="Make another signing secret; the former signs too for a day",
    )
    def rotate_secret(
        call: Call, webhook_id: _WebhookId, response: Response, if_match: IfMatch = None
    ) -> SecretAnswer:
        made = webhooks.rotate_secret(
            call.tx, call.holder, webhook_id, revision=revision_of(if_match)
        )
        _mark(made.row, response)
        return SecretAnswer.of(made)

    @routes.post(
        "/webhooks/{webhook_id}/test", permission=writes, summary="Have a test event sent once"
    )
    def send_test(call: Call, webhook_id: _WebhookId) -> DeliveryAnswer:
        return DeliveryAnswer.of(webhooks.send_test(call.tx, call.holder, webhook_id))

    @routes.get(
        "/webhooks/{webhook_id}/deliveries",
        permission=reads,
        summary="What was sent to a webhook, and what came of it",
    )
    def deliveries(
        call: Call, webhook_id: _WebhookId, limit: Limit = 100, after: After = None
    ) -> DeliveryPage:
        rows = webhooks.list_deliveries(
            call.tx, call.holder, webhook_id, before=after, limit=limit + 1
        )
        shown = rows[:limit]
        return DeliveryPage(
            deliveries=[DeliveryAnswer.of(row) for row in shown],
            next=shown[-1].delivery_id if len(rows) > limit else None,
        )

    @routes.post(
        "/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
        permission=writes,
        summary="Have an event sent again, under the same id",
    )
    def redeliver(call: Call, webhook_id: _WebhookId, delivery_id: _DeliveryId) -> DeliveryAnswer:
        return DeliveryAnswer.of(webhooks.redeliver(call.tx, call.holder, webhook_id, delivery_id))


def _shown(row: DestinationRow, response: Response) -> WebhookAnswer:
    _mark(row, response)
    return WebhookAnswer.of(row)


def _mark(row: DestinationRow, response: Response) -> None:
    response.headers["etag"] = etag(row.revision)
