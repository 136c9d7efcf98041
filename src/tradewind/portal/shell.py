"""Renders pages: the templates, what surrounds every page, and the house formats as filters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from tradewind.core.clock import Clock
from tradewind.core.ids import request_id
from tradewind.features.accounts.schemas import Viewer
from tradewind.portal import formats
from tradewind.portal.assets import Assets
from tradewind.portal.model_facts import source_name
from tradewind.portal.nav import NAV, NavGroup
from tradewind.readmodels.request_addresses import write_place

THEME_COOKIE = "tradewind_theme"
_THEMES = ("light", "dark")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the shell's own templates need; pages get it as `shell`."""

    viewer: Viewer | None
    nav: tuple[NavGroup, ...]
    path: str
    theme: str | None
    """`light` or `dark` when the person chose one; None follows the system."""
    request_id: str


class Shell:
    """The one renderer. A fragment for htmx is cut out of a full page by the browser, so there is
    no second set of templates that could drift away from the first.
    """

    def __init__(self, assets: Assets, clock: Clock) -> None:
        self._environment = _environment(assets, clock)

    def page(
        self,
        request: Request,
        template: str,
        page: object,
        *,
        viewer: Viewer | None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """Return `templates/<template>` with `page`, a frozen context, as its `page`."""
        theme = request.cookies.get(THEME_COOKIE)
        surroundings = Surroundings(
            viewer=viewer,
            nav=_visible(viewer),
            path=request.url.path,
            theme=theme if theme in _THEMES else None,
            request_id=request.state.request_id,
        )
        html = self._environment.get_template(template).render(page=page, shell=surroundings)
        return HTMLResponse(html, status, headers)

    def part(self, template: str, **context: object) -> str:
        """Return a piece of a page that comes to it later. The page includes the same template."""
        return self._environment.get_template(template).render(context)


def _visible(viewer: Viewer | None) -> tuple[NavGroup, ...]:
    if viewer is None:
        return ()
    groups = (
        NavGroup(
            group.heading,
            tuple(
                item
                for item in group.items
                if item.permission is None or viewer.may(item.permission)
            ),
        )
        for group in NAV
    )
    return tuple(group for group in groups if group.items)


def _environment(assets: Assets, clock: Clock) -> Environment:
    environment = Environment(
        loader=PackageLoader("tradewind.portal"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )

    def ago(moment: datetime) -> str:
        return formats.ago(moment, clock.now())

    filters: dict[str, Callable[..., object]] = {
        "price": formats.price,
        "spend": formats.spend,
        "exact_spend": formats.exact_spend,
        "count": formats.count,
        "compact": formats.compact,
        "length_of_context": formats.length,
        "milliseconds": formats.milliseconds,
        "fine_duration": formats.fine_duration,
        "words": formats.words,
        "percent": formats.percent,
        "day": formats.day,
        "exact_time": formats.exact_time,
        "short_time": formats.short_time,
        "second": formats.second,
        "request_id": _request_id,
        "request_place": write_place,
        "ago": ago,
        "sentence": formats.sentence,
        "bytes": formats.size,
        "initials": formats.initials,
        "hue": formats.hue,
        "currency_symbol": formats.currency_symbol,
        "path_segment": _path_segment,
        "model_path": _model_path,
    }
    # Jinja leaves the types of both dictionaries open.
    environment.filters.update(filters)  # pyright: ignore[reportUnknownMemberType]
    environment.globals["source_name"] = source_name  # pyright: ignore[reportUnknownMemberType]
    environment.globals["asset"] = assets.url  # pyright: ignore[reportUnknownMemberType]
    return environment


def _request_id(event_id: UUID) -> str:
    return request_id(event_id.bytes)


def _path_segment(text: str) -> str:
    return quote(text, safe="")


def _model_path(name: str) -> str:
    return f"/models/{quote(name, safe='/')}"
