"""Who is asking, may they, and did their own browser tab mean to.

Three gates stand before a handler: a session (else sign in first), a right (else the forbidden
page), and, for anything that changes state, proof that the request comes from one of our own pages.
"""

import hmac
from collections.abc import Callable
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Form, Header, Request
from sqlalchemy import Connection
from starlette.responses import Response

from tradewind.core.errors import Forbidden, Unauthenticated
from tradewind.core.permissions import PERMISSIONS, Permission, Role
from tradewind.features.accounts.schemas import SignedIn, Viewer
from tradewind.portal.services import PortalServices

SIGN_IN_PATH = "/sign-in"
SET_UP_PATH = "/set-up"

# `__Host-` makes the browser refuse the cookie unless it is Secure, for this host alone, for `/`.
# Browsers accept it over TLS only, hence the plain name beside it for a machine on its own.
_COOKIE_ON_TLS = "__Host-tradewind"
_COOKIE = "tradewind_session"
# Housekeeping only; how long a session lives is decided by the server.
_SESSION_COOKIE_SECONDS = 12 * 3600
_LONGEST_NEXT = 512


class SignInRequired(Unauthenticated):
    """There is no session. The portal answers with the way to the sign-in page."""

    code = "sign_in_required"

    def __init__(self) -> None:
        super().__init__("you are not signed in", hint="sign in and try again")


class PasswordRequired(Unauthenticated):
    """The account has no password yet; the set-up page comes before any other."""

    code = "password_required"

    def __init__(self) -> None:
        super().__init__("your account has no password yet", hint="set one first")


class MissingRight(Forbidden):
    """The role lacks a right. Knows who could change that."""

    def __init__(self, permission: Permission, viewer: Viewer) -> None:
        roles = [role.value for role in Role if permission in PERMISSIONS[role]]
        super().__init__(
            f"the role {viewer.role.value!r} does not have the right {permission.value!r}",
            hint=f"an administrator of {viewer.organization_name} can give you it",
        )
        self.permission = permission
        self.roles = roles


class NotOurPage(Forbidden):
    """A request that changes state did not prove that it comes from one of our pages."""

    code = "not_our_page"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the form was refused: {reason}",
            hint="nothing was changed; go back, reload the page and send the form again",
        )


class Access:
    """The gates, as FastAPI dependencies."""

    def __init__(self, services: PortalServices) -> None:
        self._services = services

    def find_viewer(self, request: Request) -> Viewer | None:
        """Return whoever the session cookie stands for. At most one short transaction a request."""
        known: Viewer | None = getattr(request.state, "viewer", None)
        token = request.cookies.get(self._cookie_name)
        if known is not None or not token:
            return known
        with self._services.database.transaction() as tx:
            viewer = self._services.accounts.resolve_session(tx, token)
        request.state.viewer = viewer
        return viewer

    def half_signed_in(self, request: Request) -> Viewer:
        """Return the viewer, with or without a password. Raises SignInRequired."""
        viewer = self.find_viewer(request)
        if viewer is None:
            raise SignInRequired
        return viewer

    def signed_in(self, request: Request) -> Viewer:
        """Return the viewer. Raises SignInRequired or PasswordRequired."""
        viewer = self.half_signed_in(request)
        if not viewer.has_password:
            raise PasswordRequired
        return viewer

    def allowed(self, permission: Permission) -> Callable[[Request], Viewer]:
        """Return a gate that also asks for one right. Raises MissingRight."""

        def gate(request: Request) -> Viewer:
            viewer = self.signed_in(request)
            require(viewer, permission)
            return viewer

        return gate

    def allowed_or_public(
        self, permission: Permission, *, is_public: bool
    ) -> Callable[[Request], Viewer | None]:
        """Return a gate as `allowed`, which lets in whoever has no session too where the page is
        public. Raises MissingRight, and SignInRequired where it is not.
        """

        def gate(request: Request) -> Viewer | None:
            if is_public and self.find_viewer(request) is None:
                return None
            viewer = self.signed_in(request)
            require(viewer, permission)
            return viewer

        return gate

    def check_still(
        self, tx: Connection, token: str, viewer: Viewer, permission: Permission
    ) -> None:
        """Ask again, for an answer that goes on for minutes: whoever signed out or lost the right
        meanwhile gets no more of it. Raises SignInRequired or MissingRight.
        """
        known = self._services.accounts.resolve_session(tx, token)
        if known is None or known.organization_id != viewer.organization_id:
            raise SignInRequired
        require(known, permission)

    def own_form(
        self,
        request: Request,
        csrf_token: Annotated[str, Form()] = "",
        x_csrf_token: Annotated[str, Header()] = "",
    ) -> None:
        """Refuse a form of another site, and one without the token of this session."""
        self._refuse_other_sites(request)
        viewer = self.half_signed_in(request)
        given = x_csrf_token or csrf_token
        if not hmac.compare_digest(given.encode(), viewer.csrf_token.encode()):
            raise NotOurPage("its token is missing or belongs to another session")

    def own_anonymous_form(self, request: Request) -> None:
        """Refuse a form of another site before there is a session whose token could prove it.

        Without this, another site could sign a person in to an account of its own and read what
        they do there.
        """
        self._refuse_other_sites(request)
        if "origin" not in request.headers and "sec-fetch-site" not in request.headers:
            raise NotOurPage("the browser did not say where it comes from")

    def _refuse_other_sites(self, request: Request) -> None:
        # Browsers set both headers themselves; no page can forge them.
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise NotOurPage("it comes from another site")
        origin = request.headers.get("origin")
        if origin is not None and not self._is_ours(origin, request.headers.get("host", "")):
            raise NotOurPage("it comes from another origin")

    def open_session(self, response: Response, signed_in: SignedIn) -> None:
        """Hand the session to the browser."""
        response.set_cookie(
            self._cookie_name,
            signed_in.session_token,
            max_age=_SESSION_COOKIE_SECONDS,
            path="/",
            secure=self._is_tls,
            httponly=True,
            samesite="lax",
        )

    def session_token(self, request: Request) -> str | None:
        return request.cookies.get(self._cookie_name)

    def close_session(self, response: Response) -> None:
        response.delete_cookie(
            self._cookie_name, path="/", secure=self._is_tls, httponly=True, samesite="lax"
        )

    @property
    def _is_tls(self) -> bool:
        return self._services.public_url().startswith("https://")

    @property
    def _cookie_name(self) -> str:
        return _COOKIE_ON_TLS if self._is_tls else _COOKIE

    def _is_ours(self, origin: str, host: str) -> bool:
        # A machine is reached under several names (localhost, its address, its name behind a
        # proxy). A browser never lets a page choose either of the two headers.
        return origin == self._services.public_url() or urlsplit(origin).netloc == host


def require(viewer: Viewer, permission: Permission) -> None:
    """Raise MissingRight unless the viewer has it."""
    if not viewer.may(permission):
        raise MissingRight(permission, viewer)


def safe_next(path: str) -> str:
    """Return where to go after signing in: `path` when it is one of our own, else `/`.

    A browser reads a second slash, or a backslash, as the start of another site's name, and drops
    tabs and line ends inside a URL, so anything but a plain absolute path is refused.
    """
    is_own_path = (
        path.startswith("/")
        and not path.startswith(("//", "/\\"))
        and "\\" not in path
        and path.isprintable()
        and len(path) <= _LONGEST_NEXT
    )
    return path if is_own_path else "/"


def sign_in_url(next_path: str) -> str:
    """Return the sign-in page that leads on to `next_path`."""
    next_path = safe_next(next_path)
    return SIGN_IN_PATH if next_path == "/" else f"{SIGN_IN_PATH}?next={quote(next_path, safe='/')}"
