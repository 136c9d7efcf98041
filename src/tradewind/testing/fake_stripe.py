"""A small Stripe on loopback: exactly the calls that `plugins.payments.stripe` makes.

Formats as documented at docs.stripe.com/api: form-encoded requests with a bearer key, JSON answers,
errors under `error` (docs.stripe.com/api/errors); parameters that a call does not know are refused.
Idempotency as at docs.stripe.com/api/idempotent_requests: for a day, one answer for one key, an
answer of 500 too; another body or another path under it is refused; what failed validation is not
kept. Messages are whole objects at the time they are told, signed as at docs.stripe.com/webhooks.

A test decides what people and banks do: `pay`, `leave`, `save_card`, `dispute`, `close_dispute`,
`refund_by_hand`. Cards are `pm_good`, `pm_bad`, which is declined, and `pm_asks`, whose bank wants
its owner to confirm each charge (docs.stripe.com/testing#regulatory-cards).
"""

import contextlib
import copy
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

Form = dict[str, str]
Answer = tuple[int, dict[str, Any]]
API_VERSION = "2026-10-28.endive"
SECRET_KEY = "sk_test_x"  # noqa: S105  opens nothing
_MOST_BYTES = 1_000_000
_KEPT_S = 24 * 3600
_KEY_MAX = 255

# What each call takes, by the page of it below docs.stripe.com/api: names without their brackets.
_PARAMETERS: dict[str, frozenset[str]] = {
    "checkout/sessions/create": frozenset(
        {"success_url", "cancel_url", "client_reference_id", "metadata", "mode", "line_items"}
        | {"payment_intent_data", "currency", "payment_method_types", "customer"}
        | {"customer_creation"}
    ),
    "payment_intents/create": frozenset(
        {"amount", "currency", "customer", "payment_method", "payment_method_types"}
        | {"off_session", "confirm", "description", "metadata"}
    ),
    "payment_intents/cancel": frozenset({"cancellation_reason"}),
    "payment_methods/detach": frozenset(),
    "refunds/create": frozenset({"payment_intent", "amount", "metadata"}),
    "refunds/list": frozenset({"payment_intent", "limit"}),
    "transfers/create": frozenset({"amount", "currency", "destination", "transfer_group"}),
    "transfers/list": frozenset({"transfer_group", "limit"}),
}
_READABLE = frozenset(
    {"checkout/sessions", "payment_intents", "setup_intents", "payment_methods"}
    | {"charges", "refunds", "disputes"}
)


class _Kept(NamedTuple):
    path: str
    form: Form
    answer: Answer
    at: float


class FakeStripe:
    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.is_away = False
        """It answers 503 before anything began, and keeps nothing of it."""
        self.lose_answers = 0
        """So many answers are lost on their way, after the work was done."""
        self.break_down = 0
        """So many calls do their work and answer 500, which is kept for their key."""
        self.refuses_pages = False
        """As with an address to come back to that is none."""
        self.later_s = 0.0
        """How far its clock is ahead."""
        self.address = ""
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.RLock()
        self._count = 0
        for card in ("pm_good", "pm_bad", "pm_asks"):
            self.objects[card] = {
                "id": card,
                "object": "payment_method",
                "type": "card",
                "customer": None,
                "card": {"brand": "visa", "last4": "4242", "exp_month": 9, "exp_year": 2031},
            }

    # --- what people and banks do ------------------------------------------------------------

    def pay(self, session_id: str, *, received: int | None = None) -> None:
        session = self.objects[session_id]
        amount = session["amount_total"]
        intent = self._intent(amount, session["currency"], session["intent_metadata"])
        self._succeed(intent, amount if received is None else received)
        session |= {
            "status": "complete",
            "payment_status": "paid",
            "payment_intent": intent["id"],
        }

    def debit_slowly(self, session_id: str) -> dict[str, Any]:
        """Leave the page by a debit that takes days; return its intent."""
        session = self.objects[session_id]
        amount = session["amount_total"]
        intent = self._intent(amount, session["currency"], session["intent_metadata"])
        intent["status"] = "processing"
        session |= {"status": "complete", "payment_intent": intent["id"]}
        return intent

    def leave(self, session_id: str) -> None:
        self.objects[session_id]["status"] = "expired"

    def save_card(self, session_id: str, card: str = "pm_good") -> None:
        session = self.objects[session_id]
        self.objects[card]["customer"] = "cus_1"
        setup = self._add(
            "seti",
            object="setup_intent",
            status="succeeded",
            payment_method=card,
            customer="cus_1",
        )
        session |= {"status": "complete", "customer": "cus_1", "setup_intent": setup["id"]}

    def dispute(
        self, intent_id: str, amount: int | None = None, *, status: str = "needs_response"
    ) -> str:
        intent = self.objects[intent_id]
        made = self._add(
            "du",
            object="dispute",
            amount=intent["amount_received"] if amount is None else amount,
            currency=intent["currency"],
            charge=intent["latest_charge"],
            payment_intent=intent_id,
            reason="fraudulent",
            status=status,
            balance_transactions=[],
            evidence_details={"due_by": None, "has_evidence": False, "submission_count": 0},
        )
        return made["id"]

    def close_dispute(self, dispute_id: str, status: str) -> None:
        self.objects[dispute_id]["status"] = status

    def refund_by_hand(self, intent_id: str, amount: int) -> str:
        """Refund at Stripe's own pages: nothing of it names us."""
        status, made = self._refund({"payment_intent": intent_id, "amount": str(amount)})
        assert status == 200, made
        return made["id"]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.objects.values() if each["object"] == kind]

    def add_foreign_payment(self, amount: int) -> str:
        """Add a payment of the same account that is none of the platform's."""
        intent = self._intent(amount, "usd", {})
        self._succeed(intent, amount)
        return intent["id"]

    # --- its messages ------------------------------------------------------------------------

    def event(self, kind: str, object_id: str) -> bytes:
        """Return a message about an object as it is now."""
        found = self.objects.get(object_id) or {"id": object_id, "object": _object_of(kind)}
        with self._lock:
            self._count += 1
            event_id = f"evt_{self._count}"
        told: dict[str, Any] = {
            "id": event_id,
            "object": "event",
            "api_version": API_VERSION,
            "created": int(time.time()),
            "data": {"object": _shown(found)},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
        return json.dumps(told).encode()

    # --- the calls ---------------------------------------------------------------------------

    def answer(self, method: str, path: str, form: Form, key: str) -> Answer:
        with self._lock:
            self.calls.append((method, path))
            if self.is_away:
                return _error(503, "api_error", "away")
            if method == "GET" or not key:
                return self._made(method, path, form)
            return self._made_once(path, form, key)

    def _made_once(self, path: str, form: Form, key: str) -> Answer:
        if len(key) > _KEY_MAX:
            return _error(400, "invalid_request_error", "the idempotency key is too long")
        now = time.time() + self.later_s
        kept = self._kept.get(key)
        if kept is not None and now < kept.at + _KEPT_S:
            if kept.path != path:
                return _error(400, "idempotency_error", "Keys are for the same endpoint only")
            if kept.form != form:
                return _error(400, "idempotency_error", "Keys are for the same parameters only")
            return kept.answer
        made = self._made("POST", path, form)
        if self.break_down:
            self.break_down -= 1
            made = _error(500, "api_error", "An unknown error occurred")
        if made[0] not in {400, 404}:
            # As it was answered: what happens to the object later is not in it.
            self._kept[key] = _Kept(path, form, copy.deepcopy(made), now)
        return made

    def _made(self, method: str, path: str, form: Form) -> Answer:
        family, object_id, act = _parts(method, path)
        if act == "retrieve":
            found = self.objects.get(object_id)
            if family not in _READABLE or found is None:
                return _error(404, "invalid_request_error", f"No such object: {object_id}")
            return 200, _shown(found)
        known = _PARAMETERS.get(f"{family}/{act}")
        if known is None:
            return _error(404, "invalid_request_error", "Unrecognized request URL")
        strange = {name.partition("[")[0] for name in form} - known
        if strange:
            return _error(400, "invalid_request_error", f"unknown: {strange}", "parameter_unknown")
        return self._done(f"{family}/{act}", object_id, form)

    def _done(self, call: str, object_id: str, form: Form) -> Answer:
        match call:
            case "checkout/sessions/create":
                return self._session(form)
            case "payment_intents/create":
                return self._charge(form)
            case "payment_intents/cancel":
                return self._cancel(object_id)
            case "payment_methods/detach":
                return self._detach(object_id)
            case "refunds/create":
                return self._refund(form)
            case "transfers/create":
                return self._transfer(form)
            case _:
                return self._list(call.partition("/")[0].removesuffix("s"), form)

    def _session(self, form: Form) -> Answer:
        if self.refuses_pages or not form["success_url"].startswith(("https://", "http://")):
            return _error(400, "invalid_request_error", "Not a valid URL", "url_invalid")
        is_setup = form["mode"] == "setup"
        amount = None if is_setup else int(form["line_items[0][price_data][unit_amount]"])
        currency = form["currency"] if is_setup else form["line_items[0][price_data][currency]"]
        session = self._add(
            "cs",
            object="checkout.session",
            mode=form["mode"],
            status="open",
            payment_status="no_payment_required" if is_setup else "unpaid",
            amount_total=amount,
            currency=currency,
            client_reference_id=form["client_reference_id"],
            metadata=_metadata(form, "metadata"),
            intent_metadata=_metadata(form, "payment_intent_data[metadata]"),
            payment_intent=None,
            setup_intent=None,
            customer=form.get("customer"),
        )
        session["url"] = f"https://checkout.stripe.com/c/pay/{session['id']}"
        return 200, _shown(session)

    def _charge(self, form: Form) -> Answer:
        amount = int(form["amount"])
        card = self.objects.get(form["payment_method"])
        if card is None or card["customer"] != form["customer"]:
            return _error(400, "invalid_request_error", "not this customer's", "resource_missing")
        intent = self._intent(amount, form["currency"], _metadata(form, "metadata"))
        refused = {"pm_bad": "card_declined", "pm_asks": "authentication_required"}
        code = refused.get(form["payment_method"])
        if code is not None:
            status, body = _error(402, "card_error", "Your card was declined.", code)
            body["error"] |= {"payment_intent": _shown(intent), "decline_code": code}
            return status, body
        self._succeed(intent, amount)
        return 200, _shown(intent)

    def _cancel(self, intent_id: str) -> Answer:
        intent = self.objects.get(intent_id)
        if intent is None:
            return _error(404, "invalid_request_error", "No such payment_intent")
        if intent["status"] in {"succeeded", "canceled"}:
            code = "payment_intent_unexpected_state"
            return _error(400, "invalid_request_error", "it cannot be canceled", code)
        intent["status"] = "canceled"
        return 200, _shown(intent)

    def _detach(self, method_id: str) -> Answer:
        method = self.objects.get(method_id)
        if method is None or method["customer"] is None:
            return _error(400, "invalid_request_error", "it is not attached to a customer")
        method["customer"] = None
        return 200, _shown(method)

    def _refund(self, form: Form) -> Answer:
        amount, intent_id = int(form["amount"]), form["payment_intent"]
        intent = self.objects[intent_id]
        before = sum(
            each["amount"]
            for each in self.of_kind("refund")
            if each["payment_intent"] == intent_id and each["status"] != "failed"
        )
        if before + amount > intent["amount_received"]:
            return _error(400, "invalid_request_error", "too much", "charge_already_refunded")
        self.objects[intent["latest_charge"]]["amount_refunded"] = before + amount
        refund = self._add(
            "re",
            object="refund",
            amount=amount,
            currency=intent["currency"],
            charge=intent["latest_charge"],
            payment_intent=intent_id,
            metadata=_metadata(form, "metadata"),
            reason=None,
            status="succeeded",
        )
        return 200, _shown(refund)

    def _transfer(self, form: Form) -> Answer:
        if not form["destination"].startswith("acct_"):
            return _error(400, "invalid_request_error", "No such destination", "resource_missing")
        made = self._add(
            "tr",
            object="transfer",
            amount=int(form["amount"]),
            amount_reversed=0,
            currency=form["currency"],
            destination=form["destination"],
            transfer_group=form["transfer_group"],
            reversed=False,
        )
        return 200, _shown(made)

    def _list(self, kind: str, form: Form) -> Answer:
        [(name, sought)] = [(name, value) for name, value in form.items() if name != "limit"]
        found = [each for each in reversed(self.of_kind(kind)) if each[name] == sought]
        most = int(form["limit"])
        return 200, {
            "object": "list",
            "url": f"/v1/{kind}s",
            "has_more": len(found) > most,
            "data": [_shown(each) for each in found[:most]],
        }

    def _intent(self, amount: int, currency: str, metadata: Form) -> dict[str, Any]:
        return self._add(
            "pi",
            object="payment_intent",
            amount=amount,
            amount_received=0,
            currency=currency,
            status="requires_payment_method",
            latest_charge=None,
            metadata=metadata,
        )

    def _succeed(self, intent: dict[str, Any], received: int) -> None:
        charge = self._add(
            "ch",
            object="charge",
            amount=received,
            amount_refunded=0,
            currency=intent["currency"],
            payment_intent=intent["id"],
            status="succeeded",
        )
        intent |= {
            "status": "succeeded",
            "amount_received": received,
            "latest_charge": charge["id"],
        }

    def _add(self, prefix: str, **values: Any) -> dict[str, Any]:
        with self._lock:
            self._count += 1
            made = {"id": f"{prefix}_{self._count}", **values}
            self.objects[made["id"]] = made
        return made


def signed(body: bytes, secret: str, at: int | None = None) -> str:
    """Return the header `stripe-signature` of a message."""
    moment = int(time.time()) if at is None else at
    of = f"{moment}.".encode() + body
    return f"t={moment},v1={hmac.new(secret.encode(), of, hashlib.sha256).hexdigest()}"


@contextlib.contextmanager
def fake_stripe() -> Generator[FakeStripe]:
    """Serve it on loopback for the time of the block."""
    fake = FakeStripe()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            length = min(int(self.headers.get("content-length") or 0), _MOST_BYTES)
            path, _, query = self.path.partition("?")
            told = self.rfile.read(length).decode() or query
            form = dict(parse_qsl(told, keep_blank_values=True))
            if self.headers.get("authorization") != f"Bearer {SECRET_KEY}":
                status, answer = _error(401, "invalid_request_error", "Invalid API Key provided")
            else:
                key = self.headers.get("idempotency-key") or ""
                status, answer = fake.answer(self.command, path, form, key)
            if fake.lose_answers and self.command == "POST":
                fake.lose_answers -= 1
                self.close_connection = True
                return
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the server's own name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    fake.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _parts(method: str, path: str) -> tuple[str, str, str]:
    """Return the family of objects, the one that is meant, and what is to be done."""
    parts = path.removeprefix("/v1/").split("/")
    family = "/".join(parts[:2]) if parts[0] == "checkout" else parts[0]
    rest = parts[len(family.split("/")) :]
    if not rest:
        return family, "", "list" if method == "GET" else "create"
    return family, rest[0], rest[1] if len(rest) > 1 else "retrieve"


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    return {name: copy.deepcopy(each) for name, each in found.items() if name != "intent_metadata"}


def _object_of(kind: str) -> str:
    if kind.startswith("charge.dispute"):
        return "dispute"
    return kind.rpartition(".")[0]


def _metadata(form: Form, name: str) -> Form:
    begins = f"{name}["
    return {
        key.removeprefix(begins).removesuffix("]"): value
        for key, value in form.items()
        if key.startswith(begins)
    }


def _error(status: int, kind: str, message: str, code: str = "") -> Answer:
    return status, {"error": {"type": kind, "message": message, "code": code or None}}
