"""Gates of releases on a real database: a publisher, its listings, and people who decide."""

import msgspec
import pytest

from tests.features.publishing.conftest import (  # noqa: F401  fixtures
    ADA,
    GRACE,
    HandTurnedClock,
    acme,
    apply,
    artifacts,
    clock,
    connection,
    content,
    draft,
    in_review,
    listed,
    validate,
)
from tradewind.core.acting import By
from tradewind.features.publishing.services import build_publishing
from tradewind.features.trust.schemas import (
    Assessment,
    IntendedUse,
    Release,
    Subject,
    SubjectKind,
)
from tradewind.features.trust.services import TrustServices
from tradewind.readmodels.trust_evidence import find_evidence
from tradewind.readmodels.trust_notes import TrustNotes
from tradewind.readmodels.trust_subjects import find_subject
from tradewind.serve.trust import gate_of

SMALL = Subject(SubjectKind.MODEL, "acme/small")
EVE = By("user_eve", "Eve")

FILLED = Assessment(
    system_name="Small",
    team="Models",
    contact="models@acme.example",
    stage="Testing; goes live in March",
    description="Answers briefly.",
    purpose="Short answers where a long one is a nuisance.",
    geographies="Worldwide",
    languages="English",
    deployment_mode="As a service",
    intended_uses=(
        IntendedUse(
            name="Chat",
            description="Short answers to short questions.",
            fitness="It was tried by a hundred people.",
            stakeholders="Those who ask.",
            benefits="Less to read.",
            harms="A short answer may be wrong.",
            fairness="People who write no English.",
            oversight="The team reads what is flagged.",
            human_role="People decide what they do with it.",
        ),
    ),
    unsupported_uses="Medical advice.",
    limitations="It knows little.",
    failure_impact="Somebody believes something wrong.",
    misuse_impact="Spam.",
    data_requirements="Text under open licences.",
    mitigations="A filter, and a note.",
    disclosure="Each page says that a machine answers.",
)


@pytest.fixture
def trust(clock):  # noqa: F811
    return TrustServices.build(clock, find_subject, find_evidence, TrustNotes().find)


@pytest.fixture
def publishing(services, clock, artifacts, trust):  # noqa: F811
    """As in production: nothing is listed that a gate keeps."""
    return build_publishing(
        services.catalog,
        services.providers,
        services.endpoints,
        clock,
        artifacts=artifacts,
        release_gate=gate_of(trust, SubjectKind.MODEL, Release.LISTING),
    )


@pytest.fixture
def handed_in(do, trust, publishing, operator, draft):  # noqa: F811
    """Hand an assessment in, filled in but for `changes`, of a listing that is there or begun."""

    def hand_in(by=ADA, subject=SMALL, **changes):
        found = do(publishing.listings.find_current, operator, "acme", "small")
        if found == (None, None):
            draft()
        row = do(trust.assessments.begin, operator, by, subject)
        filled = msgspec.structs.replace(FILLED, **changes)
        do(trust.assessments.save, operator, row.assessment_id, filled)
        return do(trust.assessments.submit, operator, by, row.assessment_id)

    return hand_in


@pytest.fixture
def assessed(do, trust, operator, handed_in):
    """Have it approved by as many people as it takes."""

    def assess(**changes):
        row = handed_in(**changes)
        for by in (GRACE, EVE):
            if row.state.value == "submitted":
                row = do(
                    trust.assessments.decide,
                    operator,
                    by,
                    row.assessment_id,
                    approves=True,
                    reason="fine",
                )
        return row

    return assess


@pytest.fixture
def approve(do, publishing, operator):
    """Have Grace approve a listing."""

    def approve(row):
        return do(publishing.listings.approve, operator, GRACE, row.listing_id)

    return approve
