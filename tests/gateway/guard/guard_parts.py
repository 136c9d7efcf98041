"""A gateway whose calls are under policies, with a check that finds what it is told to."""

from collections.abc import Iterable

from gateway_parts import World

from tradewind.gateway.process import running
from tradewind.plugins.checks.fake import FakeCheck
from tradewind.snapshot import file
from tradewind.snapshot.contents import Snapshot, Terms
from tradewind.snapshot.safety import Action, CheckUse, Direction, Policy, Rule, Streaming
from tradewind.usage.event import SafetyTrail, Trail, UsageEvent

HARMS = ("hate", "self_harm", "sexual", "violence")
EVERYWHERE = frozenset(Direction)


def rule(
    category,
    action=Action.BLOCK,
    threshold=4,
    directions: Iterable[Direction] = EVERYWHERE,
):
    return tuple(Rule(category, direction, threshold, action) for direction in directions)


def a_policy(
    *rules,
    policy_id="policy_a",
    version=1,
    streaming=Streaming.BUFFERED,
    directions=EVERYWHERE,
    deadline_ms=30_000,
    **use,
):
    """A policy with the fake check; without rules it blocks harms from severity 4 on."""
    return Policy(
        policy_id,
        version,
        "tests",
        rules or sum((rule(harm) for harm in HARMS), ()),
        (CheckUse("fake", directions, deadline_ms, **use),),
        streaming,
    )


def trail_in(event: UsageEvent) -> Trail:
    assert event.trail is not None
    return event.trail


def safety_in(event: UsageEvent) -> SafetyTrail:
    """Return what policies made of the call; some must have held."""
    safety = trail_in(event).safety
    assert safety is not None
    return safety


class GuardedWorld(World):
    """As World; every call of its organization is under `policies`."""

    def __init__(self, folder, *policies, **config):
        super().__init__(folder, **config)
        self.policies = policies
        self.check = FakeCheck()
        self.terms = {}
        self.bound: tuple[str, ...] = ()

    async def start(self):
        self._context = running(self.config, {"fake": self.check, **self.members()})
        self.url = await self._context.__aenter__()

    def members(self):
        return {}

    def publish(self, *endpoints, grants=None):
        self.version += 1
        bound = self.bound or tuple(policy.id for policy in self.policies)
        file.write(
            self.snapshot_path,
            Snapshot(
                self.version,
                1,
                (self.grant,) if grants is None else tuple(grants),
                endpoints,
                terms=(Terms(self.grant.organization_id, policies=bound, **self.terms),),
                policies=self.policies,
            ),
        )
