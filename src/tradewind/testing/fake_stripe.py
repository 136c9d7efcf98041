"""A small Stripe on loopback: exactly the calls that `plugins.payments.stripe` makes.

Formats as documented at docs.stripe.com/api: form-encoded requests, JSON answers, errors under
`error`, one answer for one `Idempotency-Key` (another body under it is refused with 400). A test
decides what people do on the pages: `pay`, `leave`, `save_card`; cards are `pm_good`, and `pm_bad`,
which is declined (402, `card_error`).
"""

import contextlib
import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

Form = dict[str, str]
Answer = tuple[int, dict[str, Any]]
_MOST_BYTES = 1_000_000


class FakeStripe:
    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.is_away = False
        self.lose_answers = 0
        """So many answers are lost on their way, after the work was done."""
        self._answers: dict[str, tuple[Form, Answer]] = {}
        self._lock = threading.Lock()
        self._count = 0
        self.address = ""

    # --- what people do ----------------------------------------------------------------------

    def pay(self, session_id: str, *, received: int | None = None) -> None:
        session = self.objects[session_id]
        amount = session["amount_total"]
        intent = self._intent(amount, session["currency"], session["metadata"])
        intent |= {
            "status": "succeeded",
            "amount_received": amount if received is None else received,
        }
        session |= {
            "status": "complete",
            "payment_status": "paid",
            "payment_intent": intent["id"],
        }

    def leave(self, session_id: str) -> None:
        self.objects[session_id]["status"] = "expired"

    def save_card(self, session_id: str, card: str = "pm_good") -> None:
        session = self.objects[session_id]
        setup = self._add(
            "seti",
            object="setup_intent",
            status="succeeded",
            payment_method=card,
            customer="cus_1",
        )
        session |= {"status": "complete", "customer": "cus_1", "setup_intent": setup["id"]}

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.objects.values() if each["object"] == kind]

    # --- the calls ---------------------------------------------------------------------------

    def answer(self, method: str, path: str, form: Form, key: str) -> Answer:
        with self._lock:
            self.calls.append((method, path))
            if self.is_away:
                return _error(503, "api_error", "away")
            if key in self._answers:
                former, found = self._answers[key]
                if former != form:
                    return _error(400, "idempotency_error", "Keys can only be used once")
                return found
            made = self._made(method, path, form)
            if key and made[0] != 503:
                self._answers[key] = (form, made)
            return made

    def _made(self, method: str, path: str, form: Form) -> Answer:
        name, _, object_id = path.removeprefix("/v1/").rpartition("/")
        if method == "GET":
            found = self.objects.get(object_id)
            if found is None or name not in {
                "checkout/sessions",
                "payment_intents",
                "setup_intents",
            }:
                return _error(404, "invalid_request_error", f"No such object: {object_id}")
            return 200, found
        match path:
            case "/v1/checkout/sessions":
                return self._session(form)
            case "/v1/payment_intents":
                return self._charge(form)
            case "/v1/refunds":
                return self._refund(form)
            case _:
                return _error(404, "invalid_request_error", "Unrecognized request URL")

    def _session(self, form: Form) -> Answer:
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
            metadata=_metadata(form, "metadata"),
            payment_intent=None,
            setup_intent=None,
            customer=form.get("customer"),
        )
        session["url"] = f"https://checkout.stripe.com/c/pay/{session['id']}"
        return 200, session

    def _charge(self, form: Form) -> Answer:
        amount = int(form["amount"])
        intent = self._intent(amount, form["currency"], _metadata(form, "metadata"))
        if form["payment_method"] == "pm_bad":
            intent["status"] = "requires_payment_method"
            return _error(402, "card_error", "Your card was declined.", "card_declined")
        intent |= {"status": "succeeded", "amount_received": amount}
        return 200, intent

    def _refund(self, form: Form) -> Answer:
        amount, intent_id = int(form["amount"]), form["payment_intent"]
        intent = self.objects[intent_id]
        before = sum(
            each["amount"] for each in self.of_kind("refund") if each["payment_intent"] == intent_id
        )
        if before + amount > intent["amount_received"]:
            return _error(400, "invalid_request_error", "too much", "charge_already_refunded")
        refund = self._add(
            "re", object="refund", amount=amount, payment_intent=intent_id, status="succeeded"
        )
        return 200, refund

    def _intent(self, amount: int, currency: str, metadata: Form) -> dict[str, Any]:
        return self._add(
            "pi",
            object="payment_intent",
            amount=amount,
            amount_received=0,
            currency=currency,
            status="requires_payment_method",
            metadata=metadata,
        )

    def _add(self, prefix: str, **values: Any) -> dict[str, Any]:
        self._count += 1
        made = {"id": f"{prefix}_{self._count}", **values}
        self.objects[made["id"]] = made
        return made


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
            form = dict(parse_qsl(self.rfile.read(length).decode(), keep_blank_values=True))
            path = self.path.partition("?")[0]
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
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    fake.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _metadata(form: Form, name: str) -> Form:
    begins = f"{name}["
    return {
        key.removeprefix(begins).removesuffix("]"): value
        for key, value in form.items()
        if key.startswith(begins)
    }


def _error(status: int, kind: str, message: str, code: str = "") -> Answer:
    return status, {"error": {"type": kind, "message": message, "code": code or None}}
