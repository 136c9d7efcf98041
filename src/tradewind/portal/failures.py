"""Pages for what goes wrong: signed out, forbidden, not found, refused, broken.

Each says what failed, whether anything was changed, and what to do. Programs (the playground's own
requests) get the same as a small JSON object.
"""

import logging
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from tradewind.core.errors import TradewindError, Unavailable
from tradewind.features.accounts.schemas import Viewer
from tradewind.portal.access import (
    SET_UP_PATH,
    MissingRight,
    PasswordRequired,
    SignInRequired,
    sign_in_url,
)
from tradewind.portal.formats import sentence
from tradewind.portal.parts import Portal

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FailurePage:
    """What the page for a failure shows."""

    status: int
    title: str
    message: str
    hint: str
    right: str | None = None
    """The right that is missing, on the page for a refusal."""
    roles: tuple[str, ...] = ()
    """The roles that have it."""


def add_failure_pages(app: FastAPI, portal: Portal) -> None:
    """Register the handlers of every failure a page can end in."""

    def sign_in_required(request: Request, error: Exception) -> Response:
        assert isinstance(error, SignInRequired)
        if _wants_json(request):
            return _as_json(error.status, error.code, error.message, error.hint)
        return _go(request, sign_in_url(_address(request)))

    def password_required(request: Request, error: Exception) -> Response:
        assert isinstance(error, PasswordRequired)
        if _wants_json(request):
            return _as_json(error.status, error.code, error.message, error.hint)
        return _go(request, SET_UP_PATH)

    def expected(request: Request, error: Exception) -> Response:
        assert isinstance(error, TradewindError)
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error(
                "%s %s failed (%s): %s",
                request.method,
                request.url.path,
                request.state.request_id,
                error,
            )
        if _wants_json(request):
            return _as_json(error.status, error.code, error.message, error.hint)
        is_right_missing = isinstance(error, MissingRight)
        page = FailurePage(
            status=error.status,
            title=_TITLES.get(error.status, "This did not work"),
            message=sentence(error.message),
            hint=sentence(error.hint or "Nothing was changed."),
            right=error.permission.value if is_right_missing else None,
            roles=tuple(error.roles) if is_right_missing else (),
        )
        if isinstance(error, Unavailable):
            # It may be the database that is away, so only a viewer who is known already is shown.
            return _render(portal, request, page, getattr(request.state, "viewer", None))
        return _page(portal, request, page)

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if _wants_json(request):
            return _as_json(error.status_code, "http_error", error.detail, None)
        is_missing = error.status_code == HTTPStatus.NOT_FOUND
        page = FailurePage(
            status=error.status_code,
            title=_TITLES.get(error.status_code, "This did not work"),
            message="There is no page at this address." if is_missing else sentence(error.detail),
            hint="Nothing was changed.",
        )
        return _page(portal, request, page)

    def malformed(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        names = sorted({str(detail["loc"][-1]) for detail in error.errors()})
        message = f"These values cannot be read: {', '.join(names)}."
        if _wants_json(request):
            return _as_json(422, "invalid_input", message, None)
        page = FailurePage(422, _TITLES[422], message, "Nothing was changed.")
        return _page(portal, request, page)

    def crashed(request: Request, error: Exception) -> Response:
        # Starlette raises the error again afterwards, so the server logs the traceback.
        _log.error(
            "%s %s crashed (%s): %s",
            request.method,
            request.url.path,
            request.state.request_id,
            type(error).__name__,
        )
        if _wants_json(request):
            return _as_json(500, "internal_error", "the platform failed", None)
        page = FailurePage(
            status=500,
            title=_TITLES[500],
            message="The platform failed while it made this page.",
            hint="Try again; if it stays, give the request id to whoever runs the platform.",
        )
        # The database may be what failed, so only a viewer who is already known is shown.
        return _render(portal, request, page, getattr(request.state, "viewer", None))

    app.add_exception_handler(SignInRequired, sign_in_required)
    app.add_exception_handler(PasswordRequired, password_required)
    app.add_exception_handler(TradewindError, expected)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(Exception, crashed)


_TITLES = {
    400: "The request cannot be read",
    401: "Sign in first",
    403: "You may not do this",
    404: "Not found",
    405: "Not possible here",
    409: "This clashes with what exists",
    413: "Too large",
    422: "Something is not filled in right",
    429: "Too many requests",
    500: "Something broke",
    503: "Not available right now",
}


def _page(portal: Portal, request: Request, page: FailurePage) -> Response:
    return _render(portal, request, page, portal.access.find_viewer(request))


def _render(portal: Portal, request: Request, page: FailurePage, viewer: Viewer | None) -> Response:
    return portal.shell.page(request, "failure.html", page, viewer=viewer, status=page.status)


def _as_json(status: int, code: str, message: str, hint: str | None) -> Response:
    return JSONResponse({"code": code, "message": message, "hint": hint}, status)


def _wants_json(request: Request) -> bool:
    return request.headers.get("accept", "").startswith("application/json")


def _address(request: Request) -> str:
    # After signing in a person wants to see a page, not to repeat what they posted.
    if request.method != "GET":
        return "/"
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path


def _go(request: Request, url: str) -> Response:
    # A redirect would be followed inside the fragment; htmx takes this header for the whole page.
    if request.headers.get("hx-request") == "true":
        return Response(headers={"hx-redirect": url})
    return RedirectResponse(url, HTTPStatus.SEE_OTHER)
