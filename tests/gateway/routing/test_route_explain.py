import subprocess
import sys

from routing_parts import PROVIDERS, a_target, a_wish, an_ask, an_endpoint

from tradewind.gateway.routing.explain import FURTHER, SHORT, explain
from tradewind.snapshot.contents import Conditions, Routing

OWN = a_target("own", host="own", region="eu-north")
PAID = a_target("paid", host="openai", region="eu-west", tier=1)
FAR = a_target("far", host="openai", region="us-east", tier=1)
EU = Conditions(regions=frozenset({"eu-north", "eu-west"}))


def told(endpoint, ask):
    return [
        (each.target.replica_id, each.rank, each.why)
        for each in explain(endpoint, ask, 0.0, PROVIDERS)
    ]


def test_every_target_is_told_with_its_rank_or_the_rule_that_dropped_it():
    assert told(an_endpoint(FAR, PAID, OWN), an_ask(EU)) == [
        ("own", 1, "least load"),
        ("paid", 2, "fallback after failure"),
        ("far", None, "does not fulfil the policy 'region: eu-north, eu-west'"),
    ]


def test_what_leaves_nothing_is_told_and_not_refused():
    ask = an_ask(EU, provider=a_wish(only=["nobody"]))
    found = explain(an_endpoint(OWN, FAR), ask, 0.0, PROVIDERS)
    assert not any(each.is_allowed for each in found)
    assert [each.why for each in found] == [
        "does not fulfil the policy 'region: eu-north, eu-west'",
        "does not fulfil 'provider.only: nobody'",
    ]


def test_what_is_not_tried_for_want_of_attempts_or_context_is_told_too():
    short = a_target("short", context_tokens=100)
    endpoint = an_endpoint(OWN, a_target("b"), short, routing=Routing(max_attempts=1))
    whys = [why for *_, why in told(endpoint, an_ask(needed_tokens=200))]
    assert whys == ["least load", FURTHER, SHORT]


def test_it_needs_nothing_of_a_gateway():
    code = (
        "import sys; import tradewind.gateway.routing.explain; "
        "print([name for name in sys.modules if name.startswith("
        "('tradewind.gateway.http', 'httptools', 'uvloop', 'asyncio'))])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.strip() == "[]"
