"""What webhooks raise beyond the leaves of `core.errors`."""

from tradewind.core.errors import TradewindError


class TooManyWebhooks(TradewindError):
    code = "too_many_webhooks"
    status = 409


class TooManyDeliveries(TradewindError):
    """More deliveries to one destination wait than anybody needs to ask for by hand."""

    code = "too_many_deliveries"
    status = 409


class WebhookDisabled(TradewindError):
    code = "webhook_disabled"
    status = 409
