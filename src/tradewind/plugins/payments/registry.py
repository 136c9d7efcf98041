"""Which payment processor there is. The SDK of one that is not set up is never imported."""

from tradewind.core.errors import StartupError
from tradewind.plugins.payments.base import Processor


def find_processor(stripe_key: str | None, webhook_secrets: str | None) -> Processor | None:
    """Return the processor that is set up; None without a key and a secret for its messages.

    `webhook_secrets` are separated by commas: two while one is being replaced.
    Raises StartupError when its SDK is not installed.
    """
    secrets = tuple(each.strip() for each in (webhook_secrets or "").split(",") if each.strip())
    if not stripe_key or not secrets:
        return None
    try:
        from tradewind.plugins.payments.stripe import Stripe  # noqa: PLC0415
    except ImportError as error:
        raise StartupError(
            "payments by Stripe need its SDK", hint="install tradewind[payments]"
        ) from error
    return Stripe(stripe_key, secrets)
