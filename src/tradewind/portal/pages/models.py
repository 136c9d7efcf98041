"""Models: the catalog. Every model there is, whoever serves it, found by words and facets.

The address is the whole state; a form writes it, with a script while one types and without one by
a button. What may be seen, and how often each value occurs, is the search's to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.portal.catalog_state import MOST_COMPARED, CatalogState, read_state
from tradewind.portal.parts import Portal
from tradewind.portal.saved_view_words import SORTS
from tradewind.readmodels.catalog_fit import FitTold, resolve_fit
from tradewind.readmodels.catalog_search.query import Sort
from tradewind.readmodels.catalog_search.ranking import RANKING_RULE
from tradewind.readmodels.catalog_search.rows import (
    Card,
    CatalogPage,
    FacetCounts,
    Reader,
    ValueCount,
)
from tradewind.readmodels.offer_stats.reading import HostStats, read_stats
from tradewind.readmodels.saved_views import ListedView, list_saved_views

VIEW_COOKIE = "tradewind_models_view"
FIRST_VALUES = 8
"""Of a facet; the others are behind a fold."""
_OPEN_FACETS = frozenset({"deployability", "task", "capability", "publisher"})
_YEAR_S = 365 * 24 * 3600
MOST_VIEWS_SHOWN = 6
"""Of the saved views, above the list; the others are on their own page."""


@dataclass(frozen=True, slots=True)
class FacetPanel:
    """One facet as it is shown."""

    name: str
    label: str
    first: Sequence[ValueCount]
    more: Sequence[ValueCount]
    hidden: int
    """Further values with results, which are too many to show."""
    chosen: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class Chip:
    """A condition that holds, and the address without it."""

    label: str
    href: str


@dataclass(frozen=True, slots=True)
class SavedViewLink:
    view: ListedView
    is_current: bool


@dataclass(frozen=True, slots=True)
class CatalogView:
    state: CatalogState
    found: CatalogPage
    facets: Sequence[FacetPanel]
    chips: Sequence[Chip]
    sorts: Mapping[Sort, str]
    basket: Sequence[Card]
    speeds: Mapping[str, int]
    """Of cards that were measured: the median first token of the best host, in microseconds."""
    is_public: bool
    """Nobody is signed in."""
    can_connect: bool
    can_publish: bool
    can_fit: bool
    """Whether the asker may know what is left of the project's budgets."""
    fit: FitTold | None
    """What was left out for the project's sake, when that was asked for."""
    views: Sequence[SavedViewLink]
    more_views: int
    """Saved views that are not among them."""
    ranking_rule: str = RANKING_RULE
    most_compared: int = MOST_COMPARED

    @property
    def is_empty(self) -> bool:
        """Nothing at all is there, whatever was asked for."""
        query = self.state.query
        return not (self.found.total or query.text or query.facets or query.fits)

    @property
    def save_url(self) -> str:
        """Where the present question is kept by a name."""
        query = self.state.query.on_page(1).query_string()
        return f"/views/new?{query}" if query else "/views/new"


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services = portal.services
    gate = portal.access.allowed_or_public(
        Permission.MODELS_READ, is_public=services.catalog_is_public
    )

    @router.get("/models")
    def models(request: Request, viewer: Annotated[Viewer | None, Depends(gate)]) -> Response:
        state = read_state(request.query_params.multi_items(), request.cookies.get(VIEW_COOKIE))
        reader = reader_of(viewer)
        can_fit = viewer is not None and viewer.may(Permission.LIMITS_READ)
        told = _fit(viewer) if state.query.fits and viewer is not None and can_fit else None
        fit = None if told is None else told.fit
        found = services.catalog_search.search(state.query, reader, fit=fit)
        if found.pages and state.query.page > found.pages:
            # What was on the page has gone meanwhile: the last one is nearest to it.
            state = state.on_page(found.pages)
            found = services.catalog_search.search(state.query, reader, fit=fit)
        names = [card.model.name for card in found.cards]
        with services.database.transaction() as tx:
            stats = read_stats(tx, names, services.clock.now())
            views = (
                []
                if viewer is None
                else list_saved_views(tx, viewer.organization_id, viewer.user_id)
            )
        page = CatalogView(
            state=state,
            found=found,
            facets=[_panel(facet) for facet in found.facets if _is_worth_showing(facet, found)],
            chips=_chips(state, found.facets),
            sorts=SORTS,
            basket=services.catalog_search.find(state.basket, reader),
            speeds=_speeds(stats),
            is_public=viewer is None,
            can_connect=viewer is not None and viewer.may(Permission.PROVIDERS_WRITE),
            can_publish=viewer is not None and viewer.may(Permission.PUBLISHING_WRITE),
            can_fit=can_fit,
            fit=told,
            views=_views(views, state),
            more_views=max(0, len(views) - MOST_VIEWS_SHOWN),
        )
        response = portal.shell.page(
            request,
            "models.html",
            page,
            viewer=viewer,
            # What a form sends names every field; the address names what was chosen.
            headers={"hx-replace-url": state.url()},
        )
        if state.is_view_told and state.view != request.cookies.get(VIEW_COOKIE):
            response.set_cookie(
                VIEW_COOKIE, state.view.value, max_age=_YEAR_S, httponly=True, samesite="lax"
            )
        return response

    def _fit(viewer: Viewer) -> FitTold:
        with services.database.transaction() as tx:
            return resolve_fit(
                tx,
                services.budgets,
                viewer,
                currency=services.catalog_search.currency,
                now=services.clock.now(),
            )

    return router


def _views(views: Sequence[ListedView], state: CatalogState) -> list[SavedViewLink]:
    """Return those that are shown: the current one among them, wherever it stands."""
    asked = state.query.on_page(1).query_string()
    links = [SavedViewLink(view, view.query == asked) for view in views]
    links.sort(key=lambda link: not link.is_current)
    shown = links[:MOST_VIEWS_SHOWN]
    places = {view.view_id: place for place, view in enumerate(views)}
    return sorted(shown, key=lambda link: places[link.view.view_id])


def reader_of(viewer: Viewer | None) -> Reader:
    return Reader() if viewer is None else Reader(viewer.organization_id)


def best_first_token_us(stats: Mapping[tuple[str, str], HostStats], model: str) -> int | None:
    """Return the lowest median of a model's hosts over the last day."""
    found = [
        one.day.first_token_us_p50
        for (name, _), one in stats.items()
        if name == model and one.day is not None and one.day.first_token_us_p50 is not None
    ]
    return min(found, default=None)


def _speeds(stats: Mapping[tuple[str, str], HostStats]) -> dict[str, int]:
    names = dict.fromkeys(name for name, _ in stats)
    told = {name: best_first_token_us(stats, name) for name in names}
    return {name: value for name, value in told.items() if value is not None}


def _is_worth_showing(facet: FacetCounts, found: CatalogPage) -> bool:
    """Leave out a facet that would not split what was found."""
    if any(value.is_chosen for value in facet.values):
        return True
    return any(value.count != found.total for value in facet.values)


def _panel(facet: FacetCounts) -> FacetPanel:
    chosen = [value for value in facet.values if value.is_chosen]
    first = list(facet.values[:FIRST_VALUES])
    first += [value for value in facet.values[FIRST_VALUES:] if value.is_chosen]
    more = [value for value in facet.values[FIRST_VALUES:] if not value.is_chosen]
    return FacetPanel(
        name=facet.name,
        label=facet.label,
        first=first,
        more=more,
        hidden=facet.hidden,
        chosen=len(chosen),
        is_open=bool(chosen) or facet.name in _OPEN_FACETS,
    )


def _chips(state: CatalogState, facets: Sequence[FacetCounts]) -> list[Chip]:
    fits = [Chip("Works for me", state.with_query(replace(state.query, fits=False)).url())]
    return (fits if state.query.fits else []) + [
        Chip(_chip_label(facet, value), state.without(facet.name, value.value).url())
        for facet in facets
        for value in facet.values
        if value.is_chosen
    ]


_NEEDS_FACET = frozenset({"input", "output", "context", "price", "weights", "licence"})
"""Facets whose values say nothing alone: "Text", "128K to 1M", "Unknown"."""


def _chip_label(facet: FacetCounts, value: ValueCount) -> str:
    return f"{facet.label}: {value.label}" if facet.name in _NEEDS_FACET else value.label
