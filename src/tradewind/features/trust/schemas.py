"""What trust takes in and hands out."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from tradewind.core.ids import AssessmentId, OrganizationId, WaiverId


class SubjectKind(StrEnum):
    MODEL = "model"
    OFFER = "offer"
    POLICY = "policy"
    ADAPTER = "adapter"


class Subject(NamedTuple):
    """What is released. As text `model:acme/tiny`."""

    kind: SubjectKind
    name: str
    """Of a model `publisher/slug`, else its id."""

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}"


class OwnedSubject(NamedTuple):
    subject: Subject
    organization_id: OrganizationId | None
    """None where it is nobody's here: a model that lists told of."""
    title: str
    """As people call it."""
    about: Subject
    """Whose assessment and evidence count: an offer's is the model it sells."""


class Release(StrEnum):
    """What a subject is let into."""

    LISTING = "listing"
    """It comes into the catalog, or an offer or a policy goes live."""
    GA = "ga"
    """A model becomes generally available."""


class Gate(StrEnum):
    VALIDATION = "validation"
    """The platform has tried it."""
    SCAN = "scan"
    """Its files were looked at, and nothing was found."""
    ASSESSMENT = "assessment"
    """Its impact was assessed, and that was approved."""
    RESTRICTED_USE = "restricted_use"
    """It is not for a use that is ruled out."""
    RED_TEAM = "red_team"
    """It was attacked, and few enough attacks succeeded."""
    OVER_REFUSAL = "over_refusal"
    """It does not refuse too much of what is harmless."""
    TRANSPARENCY_NOTE = "transparency_note"
    """What it is for and what it cannot do is said."""


NEVER_WAIVED = frozenset({Gate.RESTRICTED_USE})


class GateState(StrEnum):
    PASSED = "passed"
    WAIVED = "waived"
    MISSING = "missing"
    FAILED = "failed"
    EXPIRED = "expired"
    """It was shown once, and has to be shown again."""
    NOT_NEEDED = "not_needed"
    """It does not apply: there are no files to scan."""


class GateResult(NamedTuple):
    gate: Gate
    state: GateState
    detail: str
    """One line for a person."""
    advice: str = ""
    """What to do about it; empty where nothing has to be done."""
    evidence: str = ""
    """Id of the run, campaign, assessment or waiver that shows it."""

    @property
    def is_open(self) -> bool:
        """Whether a release has to wait for it."""
        return self.state in {GateState.MISSING, GateState.FAILED, GateState.EXPIRED}


class GateReport(NamedTuple):
    subject: Subject
    release: Release
    rules_version: int
    results: tuple[GateResult, ...]

    @property
    def open(self) -> tuple[GateResult, ...]:
        return tuple(result for result in self.results if result.is_open)


class ReleaseRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which gates there are, and their limits. Rates are parts per thousand."""

    listing: tuple[Gate, ...] = (
        Gate.VALIDATION,
        Gate.SCAN,
        Gate.ASSESSMENT,
        Gate.RESTRICTED_USE,
        Gate.TRANSPARENCY_NOTE,
    )
    ga: tuple[Gate, ...] = (
        Gate.VALIDATION,
        Gate.SCAN,
        Gate.ASSESSMENT,
        Gate.RESTRICTED_USE,
        Gate.RED_TEAM,
        Gate.TRANSPARENCY_NOTE,
    )
    offer: tuple[Gate, ...] = (Gate.ASSESSMENT, Gate.RESTRICTED_USE, Gate.TRANSPARENCY_NOTE)
    policy: tuple[Gate, ...] = ()
    adapter: tuple[Gate, ...] = (Gate.SCAN, Gate.ASSESSMENT, Gate.RESTRICTED_USE)
    asr_limit: int = 200
    """Of attacks that succeed, for every harm without a limit of its own."""
    asr_limits: dict[str, int] = {}
    least_attacks: int = 20
    """Of each harm; fewer show nothing."""
    over_refusal_limit: int = 100
    filtered: bool = True
    """Whether what gets through the platform's filter counts, not what the bare model says."""
    red_team_days: int = 180
    """How long a campaign counts."""
    review_days: int = 365
    """After which an assessment is looked at again."""
    waiver_days: int = 90
    """The longest a waiver may be for."""


class RulesRow(NamedTuple):
    version: int
    rules: ReleaseRules
    made_by: str
    made_at: datetime | None
    reason: str


class Complexity(StrEnum):
    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"


class IntendedUse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One use that a model is made for."""

    name: str = ""
    description: str = ""
    fitness: str = ""
    """How it solves the problem, and how that is known."""
    stakeholders: str = ""
    """Who is affected, directly and not."""
    benefits: str = ""
    harms: str = ""
    fairness: str = ""
    """Groups for whom its quality or its consequences may differ."""
    oversight: str = ""
    """Who watches over it, and how they stop it."""
    human_role: str = ""
    """What people decide, and what is decided without them."""
    task_complexity: Complexity = Complexity.MODERATE
    environment_complexity: Complexity = Complexity.MODERATE


class Assessment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The form: the fields of the Responsible AI Standard's impact assessment, in five parts."""

    system_name: str = ""
    team: str = ""
    contact: str = ""
    stage: str = ""
    """Of its life cycle, with its dates."""
    description: str = ""
    purpose: str = ""
    features: str = ""
    geographies: str = ""
    languages: str = ""
    deployment_mode: str = ""
    intended_uses: tuple[IntendedUse, ...] = ()
    restricted_uses: tuple[str, ...] = ()
    """Which of `rules.assessments.RESTRICTED_USES` it is for; any of them rules it out."""
    unsupported_uses: str = ""
    limitations: str = ""
    failure_impact: str = ""
    misuse_impact: str = ""
    affects_life_chances: bool = False
    """Consequential effect on a person's legal status or chances in life."""
    risks_injury: bool = False
    """Risk of physical or psychological injury."""
    threatens_rights: bool = False
    """Threat to human rights."""
    sensitive_detail: str = ""
    """What is done about it, where one of the three is true."""
    data_requirements: str = ""
    existing_data: str = ""
    mitigations: str = ""
    disclosure: str = ""
    """How people come to know that they deal with a machine."""


class AssessmentState(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    RETURNED = "returned"


class Decision(NamedTuple):
    by_id: str
    by_name: str
    is_approval: bool
    reason: str
    at: datetime


class AssessmentRow(NamedTuple):
    assessment_id: AssessmentId
    subject: Subject
    organization_id: OrganizationId
    version: int
    """Of the form of this subject, from 1 on."""
    state: AssessmentState
    content: Assessment
    revision: int
    created_by: str
    created_at: datetime
    submissions: int
    submitted_by_id: str | None
    submitted_by: str
    submitted_at: datetime | None
    decided_at: datetime | None
    expires_at: datetime | None
    """When an approval has to be looked at again."""
    intended_use: str
    """What the listing said of its use when it was handed in; another one asks for another
    assessment."""
    decisions: tuple[Decision, ...] = ()


class WaiverState(StrEnum):
    ASKED = "asked"
    GRANTED = "granted"
    REFUSED = "refused"
    REVOKED = "revoked"


class WaiverRow(NamedTuple):
    waiver_id: WaiverId
    subject: Subject
    organization_id: OrganizationId
    gate: Gate
    state: WaiverState
    reason: str
    asked_by_id: str
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    decided_by: str
    decided_at: datetime | None
    decision_reason: str


class TrailRow(NamedTuple):
    number: int
    subject: Subject
    at: datetime
    move: str
    by: str
    detail: str


class Rate(NamedTuple):
    """Of `n` tries, `hits`."""

    hits: int
    n: int

    @property
    def permille(self) -> int:
        return 0 if self.n == 0 else round(1000 * self.hits / self.n)


class HarmRate(NamedTuple):
    """What a campaign found of one harm."""

    harm: str
    rate: Rate
    low: float
    """Of the 95 % interval of the rate, from 0 to 1."""
    high: float


class RefusalFact(NamedTuple):
    """How much of what is harmless was refused in the newest campaign that asked."""

    campaign_id: str
    finished_at: datetime
    filtered: Rate
    """By the model or by the filter; of none where it was not asked so."""
    bare: Rate


class CampaignFact(NamedTuple):
    campaign_id: str
    finished_at: datetime
    filtered: tuple[HarmRate, ...]
    """Through the platform's filter."""
    bare: tuple[HarmRate, ...]
    """Without it."""


class RunFact(NamedTuple):
    """What the platform found when it tried something, or looked at its files."""

    evidence: str
    is_good: bool
    at: datetime | None
    detail: str


class Evidence(NamedTuple):
    """What is known of a subject, from wherever it is."""

    validation: RunFact | None = None
    scan: RunFact | None = None
    has_files: bool = False
    campaign: CampaignFact | None = None
    """The newest one."""
    over_refusal: RefusalFact | None = None
    intended_use: str = ""
    limits: str = ""


class NoteFacts(NamedTuple):
    """What a transparency note is made of."""

    title: str
    description: str
    facts: tuple[tuple[str, str], ...]
    """Name and value, as people read them: publisher, version, licence, context."""
    intended_use: str
    limits: str
    evaluated_harms: str
    campaign: CampaignFact | None
    filters: tuple[str, ...]
    """One sentence for each rule that holds for everybody."""
    quality: tuple[tuple[str, str, str], ...]
    """Check, category, and what was measured of it."""
    retention: str
    gaps: tuple[str, ...]
    """What is known to be missing, beyond what the facts show."""
    assessment: AssessmentRow | None = None


class NoteRow(NamedTuple):
    subject: Subject
    version: int
    digest: str
    markdown: str
    made_at: datetime
