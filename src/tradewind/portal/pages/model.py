"""One model: what it is and who says so, every way to get it and how well each does, and what it
takes to call it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.catalog.errors import ModelNotFound
from tradewind.features.catalog.schemas import CatalogModel, Origin, PublisherRow, VersionRow
from tradewind.portal.catalog_state import is_name
from tradewind.portal.code_samples import Sample, samples
from tradewind.portal.licence_words import LicenceWords, licence_words
from tradewind.portal.model_facts import Fact, Stage, known_facts, timeline
from tradewind.portal.model_offers import (
    OfferLine,
    Surroundings,
    Way,
    callable_targets,
    offer_lines,
)
from tradewind.portal.parts import Portal
from tradewind.portal.publishing_form import CHECK_LABELS
from tradewind.readmodels.connections import list_connections
from tradewind.readmodels.endpoints import EndpointQuestion, EndpointView, list_endpoints
from tradewind.readmodels.models import ServedModel
from tradewind.readmodels.offer_stats.reading import AverageChat, read_average_chat, read_stats
from tradewind.readmodels.usage import Period, Totals, read_totals, window_of
from tradewind.readmodels.usage_slices import Scope
from tradewind.readmodels.validations import Validation, read_validation
from tradewind.snapshot.contents import Operation

MOST_OFFERS = 200
MOST_VERSIONS = 20
_LONGEST_NAME = 200
_WITH_SAMPLES = frozenset({Operation.CHAT, Operation.EMBEDDINGS})


@dataclass(frozen=True, slots=True)
class ModelPage:
    model: CatalogModel
    publisher: PublisherRow | None
    served: ServedModel | None
    """What of it runs here; None for one that nothing here serves."""
    endpoints: Sequence[EndpointView]
    offers: Sequence[OfferLine]
    offers_hidden: int
    """Further offers, which are too many to show."""
    vanished: int
    """Offers that were there once."""
    facts: Sequence[Fact]
    timeline: Sequence[Stage]
    licence: LicenceWords
    needs_acceptance: bool
    versions: Sequence[VersionRow]
    versions_hidden: int
    call_name: str | None
    """What programs send as `model` now; None when nothing answers."""
    samples: Sequence[Sample]
    validation: Validation | None
    """What trying it has shown; None when it came by no listing, or its run has not ended."""
    validation_next: datetime | None
    """When it is tried again."""
    validation_is_stale: bool
    average: AverageChat | None
    month: Sequence[Totals]
    """The last 30 days, one entry for each currency; empty when nobody called it."""
    is_public: bool
    can_see_usage: bool
    can_chat: bool
    can_connect: bool
    can_deploy: bool
    can_accept: bool
    can_follow: bool
    """May make a link for a calendar of their own."""
    checks: Mapping[str, str] = field(default_factory=lambda: CHECK_LABELS)

    @property
    def has_weights(self) -> bool:
        return any(is_runnable(version) for version in self.versions)

    @property
    def may_be_called_deployable(self) -> bool:
        """What came by a listing is called so after a run that passed, and not before; what an
        administrator brought here is their own word.
        """
        if not self.has_weights:
            return False
        if self.validation is None:
            return self.model.origin != Origin.PUBLISHED.value
        return self.validation.is_deployable

    @property
    def has_measured(self) -> bool:
        return any(line.stats.day or line.stats.month for line in self.offers)

    @property
    def connectable(self) -> OfferLine | None:
        """The offer that is nearest to a call: an account there already, else the cheapest."""
        ways = (Way.CONNECTED, Way.CONNECT)
        found = [line for line in self.offers if line.way in ways]
        return min(found, key=lambda line: ways.index(line.way), default=None)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    gate = access.allowed_or_public(Permission.MODELS_READ, is_public=services.catalog_is_public)
    may_accept = access.allowed(Permission.CATALOG_WRITE)

    @router.get("/models/{publisher}/{slug}")
    def model(
        request: Request,
        publisher: str,
        slug: str,
        viewer: Annotated[Viewer | None, Depends(gate)],
    ) -> Response:
        name = f"{publisher}/{slug}"
        if not is_name(name):
            # PostgreSQL has no text with a NUL; no name has any other control character either.
            raise ModelNotFound(name[:_LONGEST_NAME])
        page = _read(name, viewer)
        if page.model.name != name:
            # An alias: one model has one address.
            return RedirectResponse(
                f"/models/{quote(page.model.name, safe='/')}", HTTPStatus.PERMANENT_REDIRECT
            )
        return portal.shell.page(request, "model.html", page, viewer=viewer)

    @router.post("/models/{publisher}/{slug}/licence", dependencies=[Depends(access.own_form)])
    def accept_licence(
        publisher: str,
        slug: str,
        viewer: Annotated[Viewer, Depends(may_accept)],
        licence: Annotated[str, Form(max_length=_LONGEST_NAME)] = "",
    ) -> Response:
        name = f"{publisher}/{slug}"
        if not is_name(name):
            raise ModelNotFound(name[:_LONGEST_NAME])
        with services.database.transaction() as tx:
            services.licences.accept_licence(tx, viewer, name, licence, by=viewer.user_id)
        place = f"/models/{quote(name, safe='/')}#licence"
        return RedirectResponse(place, HTTPStatus.SEE_OTHER)

    def _read(name: str, viewer: Viewer | None) -> ModelPage:
        now, every = services.clock.now(), services.validation_every
        organization_id = None if viewer is None else viewer.organization_id
        month: list[Totals] = []
        average = None
        endpoints: list[EndpointView] = []
        needs_acceptance = False
        with services.database.transaction() as tx:
            found = services.catalog.show_model(tx, name, organization_id)
            served = services.get_model(tx, found.name, organization_id)
            offers = services.catalog.offers_of(tx, found.model_id)
            stats = read_stats(tx, [found.name], now)
            versions = services.catalog.list_versions(tx, found.model_id)
            told = services.catalog.facts_of(tx, found.model_id)
            publisher = services.catalog.find_publisher(tx, found.publisher)
            validation = read_validation(tx, found.model_id)
            connections = ()
            if organization_id is not None:
                question = EndpointQuestion(organization_id, f"{found.publisher} {found.slug}")
                listed = list_endpoints(tx, question).endpoints
                endpoints = [one for one in listed if one.model_id == found.model_id]
                connections = list_connections(tx, organization_id)
                needs_acceptance = services.licences.needs_acceptance(
                    tx, organization_id, found.model_id
                )
            if viewer is not None and viewer.may(Permission.USAGE_READ):
                window = window_of(Period.MONTH, now)
                month = read_totals(tx, Scope(viewer.organization_id, found.name), window)
                average = read_average_chat(tx, viewer.organization_id, now)
        lines = offer_lines(
            found,
            offers,
            Surroundings(
                served=served,
                endpoints=endpoints,
                connections=connections,
                known_host=services.providers.known_host,
                stats={host: one for (_, host), one in stats.items()},
                average=average,
            ),
        )
        call_name = None if viewer is None else _call_name(endpoints, served)
        return ModelPage(
            model=found,
            publisher=publisher,
            served=served,
            endpoints=endpoints,
            offers=lines[:MOST_OFFERS],
            offers_hidden=max(0, len(lines) - MOST_OFFERS),
            vanished=sum(offer.status == "vanished" for offer in offers),
            facts=known_facts(found, told),
            timeline=timeline(
                found, now, is_kept_here=any(is_runnable(version) for version in versions)
            ),
            licence=licence_words(found.licence, open_weights=found.open_weights),
            needs_acceptance=needs_acceptance,
            versions=versions[:MOST_VERSIONS],
            versions_hidden=max(0, len(versions) - MOST_VERSIONS),
            call_name=call_name,
            samples=_samples(found, call_name),
            validation=validation,
            validation_next=None if validation is None else validation.next_at(every),
            validation_is_stale=validation is not None and validation.is_stale(every, now),
            average=average,
            month=month,
            is_public=viewer is None,
            can_see_usage=_may(viewer, Permission.USAGE_READ),
            can_chat=_may(viewer, Permission.KEYS_WRITE),
            can_connect=_may(viewer, Permission.PROVIDERS_WRITE),
            can_deploy=_may(viewer, Permission.DEPLOYMENTS_WRITE),
            can_accept=_may(viewer, Permission.CATALOG_WRITE),
            can_follow=_may(viewer, Permission.KEYS_WRITE),
        )

    def _samples(found: CatalogModel, call_name: str | None) -> list[Sample]:
        operation = found.operation
        if call_name is None or operation is None or operation not in _WITH_SAMPLES:
            return []
        return samples(operation, model=call_name, base_url=f"{services.public_url()}/v1")

    return router


def is_runnable(version: VersionRow) -> bool:
    """Say whether the weights of a version can be run here; `host:` ones lie at a provider."""
    return bool(version.artifact) and not version.artifact.startswith("host:")


def _call_name(endpoints: Sequence[EndpointView], served: ServedModel | None) -> str | None:
    for endpoint, _ in callable_targets(endpoints):
        return endpoint.name
    return served.name if served is not None and served.state == "ready" else None


def _may(viewer: Viewer | None, permission: Permission) -> bool:
    return viewer is not None and viewer.may(permission)
