"""Builds card payments, where a processor is set up."""

from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.features.payments.card_payments import CardPayments
from tradewind.plugins.payments.registry import find_processor
from tradewind.readmodels.disputed_invoices import DisputedInvoices
from tradewind.readmodels.wallets import BilledOrganizations
from tradewind.serve.services import Services


def build_card_payments(
    settings: Settings, database: Database, services: Services, *, public_url: str
) -> CardPayments | None:
    """Return None where none is. Raises StartupError when its SDK is not installed."""
    processor = find_processor(settings.stripe_secret_key, settings.stripe_webhook_secrets)
    if processor is None:
        return None
    return CardPayments(
        database,
        services.clock,
        services.ledger,
        services.wallets,
        BilledOrganizations(services.billing),
        DisputedInvoices(services.sales),
        processor,
        back_url=lambda: f"{public_url}/wallet",
    )
