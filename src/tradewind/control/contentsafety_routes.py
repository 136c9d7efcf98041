"""Blocklists as clients of Azure AI Content Safety keep them; the gateway passes
`/contentsafety/text/blocklists` on to here and tells what is wrong in that API's words.

Format: learn.microsoft.com, "Azure AI Content Safety REST API", 2024-09-01, text blocklists.
"""

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from tradewind.control.access import AuthenticatedCall, Call, Routes
from tradewind.control.services import ControlServices
from tradewind.core.errors import NotFound
from tradewind.core.permissions import Permission
from tradewind.features.safety.schemas import BlocklistRow, ItemRow, NewItem

_PATH = "/contentsafety/text/blocklists"
_Name = Annotated[str, Path(max_length=100)]
_ItemId = Annotated[str, Path(max_length=100)]
_Description = Annotated[str, StringConstraints(max_length=1_024)]
_PAGE = 1_000
_MOST_ITEMS = 10_000
_AT_ONCE = 100


class _Azure(BaseModel):
    """Members in Azure's spelling; what later versions add is passed over."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class TextBlocklist(_Azure):
    blocklist_name: str
    description: str | None = None

    @classmethod
    def of(cls, row: BlocklistRow) -> "TextBlocklist":
        return cls(blocklist_name=row.name, description=row.description or None)


class TextBlocklistChange(_Azure):
    blocklist_name: Annotated[str, StringConstraints(max_length=100)] | None = None
    description: _Description | None = None


class TextBlocklistList(_Azure):
    value: list[TextBlocklist]


class TextBlocklistItem(_Azure):
    blocklist_item_id: str
    description: str | None = None
    text: str
    is_regex: bool = False

    @classmethod
    def of(cls, row: ItemRow) -> "TextBlocklistItem":
        return cls(
            blocklist_item_id=row.item_id,
            description=row.description or None,
            text=row.text,
            is_regex=row.is_regex,
        )


class NewBlocklistItem(_Azure):
    text: Annotated[str, StringConstraints(max_length=1_000)]
    description: _Description | None = None
    is_regex: bool = False


class BlocklistItems(_Azure):
    blocklist_items: list[TextBlocklistItem]


class NewBlocklistItems(_Azure):
    blocklist_items: Annotated[list[NewBlocklistItem], Field(min_length=1, max_length=_AT_ONCE)]


class RemovedItems(_Azure):
    blocklist_item_ids: Annotated[
        list[Annotated[str, StringConstraints(max_length=100)]],
        Field(min_length=1, max_length=_AT_ONCE),
    ]


class BlocklistItemPage(_Azure):
    value: list[TextBlocklistItem]
    next_link: str | None = None


def add_contentsafety_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/contentsafety/text/blocklists`."""
    blocklists = services.safety.blocklists
    reads, writes = Permission.SAFETY_READ, Permission.SAFETY_WRITE

    def find(call: AuthenticatedCall, name: str) -> BlocklistRow:
        found = blocklists.find_by_name(call.tx, call.holder, name)
        if found is None:
            raise NotFound(f"there is no blocklist {name[:64]!r}", hint="create it first")
        return found

    @routes.get(_PATH, permission=reads, summary="Blocklists, in Azure's form")
    def all_lists(call: Call) -> TextBlocklistList:
        rows = blocklists.list_blocklists(call.tx, call.holder)
        return TextBlocklistList(value=[TextBlocklist.of(row) for row in rows])

    @routes.get(f"{_PATH}/{{name}}", permission=reads, summary="A blocklist, in Azure's form")
    def one_list(call: Call, name: _Name) -> TextBlocklist:
        return TextBlocklist.of(find(call, name))

    @routes.patch(
        f"{_PATH}/{{name}}",
        permission=writes,
        summary="Create or describe a blocklist",
        at_times=HTTPStatus.CREATED,
    )
    def keep_list(
        call: Call, name: _Name, body: TextBlocklistChange, response: Response
    ) -> TextBlocklist:
        found = blocklists.find_by_name(call.tx, call.holder, name)
        if found is None:
            response.status_code = HTTPStatus.CREATED
            made = blocklists.add_blocklist(call.tx, call.holder, name, body.description or "")
            return TextBlocklist.of(made)
        if body.description is not None:
            found = blocklists.describe(call.tx, call.holder, found.blocklist_id, body.description)
        return TextBlocklist.of(found)

    @routes.delete(f"{_PATH}/{{name}}", permission=writes, summary="Delete a blocklist by its name")
    def drop_list(call: Call, name: _Name) -> None:
        blocklists.delete_blocklist(call.tx, call.holder, find(call, name).blocklist_id)

    @routes.post(
        f"{_PATH}/{{name}}:addOrUpdateBlocklistItems",
        permission=writes,
        summary="Add terms to a blocklist, in Azure's form",
        status=HTTPStatus.OK,
    )
    def add_items(call: Call, name: _Name, body: NewBlocklistItems) -> BlocklistItems:
        found = find(call, name)
        items = [
            NewItem(each.text, each.description or "", each.is_regex)
            for each in body.blocklist_items
        ]
        rows = blocklists.add_items(call.tx, call.holder, found.blocklist_id, items)
        return BlocklistItems(blocklist_items=[TextBlocklistItem.of(row) for row in rows])

    @routes.post(
        f"{_PATH}/{{name}}:removeBlocklistItems",
        permission=writes,
        summary="Take terms out of a blocklist, in Azure's form",
        status=HTTPStatus.NO_CONTENT,
    )
    def remove_items(call: Call, name: _Name, body: RemovedItems) -> None:
        found = find(call, name)
        ids = body.blocklist_item_ids
        blocklists.remove_items(call.tx, call.holder, found.blocklist_id, ids)

    @routes.get(
        f"{_PATH}/{{name}}/blocklistItems",
        permission=reads,
        summary="Terms of a blocklist, in Azure's form",
    )
    def all_items(  # noqa: PLR0917  the wire's names
        call: Call,
        request: Request,
        name: _Name,
        top: Annotated[int, Query(ge=0)] = _MOST_ITEMS,
        skip: Annotated[int, Query(ge=0, le=_MOST_ITEMS)] = 0,
        maxpagesize: Annotated[int, Query(ge=1)] = _PAGE,
    ) -> BlocklistItemPage:
        found = find(call, name)
        most = min(top, maxpagesize, _PAGE)
        rows = blocklists.list_items(
            call.tx, call.holder, found.blocklist_id, offset=skip, limit=most + 1
        )
        link = None
        if len(rows) > most and top > most:
            following: dict[str, Any] = {"skip": skip + most, "maxpagesize": maxpagesize}
            if top < _MOST_ITEMS:
                following["top"] = top - most
            link = _next_link(services, request, name, following)
        return BlocklistItemPage(
            value=[TextBlocklistItem.of(row) for row in rows[:most]], next_link=link
        )

    @routes.get(
        f"{_PATH}/{{name}}/blocklistItems/{{item_id}}",
        permission=reads,
        summary="A term of a blocklist, in Azure's form",
    )
    def one_item(call: Call, name: _Name, item_id: _ItemId) -> TextBlocklistItem:
        found = find(call, name)
        return TextBlocklistItem.of(
            blocklists.get_item(call.tx, call.holder, found.blocklist_id, item_id)
        )


def _next_link(
    services: ControlServices, request: Request, name: str, following: dict[str, Any]
) -> str:
    """Return an address on the public port, where this request came to, or the platform's own."""
    came_to = request.url
    scheme = request.headers.get("x-forwarded-proto", came_to.scheme)
    origin = services.public_url or f"{scheme}://{came_to.netloc}"
    version = quote(request.query_params.get("api-version", "2024-09-01")[:40], safe="")
    query = "&".join(f"{key}={value}" for key, value in following.items())
    path = f"{_PATH}/{quote(name, safe='')}/blocklistItems"
    return f"{origin}{path}?api-version={version}&{query}"
