"""Stripe, through its own SDK.

Formats: docs.stripe.com/api (checkout/sessions, payment_intents, setup_intents, refunds,
idempotent_requests), docs.stripe.com/webhooks (signatures), docs.stripe.com/currencies (minor
units). A payment of ours is named in the `metadata` of whatever Stripe keeps of it.
"""

import json
from collections.abc import Callable
from typing import Any, cast

import stripe

from tradewind.core.errors import InvalidInput, Unavailable
from tradewind.core.money import NANOS_PER_UNIT
from tradewind.plugins.payments.base import (
    Asked,
    Checkout,
    Notice,
    NoticeRefused,
    ProcessorRefused,
    Standing,
)

NAME = "stripe"
TOLERANCE_S = 300
"""How old a signature may be."""
_TIMEOUT_S = 20
_TRIES_AGAIN = 2
_ID_MAX = 255
_OURS = "tradewind_payment"
# docs.stripe.com/currencies#zero-decimal, and #three-decimal: the last digit of those is 0.
_WITHOUT_DIGITS = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA"}
    | {"PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_WITH_THREE_DIGITS = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])


class Stripe:
    """`address` is another than Stripe's own in tests alone."""

    def __init__(
        self, secret_key: str, webhook_secrets: tuple[str, ...], *, address: str = ""
    ) -> None:
        self._secrets = webhook_secrets
        addresses: Any = {"api": address} if address else None
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses=addresses,
            max_network_retries=_TRIES_AGAIN,
            http_client=stripe.RequestsClient(timeout=_TIMEOUT_S),
        )

    def __repr__(self) -> str:
        return "Stripe()"

    @property
    def name(self) -> str:
        return NAME

    def pay(self, asked: Asked) -> Checkout:
        return self._checkout(
            asked,
            {
                "mode": "payment",
                "line_items": [
                    {
                        "quantity": 1,
                        "price_data": {
                            "currency": asked.currency.lower(),
                            "unit_amount": minor_of(asked.nanos, asked.currency),
                            "product_data": {"name": asked.description},
                        },
                    }
                ],
                "payment_intent_data": {"metadata": {_OURS: asked.payment_id}},
            },
        )

    def save_card(self, asked: Asked) -> Checkout:
        return self._checkout(
            asked,
            {
                "mode": "setup",
                "currency": asked.currency.lower(),
                "payment_method_types": ["card"],
            }
            | ({} if asked.customer else {"customer_creation": "always"}),
        )

    def _checkout(self, asked: Asked, more: dict[str, Any]) -> Checkout:
        params: dict[str, Any] = {
            "success_url": asked.back_url,
            "cancel_url": asked.back_url,
            "client_reference_id": asked.payment_id,
            "metadata": {_OURS: asked.payment_id},
            **more,
        }
        if asked.customer:
            params["customer"] = asked.customer
        made = self._call(
            self._client.v1.checkout.sessions.create, params, _key("checkout", asked.payment_id)
        )
        return Checkout(_text(made, "id"), _text(made, "url"))

    def standing(self, processor_id: str) -> Standing:
        if processor_id.startswith("pi_"):
            found = self._read(self._client.v1.payment_intents.retrieve, processor_id)
            return _of_intent(found)
        session = self._read(self._client.v1.checkout.sessions.retrieve, processor_id)
        ours = _ours(session)
        state = _text(session, "status")
        if state == "expired":
            return Standing("failed", 0, "", ours, why="the page was left")
        if state != "complete":
            return Standing("pending", 0, "", ours)
        if _text(session, "mode") == "setup":
            setup = self._read(
                self._client.v1.setup_intents.retrieve, _text(session, "setup_intent")
            )
            is_done = _text(setup, "status") == "succeeded"
            return Standing(
                "paid" if is_done else "pending",
                0,
                _text(session, "currency").upper(),
                ours,
                card=_text(setup, "payment_method"),
                customer=_text(setup, "customer") or _text(session, "customer"),
            )
        # The session says that it was paid; the intent says how much came.
        intent = self._read(
            self._client.v1.payment_intents.retrieve, _text(session, "payment_intent")
        )
        found = _of_intent(intent)
        if found.payment_id != ours:
            raise Unavailable("Stripe names two payments for one page")
        # Somebody whose card was refused on the page may try another one there.
        return found if found.state == "paid" else found._replace(state="pending")

    def charge(self, asked: Asked, card: str) -> tuple[str, Standing]:
        params: dict[str, Any] = {
            "amount": minor_of(asked.nanos, asked.currency),
            "currency": asked.currency.lower(),
            "customer": asked.customer,
            "payment_method": card,
            "off_session": True,
            "confirm": True,
            "description": asked.description,
            "metadata": {_OURS: asked.payment_id},
        }
        made = self._call(
            self._client.v1.payment_intents.create, params, _key("charge", asked.payment_id)
        )
        return _text(made, "id"), _of_intent(made)

    def refund(self, intent_id: str, nanos: int, currency: str, key: str) -> str:
        params: dict[str, Any] = {
            "payment_intent": intent_id,
            "amount": minor_of(nanos, currency),
            "metadata": {"tradewind_refund": key},
        }
        made = self._call(self._client.v1.refunds.create, params, _key("refund", key))
        if _text(made, "status") in {"failed", "canceled"}:
            raise ProcessorRefused("Stripe could not refund it")
        return _text(made, "id")

    def read_notice(self, body: bytes, signature: str) -> Notice:
        """Return what a webhook is about. Two secrets are right while one is being replaced.

        Raises NoticeRefused.
        """
        if not any(_is_signed(body, signature, secret) for secret in self._secrets):
            raise NoticeRefused("the signature is missing, wrong or too old")
        try:
            told = json.loads(body)
            event_id, kind, about = told["id"], told["type"], told["data"]["object"]["id"]
        except (ValueError, KeyError, TypeError) as error:
            raise NoticeRefused("this is no event") from error
        if not all(
            isinstance(each, str) and len(each) <= _ID_MAX for each in (event_id, kind, about)
        ):
            raise NoticeRefused("this is no event")
        return Notice(event_id, kind, about)

    def _call(self, act: Any, params: dict[str, Any], key: str) -> dict[str, Any]:
        return _answered(lambda: act(params, {"idempotency_key": key}))

    def _read(self, act: Any, object_id: str) -> dict[str, Any]:
        return _answered(lambda: act(object_id))


def minor_of(nanos: int, currency: str) -> int:
    """Return an amount in what Stripe counts a currency in. Raises InvalidInput for a rest."""
    unit = _unit(currency)
    if nanos % unit:
        raise InvalidInput(f"the amount is finer than {currency} can be paid in")
    minor = nanos // unit
    if currency in _WITH_THREE_DIGITS and minor % 10:
        raise InvalidInput(f"the last digit of an amount in {currency} has to be 0")
    return minor


def _unit(currency: str) -> int:
    if currency in _WITHOUT_DIGITS:
        return NANOS_PER_UNIT
    return NANOS_PER_UNIT // (1000 if currency in _WITH_THREE_DIGITS else 100)


def _of_intent(intent: dict[str, Any]) -> Standing:
    currency, status = _text(intent, "currency").upper(), _text(intent, "status")
    received = intent.get("amount_received")
    if not isinstance(received, int) or not currency:
        raise Unavailable("Stripe answered without an amount")
    state = {"succeeded": "paid", "canceled": "failed", "requires_payment_method": "failed"}.get(
        status, "pending"
    )
    return Standing(
        state,
        received * _unit(currency),
        currency,
        _ours(intent),
        intent_id=_text(intent, "id"),
        why="" if state != "failed" else f"Stripe says {status}",
    )


def _answered(act: Any) -> dict[str, Any]:
    try:
        answer = act()
    except stripe.CardError as error:
        raise ProcessorRefused(f"the card was refused ({error.code})") from error
    except (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError) as error:
        raise Unavailable("Stripe does not answer") from error
    except stripe.StripeError as error:
        raise ProcessorRefused(f"Stripe refuses this ({error.code or 'no reason'})") from error
    return cast("dict[str, Any]", answer.to_dict())


def _is_signed(body: bytes, signature: str, secret: str) -> bool:
    try:
        verify: Callable[[str, str, str, int], object] = cast(
            "Any", stripe.WebhookSignature
        ).verify_header
        verify(body.decode(), signature, secret, TOLERANCE_S)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True


def _key(what: str, own: str) -> str:
    return f"tradewind-{what}-{own}"


def _ours(found: dict[str, Any]) -> str:
    metadata = found.get("metadata")
    return _text(cast("dict[str, Any]", metadata), _OURS) if isinstance(metadata, dict) else ""


def _text(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""
