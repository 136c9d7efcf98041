"""The routes of the control API."""

from typing import Annotated

from fastapi import Path

from tradewind.control.abuse_routes import add_abuse_routes
from tradewind.control.access import PUBLIC, Call, Routes
from tradewind.control.answers import (
    Health,
    Key,
    KeyPage,
    Model,
    ModelPage,
    WhoAmI,
)
from tradewind.control.artifact_routes import add_artifact_routes
from tradewind.control.billing_routes import add_billing_routes
from tradewind.control.call_through_routes import add_call_through_routes
from tradewind.control.catalog_routes import add_catalog_routes
from tradewind.control.catalog_search_routes import add_catalog_search_routes
from tradewind.control.contentsafety_routes import add_contentsafety_routes
from tradewind.control.deployment_routes import add_deployment_routes
from tradewind.control.endpoint_routes import add_endpoint_routes
from tradewind.control.incident_routes import add_incident_routes
from tradewind.control.ledger_routes import add_ledger_routes
from tradewind.control.limit_routes import add_limit_routes
from tradewind.control.marketplace_app_routes import add_app_routes
from tradewind.control.marketplace_saas_routes import add_saas_routes
from tradewind.control.marketplace_usage_routes import add_usage_report_routes
from tradewind.control.pages import After, Limit, page_of
from tradewind.control.payment_card_routes import add_card_routes
from tradewind.control.payment_routes import add_payment_routes
from tradewind.control.payout_routes import add_payout_routes
from tradewind.control.people_routes import add_people_routes
from tradewind.control.price_routes import add_price_routes
from tradewind.control.provider_routes import add_provider_routes
from tradewind.control.publishing_routes import add_publishing_routes
from tradewind.control.receipt_routes import add_receipt_routes
from tradewind.control.reconciliation_routes import add_reconciliation_routes
from tradewind.control.redteam_routes import add_redteam_routes
from tradewind.control.request_routes import add_request_routes
from tradewind.control.safety_routes import add_safety_routes
from tradewind.control.sales_routes import add_sales_routes
from tradewind.control.saved_view_routes import add_saved_view_routes
from tradewind.control.services import ControlServices
from tradewind.control.sink_routes import add_sink_routes
from tradewind.control.trust_routes import add_trust_routes
from tradewind.control.usage_event_routes import add_usage_event_routes
from tradewind.control.usage_routes import add_usage_routes
from tradewind.control.webhook_routes import add_webhook_routes
from tradewind.core.permissions import Permission


def api_routes(services: ControlServices) -> Routes:
    """Return every route below `/api`."""
    routes = Routes(services)

    @routes.get("/health", permission=PUBLIC, summary="Is the control plane there")
    async def health() -> Health:
        return Health(status="ok")

    @routes.get("/whoami", permission=Permission.MODELS_READ, summary="What this key stands for")
    def whoami(call: Call) -> WhoAmI:
        return WhoAmI.of(call.holder)

    @routes.get("/models", permission=Permission.MODELS_READ, summary="Models this key may call")
    def models(call: Call, limit: Limit = 100, after: After = None) -> ModelPage:
        allowed = call.holder.models
        served = [
            model
            for model in services.list_models(call.tx, call.holder.organization_id)
            if allowed is None or model.name in allowed
        ]
        page = page_of(served, lambda model: model.name, limit=limit, after=after)
        return ModelPage(models=[Model.of(model) for model in page.entries], next=page.next)

    @routes.get("/keys", permission=Permission.KEYS_READ, summary="Keys of this project")
    def keys(call: Call, limit: Limit = 100, after: After = None) -> KeyPage:
        rows = services.accounts.list_keys(call.tx, call.holder)
        page = page_of(rows, lambda row: row.key_id, limit=limit, after=after)
        return KeyPage(keys=[Key.of(row) for row in page.entries], next=page.next)

    @routes.get("/keys/{key_id}", permission=Permission.KEYS_READ, summary="A key of this project")
    def key(call: Call, key_id: Annotated[str, Path(max_length=100)]) -> Key:
        return Key.of(services.accounts.get_key(call.tx, call.holder, key_id))

    add_provider_routes(routes, services)
    add_deployment_routes(routes, services)
    add_endpoint_routes(routes, services)
    add_call_through_routes(routes, services)
    add_limit_routes(routes, services)
    add_ledger_routes(routes, services)
    add_billing_routes(routes, services)
    add_payment_routes(routes, services)
    add_payout_routes(routes, services)
    add_card_routes(routes, services)
    add_price_routes(routes, services)
    add_request_routes(routes, services.clock)
    add_receipt_routes(routes, services)
    add_usage_routes(routes, services)
    add_usage_event_routes(routes, services)
    add_reconciliation_routes(routes, services)
    add_redteam_routes(routes, services)
    add_webhook_routes(routes, services)
    add_people_routes(routes, services)
    add_artifact_routes(routes, services)
    add_publishing_routes(routes, services)
    add_catalog_routes(routes, services)
    add_catalog_search_routes(routes, services)
    add_saved_view_routes(routes, services)
    add_sales_routes(routes, services)
    add_usage_report_routes(routes, services)
    add_saas_routes(routes, services)
    add_app_routes(routes, services)
    add_sink_routes(routes, services)
    add_safety_routes(routes, services)
    add_trust_routes(routes, services)
    add_abuse_routes(routes, services)
    add_incident_routes(routes, services)
    add_contentsafety_routes(routes, services)
    return routes
