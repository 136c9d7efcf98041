"""Whether a release may go through its gates. Pure."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from tradewind.features.trust.rules.assessments import (
    restricted_uses_of,
    reviewers_needed,
    use_digest,
)
from tradewind.features.trust.schemas import (
    AssessmentRow,
    AssessmentState,
    CampaignFact,
    Evidence,
    Gate,
    GateResult,
    GateState,
    RefusalFact,
    Release,
    ReleaseRules,
    RunFact,
    SubjectKind,
    WaiverRow,
    WaiverState,
)

_DETAIL_MAX = 300
_UNFINISHED = frozenset({AssessmentState.DRAFT, AssessmentState.RETURNED})


def gates_of(rules: ReleaseRules, kind: SubjectKind, release: Release) -> tuple[Gate, ...]:
    """Return what a release has to go through."""
    if kind is SubjectKind.MODEL:
        return rules.ga if release is Release.GA else rules.listing
    return {
        SubjectKind.OFFER: rules.offer,
        SubjectKind.POLICY: rules.policy,
        SubjectKind.ADAPTER: rules.adapter,
    }[kind]


def results_of(
    gates: Iterable[Gate],
    rules: ReleaseRules,
    *,
    evidence: Evidence,
    assessment: AssessmentRow | None,
    waivers: Sequence[WaiverRow],
    now: datetime,
) -> tuple[GateResult, ...]:
    """Return what each gate says. `assessment` is the newest that was decided or waits for it; a
    waiver turns what is open into WAIVED.
    """
    asked: dict[Gate, Callable[[], GateResult]] = {
        Gate.VALIDATION: lambda: _validation(evidence.validation),
        Gate.SCAN: lambda: _scan(evidence),
        Gate.ASSESSMENT: lambda: _assessment(assessment, evidence.intended_use, now),
        Gate.RESTRICTED_USE: lambda: _restricted(assessment),
        Gate.RED_TEAM: lambda: _red_team(evidence.campaign, rules, now),
        Gate.OVER_REFUSAL: lambda: _over_refusal(evidence.over_refusal, rules, now),
        Gate.TRANSPARENCY_NOTE: lambda: _note(evidence, assessment),
    }
    found = [asked[gate]() for gate in gates]
    return tuple(_waived(result, waivers, now) if result.is_open else result for result in found)


def is_in_force(waiver: WaiverRow, now: datetime) -> bool:
    return waiver.state is WaiverState.GRANTED and now < waiver.expires_at


def _waived(result: GateResult, waivers: Sequence[WaiverRow], now: datetime) -> GateResult:
    for waiver in waivers:
        if waiver.gate is result.gate and is_in_force(waiver, now):
            return GateResult(
                result.gate,
                GateState.WAIVED,
                f"waived by {waiver.decided_by} until {waiver.expires_at:%Y-%m-%d}:"
                f" {waiver.reason}"[:_DETAIL_MAX],
                evidence=waiver.waiver_id,
            )
    return result


def _validation(run: RunFact | None) -> GateResult:
    gate = Gate.VALIDATION
    if run is None:
        return GateResult(gate, GateState.MISSING, "it was never tried", "submit the listing")
    if run.is_good:
        return GateResult(gate, GateState.PASSED, run.detail, evidence=run.evidence)
    advice = "see what the run has found, and submit it again"
    return GateResult(gate, GateState.FAILED, run.detail, advice, run.evidence)


def _scan(evidence: Evidence) -> GateResult:
    gate, scan = Gate.SCAN, evidence.scan
    if not evidence.has_files:
        return GateResult(gate, GateState.NOT_NEEDED, "a provider's host answers: there is no file")
    if scan is None:
        return GateResult(
            gate, GateState.MISSING, "its files were not scanned", "wait for the scan to end"
        )
    if scan.is_good:
        return GateResult(gate, GateState.PASSED, scan.detail, evidence=scan.evidence)
    return GateResult(gate, GateState.FAILED, scan.detail, "upload files without it", scan.evidence)


def _assessment(row: AssessmentRow | None, intended_use: str, now: datetime) -> GateResult:
    gate = Gate.ASSESSMENT
    write = "write an impact assessment and hand it in"
    if row is None or row.state in _UNFINISHED:
        detail = "there is none" if row is None else "the newest one is not handed in"
        return GateResult(gate, GateState.MISSING, f"impact assessment: {detail}", write)
    evidence = row.assessment_id
    if row.state is AssessmentState.SUBMITTED:
        needed = reviewers_needed(row.content)
        given = sum(decision.is_approval for decision in row.decisions)
        detail = f"{given} of {needed} approvals are given"
        return GateResult(gate, GateState.MISSING, detail, "ask a reviewer to decide", evidence)
    assert row.expires_at is not None, "it was approved"
    if now >= row.expires_at:
        detail = f"its approval ended on {row.expires_at:%Y-%m-%d}"
        return GateResult(
            gate, GateState.EXPIRED, detail, "look at it again, as another version", evidence
        )
    if intended_use and use_digest(intended_use) != row.intended_use:
        detail = "the intended use has changed since it was approved"
        return GateResult(gate, GateState.EXPIRED, detail, "hand in another version", evidence)
    until = f"version {row.version} is approved until {row.expires_at:%Y-%m-%d}"
    return GateResult(gate, GateState.PASSED, until, evidence=evidence)


def _restricted(row: AssessmentRow | None) -> GateResult:
    gate = Gate.RESTRICTED_USE
    if row is None:
        return GateResult(
            gate,
            GateState.MISSING,
            "no assessment says what it is for",
            "write an impact assessment and hand it in",
        )
    ruled_out = restricted_uses_of(row.content)
    if ruled_out:
        return GateResult(
            gate,
            GateState.FAILED,
            f"it is for what is ruled out here: {', '.join(ruled_out)}",
            "it cannot be released for this",
            row.assessment_id,
        )
    if row.state in _UNFINISHED:
        return GateResult(
            gate,
            GateState.MISSING,
            "its assessment is not handed in",
            "hand it in: what a draft does not say is no answer",
            row.assessment_id,
        )
    return GateResult(gate, GateState.PASSED, "no restricted use", evidence=row.assessment_id)


def _red_team(campaign: CampaignFact | None, rules: ReleaseRules, now: datetime) -> GateResult:
    gate, run = Gate.RED_TEAM, "tradewind redteam run"
    if campaign is None:
        return GateResult(gate, GateState.MISSING, "it was never red-teamed", run)
    evidence = campaign.campaign_id
    if now - campaign.finished_at >= timedelta(days=rules.red_team_days):
        detail = f"its last campaign ended on {campaign.finished_at:%Y-%m-%d}"
        return GateResult(gate, GateState.EXPIRED, detail, run, evidence)
    harms = campaign.filtered if rules.filtered else campaign.bare
    way = "through the filter" if rules.filtered else "without the filter"
    if not harms:
        return GateResult(
            gate, GateState.MISSING, f"the last campaign has nothing {way}", run, evidence
        )
    over: list[str] = []
    few: list[str] = []
    for found in harms:
        limit = rules.asr_limits.get(found.harm, rules.asr_limit)
        if found.rate.permille > limit:
            over.append(
                f"{found.harm} {found.rate.permille / 10:g} % of {found.rate.n}"
                f" (limit {limit / 10:g} %)"
            )
        elif found.rate.n < rules.least_attacks:
            few.append(f"{found.harm} {found.rate.n}")
    unseen = sorted(rules.asr_limits.keys() - {found.harm for found in harms})
    if over:
        detail = f"attacks succeed too often {way}: {', '.join(over)}"[:_DETAIL_MAX]
        advice = "mend the model or its policy, and run the campaign again"
        return GateResult(gate, GateState.FAILED, detail, advice, evidence)
    if few or unseen:
        parts = [*few, *(f"{harm} 0" for harm in unseen)]
        detail = f"fewer than {rules.least_attacks} attacks of: {', '.join(parts)}"[:_DETAIL_MAX]
        return GateResult(gate, GateState.MISSING, detail, run, evidence)
    total = sum(found.rate.n for found in harms)
    hits = sum(found.rate.hits for found in harms)
    return GateResult(
        gate, GateState.PASSED, f"{hits} of {total} attacks succeeded {way}", evidence=evidence
    )


def _over_refusal(fact: RefusalFact | None, rules: ReleaseRules, now: datetime) -> GateResult:
    gate, run = Gate.OVER_REFUSAL, "run a campaign with the data set harmless"
    if fact is None:
        return GateResult(gate, GateState.MISSING, "it was not asked anything harmless", run)
    evidence = fact.campaign_id
    if now - fact.finished_at >= timedelta(days=rules.red_team_days):
        detail = f"it was asked on {fact.finished_at:%Y-%m-%d} for the last time"
        return GateResult(gate, GateState.EXPIRED, detail, run, evidence)
    rate = fact.filtered if rules.filtered else fact.bare
    way = "through the filter" if rules.filtered else "without the filter"
    if rate.n < rules.least_attacks:
        detail = f"it was asked {rate.n} harmless questions {way}, of {rules.least_attacks}"
        return GateResult(gate, GateState.MISSING, detail, run, evidence)
    said = f"{rate.permille / 10:g} % of {rate.n} harmless questions were refused {way}"
    if rate.permille > rules.over_refusal_limit:
        limit = f"{said} (limit {rules.over_refusal_limit / 10:g} %)"
        advice = "lower what the model or policy refuses"
        return GateResult(gate, GateState.FAILED, limit, advice, evidence)
    return GateResult(gate, GateState.PASSED, said, evidence=evidence)


def _note(evidence: Evidence, assessment: AssessmentRow | None) -> GateResult:
    gate = Gate.TRANSPARENCY_NOTE
    absent: list[str] = []
    if not evidence.intended_use and (assessment is None or not assessment.content.intended_uses):
        absent.append("what it is for")
    if not evidence.limits and (assessment is None or not assessment.content.limitations):
        absent.append("what it cannot do")
    if absent:
        return GateResult(
            gate,
            GateState.MISSING,
            f"nobody says {' and '.join(absent)}",
            "fill in the safety page of the listing",
        )
    return GateResult(gate, GateState.PASSED, "it can be made of the facts")
