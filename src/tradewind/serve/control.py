"""The control plane's process: API and portal on a unix socket, behind the gateway.

`python -m tradewind.serve.control --socket PATH --public-url URL [--backstage PATH]`
"""

import argparse
import contextlib
import signal
import sys
from datetime import timedelta
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from tradewind.control.app import create_app
from tradewind.control.backstage.app import BackstageServices, create_backstage
from tradewind.control.services import ControlServices
from tradewind.core.clock import SystemClock
from tradewind.core.data_folder import DataFolder
from tradewind.core.parent_death import end_with_parent
from tradewind.core.settings import Settings
from tradewind.db.database import Database, Timeouts
from tradewind.features.artifacts.manifest import PlatformSigner
from tradewind.features.billing.office import Office
from tradewind.features.catalog.licences import Licences
from tradewind.features.ledger.books import Books
from tradewind.features.publishing.services import build_publishing
from tradewind.features.receipts.corrections import Corrections
from tradewind.features.reconciliation.service import Reconciliation
from tradewind.features.trust.schemas import Release, SubjectKind
from tradewind.plugins.engines.engine_logs import EngineLogs
from tradewind.portal.app import create_portal
from tradewind.portal.services import PortalServices
from tradewind.readmodels.catalog_search.live import CatalogSearch
from tradewind.readmodels.models import list_models
from tradewind.readmodels.project_usage import read_project_usage
from tradewind.readmodels.receipt_facts import read_calls
from tradewind.serve.artifacts import build_artifacts
from tradewind.serve.backstage import backstage_served
from tradewind.serve.card_payments import build_card_payments
from tradewind.serve.deployment_orders import build_deployment_orders
from tradewind.serve.marketplace import build_marketplace
from tradewind.serve.payouts import build_payout_services
from tradewind.serve.price_services import build_price_services
from tradewind.serve.private_socket import private_socket
from tradewind.serve.receipts import build_receipts
from tradewind.serve.redteam import build_red_team
from tradewind.serve.secret_files import (
    load_or_create_key_encryption,
    load_or_create_pepper,
    load_or_create_signing_key,
)
from tradewind.serve.selling import build_sale_offers, selling_terms
from tradewind.serve.services import build_services
from tradewind.serve.trust import gate_of
from tradewind.telemetry.logs import log_to_stderr

_GRACE_S = 10


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="tradewind-control")
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--public-url", required=True)
    parser.add_argument("--backstage", type=Path, help="unix socket for the gateways' questions")
    parser.add_argument("--parent", type=int, help="end with the process of this id")
    arguments = parser.parse_args()
    log_to_stderr()
    if arguments.parent is not None:
        end_with_parent(arguments.parent)
    settings = Settings()
    app = build_app(settings, public_url=arguments.public_url)
    config = uvicorn.Config(
        app,
        # Only the gateway can reach the socket, and it says who the client is.
        forwarded_allow_ips="*",
        proxy_headers=True,
        access_log=False,
        server_header=False,
        log_config=None,
        timeout_graceful_shutdown=_GRACE_S,
        # Answers go through the gateway, whose idle connections end after 30 s.
        timeout_keep_alive=60,
        ws="none",
    )
    with contextlib.ExitStack() as stack:
        stack.callback(app.state.catalog_search.close)
        if arguments.backstage is not None:
            signal.signal(signal.SIGTERM, _leave)
            stack.enter_context(backstage_served(build_backstage(settings), arguments.backstage))
        uvicorn.Server(config).run(sockets=[private_socket(arguments.socket)])


def _leave(_number: int, _frame: FrameType | None) -> None:
    """Uvicorn hands a signal on when it has stopped: by default that would end the process here,
    with the backstage still at work.
    """
    sys.exit(0)


def build_app(settings: Settings, *, public_url: str) -> FastAPI:
    """Return the whole control plane as one application."""
    assert settings.database_url is not None, (
        "whoever starts the control plane hands it the database"
    )
    folder = DataFolder(settings.data.resolve())
    database = Database(
        settings.database_url,
        application_name="tradewind-control",
        pool_size=10,
        timeouts=Timeouts(statement_s=10),
    )
    services = build_services(
        load_or_create_pepper(folder.secrets),
        load_or_create_key_encryption(folder.secrets),
        selling_terms(settings),
        allows_self_review=settings.self_review,
    )
    search = CatalogSearch(database, currency=settings.currency)
    # Built while the first page is on its way, never before the port is open.
    search.start()
    artifacts = build_artifacts(settings, folder, load_or_create_key_encryption(folder.secrets))
    orders = build_deployment_orders(services, artifacts.artifacts, currency=settings.currency)
    engine_logs = EngineLogs(folder.logs)
    receipts = build_receipts(folder, services.clock)
    red_team = build_red_team(folder, services.clock)
    card_payments = build_card_payments(settings, database, services, public_url=public_url)
    publishing = build_publishing(
        services.catalog,
        services.providers,
        services.endpoints,
        services.clock,
        artifacts=artifacts.artifacts,
        allows_self_review=settings.self_review,
        release_gate=gate_of(services.trust, SubjectKind.MODEL, Release.LISTING),
    )
    prices = build_price_services(
        services.market,
        services.clock,
        notice_days=settings.price_notice_days,
        currency=settings.currency,
    )
    sale_offers = build_sale_offers(
        services.catalog,
        services.clock,
        PlatformSigner(load_or_create_signing_key(folder.secrets)),
        gate_of(services.trust, SubjectKind.OFFER, Release.LISTING),
    )
    marketplace = build_marketplace(
        services.sales,
        load_or_create_key_encryption(folder.secrets),
        PlatformSigner(load_or_create_signing_key(folder.secrets)),
        load_or_create_pepper(folder.secrets),
        services.clock,
    )
    payouts = build_payout_services(
        services.clock,
        services.ledger,
        services.catalog,
        allows_self_approval=settings.payout_self_approval,
    )
    app = create_app(
        ControlServices(
            database=database,
            accounts=services.accounts,
            people=services.people,
            providers=services.providers,
            endpoints=services.endpoints,
            call_throughs=services.call_throughs,
            budgets=services.budgets,
            safety=services.safety,
            trust=services.trust,
            abuse=services.abuse,
            ledger=services.ledger,
            sales=services.sales,
            sale_offers=sale_offers,
            marketplace=marketplace,
            payers=services.payers,
            billing=services.billing,
            closing=services.closing,
            wallets=services.wallets,
            bank_transfers=services.bank_transfers,
            payouts=payouts,
            card_payments=card_payments,
            prices=prices,
            receipts=receipts,
            reconciliation=Reconciliation(services.clock),
            red_team=red_team,
            corrections=Corrections(services.clock, read_calls),
            webhooks=services.webhooks,
            artifacts=artifacts,
            publishing=publishing,
            orders=orders,
            engine_logs=engine_logs,
            catalog=services.catalog,
            syncs=services.syncs,
            lives=services.lives,
            licences=services.licences,
            saved_views=services.saved_views,
            catalog_search=search,
            catalog_is_public=settings.catalog_is_public,
            clock=services.clock,
            calendar_links=services.calendar_links,
            public_url=public_url,
            list_models=list_models,
            read_usage=read_project_usage,
        )
    )
    portal = create_portal(
        PortalServices(
            database=database,
            accounts=services.accounts,
            people=services.people,
            providers=services.providers,
            endpoints=services.endpoints,
            call_throughs=services.call_throughs,
            orders=orders,
            engine_logs=engine_logs,
            budgets=services.budgets,
            safety=services.safety,
            trust=services.trust,
            abuse=services.abuse,
            wallets=services.wallets,
            bank_transfers=services.bank_transfers,
            payouts=payouts,
            card_payments=card_payments,
            sales=services.sales,
            sale_offers=sale_offers,
            payers=services.payers,
            sinks=marketplace.sinks,
            prices=prices,
            office=Office(services.billing, services.closing),
            books=Books(services.ledger),
            receipts=receipts,
            reconciliation=Reconciliation(services.clock),
            red_team=red_team,
            webhooks=services.webhooks,
            publishing=publishing,
            artifacts=artifacts.artifacts,
            uploads=artifacts.uploads,
            catalog=services.catalog,
            lives=services.lives,
            calendar_links=services.calendar_links,
            licences=Licences(services.clock),
            saved_views=services.saved_views,
            catalog_search=search,
            clock=services.clock,
            public_url=lambda: public_url,
            catalog_is_public=settings.catalog_is_public,
            log_days=settings.request_log_days,
            validation_every=timedelta(hours=settings.validation_hours),
        )
    )
    app.mount("/", portal)
    app.state.catalog_search = search
    return app


def build_backstage(settings: Settings) -> FastAPI:
    """Return what answers the gateways' own questions, on connections of its own: a portal that
    has taken all of its pool must not make gateways wait.
    """
    assert settings.database_url is not None
    database = Database(
        settings.database_url,
        application_name="tradewind-backstage",
        pool_size=10,
        timeouts=Timeouts(statement_s=10),
    )
    return create_backstage(BackstageServices(database, SystemClock()))


if __name__ == "__main__":
    main()
