"""Builds the portal's application; `serve/` mounts it at the root of the control plane."""

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from tradewind.portal.access import Access
from tradewind.portal.assets import load_assets
from tradewind.portal.edge import Edge
from tradewind.portal.failures import add_failure_pages
from tradewind.portal.pages import (
    abuse,
    bank,
    billing_runs,
    budgets,
    calendar,
    call_through,
    compare,
    cost_centres,
    deployment,
    deployments,
    earnings,
    endpoint,
    endpoint_targets,
    endpoints,
    fx,
    home,
    incidents,
    invitation,
    invoice,
    invoices,
    issuer,
    keys,
    limits,
    listing,
    margins,
    model,
    models,
    organizations,
    payouts,
    people,
    places,
    plan,
    playground,
    price_keys,
    prices,
    private_offers,
    provider,
    provider_models,
    providers,
    publish,
    publish_uploads,
    reconciliation,
    redteam,
    redteam_campaign,
    redteam_new,
    releases,
    request,
    requests,
    reviews,
    safety,
    safety_blocklists,
    safety_categories,
    safety_corpora,
    safety_dry_runs,
    safety_policy,
    safety_policy_edit,
    safety_quality,
    sales,
    set_up,
    sign_in,
    sinks,
    subscription,
    subscriptions,
    taxes,
    transparency,
    usage,
    views,
    wallet,
    wallet_cards,
    webhook,
    webhooks,
)
from tradewind.portal.parts import Portal
from tradewind.portal.services import PortalServices
from tradewind.portal.shell import Shell

_PAGES = (
    sign_in,
    set_up,
    home,
    models,
    model,
    calendar,
    call_through,
    compare,
    views,
    playground,
    keys,
    usage,
    requests,
    request,
    providers,
    provider_models,
    provider,
    deployments,
    deployment,
    endpoints,
    endpoint_targets,
    endpoint,
    limits,
    budgets,
    wallet,
    wallet_cards,
    bank,
    prices,
    margins,
    price_keys,
    reconciliation,
    redteam,
    redteam_new,
    redteam_campaign,
    subscriptions,
    subscription,
    plan,
    private_offers,
    sales,
    earnings,
    payouts,
    invoices,
    invoice,
    cost_centres,
    billing_runs,
    issuer,
    taxes,
    fx,
    webhooks,
    webhook,
    sinks,
    people,
    organizations,
    invitation,
    places,
    publish,
    publish_uploads,
    listing,
    reviews,
    releases,
    transparency,
    abuse,
    incidents,
    safety,
    safety_policy_edit,
    safety_policy,
    safety_dry_runs,
    safety_blocklists,
    safety_categories,
    safety_corpora,
    safety_quality,
)


def create_portal(services: PortalServices) -> ASGIApp:
    """Return the portal as an application of its own, so that its error pages stay its own.

    Mount it last, at "/". Raises StartupError when an installed package lacks a file we serve.
    """
    assets = load_assets()
    portal = Portal(services, Access(services), Shell(assets, services.clock))
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    add_failure_pages(app, portal)

    @app.get("/static/{name:path}")
    async def static_file(request: Request, name: str) -> Response:
        return assets.respond(request, name)

    for page in _PAGES:
        app.include_router(page.routes(portal))
    return Edge(app)
