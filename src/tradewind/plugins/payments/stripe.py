"""Stripe, through its own SDK.

Formats: docs.stripe.com/api (checkout/sessions, payment_intents, setup_intents, payment_methods,
charges, refunds, disputes, transfers, idempotent_requests), docs.stripe.com/webhooks (signatures),
docs.stripe.com/currencies (minor units). A payment of ours is named in the `metadata` of whatever
Stripe keeps of it.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import stripe

from tradewind.core.errors import Unavailable
from tradewind.plugins.payments.base import (
    About,
    Asked,
    Checkout,
    Notice,
    NoticeRefused,
    ProcessorRefused,
    Standing,
    TakenBack,
    Transfer,
)
from tradewind.plugins.payments.stripe_answers import (
    OUR_REFUND,
    OURS,
    Found,
    card_label,
    disputed,
    minor_of,
    ours,
    refunded,
    standing_of,
    text_of,
)

NAME = "stripe"
TOLERANCE_S = 300
"""How old a signature may be."""
_TIMEOUT_S = 20
_TRIES_AGAIN = 2
_ID_MAX = 255
_MOST_REFUNDS = 100
"""Of one payment: Stripe's largest page."""
_UNCONFIRMED = frozenset({"authentication_required", "authentication_not_handled"})


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

    # --- pages -------------------------------------------------------------------------------

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
                "payment_intent_data": {"metadata": {OURS: asked.payment_id}},
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
            "metadata": {OURS: asked.payment_id},
            **more,
        }
        if asked.customer:
            params["customer"] = asked.customer
        made = self._call(
            self._client.v1.checkout.sessions.create, params, _key("checkout", asked.payment_id)
        )
        return Checkout(text_of(made, "id"), text_of(made, "url"))

    def standing(self, processor_id: str) -> Standing:
        if processor_id.startswith("pi_"):
            return standing_of(self._read(self._client.v1.payment_intents.retrieve, processor_id))
        session = self._read(self._client.v1.checkout.sessions.retrieve, processor_id)
        state, payment_id = text_of(session, "status"), ours(session)
        if state == "expired":
            return Standing("failed", 0, "", payment_id, why="the page was left")
        if state != "complete":
            return Standing("pending", 0, "", payment_id)
        if text_of(session, "mode") == "setup":
            return self._card_of(session)
        # The session says that it was paid; the intent says how much came.
        found = self.standing(text_of(session, "payment_intent"))
        if found.payment_id != payment_id:
            raise Unavailable("Stripe names two payments for one page")
        # The page is done with: what is refused now is a debit that was slow, and has failed.
        return found._replace(state="pending") if found.state == "confirm" else found

    def _card_of(self, session: Found) -> Standing:
        setup = self._read(self._client.v1.setup_intents.retrieve, text_of(session, "setup_intent"))
        pending = Standing("pending", 0, text_of(session, "currency").upper(), ours(session))
        if text_of(setup, "status") != "succeeded":
            return pending
        card = text_of(setup, "payment_method")
        method = self._read(self._client.v1.payment_methods.retrieve, card)
        return pending._replace(
            state="paid",
            card=card,
            card_label=card_label(method),
            customer=text_of(setup, "customer") or text_of(session, "customer"),
        )

    # --- saved cards -------------------------------------------------------------------------

    def charge(self, asked: Asked, card: str) -> tuple[str, Standing]:
        params: dict[str, Any] = {
            "amount": minor_of(asked.nanos, asked.currency),
            "currency": asked.currency.lower(),
            "customer": asked.customer,
            "payment_method": card,
            "payment_method_types": ["card"],
            "off_session": True,
            "confirm": True,
            "description": asked.description,
            "metadata": {OURS: asked.payment_id},
        }
        try:
            made = self._call(
                self._client.v1.payment_intents.create, params, _key("charge", asked.payment_id)
            )
        except ProcessorRefused as error:
            # docs.stripe.com/payments/save-and-reuse#charge-saved-payment-method: the error brings
            # the intent with it, which nobody may confirm any more from here.
            intent_id = _unconfirmed_intent(error)
            if not intent_id:
                raise
            return intent_id, Standing("confirm", 0, "", asked.payment_id, intent_id=intent_id)
        return text_of(made, "id"), standing_of(made)

    def cancel(self, intent_id: str) -> Standing:
        params: dict[str, Any] = {"cancellation_reason": "abandoned"}
        try:
            made = self._call(
                partial(self._client.v1.payment_intents.cancel, intent_id),
                params,
                _key("cancel", intent_id),
            )
        except ProcessorRefused:
            # It is done, or was given up before.
            return self.standing(intent_id)
        return standing_of(made)

    def forget_card(self, card: str) -> None:
        try:
            self._call(
                partial(self._client.v1.payment_methods.detach, card),
                {},
                _key("detach", card),
            )
        except ProcessorRefused:
            found = self._read(self._client.v1.payment_methods.retrieve, card)
            if text_of(found, "customer"):
                raise

    # --- money that goes back, and on --------------------------------------------------------

    def refund(self, intent_id: str, nanos: int, currency: str, key: str) -> str:
        params: dict[str, Any] = {
            "payment_intent": intent_id,
            "amount": minor_of(nanos, currency),
            "metadata": {OUR_REFUND: key},
        }
        made = self._call(self._client.v1.refunds.create, params, _key("refund", key))
        if text_of(made, "status") in {"failed", "canceled"}:
            raise ProcessorRefused("Stripe could not refund it")
        return text_of(made, "id")

    def taken_back(self, object_id: str) -> Sequence[TakenBack]:
        if object_id.startswith(("du_", "dp_")):
            return [disputed(self._read(self._client.v1.disputes.retrieve, object_id))]
        client = self._client.v1
        is_charge = object_id.startswith(("ch_", "py_"))
        read = client.charges.retrieve if is_charge else client.refunds.retrieve
        of = self._read(read, object_id)
        intent_id = text_of(of, "payment_intent")
        if not intent_id:
            return []
        listed = _answered(
            lambda: client.refunds.list({"payment_intent": intent_id, "limit": _MOST_REFUNDS})
        )
        return [refunded(each) for each in _data(listed)]

    def transfer(self, asked: Transfer) -> str:
        """docs.stripe.com/connect/separate-charges-and-transfers. An idempotency key lives for a
        day; the group is there for ever, so that it is looked for first.
        """
        client = self._client.v1.transfers
        listed = _answered(lambda: client.list({"transfer_group": asked.key, "limit": 1}))
        minor = minor_of(asked.nanos, asked.currency)
        for known in _data(listed):
            told = known.get("amount"), text_of(known, "currency"), text_of(known, "destination")
            if told != (minor, asked.currency.lower(), asked.account):
                raise ProcessorRefused(f"{asked.key[:64]!r} was another transfer")
            return text_of(known, "id")
        params: dict[str, Any] = {
            "amount": minor,
            "currency": asked.currency.lower(),
            "destination": asked.account,
            "transfer_group": asked.key,
        }
        return text_of(self._call(client.create, params, _key("transfer", asked.key)), "id")

    # --- messages ----------------------------------------------------------------------------

    def read_notice(self, body: bytes, signature: str) -> Notice:
        """Return what a webhook is about. Two secrets are right while one is being replaced.

        Raises NoticeRefused.
        """
        if not any(_is_signed(body, signature, secret) for secret in self._secrets):
            raise NoticeRefused("the signature is missing, wrong or too old")
        try:
            told = json.loads(body)
            event_id, kind, about = told["id"], told["type"], told["data"]["object"]
            object_id, of = about["id"], about.get("object", "")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NoticeRefused("this is no event") from error
        if not all(
            isinstance(each, str) and len(each) <= _ID_MAX
            for each in (event_id, kind, object_id, of)
        ):
            raise NoticeRefused("this is no event")
        return Notice(event_id, kind, _about(kind, of), object_id)

    def _call(self, act: Any, params: dict[str, Any], key: str) -> Found:
        return _answered(lambda: act(params, {"idempotency_key": key}))

    def _read(self, act: Any, object_id: str) -> Found:
        if not object_id:
            raise Unavailable("Stripe names nothing where something has to be")
        return _answered(lambda: act(object_id))


def _about(kind: str, of: str) -> About:
    """docs.stripe.com/api/events/types: a charge is of interest only when it was refunded."""
    if of in {"dispute", "refund"} or (of == "charge" and kind == "charge.refunded"):
        return About.TAKEN_BACK
    return About.PAYMENT if of in {"checkout.session", "payment_intent"} else About.OTHER


def _answered(act: Any) -> Found:
    try:
        answer = act()
    except stripe.CardError as error:
        raise ProcessorRefused(f"the card was refused ({error.code})") from error
    except (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError) as error:
        raise Unavailable("Stripe does not answer") from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise Unavailable("Stripe refuses the secret key") from error
    except stripe.IdempotencyError as error:
        # Something was done under this key before; it is not known here what.
        raise Unavailable("Stripe knows this key from another call") from error
    except stripe.StripeError as error:
        raise ProcessorRefused(f"Stripe refuses this ({error.code or 'no reason'})") from error
    return cast("Found", answer.to_dict())


def _unconfirmed_intent(error: ProcessorRefused) -> str:
    cause = error.__cause__
    if not isinstance(cause, stripe.CardError) or cause.code not in _UNCONFIRMED:
        return ""
    body = cast("Found", cause.json_body or {})
    told = cast("Found", body.get("error") or {})
    return text_of(cast("Found", told.get("payment_intent") or {}), "id")


def _data(listed: Found) -> list[Found]:
    data = listed.get("data")
    return cast("list[Found]", data) if isinstance(data, list) else []


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
