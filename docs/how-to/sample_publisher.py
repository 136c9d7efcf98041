# ruff: noqa: INP001, ANN001, ANN002, ANN003, ANN201, ANN202, ANN204, S310
"""A sample publisher: a web application that is sold on a Tradewind platform, in one file of the
standard library. It speaks nothing but Azure's SaaS fulfilment and metering APIs, so what is
written against those works here, and this works as a start.

    TRADEWIND_API_KEY=sk-tw-… WEBHOOK_SECRET=whsec_… \
        python sample_publisher.py --platform https://tradewind.example --port 8090

Buyers land on /landing?token=…, the platform calls /webhook. /work pretends that the application
was used, /state says what it knows.
"""

import argparse
import base64
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

VERSION = "api-version=2018-08-31"
MOST_BYTES = 1_000_000


class Platform:
    """The platform's API, as far as a publisher needs it."""

    def __init__(self, address, key):
        self._address, self._key = address.rstrip("/"), key

    def call(self, method, path, body=None, **headers):
        """Return (status, answer)."""
        request = Request(
            f"{self._address}/api{path}?{VERSION}",
            None if body is None else json.dumps(body).encode(),
            {
                "authorization": f"Bearer {self._key}",
                "content-type": "application/json",
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
            method=method,
        )
        try:
            with urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except HTTPError as error:
            return error.code, json.loads(error.read() or b"null")


class Application:
    """What is sold: it serves whoever is subscribed."""

    def __init__(self, platform, secret, tolerance_s, refuses, ignores):
        self._platform, self._secret = platform, secret
        self._tolerance_s, self._refuses, self._ignores = tolerance_s, refuses, ignores
        self._lock = Lock()
        self.customers = {}
        self.log = []

    def land(self, token):
        """Somebody bought it and comes to set it up: from `activate` on they are charged."""
        status, bought = self._platform.call(
            "POST", "/saas/subscriptions/resolve", {}, x_ms_marketplace_token=token
        )
        if status != 200:
            return status, bought
        place = f"/saas/subscriptions/{bought['id']}"
        if bought["subscription"]["saasSubscriptionStatus"] == "PendingFulfillmentStart":
            wanted = {"planId": bought["planId"], "quantity": bought["quantity"]}
            status, answer = self._platform.call("POST", f"{place}/activate", wanted)
            if status != 200:
                return status, answer
        self._know(bought["id"], bought["planId"], bought["quantity"], "serving")
        return 200, {"subscription": bought["id"], "scopes": bought["scopes"]}

    def hear(self, headers, body):
        """The platform tells of an operation. It is asked back: what it says now is what holds."""
        if not self._is_signed(headers, body):
            return 401, {"error": "the signature is wrong"}
        told = json.loads(body)
        place = f"/saas/subscriptions/{told['subscriptionId']}/operations/{told['id']}"
        status, operation = self._platform.call("GET", place)
        if status != 200:
            return 400, {"error": "there is no such operation"}
        action, plan = operation["action"], operation["planId"]
        self.log.append([action, operation["status"], plan, operation["quantity"]])
        if operation["status"] == "InProgress" and plan not in self._ignores:
            is_refused = action == "ChangePlan" and plan in self._refuses
            word = "Failure" if is_refused else "Success"
            status, _ = self._platform.call("PATCH", place, {"status": word})
            if is_refused or status != 200:
                return 200, {}
        state = {"Suspend": "stopped", "Unsubscribe": "gone"}.get(action, "serving")
        self._know(told["subscriptionId"], plan, operation["quantity"], state)
        return 200, {}

    def work(self, subscription, dimension, quantity, at):
        """The application was used: report it, as the plan says what that costs."""
        return self._platform.call(
            "POST",
            "/usageEvent",
            {
                "resourceId": subscription,
                "quantity": float(quantity),
                "dimension": dimension,
                "effectiveStartTime": at,
                "planId": self.customers[subscription]["plan"],
            },
        )

    def _know(self, subscription, plan, quantity, state):
        with self._lock:
            self.customers[subscription] = {"plan": plan, "quantity": quantity, "state": state}

    def _is_signed(self, headers, body):
        """Standard Webhooks 1.0.0: HMAC-SHA256 over id, time and body."""
        sent_at = headers.get("webhook-timestamp", "")
        if self._tolerance_s and abs(time.time() - int(sent_at or 0)) > self._tolerance_s:
            return False
        key = base64.b64decode(self._secret.removeprefix("whsec_"))
        content = f"{headers.get('webhook-id', '')}.{sent_at}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
        signatures = headers.get("webhook-signature", "").split()
        return any(hmac.compare_digest(wanted, each) for each in signatures)


def serve(application, port):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            url = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            if url.path == "/landing":
                self._answer(*application.land(asked.get("token", "")))
            elif url.path == "/work":
                self._answer(*application.work(**asked))
            elif url.path == "/state":
                self._answer(200, {"customers": application.customers, "log": application.log})
            else:
                self._answer(404, {"error": "there is nothing here"})

        def do_POST(self):
            body = self.rfile.read(min(int(self.headers.get("content-length", 0)), MOST_BYTES))
            if self.path == "/webhook":
                self._answer(*application.hear(self.headers, body))
            else:
                self._answer(404, {"error": "there is nothing here"})

        def _answer(self, status, body):
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--platform", required=True)
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--refuse", action="append", default=[], help="a plan nobody may change to")
    parser.add_argument("--ignore", action="append", default=[], help="a plan it says nothing of")
    parser.add_argument("--tolerance", type=int, default=300, help="seconds; 0 takes any time")
    chosen = parser.parse_args()
    platform = Platform(chosen.platform, os.environ["TRADEWIND_API_KEY"])
    secret = os.environ["WEBHOOK_SECRET"]
    serve(
        Application(platform, secret, chosen.tolerance, chosen.refuse, chosen.ignore), chosen.port
    )


if __name__ == "__main__":
    main()
