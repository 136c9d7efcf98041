"""What is known of something that is to be released: runs, scans, campaigns, what its card says."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, select

from tradewind.features.accounts.tables import organization
from tradewind.features.artifacts.tables import artifact
from tradewind.features.catalog.tables import model, publisher
from tradewind.features.endpoints.tables import endpoint
from tradewind.features.publishing.tables import listing, validation_run
from tradewind.features.redteam.harmless import attacks_among, refused_of
from tradewind.features.redteam.repository import latest_campaign
from tradewind.features.redteam.rules import rate_of
from tradewind.features.redteam.schemas import Cell, Counts
from tradewind.features.redteam.service import cells_of
from tradewind.features.trust.schemas import (
    CampaignFact,
    Evidence,
    HarmRate,
    Rate,
    RefusalFact,
    RunFact,
    Subject,
    SubjectKind,
)

_NO_COUNTS = Counts(0, 0, 0, 0, 0)
_MOST_ENDPOINTS = 50


def find_evidence(tx: Connection, about: Subject) -> Evidence:
    """Return what there is; of anything but a model that is nothing yet."""
    if about.kind is not SubjectKind.MODEL:
        return Evidence()
    publisher_slug, _, slug = about.name.partition("/")
    newest = newest_listing(tx, publisher_slug, slug)
    campaign = newest_campaign(tx, publisher_slug, slug)
    refusals = newest_refusals(tx, publisher_slug, slug)
    if newest is None:
        return Evidence(campaign=campaign, over_refusal=refusals)
    content = newest.content
    return Evidence(
        validation=_validation(tx, newest.id),
        scan=_scan(tx, newest),
        has_files=bool(content.get("artifact")),
        campaign=campaign,
        over_refusal=refusals,
        intended_use=content.get("intended_use", ""),
        limits=content.get("limits", ""),
    )


def newest_campaign(tx: Connection, publisher_slug: str, slug: str) -> CampaignFact | None:
    """Return what the newest campaign has found that attacked a model."""
    newest = _newest_of(tx, publisher_slug, slug, with_harmless=False)
    if newest is None:
        return None
    cells = attacks_among(cells_of(tx, newest.id))
    return CampaignFact(
        newest.id,
        newest.ended_at,
        filtered=_by_harm(cell for cell in cells if cell.is_filtered),
        bare=_by_harm(cell for cell in cells if not cell.is_filtered),
    )


def newest_refusals(tx: Connection, publisher_slug: str, slug: str) -> RefusalFact | None:
    """Return how much was refused in the newest campaign that asked a model what is harmless."""
    newest = _newest_of(tx, publisher_slug, slug, with_harmless=True)
    if newest is None:
        return None
    cells = cells_of(tx, newest.id)
    return RefusalFact(
        newest.id,
        newest.ended_at,
        filtered=Rate(*refused_of(cells, is_filtered=True)),
        bare=Rate(*refused_of(cells, is_filtered=False)),
    )


def _newest_of(
    tx: Connection, publisher_slug: str, slug: str, *, with_harmless: bool
) -> Row[Any] | None:
    """Return the newest campaign against an endpoint of a model, of its publisher or of whoever
    runs the platform: another organization may call something else by this name.
    """
    names = tx.execute(
        select(endpoint.c.name)
        .join(model, model.c.id == endpoint.c.model_id)
        .where(model.c.publisher_slug == publisher_slug, model.c.slug == slug)
        .order_by(endpoint.c.name)
        .limit(_MOST_ENDPOINTS)
    ).scalars()
    of_publisher = select(publisher.c.organization_id).where(publisher.c.slug == publisher_slug)
    whose = tx.execute(
        select(organization.c.id).where(
            organization.c.is_platform | organization.c.id.in_(of_publisher)
        )
    ).scalars()
    targets = {f"{publisher_slug}/{slug}", *names}
    return latest_campaign(tx, targets, list(whose), with_harmless=with_harmless)


def newest_listing(tx: Connection, publisher_slug: str, slug: str) -> Row[Any] | None:
    """Return the newest listing of a model that was not taken off: what is on its way counts
    before what is listed.
    """
    return tx.execute(
        select(listing)
        .where(
            listing.c.publisher_slug == publisher_slug,
            listing.c.slug == slug,
            listing.c.state != "delisted",
        )
        .order_by(listing.c.created_at.desc(), listing.c.id.desc())
        .limit(1)
    ).one_or_none()


def _validation(tx: Connection, listing_id: str) -> RunFact | None:
    row = tx.execute(
        select(validation_run.c.id, validation_run.c.state, validation_run.c.ended_at)
        .where(
            validation_run.c.listing_id == listing_id,
            validation_run.c.state.in_(("passed", "failed")),
        )
        .order_by(validation_run.c.ended_at.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    detail = f"the run of {row.ended_at:%Y-%m-%d} {row.state}"
    return RunFact(row.id, row.state == "passed", row.ended_at, detail)


def _scan(tx: Connection, newest: Row[Any]) -> RunFact | None:
    digest = newest.content.get("artifact")
    if not digest:
        return None
    row = tx.execute(
        select(artifact.c.id, artifact.c.is_quarantined, artifact.c.created_at).where(
            artifact.c.digest == digest, artifact.c.organization_id == newest.organization_id
        )
    ).one_or_none()
    if row is None:
        return None
    detail = "the scan found something" if row.is_quarantined else "the scan found nothing"
    return RunFact(row.id, not row.is_quarantined, row.created_at, detail)


def _by_harm(cells: Iterable[Cell]) -> tuple[HarmRate, ...]:
    """Return rates by harm, over all strategies and converters; only what was judged counts."""
    sums: dict[str, Counts] = {}
    for cell in cells:
        sums[cell.harm] = sums.get(cell.harm, _NO_COUNTS).plus(cell.counts)
    found: list[HarmRate] = []
    for harm, counts in sorted(sums.items()):
        if counts.judged:
            rate = rate_of(counts)
            found.append(HarmRate(harm, Rate(counts.successes, counts.judged), rate.low, rate.high))
    return tuple(found)
