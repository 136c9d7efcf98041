"""Checks that are calls: services on the network, and models that classify."""

import asyncio
import contextlib
import json

import msgspec
import pytest
from gateway_parts import soon, until, whole_answer
from guard_parts import GuardedWorld, rule, safety_in, trail_in
from scripted_upstream import ScriptedUpstream

from tradewind.plugins.checks.azure_content_safety import AzureContentSafety
from tradewind.plugins.checks.llama_guard import LlamaGuard
from tradewind.snapshot.contents import Limits
from tradewind.snapshot.safety import CheckUse, Direction, Policy

GUARD_MODEL = "tw/guard"
PROMPT = frozenset({Direction.PROMPT})


class AskingWorld(GuardedWorld):
    def members(self):
        return {"azure_content_safety": AzureContentSafety(), "llama_guard": LlamaGuard()}


def model_policy(**changes):
    use = CheckUse("llama_guard", PROMPT, 30_000, options={"endpoint": GUARD_MODEL})
    return Policy("policy_a", 1, "", rule("violence"), (msgspec.structs.replace(use, **changes),))


def service_policy(address, **changes):
    options = {"address": address, "base_path": "/here", "credential": "key-of-service"}
    use = CheckUse("azure_content_safety", PROMPT, 30_000, options=options)
    return Policy("policy_a", 1, "", rule("violence"), (msgspec.structs.replace(use, **changes),))


@pytest.fixture
async def other():
    async with ScriptedUpstream() as running:
        yield running


@contextlib.asynccontextmanager
async def asking(folder, upstream, other, policy, **endpoint):
    world = AskingWorld(folder, policy)
    world.publish(
        world.endpoint(world.target(upstream.address), **endpoint),
        world.endpoint(world.target(other.address, "rep_2"), name=GUARD_MODEL, aliases=()),
    )
    await world.start()
    try:
        yield world
    finally:
        await world.stop()


def answers(text):
    async def script(call):
        await call.answer(whole_answer(text))

    return script


async def test_a_safety_model_is_asked_as_a_call_of_the_organization_and_under_no_policy(
    tmp_path, upstream, other
):
    upstream.script, other.script = answers("Hello"), answers("safe")
    async with asking(tmp_path, upstream, other, model_policy()) as world:
        assert (await world.chat()).status == 200
        await until(lambda: len(world.events()) == 2)
        inner, outer = sorted(world.events(), key=lambda event: trail_in(event).safety is not None)
        assert (inner.model, trail_in(inner).safety) == (GUARD_MODEL, None)
        assert inner.organization_id == outer.organization_id
        assert inner.cost_nanos > 0
        [asked] = other.calls
        assert "Hello" in asked.json["messages"][-1]["content"]


async def test_what_a_safety_model_finds_blocks_the_prompt(tmp_path, upstream, other):
    upstream.script, other.script = answers("Hello"), answers("unsafe\nS1")
    async with asking(tmp_path, upstream, other, model_policy()) as world:
        answer = await world.chat()
        assert (answer.status, answer.error["code"]) == (400, "content_filter")
        await until(lambda: len(world.events()) == 2)
        [outer] = [event for event in world.events() if trail_in(event).safety is not None]
        assert safety_in(outer).flags[0].check == "llama_guard"
        assert outer.cost_nanos == 0


async def test_a_key_that_may_not_call_the_safety_model_is_guarded_by_it_all_the_same(
    tmp_path, upstream, other
):
    upstream.script, other.script = answers("Hello"), answers("safe")
    async with asking(tmp_path, upstream, other, model_policy()) as world:
        world.grant = msgspec.structs.replace(
            world.grant,
            models=frozenset({"tw/small"}),
            limits=Limits(concurrent_requests=1),
        )
        world.publish(
            world.endpoint(world.target(upstream.address)),
            world.endpoint(world.target(other.address, "rep_2"), name=GUARD_MODEL, aliases=()),
        )
        await world.in_force()
        assert (await world.chat()).status == 200


@pytest.mark.parametrize("opens", [False, True])
@pytest.mark.parametrize("fault", ["down", "garbage"])
async def test_a_safety_model_that_fails_refuses_the_call_or_lets_it_pass(
    tmp_path, upstream, other, fault, opens
):
    async def down(call):
        call.cut()

    upstream.script = answers("Hello")
    other.script = down if fault == "down" else answers("I would rather not say")
    async with asking(tmp_path, upstream, other, model_policy(fails_open=opens)) as world:
        answer = await world.chat()
        assert answer.status == (200 if opens else 503)
        await until(lambda: len(world.events()) == 2)
        [outer] = [event for event in world.events() if trail_in(event).safety is not None]
        assert safety_in(outer).failures == (("llama_guard", fault),)


async def test_a_safety_model_that_is_late_is_not_waited_for_and_its_call_ends(
    tmp_path, upstream, other
):
    gone = asyncio.Event()

    async def silent(call):
        await call.gone()
        gone.set()

    upstream.script, other.script = answers("Hello"), silent
    policy = model_policy(deadline_ms=300, fails_open=True)
    async with asking(tmp_path, upstream, other, policy) as world:
        assert (await world.chat()).status == 200
        await soon(gone.wait())
        await until(lambda: len(world.events()) == 2)


async def test_a_service_is_asked_over_its_connection_and_what_it_finds_blocks(
    tmp_path, upstream, other
):
    async def script(call):
        is_attack = b"shieldPrompt" in call.head
        analysis = [
            {"category": name, "severity": 6 if name == "Violence" else 0}
            for name in ("Hate", "SelfHarm", "Sexual", "Violence")
        ]
        found = (
            {"userPromptAnalysis": {"attackDetected": False}, "documentsAnalysis": []}
            if is_attack
            else {"blocklistsMatch": [], "categoriesAnalysis": analysis}
        )
        await call.answer(json.dumps(found).encode())

    upstream.script, other.script = answers("Hello"), script
    policy = service_policy(f"http+private://{other.address}")
    async with asking(tmp_path, upstream, other, policy) as world:
        answer = await world.chat()
        assert (answer.status, answer.error["code"]) == (400, "content_filter")
        assert {call.head.split(b" ")[1].partition(b"?")[0] for call in other.calls} == {
            b"/here/contentsafety/text:analyze",
            b"/here/contentsafety/text:shieldPrompt",
        }
        assert all(b"key-of-service" in call.head for call in other.calls)
        assert b"key-of-service" not in answer.body


@pytest.mark.parametrize("opens", [False, True])
@pytest.mark.parametrize(
    ("fault", "why"),
    [("private", "down"), ("malformed", "down"), ("status", "garbage"), ("cut", "down")],
)
async def test_a_service_that_fails_or_may_not_be_reached_is_a_failure(  # noqa: PLR0917
    tmp_path, upstream, other, fault, why, opens
):
    async def script(call):
        if fault == "cut":
            call.cut()
        else:
            await call.answer(b"{}", status=500)

    upstream.script, other.script = answers("Hello"), script
    address = {
        # The rules of hosts of models hold: what is not public is not reached.
        "private": f"http://{other.address}",
        "malformed": "nowhere",
    }.get(fault, f"http+private://{other.address}")
    policy = service_policy(address, fails_open=opens)
    async with asking(tmp_path, upstream, other, policy) as world:
        assert (await world.chat()).status == (200 if opens else 503)
        event = await world.event()
        assert safety_in(event).failures == (("azure_content_safety", why),)
        if fault == "private":
            assert not other.calls
