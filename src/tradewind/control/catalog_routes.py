"""The routes of the catalog: what is known of models, how it is kept fresh, how models end."""

from typing import Annotated, Literal

from fastapi import Path, Query, Response

from tradewind.control.access import PUBLIC, AuthenticatedCall, Call, CallOfAnyone, Routes
from tradewind.control.catalog_answers import (
    AcceptanceAnswer,
    AcceptanceList,
    CalendarLinkAnswer,
    CalendarLinkBody,
    CalendarLinkList,
    CatalogModelAnswer,
    CatalogModelDetail,
    ChangeAnswer,
    ChangePage,
    FactAnswer,
    LicenceBody,
    LifecycleAnswer,
    LifecycleBody,
    NewCalendarLinkAnswer,
    OfferAnswer,
    PublisherAnswer,
    PublisherPage,
    StatsAnswer,
    SyncAnswer,
    SyncBody,
    SyncList,
    VersionAnswer,
)
from tradewind.control.pages import After, Limit
from tradewind.control.services import ControlServices
from tradewind.core.errors import InvalidInput
from tradewind.core.ids import UserId
from tradewind.core.permissions import Permission
from tradewind.features.catalog.calendars import sees_all_links
from tradewind.features.catalog.rules.lifecycle import Lifecycle
from tradewind.features.catalog.schemas import CatalogModel
from tradewind.readmodels.calendar_links import list_calendar_links

_Publisher = Annotated[str, Path(max_length=64)]
_Slug = Annotated[str, Path(max_length=100)]
_ChangeId = Annotated[str, Path(max_length=100)]
_State = Annotated[
    Literal["held", "applied", "dismissed", "overtaken"],
    Query(description="Which changes are listed."),
]
_MODEL = "/catalog/models/{publisher}/{slug}"
_READS, _WRITES = Permission.CATALOG_READ, Permission.CATALOG_WRITE


def add_catalog_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/catalog`."""
    _add_model_routes(routes, services)
    _add_life_routes(routes, services)
    _add_calendar_link_routes(routes, services)
    _add_sync_routes(routes, services)


def _add_model_routes(routes: Routes, services: ControlServices) -> None:
    catalog, licences = services.catalog, services.licences

    def find(call: AuthenticatedCall, publisher: str, slug: str) -> CatalogModel:
        name = f"{publisher}/{slug}"
        return catalog.show_model(call.tx, name, call.holder.organization_id)

    @routes.get("/catalog/stats", permission=_READS, summary="How much the catalog knows")
    def stats(call: Call) -> StatsAnswer:
        return StatsAnswer.of(catalog.stats(call.tx))

    @routes.get(_MODEL, permission=_READS, summary="All that is known of a model")
    def model(call: Call, publisher: _Publisher, slug: _Slug) -> CatalogModelDetail:
        found = find(call, publisher, slug)
        return CatalogModelDetail(
            model=CatalogModelAnswer.of(found),
            card=found.card,
            offers=[OfferAnswer.of(row) for row in catalog.offers_of(call.tx, found.model_id)],
            versions=[
                VersionAnswer.of(row) for row in catalog.list_versions(call.tx, found.model_id)
            ],
            facts=[FactAnswer.of(row) for row in catalog.facts_of(call.tx, found.model_id)],
        )

    @routes.get("/catalog/publishers", permission=_READS, summary="Publishers, by their names")
    def publishers(call: Call, limit: Limit = 100, after: After = None) -> PublisherPage:
        found = catalog.list_publishers(call.tx, after=after or "", limit=limit + 1)
        shown = found[:limit]
        return PublisherPage(
            publishers=[PublisherAnswer.of(row) for row in shown],
            next=shown[-1].slug if len(found) > limit else None,
        )

    @routes.get(
        "/catalog/licences", permission=_READS, summary="Licences the organization has accepted"
    )
    def accepted(call: Call) -> AcceptanceList:
        rows = licences.accepted(call.tx, call.holder)
        return AcceptanceList(licences=[AcceptanceAnswer.of(row) for row in rows])

    @routes.put(
        f"{_MODEL}/licence",
        permission=_WRITES,
        summary="Accept the licence of a model for the organization",
    )
    def accept(call: Call, publisher: _Publisher, slug: _Slug, body: LicenceBody) -> AcceptanceList:
        name = f"{publisher}/{slug}"
        licences.accept_licence(call.tx, call.holder, name, body.licence, by=call.holder.key_id)
        rows = licences.accepted(call.tx, call.holder)
        return AcceptanceList(
            licences=[AcceptanceAnswer.of(row) for row in rows if row.model == name]
        )


def _add_life_routes(routes: Routes, services: ControlServices) -> None:
    catalog, lives = services.catalog, services.lives

    @routes.get(
        f"{_MODEL}/lifecycle",
        permission=_READS,
        summary="Where a model is in its life, and when it could go on",
    )
    def life(call: Call, publisher: _Publisher, slug: _Slug) -> LifecycleAnswer:
        found = catalog.show_model(call.tx, f"{publisher}/{slug}", call.holder.organization_id)
        return LifecycleAnswer.of(*lives.show(call.tx, found.name))

    @routes.put(
        f"{_MODEL}/lifecycle",
        permission=_WRITES,
        summary="Bring a model into a state, announce its deprecation, or put its last day off",
    )
    def move(
        call: Call, publisher: _Publisher, slug: _Slug, body: LifecycleBody
    ) -> LifecycleAnswer:
        name = f"{publisher}/{slug}"
        catalog.show_model(call.tx, name, call.holder.organization_id)
        former, _ = lives.show(call.tx, name)
        is_end = body.state is Lifecycle.DEPRECATED
        day = body.deprecates_on
        if day is None and is_end and former.is_announced and body.retires_on is not None:
            day = former.deprecates_on
        is_later = is_end and former.state is body.state
        if day is not None:
            if not is_end:
                raise InvalidInput(
                    "only a deprecation is announced ahead", hint="name the state `deprecated`"
                )
            lives.announce(
                call.tx,
                call.holder,
                name,
                day,
                retires_on=body.retires_on,
                replacement=body.replacement,
            )
        elif is_later and body.retires_on is not None and body.replacement is None:
            lives.postpone(call.tx, call.holder, name, body.retires_on)
        else:
            lives.move(
                call.tx,
                call.holder,
                name,
                body.state,
                retires_on=body.retires_on,
                replacement=body.replacement,
            )
        return LifecycleAnswer.of(*lives.show(call.tx, name))

    @routes.get(
        "/catalog/models.ics",
        permission=_READS,
        summary="The last days of models, for calendars (iCalendar)",
        media_type="text/calendar",
    )
    def calendar(call: Call) -> Response:
        text = lives.calendar(call.tx, call.holder.organization_id, services.public_url)
        return Response(text, media_type="text/calendar; charset=utf-8")


def _add_calendar_link_routes(routes: Routes, services: ControlServices) -> None:
    links, lives = services.calendar_links, services.lives
    reads, writes = Permission.KEYS_READ, Permission.KEYS_WRITE

    def maker(call: AuthenticatedCall) -> UserId | None:
        """Return whose key it is: a link is a person's."""
        return services.accounts.get_key(call.tx, call.holder, call.holder.key_id).created_by

    @routes.get(
        "/catalog/calendar-links",
        permission=reads,
        summary="Links to the calendar: one's own, with a management key the organization's",
    )
    def all_links(call: Call) -> CalendarLinkList:
        user_id = maker(call)
        if user_id is None and not sees_all_links(call.holder):
            return CalendarLinkList(links=[])
        whose = None if sees_all_links(call.holder) else user_id
        found = list_calendar_links(call.tx, call.holder.organization_id, whose)
        return CalendarLinkList(links=[CalendarLinkAnswer.of(link) for link in found])

    @routes.post(
        "/catalog/calendar-links",
        permission=writes,
        summary="Make a link that calendars can follow without a key",
    )
    def create(call: Call, body: CalendarLinkBody) -> NewCalendarLinkAnswer:
        made = links.create(call.tx, call.holder, maker(call), body.name)
        return NewCalendarLinkAnswer(id=made.link_id, url=f"{services.public_url}{made.path}")

    @routes.delete("/catalog/calendar-links/{link_id}", permission=writes, summary="Revoke a link")
    def revoke(call: Call, link_id: _ChangeId) -> None:
        links.revoke(call.tx, call.holder, maker(call), link_id)

    @routes.get(
        "/catalog/calendars/{token}.ics",
        permission=PUBLIC,
        is_open=True,
        summary="The calendar behind a link (iCalendar)",
        media_type="text/calendar",
    )
    def linked(call: CallOfAnyone, token: Annotated[str, Path(max_length=100)]) -> Response:
        organization_id = links.open(call.tx, token)
        text = lives.calendar(call.tx, organization_id, services.public_url)
        return Response(text, media_type="text/calendar; charset=utf-8")


def _add_sync_routes(routes: Routes, services: ControlServices) -> None:
    syncs = services.syncs

    @routes.get("/catalog/syncs", permission=_READS, summary="Readings of sources")
    def all_syncs(call: Call, limit: Annotated[int, Query(ge=1, le=100)] = 50) -> SyncList:
        rows = syncs.list_syncs(call.tx, call.holder, limit)
        return SyncList(syncs=[SyncAnswer.of(row) for row in rows])

    @routes.post("/catalog/syncs", permission=_WRITES, summary="Have a source read")
    def sync(call: Call, body: SyncBody) -> SyncAnswer:
        return SyncAnswer.of(syncs.request(call.tx, call.holder, body.source))

    @routes.get(
        "/catalog/changes",
        permission=_READS,
        summary="Changes that look like mistakes and wait for a decision",
    )
    def changes(
        call: Call, state: _State = "held", limit: Limit = 100, after: After = None
    ) -> ChangePage:
        rows = syncs.list_changes(
            call.tx, call.holder, state=state, after=after or "", limit=limit + 1
        )
        shown = rows[:limit]
        return ChangePage(
            changes=[ChangeAnswer.of(row) for row in shown],
            next=shown[-1].change_id if len(rows) > limit else None,
        )

    @routes.post(
        "/catalog/changes/{change_id}/apply",
        permission=_WRITES,
        summary="Let a held change take effect",
    )
    def apply_change(call: Call, change_id: _ChangeId) -> ChangeAnswer:
        return ChangeAnswer.of(syncs.apply_change(call.tx, call.holder, change_id))

    @routes.post(
        "/catalog/changes/{change_id}/dismiss",
        permission=_WRITES,
        summary="Leave things as they are; the same is not asked again",
    )
    def dismiss_change(call: Call, change_id: _ChangeId) -> ChangeAnswer:
        return ChangeAnswer.of(syncs.dismiss_change(call.tx, call.holder, change_id))
