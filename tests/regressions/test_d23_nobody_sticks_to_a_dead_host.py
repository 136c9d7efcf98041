"""D23: affinity pinned conversations to a dead channel for up to a day, and disabled ones were
retried (new-api#3414, #4541, #2953, #3455, #687).

A conversation stays where its prefix is while that host answers. When it dies, the next turn is
answered elsewhere and says so; what was taken out of the endpoint is never called again; and one
that came back is used again.
"""

import asyncio

import pytest
from gateway_parts import ask_for, soon, text_event, usage_event, whole_answer
from scripted_upstream import ScriptedUpstream

from tradewind.usage.event import Outcome
from tradewind.wire.sse import DONE

HOSTS = 3
TURNS = 12


class Fleet:
    """Hosts that can be made to die in several ways and to come back."""

    def __init__(self, hosts):
        self.hosts = hosts
        self.dead = {}
        self.answered = [0] * len(hosts)
        for number, host in enumerate(hosts):
            host.script = self._script(number)

    def _script(self, number):
        async def script(call):
            match self.dead.get(number):
                case None:
                    self.answered[number] += 1
                    if call.json.get("stream"):
                        await call.stream(text_event("Hi"), usage_event(10, 0, 1), DONE)
                    else:
                        await call.answer(whole_answer())
                case "cut":
                    call.cut()
                case "fail":
                    await call.answer(b"{}", status=500)
                case "busy":
                    await call.answer(b"{}", status=429)
                case "locked":
                    await call.answer(b"{}", status=401)

        return script

    def knocks(self, number):
        return len(self.hosts[number].calls)


@pytest.fixture
async def fleet(world):
    hosts = [ScriptedUpstream() for _ in range(HOSTS)]
    for host in hosts:
        await host.__aenter__()
    fleet = Fleet(hosts)
    world.publish(
        world.endpoint(
            *(world.target(host.address, f"rep_{n}") for n, host in enumerate(hosts)),
            context_tokens=100_000,
        )
    )
    await world.in_force()
    yield fleet
    for host in hosts:
        await host.__aexit__(None, None, None)


def conversation(turns):
    messages = [{"role": "system", "content": "Be brief. " * 50}]
    for turn in range(turns):
        messages.append({"role": "user", "content": f"Question {turn}"})
        messages.append({"role": "assistant", "content": f"Answer {turn}"})
    return [*messages, {"role": "user", "content": "And now?"}]


async def turn(world, number, **members):
    client = await world.client()
    answer = await client.chat(messages=conversation(number), **members)
    client.close()
    return answer


async def settle(world, fleet):
    """Hold a conversation until it has a home; return that host."""
    for number in range(4):
        assert (await turn(world, number)).status == 200
    [home] = [number for number, count in enumerate(fleet.answered) if count]
    return home


@pytest.mark.parametrize("way", ["cut", "fail", "busy", "locked"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_conversation_goes_on_elsewhere_when_its_host_dies(world, fleet, way, stream):
    home = await settle(world, fleet)
    fleet.dead[home] = way
    for number in range(TURNS):
        answer = await turn(world, 4 + number, stream=stream)
        assert answer.status == 200
    assert fleet.answered[home] == 4
    assert sum(fleet.answered) == 4 + TURNS
    # A few calls found out that it is dead; the others did not go there.
    assert fleet.knocks(home) <= 4 + 5
    for event in world.events():
        assert event.outcome is Outcome.COMPLETED


async def test_a_conversation_stays_together_at_its_new_home(world, fleet):
    home = await settle(world, fleet)
    fleet.dead[home] = "cut"
    for number in range(TURNS):
        await turn(world, 4 + number)
    others = [count for number, count in enumerate(fleet.answered) if number != home]
    assert sorted(others) == [0, TURNS], "the prefix is kept warm at one place"


async def test_a_host_that_was_taken_out_is_never_called_again(world, fleet):
    home = await settle(world, fleet)
    knocks = fleet.knocks(home)
    world.publish(
        world.endpoint(
            *(
                world.target(host.address, f"rep_{number}")
                for number, host in enumerate(fleet.hosts)
                if number != home
            ),
            context_tokens=100_000,
        )
    )
    await world.in_force()
    for number in range(TURNS):
        assert (await turn(world, 4 + number)).status == 200
    assert fleet.knocks(home) == knocks


async def test_a_host_that_came_back_is_home_again(world, fleet):
    home = await settle(world, fleet)
    fleet.dead[home] = "cut"
    for number in range(6):
        assert (await turn(world, 4 + number)).status == 200
    del fleet.dead[home]
    back = fleet.answered[home]

    async def is_home_again():
        number = 10
        while fleet.answered[home] == back:
            assert (await turn(world, number)).status == 200
            number += 1
            await asyncio.sleep(0.05)

    await soon(is_home_again())


async def test_when_all_are_dead_the_caller_is_told_at_once_and_the_first_to_return_is_used(
    world, fleet
):
    home = await settle(world, fleet)
    for number in range(HOSTS):
        fleet.dead[number] = "cut"
    for number in range(6):
        answer = await soon(turn(world, 4 + number))
        assert answer.status in (502, 503)
    fleet.dead.clear()

    async def is_answered():
        while (await turn(world, 12)).status != 200:
            await asyncio.sleep(0.05)

    await soon(is_answered())
    assert ask_for()
    assert home is not None
