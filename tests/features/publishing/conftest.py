"""Publishing on a real database, with a clock that tests turn."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tradewind.core.acting import By
from tradewind.core.ids import ArtifactId
from tradewind.db.sealing import Secret
from tradewind.features.artifacts.schemas import (
    ArtifactDetail,
    ArtifactFile,
    ArtifactRow,
    FileFacts,
)
from tradewind.features.artifacts.schemas import Visibility as Seal
from tradewind.features.providers.schemas import NewConnection
from tradewind.features.publishing.schemas import Check, CheckState, Content, NewApplication, Timing
from tradewind.features.publishing.services import build_publishing

ADA, GRACE = By("user_ada", "Ada"), By("user_grace", "Grace")
DIGEST = "sha256:" + "ab" * 32


class HandTurnedClock:
    def __init__(self):
        self._now = datetime(2030, 1, 31, 12, 34, tzinfo=UTC)

    def now(self):
        return self._now

    def monotonic(self):
        return self._now.timestamp()

    def turn(self, **by):
        self._now += timedelta(**by)


class HeldArtifacts:
    """Artifacts as their service tells of them, without bytes."""

    def __init__(self):
        self.held = {}

    def put(self, owner, *, is_quarantined=False):
        row = ArtifactRow(
            artifact_id=ArtifactId.new(),
            organization_id=owner,
            digest=DIGEST,
            visibility=Seal.OPEN,
            size=1000,
            file_count=1,
            is_quarantined=is_quarantined,
            created_at=datetime(2030, 1, 1, tzinfo=UTC),
        )
        facts = FileFacts(format="gguf", quantization="Q4_K", parameters=135_000_000)
        file = ArtifactFile("model.gguf", 1000, "cd" * 32, facts)
        self.held[DIGEST] = ArtifactDetail(row, (file,), b"", ())

    def find(self, _tx, digest):
        return self.held.get(digest)


@pytest.fixture
def clock():
    return HandTurnedClock()


@pytest.fixture
def artifacts():
    return HeldArtifacts()


@pytest.fixture
def publishing(services, clock, artifacts):
    return build_publishing(
        services.catalog, services.providers, services.endpoints, clock, artifacts=artifacts
    )


@pytest.fixture
def apply(do, publishing, operator):
    """Ask for a publisher's name."""

    def apply(slug="acme", *, actor=operator, **more):
        values = {"name": "Acme", "website": "https://acme.example", "contact": "a@acme.example"}
        new = NewApplication(slug=slug, **values | more)
        return do(publishing.publishers.apply, actor, ADA, new)

    return apply


@pytest.fixture
def acme(apply, do, publishing, operator):
    """The organization is the publisher acme."""
    asked = apply()
    return do(publishing.publishers.decide, operator, GRACE, asked.application_id, is_accepted=True)


@pytest.fixture
def connection(do, services, operator):
    return do(
        services.providers.add_connection,
        operator,
        NewConnection(Secret("gsk-0123456789-abcdefgh"), host="groq"),
    )


@pytest.fixture
def content(connection):
    """What is complete, of a model that a provider's host answers for."""
    return Content(
        display_name="Small Model",
        version="1.0",
        context_tokens=8192,
        description="A small model that answers briefly.",
        card="A small model that answers briefly, made by Acme for tests of catalogs.",
        connection_id=str(connection.id),
        upstream_model="acme-small",
        input_price="0.1",
        output_price="0.2",
        licence="Apache-2.0",
        intended_use="Short answers.",
        limits="Knows little.",
        evaluated_harms="Not evaluated.",
    )


@pytest.fixture
def draft(do, publishing, operator, acme, content):
    """Begin a listing and fill it in."""

    def draft(slug="small", *, actor=operator, by=ADA, **changes):
        row = do(publishing.listings.begin, actor, by, "acme", slug)
        filled = msgspec.structs.replace(content, **changes)
        return do(publishing.listings.save, actor, row.listing_id, filled)

    return draft


@pytest.fixture
def validate(do, publishing):
    """Carry out the next run as a worker that finds these things."""

    def validate(*, failing=""):
        claimed = do(publishing.validations.claim)
        assert claimed is not None
        checks = [
            Check(
                name=name,
                state=CheckState.FAILED if name == failing else CheckState.PASSED,
                detail="it does not" if name == failing else "",
            )
            for name in ("artifact", "licence", "card", "load", "smoke")
        ]
        timing = Timing(load_s=1.5, first_token_ms=120.0, tokens_per_s=42.0)
        assert do(publishing.validations.note, claimed.run_id, checks, timing)
        return do(publishing.validations.settle, claimed.run_id)

    return validate


@pytest.fixture
def in_review(do, draft, publishing, operator, validate):
    """Bring a listing to its review."""

    def in_review(slug="small", *, by=ADA, **changes):
        row = draft(slug, by=by, **changes)
        do(publishing.listings.submit, operator, by, row.listing_id)
        validate()
        return do(publishing.listings.get_listing, operator, row.listing_id).row

    return in_review


@pytest.fixture
def listed(do, in_review, publishing, operator):
    """Bring a listing into the catalog."""

    def listed(slug="small", **changes):
        row = in_review(slug, **changes)
        return do(publishing.listings.approve, operator, GRACE, row.listing_id)

    return listed
