"""What policies are written as, and what safety hands out. The plain form of a policy is the same
in the database, in the API and in YAML files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from tradewind.core.ids import OrganizationId, SafetyPolicyId
from tradewind.snapshot.safety import Action, Direction, Streaming

DEFAULT_POLICY = SafetyPolicyId("policy_00000000000000000000000001")
FLOOR_POLICY = SafetyPolicyId("policy_00000000000000000000000002")


class RuleDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As `snapshot.safety.Rule`."""

    category: str
    direction: Direction
    threshold: int
    action: Action


class CheckDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """As `snapshot.safety.CheckUse`, with its data by the ids of lists, categories and corpora."""

    name: str
    directions: tuple[Direction, ...]
    deadline_ms: int = 500
    fails_open: bool = False
    options: dict[str, str] = {}
    data: tuple[str, ...] = ()


class PolicyContent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one version of a policy says."""

    rules: tuple[RuleDraft, ...] = ()
    checks: tuple[CheckDraft, ...] = ()
    streaming: Streaming = Streaming.BUFFERED

    @property
    def is_empty(self) -> bool:
        return not self.rules and not self.checks


class Standing(StrEnum):
    """What a policy is to the platform."""

    OWN = "own"
    """An organization's."""
    DEFAULT = "default"
    FLOOR = "floor"


class SubjectKind(StrEnum):
    """What a policy is bound to."""

    ORGANIZATION = "organization"
    PROJECT = "project"
    ENDPOINT = "endpoint"
    DEPLOYMENT = "deployment"


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that policies are bound to, as the rest of the platform knows it."""

    kind: SubjectKind
    subject_id: str
    name: str
    organization_id: str | None
    """None is the platform's."""


@dataclass(frozen=True, slots=True)
class BindingRow:
    policy_id: SafetyPolicyId
    kind: SubjectKind
    subject_id: str
    name: str
    """Of the subject; empty where it is no more."""
    bound_at: datetime
    bound_by: str


@dataclass(frozen=True, slots=True)
class PolicyRow:
    policy_id: SafetyPolicyId
    organization_id: OrganizationId | None
    """None is the platform's."""
    standing: Standing
    name: str
    version: int
    content: PolicyContent
    why: str
    changed_by: str
    changed_at: datetime
    """As the three before: of the newest version."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class VersionRow:
    policy_id: SafetyPolicyId
    version: int
    name: str
    content: PolicyContent
    why: str
    changed_by: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy as a YAML file says it."""

    name: str
    why: str
    content: PolicyContent


class CheckKind(StrEnum):
    LOCAL = "local"
    REMOTE = "remote"
    SAFETY_MODEL = "safety_model"


@dataclass(frozen=True, slots=True)
class CheckFacts:
    """What validation needs to know of a member of the check family."""

    name: str
    kind: CheckKind
    categories: frozenset[str]
    directions: frozenset[Direction]


class DataKind(StrEnum):
    """Where the data of a check come from."""

    BLOCKLIST = "blocklist"
    CATEGORY = "category"
    CORPUS = "corpus"


@dataclass(frozen=True, slots=True)
class DataRow:
    """Data that a policy may name."""

    data_id: str
    kind: DataKind
    organization_id: str
    name: str
    digest: str
    """Empty: there are none yet."""
    size: int


@dataclass(frozen=True, slots=True)
class BlocklistRow:
    blocklist_id: str
    organization_id: OrganizationId
    name: str
    description: str
    items: int
    digest: str
    size: int
    revision: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewItem:
    text: str
    description: str = ""
    is_regex: bool = False


@dataclass(frozen=True, slots=True)
class ItemRow:
    item_id: str
    text: str
    description: str
    is_regex: bool
    created_at: datetime


class Readiness(StrEnum):
    """How far data are that the worker makes."""

    QUEUED = "queued"
    WORKING = "working"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CategoryRow:
    category_id: str
    organization_id: OrganizationId
    name: str
    definition: str
    is_rapid: bool
    """It finds what is much like one of a few examples: for an incident of today."""
    positives: int
    negatives: int
    state: Readiness
    percent: int
    error: str
    digest: str
    size: int
    revision: int
    quality: Mapping[str, Any]
    """What a held-out part of the examples said of it; empty before, and of a rapid one."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewCategory:
    name: str
    definition: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...] = ()
    is_rapid: bool = False


@dataclass(frozen=True, slots=True)
class NewCorpus:
    name: str
    licence: str
    citation: str
    """Where the texts are to be had: an address, mostly."""
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class NewText:
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class CorpusRow:
    corpus_id: str
    organization_id: OrganizationId
    name: str
    licence: str
    citation: str
    is_code: bool
    texts: int
    characters: int
    state: Readiness
    percent: int
    error: str
    digest: str
    size: int
    revision: int
    created_at: datetime
    updated_at: datetime


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        return self in {RunState.DONE, RunState.FAILED, RunState.CANCELLED}


@dataclass(frozen=True, slots=True)
class DryRunRow:
    run_id: str
    organization_id: OrganizationId
    policy_id: str
    """Whose change it tries; empty is a policy that is not there yet."""
    name: str
    content: PolicyContent
    state: RunState
    done: int
    total: int
    result: Mapping[str, Any] = field(default_factory=dict[str, Any])
    error: str = ""
    created_by: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TriedFinding:
    """What a check found in a text that was tried."""

    check: str
    check_version: str
    category: str
    severity: int
    score: float
    start: int
    end: int
    source: str
    label: str
    threshold: int | None
    """None: no rule of the policy is about it."""
    action: Action


@dataclass(frozen=True, slots=True)
class Tried:
    action: Action | None
    """The gravest that follows; None: nothing was found."""
    findings: tuple[TriedFinding, ...]
    failures: tuple[tuple[str, str], ...]
    """Checks that could not tell, and why."""
    not_tried: tuple[str, ...]
    """Checks that ask somebody else, which nobody does for a trial."""
    redacted: str | None
    """The text as it would go out, where spans of it are redacted."""
    took_ms: float
