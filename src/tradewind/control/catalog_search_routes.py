"""The route of the search over the catalog."""

import hashlib
from http import HTTPStatus
from typing import Annotated, Literal, cast

import msgspec
from fastapi import Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from tradewind.control.access import CallOfAnyone, OpenCall, Routes
from tradewind.control.catalog_search_answers import CatalogSearchAnswer
from tradewind.control.services import ControlServices
from tradewind.core.errors import InvalidInput
from tradewind.core.permissions import Permission
from tradewind.readmodels.catalog_fit import resolve_fit
from tradewind.readmodels.catalog_search.facets import FACETS
from tradewind.readmodels.catalog_search.fit import Fit
from tradewind.readmodels.catalog_search.query import (
    MAX_CHOSEN,
    MAX_PAGE,
    MAX_PER_PAGE,
    MAX_TEXT,
    PER_PAGE,
    CatalogQuery,
    Sort,
)
from tradewind.readmodels.catalog_search.rows import Reader

_Values = Annotated[
    list[str],
    Field(max_length=MAX_CHOSEN, description="Any of these values; repeat the parameter."),
]
_IfNoneMatch = Annotated[str | None, Header(alias="if-none-match", max_length=500)]


class SearchParameters(BaseModel):
    """A `CatalogQuery`, as parameters. A facet that there is not is refused, not passed over."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field(default="", max_length=MAX_TEXT, description="Words that must all match.")
    deployability: _Values = []
    task: _Values = []
    input: _Values = []
    output: _Values = []
    publisher: _Values = []
    weights: _Values = []
    licence: _Values = []
    context: _Values = []
    price: _Values = []
    capability: _Values = []
    region: _Values = []
    lifecycle: _Values = []
    fits: Literal["yes"] | None = Field(
        default=None,
        description="Only what works for the key's project: in its regions, within its budgets."
        " Needs `limits:read`.",
    )
    sort: Sort = Sort.RELEVANCE
    page: int = Field(default=1, ge=1, le=MAX_PAGE)
    per_page: int = Field(default=PER_PAGE, ge=1, le=MAX_PER_PAGE)

    def query(self) -> CatalogQuery:
        """Raises InvalidInput."""
        chosen: dict[str, list[str]] = {name: getattr(self, name) for name in FACETS}
        return CatalogQuery.of(
            self.q, chosen, self.sort, self.page, self.per_page, fits=self.fits is not None
        )


def add_catalog_search_routes(routes: Routes, services: ControlServices) -> None:
    """Add `/catalog/search`."""

    @routes.get(
        "/catalog/search",
        permission=Permission.MODELS_READ,
        summary="Search the catalog, with counts for every facet",
        is_open=services.catalog_is_public,
    )
    def search(
        call: CallOfAnyone,
        asked: Annotated[SearchParameters, Query()],
        response: Response,
        if_none_match: _IfNoneMatch = None,
    ) -> CatalogSearchAnswer:
        query = asked.query()
        reader = Reader(None if call.holder is None else call.holder.organization_id)
        fit = _fit(call, services) if query.fits else None
        found = services.catalog_search.search(query, reader, call.tx, fit=fit)
        etag = _etag(query, reader, found.stamp, fit)
        headers = {"etag": etag, "vary": "authorization"}
        if if_none_match is not None and etag in if_none_match:
            # A response is passed on as it is.
            unchanged = Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
            return cast("CatalogSearchAnswer", unchanged)
        response.headers.update(headers)
        return CatalogSearchAnswer.of(query, found)


def _fit(call: OpenCall, services: ControlServices) -> Fit:
    """Raises Forbidden for a key that may not know budgets, InvalidInput without a key."""
    if call.holder is None:
        raise InvalidInput("`fits` needs a key: nothing is known of whoever sends none")
    return resolve_fit(
        call.tx,
        services.budgets,
        call.holder,
        currency=services.catalog_search.currency,
        now=services.clock.now(),
    ).fit


def _etag(query: CatalogQuery, reader: Reader, stamp: str, fit: Fit | None) -> str:
    """Return what this answer is known by: it changes with the index, the question, who asks, and
    what is left of their budgets.
    """
    fits = "" if fit is None else msgspec.json.encode(fit, order="deterministic").decode()
    told = "\n".join((stamp, reader.organization_id or "", query.query_string(), fits))
    return f'"{hashlib.sha256(told.encode()).hexdigest()[:32]}"'
