"""The services of abuse, built together."""

from typing import NamedTuple, Self

from tradewind.core.clock import Clock
from tradewind.features.abuse.appeals import Appeals
from tradewind.features.abuse.cases import Cases
from tradewind.features.abuse.feedback import Feedback
from tradewind.features.abuse.incidents import Incidents
from tradewind.features.abuse.kill_switches import KillSwitches
from tradewind.features.abuse.looks import Looks
from tradewind.features.abuse.opt_outs import OptOuts
from tradewind.features.abuse.ports import AbuseReaders, Suspend
from tradewind.features.abuse.scoring import Scoring
from tradewind.features.abuse.trail import Trail


class AbuseServices(NamedTuple):
    scoring: Scoring
    cases: Cases
    looks: Looks
    appeals: Appeals
    opt_outs: OptOuts
    incidents: Incidents
    kill_switches: KillSwitches
    feedback: Feedback
    trail: Trail

    @classmethod
    def build(
        cls,
        clock: Clock,
        readers: AbuseReaders,
        suspend: Suspend,
        *,
        allows_self_review: bool = False,
    ) -> Self:
        trail = Trail(clock)
        cases = Cases(clock, readers, suspend, trail, allows_self_review=allows_self_review)
        incidents = Incidents(clock, trail)
        return cls(
            scoring=Scoring(clock, readers, cases),
            cases=cases,
            looks=Looks(clock, readers, cases, trail),
            appeals=Appeals(clock, cases, trail),
            opt_outs=OptOuts(clock, trail, allows_self_review=allows_self_review),
            incidents=incidents,
            kill_switches=KillSwitches(clock, readers, incidents, trail),
            feedback=Feedback(clock, readers),
            trail=trail,
        )
