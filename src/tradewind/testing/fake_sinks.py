"""Small sinks on loopback: as much of Stripe Meters, OpenMeter, Lago and a CloudEvents endpoint as
`plugins.sinks` talks to. Formats as those members document them.

Each takes an id once. A test makes them refuse, fail, or lose answers after the work was done.
"""

import contextlib
import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

CREDENTIAL = "secret-of-the-sink"
_MOST_BYTES = 1_000_000
Answer = tuple[int, dict[str, Any] | None]


class FakeSink:
    """`kind` is a member's name. `taken` is what was counted, by id."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.taken: dict[str, tuple[str, str, int]] = {}
        """Of each id: the customer, the meter, the quantity."""
        self.requests = 0
        self.fail_with: int | None = None
        self.lose_answers = 0
        """So many answers are lost on their way, after the work was done."""
        self.unknown_meters: set[str] = set()
        self.address = ""
        self._lock = threading.Lock()

    @property
    def total(self) -> int:
        return sum(quantity for *_, quantity in self.taken.values())

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        with self._lock:
            self.requests += 1
            if self.fail_with is not None:
                return self.fail_with, {"error": "as the test wants"}
            if self.kind != "cloudevents" and headers.get("authorization") != (
                f"Bearer {CREDENTIAL}"
            ):
                return 401, {"error": "who are you"}
            match self.kind, path:
                case "stripe", "/v1/billing/meter_events":
                    return self._stripe(body)
                case "openmeter", "/api/v1/events":
                    return self._events(headers, body)
                case "cloudevents", "/in":
                    return self._events(headers, body)
                case "lago", "/api/v1/events/batch":
                    return self._lago(body)
                case _:
                    return 404, {"error": "there is nothing here"}

    def _stripe(self, body: bytes) -> Answer:
        form = dict(parse_qsl(body.decode()))
        identifier, meter = form["identifier"], form["event_name"].removeprefix("tradewind_")
        if identifier in self.taken:
            message = f"An event already exists with identifier {identifier}."
            return 400, {"error": {"type": "invalid_request_error", "message": message}}
        customer = form["payload[stripe_customer_id]"]
        if not customer.startswith("cus_") or meter in self.unknown_meters:
            return 400, {"error": {"type": "invalid_request_error", "message": "not known"}}
        self.taken[identifier] = (customer, meter, int(form["payload[value]"]))
        return 200, {"object": "billing.meter_event", "identifier": identifier}

    def _events(self, headers: dict[str, str], body: bytes) -> Answer:
        if headers.get("content-type") != "application/cloudevents-batch+json":
            return 415, {"error": "a batch of CloudEvents"}
        for event in json.loads(body):
            assert event["specversion"] == "1.0", event
            assert event["source"], event
            data: dict[str, Any] = event["data"]
            if self.kind == "openmeter":
                [(meter, quantity)] = [each for each in data.items() if each[0] != "model"]
            else:
                meter, quantity = data["meter"], data["quantity"]
            if meter in self.unknown_meters:
                return 400, {"error": "not known"}
            self.taken.setdefault(event["id"], (event["subject"], meter, int(quantity)))
        return 204, None

    def _lago(self, body: bytes) -> Answer:
        events: list[dict[str, Any]] = json.loads(body)["events"]
        assert len(events) <= 100, "Lago takes a hundred at most"
        details: dict[str, dict[str, list[str]]] = {}
        for place, event in enumerate(events):
            if event["transaction_id"] in self.taken:
                details[str(place)] = {"transaction_id": ["value_already_exist"]}
            elif event["code"] in self.unknown_meters:
                details[str(place)] = {"code": ["metric_not_found"]}
        if details:
            return 422, {"status": 422, "code": "validation_errors", "error_details": details}
        for event in events:
            self.taken[event["transaction_id"]] = (
                event["external_subscription_id"],
                event["code"],
                int(event["properties"]["value"]),
            )
        return 200, {"events": events}


@contextlib.contextmanager
def fake_sink(kind: str) -> Generator[FakeSink]:
    """Serve one on loopback for the time of the block."""
    fake = FakeSink(kind)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = min(int(self.headers.get("content-length") or 0), _MOST_BYTES)
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer = fake.answer(self.path, headers, self.rfile.read(length))
            if fake.lose_answers and status < 400:
                fake.lose_answers -= 1
                self.close_connection = True
                return
            body = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the server's own
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
