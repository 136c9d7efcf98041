"""Three organizations on a real platform: one runs it, one sells, one buys; and the books agree."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.e2e.management_keys import make_key
from tests.e2e.running_platform import RunningPlatform, running_platform
from tradewind.features.accounts.schemas import KeyPurpose

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900), pytest.mark.enable_socket]

MODEL = "huggingfacetb/smollm2-135m-instruct"
PASSWORD = "a long enough password"
PATIENCE_S = 60.0
PLAN = {
    "name": "Basic",
    "terms": {
        "currency": "USD",
        "term": "month",
        "fee_nanos": 10_000_000_000,
        "charges": [
            {"meter": "output_tokens", "charge": {"kind": "per_unit", "nanos": 2_500_000_000}}
        ],
    },
}


@pytest.fixture(scope="module")
def platform() -> Iterator[RunningPlatform]:
    """One of its own: its built-in model is not everybody's any more."""
    with running_platform() as running:
        yield running


class Party:
    """An organization that acts by its management key."""

    def __init__(self, platform: RunningPlatform, organization: str | None = None) -> None:
        self.root = platform.light["portal_url"]
        self.organization = organization
        self.answered = 0
        """Calls that were."""
        self._key = make_key(platform, organization=organization)
        self._client_key = make_key(platform, KeyPurpose.CLIENT, organization=organization)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return what is answered, which has to be a success."""
        answer = httpx2.request(
            method,
            f"{self.root}/api{path}",
            headers={"authorization": f"Bearer {self._key}"},
            json=body,
            timeout=PATIENCE_S,
        )
        assert answer.is_success, (method, path, answer.text)
        return answer.json() if answer.content else None

    def refused(self, method: str, path: str) -> httpx2.Response:
        headers = {"authorization": f"Bearer {self._key}"}
        return httpx2.request(method, f"{self.root}/api{path}", headers=headers, timeout=PATIENCE_S)

    def call(self) -> httpx2.Response:
        answer = httpx2.post(
            f"{self.root}/v1/chat/completions",
            headers={"authorization": f"Bearer {self._client_key}"},
            json={
                "model": MODEL,
                "messages": [{"role": "user", "content": "Hi"}],
                "max_tokens": 8,
            },
            timeout=PATIENCE_S,
        )
        self.answered += answer.is_success
        return answer

    def call_until(self, status: int) -> httpx2.Response:
        """Call until gateways know of a change, which takes a moment."""
        end = time.monotonic() + PATIENCE_S
        while (answer := self.call()).status_code != status:
            assert time.monotonic() < end, answer.text
            time.sleep(0.5)
        return answer


def join(platform: RunningPlatform, operator: Party, name: str) -> Party:
    """Make an organization, and accept its invitation as a browser does."""
    asked = {"name": name, "administrator": f"boss@{name.lower()}.example"}
    made = operator.ask("POST", "/organizations", asked)
    root = platform.light["portal_url"]
    assert made["url"].startswith(f"{root}/invitation?code=")
    accepted = httpx2.post(
        f"{root}/invitation",
        data={"code": made["url"].partition("code=")[2], "name": name, "password": PASSWORD},
        headers={"origin": root},
        timeout=PATIENCE_S,
    )
    assert accepted.status_code == 303, accepted.text
    return Party(platform, made["organization"]["id"])


def assess(maker: Party, operator: Party) -> None:
    """Say whom the model affects, and have the platform's operator look at that."""
    form = {
        name: f"Some {name}"
        for name in (
            *("system_name", "team", "contact", "stage", "description", "purpose", "geographies"),
            *("languages", "deployment_mode", "unsupported_uses", "limitations", "failure_impact"),
            *("misuse_impact", "data_requirements", "mitigations", "disclosure"),
        )
    }
    use = {
        name: f"Its {name}"
        for name in (
            *("name", "description", "fitness", "stakeholders", "benefits", "harms", "fairness"),
            *("oversight", "human_role"),
        )
    }
    begun = maker.ask("POST", "/trust/assessments", {"subject": f"model:{MODEL}"})
    place = f"/trust/assessments/{begun['id']}"
    assert maker.ask("PUT", place, form | {"intended_uses": [use]})["absent"] == []
    maker.ask("POST", f"{place}/submit")
    decision = {"approves": True, "reason": "It is what it says."}
    assert operator.ask("POST", f"{place}/decision", decision)["state"] == "approved"


def run(platform: RunningPlatform, *arguments: str) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-m", "tradewind.cli", *arguments, "--json", "--data", platform.data],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_from_an_invitation_to_a_call_that_is_sold(platform: RunningPlatform) -> None:
    operator = Party(platform)
    maker, buyer = (join(platform, operator, name) for name in ("Maker", "Buyer"))
    buyer.call_until(200)  # the model is everybody's so far

    application = maker.ask(
        "POST",
        "/publishing/applications",
        {
            "publisher": "huggingfacetb",
            "name": "Maker",
            "website": "https://maker.example",
            "contact": "boss@maker.example",
        },
    )
    decision = f"/publishing/applications/{application['id']}/decision"
    assert operator.ask("POST", decision, {"is_accepted": True})["state"] == "verified"
    offer = maker.ask(
        "POST",
        "/sales/offers",
        {"publisher": "huggingfacetb", "kind": "model", "model": MODEL, "name": "Small for all"},
    )
    maker.ask("POST", f"/sales/offers/{offer['id']}/plans", PLAN)
    refused = maker.refused("POST", f"/sales/offers/{offer['id']}:publish")
    assert (refused.status_code, refused.json()["code"]) == (409, "release_blocked")
    assess(maker, operator)
    maker.ask("POST", f"/sales/offers/{offer['id']}:publish")
    refused = buyer.call_until(403).json()["error"]
    assert refused["code"] == "subscription_required"
    assert "Small for all" in refused["message"]

    operator.ask("PUT", "/billing/issuer", {"party": {"legal_name": "Centre Ltd", "country": "DE"}})
    operator.ask(
        "PUT",
        f"/billing/accounts/{buyer.organization}",
        {
            "mode": "postpaid",
            "currency": "USD",
            "party": {"legal_name": "Buyer AG", "country": "DE"},
            "buyer_kind": "business",
            "billed_from": "2020-01-01T00:00:00Z",
        },
    )
    [sold] = buyer.ask("GET", "/offers-for-sale")["offers"]
    [plan] = sold["plans"]
    subscription = buyer.ask(
        "POST",
        "/subscriptions",
        {
            "plan": plan["id"],
            "confirmation": {
                "payer": "Buyer AG",
                "price": "10 USD a month",
                "cap": "none",
                "terms_sha256": plan["terms_sha256"],
            },
        },
    )
    assert subscription["state"] == "active"
    usage = buyer.call_until(200).json()["usage"]
    assert usage["completion_tokens"] > 0
    [seen] = maker.ask("GET", f"/sales/offers/{offer['id']}/subscriptions")["subscriptions"]
    assert seen["id"] == subscription["id"]
    assert maker.ask("GET", "/subscriptions")["subscriptions"] == []

    events = "SELECT count(*) FROM usage_event WHERE organization_id = %s"
    end = time.monotonic() + PATIENCE_S
    while platform.query(events, buyer.organization) != [(buyer.answered,)]:
        assert time.monotonic() < end, "the calls do not reach the books"
        time.sleep(0.5)
    assert run(platform, "billing", "settle")["lines"] >= 0
    verified = run(platform, "ledger", "verify")
    assert (verified["differences"], verified["checks"]["receipts"]) == (0, 0)

    # Nobody of the platform's own organization has subscribed: its first call is refused, which
    # keeps nothing else from starting.
    assert platform.stop() == 0
    again = RunningPlatform(platform.data)
    try:
        assert "is sold by subscription" in again.light["refusal"]
        assert "answer" not in again.light
    finally:
        assert again.stop() == 0
