"""Checks run off the loop, apart from each other, and each fails for itself."""

import asyncio
import hashlib
import threading

import pytest
from gateway_parts import soon, until
from guard_parts import a_policy, rule

from tradewind.gateway.backstage import BackstageAnswer
from tradewind.gateway.guard.check_data import CheckData
from tradewind.gateway.guard.policies import Use, guard_of
from tradewind.gateway.guard.runner import Runner
from tradewind.gateway.guard.verdict_memory import LONGEST_TEXT, VerdictMemory
from tradewind.plugins.checks.base import Content, Verdict
from tradewind.plugins.checks.fake import FakeCheck
from tradewind.snapshot.safety import CheckUse, DataReference, Direction, Policy

PROMPT = Direction.PROMPT


class NoBackstage:
    """Answers with what it holds, and counts what it was asked."""

    def __init__(self, held=None):
        self.held = held or {}
        self.asked = []

    def ask(self, method, path, body, answered):
        self.asked.append(path)
        found = self.held.get(path.rpartition("/")[2])
        answered(BackstageAnswer(404 if found is None else 200, found or b""))


class World:
    def __init__(self, folder=None, held=None, **runner):
        loop = asyncio.get_running_loop()
        self.check = FakeCheck()
        self.backstage = NoBackstage(held)
        self.data = CheckData(loop, self.backstage, folder, try_again_s=0.0)
        self.runner = Runner(loop, self.data, {"fake": self.check}, **runner)

    def guard(self, *policies):
        by_id = {policy.id: policy for policy in policies}
        guard = guard_of(list(by_id), by_id, self.runner.checks)
        assert guard is not None
        return guard

    async def judge(self, guard, *texts):
        done = asyncio.get_running_loop().create_future()
        self.runner.examine(guard, [Content(text, PROMPT) for text in texts], done.set_result)
        return await soon(done)

    def close(self):
        self.check.release()
        self.runner.close(30)
        self.data.close()


@pytest.fixture
async def world():
    world = World()
    yield world
    world.close()


async def test_findings_are_told_with_the_content_they_stand_in(world):
    found = await world.judge(world.guard(a_policy()), "fine", "so [[hate 6]]")
    assert [(one.content, one.finding.start) for one in found.findings] == [(1, 3)]
    assert found.refusal == "policy"


async def test_checks_run_in_a_thread_of_their_own(world):
    names = []
    examine = world.check.examine

    def noting(*arguments):
        names.append(threading.current_thread().name)
        return examine(*arguments)

    check = type("Noting", (FakeCheck,), {"examine": staticmethod(noting)})()
    guard = guard_of(["policy_a"], {"policy_a": a_policy()}, {"fake": check})
    await world.judge(guard, "fine")
    assert names == ["checks"]


async def test_nothing_to_examine_is_told_in_a_later_turn(world):
    guard, told = world.guard(a_policy()), []
    world.runner.examine(guard, [], told.append)
    assert not told
    await until(lambda: told)
    assert told[0].refusal is None


async def test_a_cancelled_examination_is_never_told(world):
    told = []
    hanging = world.guard(a_policy(options={"fault": "hang"}))
    examination = world.runner.examine(hanging, [Content("x", PROMPT)], told.append)
    await until(lambda: world.check.examined)
    examination.cancel()
    world.check.release()
    await world.judge(world.guard(a_policy()), "fine")
    await until(lambda: not world.runner.waiting)
    assert not told


async def test_a_full_queue_is_a_failure_and_empties_again():
    world = World(most_waiting=1)
    told = []
    hanging = world.guard(a_policy(options={"fault": "hang"}))
    world.runner.examine(hanging, [Content("x", PROMPT)], told.append)
    busy = await world.judge(world.guard(a_policy()), "fine")
    assert (busy.refusal, busy.failures) == ("unavailable", (("fake", "busy"),))
    world.check.release()
    await until(lambda: told)
    assert (await world.judge(world.guard(a_policy()), "fine")).refusal is None
    world.close()


async def test_a_long_prompt_does_not_hold_up_a_short_one_behind_it(world):
    order, guard = [], world.guard(a_policy(options={"fault": "hang"}))
    both = asyncio.Event()

    def told(name):
        order.append(name)
        if len(order) == 2:
            both.set()

    long_one = Content("x" * 200_000, PROMPT)
    world.runner.examine(guard, [long_one], lambda _: told("long"))
    await until(lambda: world.check.examined)
    # The long one's first piece hangs in the thread until the short one waits behind it.
    world.runner.examine(guard, [Content("y", PROMPT)], lambda _: told("short"))
    world.check.release()
    await soon(both.wait())
    assert order == ["short", "long"]


async def test_one_check_that_crashes_leaves_the_others_verdicts(world):
    uses = (
        CheckUse("fake", frozenset({PROMPT}), 30_000, True, {"fault": "crash"}),
        CheckUse("fake", frozenset({PROMPT}), 30_000),
    )
    guard = world.guard(Policy("policy_a", 1, "", rule("hate"), uses))
    found = await world.judge(guard, "[[hate 6]]")
    assert found.failures == (("fake", "crash"),)
    assert found.refusal == "policy"


async def test_data_are_fetched_once_checked_and_kept_for_the_next_start(tmp_path):
    raw = b"casino\nroulette"
    digest = hashlib.sha256(raw).hexdigest()
    reference = DataReference("games", digest, len(raw))
    policy = a_policy(*rule("blocklist"), data=(reference,))
    world = World(tmp_path / "data", {digest: raw})
    found = await world.judge(world.guard(policy), "to the casino", "home")
    assert found.findings[0].finding.source == "games"
    assert (await world.judge(world.guard(policy), "home")).refusal is None
    assert world.backstage.asked == [f"/safety/data/{digest}"]
    world.close()
    again = World(tmp_path / "data")
    assert (await again.judge(again.guard(policy), "a casino")).refusal == "policy"
    assert not again.backstage.asked
    again.close()


async def test_data_that_are_something_else_are_a_failure_and_are_not_kept(tmp_path):
    digest = hashlib.sha256(b"what was meant").hexdigest()
    policy = a_policy(*rule("blocklist"), data=(DataReference("games", digest, 1),))
    world = World(tmp_path / "data", {digest: b"something else"})
    found = await world.judge(world.guard(policy), "home")
    assert found.failures == (("fake", "data"),)
    assert found.refusal == "unavailable"
    assert not (tmp_path / "data").exists()
    world.close()


async def test_damaged_data_on_disk_are_fetched_again(tmp_path):
    raw = b"casino"
    digest = hashlib.sha256(raw).hexdigest()
    (tmp_path / digest).write_bytes(b"casin0")
    policy = a_policy(*rule("blocklist"), data=(DataReference("games", digest, 6),))
    world = World(tmp_path, {digest: raw})
    assert (await world.judge(world.guard(policy), "casino")).refusal == "policy"
    assert (tmp_path / digest).read_bytes() == raw
    world.close()


async def test_the_folder_of_data_is_bounded_and_what_is_newest_stays(tmp_path):
    held, references = {}, []
    for number in range(5):
        raw = b"%d" % number * 1000
        digest = hashlib.sha256(raw).hexdigest()
        held[digest] = raw
        references.append(DataReference(str(number), digest, len(raw)))
    world = World(tmp_path, held)
    world.data._most_folder_bytes = 2500
    for reference in references:
        policy = a_policy(*rule("blocklist"), data=(reference,))
        await world.judge(world.guard(policy), "x")
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert sum(sizes) <= 2500
    assert (tmp_path / references[-1].digest).exists()
    world.close()


async def test_what_was_said_of_a_text_is_remembered_and_not_asked_again(world):
    guard = world.guard(a_policy())
    first = await world.judge(guard, "one [[hate 2]]", "two")
    again = await world.judge(guard, "one [[hate 2]]", "two", "three")

    assert [content.text for content in world.check.examined] == ["one [[hate 2]]", "two", "three"]
    assert [each.finding for each in again.findings] == [each.finding for each in first.findings]
    assert [each.content for each in again.findings] == [0]


async def test_a_verdict_holds_for_its_options_its_direction_and_who_wrote_it():
    memory, check = VerdictMemory(), FakeCheck()

    def key(text="one", direction=PROMPT, *, options=None, data=(), **content):
        use = Use("fake", check, 1.0, False, options or {}, data)
        return memory.key_of(use, Content(text, direction, **content))

    kinds = [
        key(),
        key("on", Direction.DOCUMENT),
        key("e"),
        key(direction=Direction.DOCUMENT),
        key(options={"a": "b"}),
        key(options={"ab": ""}),
        key(is_from_operator=True),
        key(data=(DataReference("words", "0" * 64, 1),)),
    ]
    assert len(set(kinds)) == len(kinds)
    assert key() == kinds[0]
    assert key(direction=Direction.COMPLETION) is None
    assert key(look_back=1) is None
    assert key("x" * (LONGEST_TEXT + 1)) is None
    assert (
        VerdictMemory().key_of(Use("fake", check, 1.0, False, {}, ()), Content("one", PROMPT))
        not in kinds
    )


def test_the_memory_is_bounded_and_forgets_what_was_not_asked_for():
    memory = VerdictMemory(most=2)
    for name in (b"a", b"b"):
        memory.keep(name, Verdict("fake", "1"))
    assert memory.find(b"a") is not None
    memory.keep(b"c", Verdict("fake", "1"))
    assert [memory.find(name) is None for name in (b"a", b"b", b"c")] == [False, True, False]
    assert len(memory) == 2


async def test_what_failed_is_asked_again(world):
    guard = world.guard(a_policy(options={"fault": "failed"}))
    for _ in range(2):
        assert (await world.judge(guard, "one")).failures
    assert len(world.check.examined) == 2
