"""Whose the things are that gates of releases ask about."""

from sqlalchemy import Connection, select

from tradewind.core.ids import OrganizationId
from tradewind.features.catalog.tables import model, publisher
from tradewind.features.publishing.tables import listing
from tradewind.features.safety.tables import safety_policy
from tradewind.features.sales.tables import sale_offer
from tradewind.features.trust.schemas import OwnedSubject, Subject, SubjectKind


def find_subject(tx: Connection, subject: Subject) -> OwnedSubject | None:
    """Return whose it is and what it is about: of an offer of a model, that model."""
    found = {
        SubjectKind.MODEL: _model,
        SubjectKind.OFFER: _offer,
        SubjectKind.POLICY: _policy,
    }.get(subject.kind)
    return None if found is None else found(tx, subject)


def _model(tx: Connection, subject: Subject) -> OwnedSubject | None:
    """Also of a model that is on its way: its listing is there before it."""
    slug, separator, name = subject.name.partition("/")
    if not separator:
        return None
    owner = tx.execute(
        select(publisher.c.organization_id).where(publisher.c.slug == slug)
    ).scalar_one_or_none()
    title = tx.execute(
        select(model.c.display_name).where(model.c.publisher_slug == slug, model.c.slug == name)
    ).scalar_one_or_none()
    if title is None:
        title = tx.execute(
            select(listing.c.content["display_name"].astext)
            .where(listing.c.publisher_slug == slug, listing.c.slug == name)
            .order_by(listing.c.created_at.desc())
            .limit(1)
        ).scalar_one_or_none()
    if title is None:
        return None
    owned_by = None if owner is None else OrganizationId(owner)
    return OwnedSubject(subject, owned_by, title or subject.name, subject)


def _offer(tx: Connection, subject: Subject) -> OwnedSubject | None:
    row = tx.execute(
        select(
            sale_offer.c.organization_id,
            sale_offer.c.name,
            model.c.publisher_slug,
            model.c.slug,
        )
        .outerjoin(model, model.c.id == sale_offer.c.model_id)
        .where(sale_offer.c.id == subject.name)
    ).one_or_none()
    if row is None:
        return None
    about = subject
    if row.slug is not None:
        about = Subject(SubjectKind.MODEL, f"{row.publisher_slug}/{row.slug}")
    return OwnedSubject(subject, OrganizationId(row.organization_id), row.name, about)


def _policy(tx: Connection, subject: Subject) -> OwnedSubject | None:
    row = tx.execute(
        select(safety_policy.c.organization_id, safety_policy.c.name).where(
            safety_policy.c.id == subject.name, safety_policy.c.organization_id.is_not(None)
        )
    ).one_or_none()
    if row is None:
        return None
    return OwnedSubject(subject, OrganizationId(row.organization_id), row.name, subject)
