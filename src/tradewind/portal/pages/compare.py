"""Compare: up to four models side by side, what differs first. The address says which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.portal.catalog_state import BASKET, MOST_COMPARED, compare_url, read_names
from tradewind.portal.comparison import (
    MOST_CHAT_TOKENS,
    ChatSize,
    Compared,
    Row,
    average_size,
    chosen_size,
    rows_of,
)
from tradewind.portal.pages.models import reader_of
from tradewind.portal.parts import Portal
from tradewind.readmodels.catalog_search.rows import Card
from tradewind.readmodels.offer_stats.reading import (
    HostStats,
    Measured,
    read_average_chat,
    read_stats,
)

CHAT_IN, CHAT_OUT = "chat_in", "chat_out"


@dataclass(frozen=True, slots=True)
class Column:
    card: Card
    without: str
    """The address without this model."""


@dataclass(frozen=True, slots=True)
class ComparePage:
    columns: Sequence[Column]
    differing: Sequence[Row]
    same: Sequence[Row]
    missing: Sequence[str]
    """Names in the address that nobody here knows, or that the asker may not see."""
    notes: Sequence[str]
    chat: ChatSize
    """What costs are compared by: it may be typed."""
    average: ChatSize
    """What it is unless somebody typed another."""
    average_url: str
    add_url: str
    """The catalog with these models put aside."""
    is_public: bool
    most: int = MOST_COMPARED
    most_tokens: int = MOST_CHAT_TOKENS

    @property
    def has_chats(self) -> bool:
        return any(column.card.model.operation == "chat" for column in self.columns)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services = portal.services
    gate = portal.access.allowed_or_public(
        Permission.MODELS_READ, is_public=services.catalog_is_public
    )

    @router.get("/compare")
    def compare(request: Request, viewer: Annotated[Viewer | None, Depends(gate)]) -> Response:
        names, notes = read_names(request.query_params.multi_items())
        cards = services.catalog_search.find(names, reader_of(viewer))
        found = [card.model.name for card in cards]
        now = services.clock.now()
        with services.database.transaction() as tx:
            stats = read_stats(tx, found, now)
            may_know = viewer is not None and viewer.may(Permission.USAGE_READ)
            average = (
                read_average_chat(tx, viewer.organization_id, now)
                if viewer is not None and may_know
                else None
            )
        size = average_size(average)
        asked = request.query_params
        chat, note = chosen_size(size, asked.get(CHAT_IN, ""), asked.get(CHAT_OUT, ""))
        said = (
            [(CHAT_IN, str(chat.input_tokens)), (CHAT_OUT, str(chat.output_tokens))]
            if chat != size
            else []
        )
        differing, same = rows_of(
            [Compared(card, _quickest(stats, card.model.name), chat) for card in cards]
        )
        page = ComparePage(
            columns=[
                Column(card, compare_url([name for name in found if name != card.model.name], said))
                for card in cards
            ],
            differing=differing,
            same=same,
            missing=[name for name in names if name not in found],
            notes=(*notes, note) if note else notes,
            chat=chat,
            average=size,
            average_url=compare_url(found),
            add_url=f"/models?{urlencode([(BASKET, name) for name in found])}",
            is_public=viewer is None,
        )
        return portal.shell.page(request, "compare.html", page, viewer=viewer)

    return router


def _quickest(stats: Mapping[tuple[str, str], HostStats], name: str) -> Measured | None:
    """Return the month of the host with the lowest median first token."""
    found = [
        (one.month.first_token_us_p50, one.month)
        for (model, _), one in stats.items()
        if model == name and one.month is not None and one.month.first_token_us_p50 is not None
    ]
    return min(found, key=lambda pair: pair[0], default=(0, None))[1]
