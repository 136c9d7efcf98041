"""The services of the control API, whole, for tests that hand in some of them."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tradewind.control.services import ControlServices
from tradewind.core.clock import Clock
from tradewind.core.data_folder import DataFolder
from tradewind.db.database import Database
from tradewind.db.sealing import HeldKeys
from tradewind.db.vault import Vault
from tradewind.features.accounts.people import People
from tradewind.features.accounts.service import Accounts
from tradewind.features.artifacts.manifest import PlatformSigner
from tradewind.features.artifacts.services import build_artifact_services
from tradewind.features.budgets.service import Budgets
from tradewind.features.publishing.services import build_publishing
from tradewind.features.receipts.corrections import Corrections
from tradewind.features.receipts.service import Receipts
from tradewind.features.receipts.signing import ReceiptSigner
from tradewind.features.reconciliation.service import Reconciliation
from tradewind.plugins.engines.engine_logs import EngineLogs
from tradewind.readmodels.catalog_search.live import CatalogSearch
from tradewind.readmodels.receipt_facts import read_calls
from tradewind.readmodels.spend import read_spends
from tradewind.serve.deployment_orders import build_deployment_orders
from tradewind.serve.marketplace import build_marketplace
from tradewind.serve.payouts import build_payout_services
from tradewind.serve.price_services import build_price_services
from tradewind.serve.redteam import build_red_team
from tradewind.serve.selling import build_sale_offers
from tradewind.serve.services import Services

KEYS = HeldKeys([secrets.token_bytes(32)])


@contextmanager
def control_services(
    database: Database,
    accounts: Accounts,
    built: Services,
    folder: Path,
    *,
    clock: Clock,
    **handed_in: Any,
) -> Iterator[ControlServices]:
    """Build them for the time of the block; `built` is of `KEYS`, and `handed_in` are
    `list_models` and `read_usage`.
    """
    # Uploads are as old as the clock of the database says.
    artifacts = build_artifact_services(
        folder / "artifacts",
        Vault(KEYS, built.clock),
        built.clock,
        PlatformSigner(secrets.token_bytes(32)),
    )
    search = CatalogSearch(database)
    try:
        yield ControlServices(
            database=database,
            accounts=accounts,
            people=People(bytes(32), clock, accounts),
            providers=built.providers,
            endpoints=built.endpoints,
            call_throughs=built.call_throughs,
            orders=build_deployment_orders(built, artifacts.artifacts, currency="USD"),
            engine_logs=EngineLogs(folder / "logs"),
            budgets=Budgets(accounts, clock, read_spends),
            safety=built.safety,
            trust=built.trust,
            abuse=built.abuse,
            ledger=built.ledger,
            sales=built.sales,
            sale_offers=build_sale_offers(
                built.catalog, clock, PlatformSigner(secrets.token_bytes(32))
            ),
            marketplace=build_marketplace(
                built.sales, KEYS, PlatformSigner(secrets.token_bytes(32)), bytes(32), clock
            ),
            payers=built.payers,
            billing=built.billing,
            closing=built.closing,
            wallets=built.wallets,
            bank_transfers=built.bank_transfers,
            payouts=build_payout_services(built.clock, built.ledger, built.catalog),
            card_payments=handed_in.pop("card_payments", None),
            prices=build_price_services(built.market, built.clock),
            receipts=Receipts(clock, ReceiptSigner(bytes(32)), read_calls),
            corrections=Corrections(clock, read_calls),
            reconciliation=Reconciliation(clock),
            red_team=build_red_team(DataFolder(folder), clock),
            webhooks=built.webhooks,
            artifacts=artifacts,
            publishing=build_publishing(
                built.catalog,
                built.providers,
                built.endpoints,
                built.clock,
                artifacts=artifacts.artifacts,
            ),
            catalog=built.catalog,
            syncs=built.syncs,
            lives=built.lives,
            calendar_links=built.calendar_links,
            licences=built.licences,
            saved_views=built.saved_views,
            catalog_search=search,
            catalog_is_public=False,
            clock=clock,
            **handed_in,
        )
    finally:
        search.close()
