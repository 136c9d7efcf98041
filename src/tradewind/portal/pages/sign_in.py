"""Signing in, by one-time link or by password, and signing out."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from tradewind.features.accounts.errors import SignInRefused
from tradewind.features.accounts.schemas import SignedIn
from tradewind.portal.access import SET_UP_PATH, SIGN_IN_PATH, safe_next
from tradewind.portal.parts import Portal

_LONGEST_CODE = 256


@dataclass(frozen=True, slots=True)
class SignInPage:
    """Asks for a press of a button when there is a one-time code, else for e-mail and password."""

    next: str
    code: str | None = None
    email: str = ""
    error: str | None = None
    hint: str | None = None


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    access, accounts, database = portal.access, portal.services.accounts, portal.services.database

    @router.get(SIGN_IN_PATH)
    def ask(
        request: Request,
        code: Annotated[str | None, Query(max_length=_LONGEST_CODE)] = None,
        next_path: Annotated[str, Query(alias="next")] = "/",
    ) -> Response:
        # A code is used up by the POST alone: mail scanners and browsers that load links ahead of
        # time follow this address too.
        if code is None and access.find_viewer(request) is not None:
            return RedirectResponse(safe_next(next_path), HTTPStatus.SEE_OTHER)
        return _form(request, SignInPage(safe_next(next_path), code))

    @router.post(f"{SIGN_IN_PATH}/link", dependencies=[Depends(access.own_anonymous_form)])
    def with_link(
        request: Request,
        code: Annotated[str, Form(max_length=_LONGEST_CODE)],
        next_path: Annotated[str, Form(alias="next")] = "/",
    ) -> Response:
        try:
            with database.transaction() as tx:
                signed_in = accounts.sign_in_with_link(tx, code)
        except SignInRefused as refusal:
            return _refused(request, SignInPage(safe_next(next_path)), refusal)
        return _enter(signed_in, next_path)

    @router.post(SIGN_IN_PATH, dependencies=[Depends(access.own_anonymous_form)])
    def with_password(
        request: Request,
        email: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
        next_path: Annotated[str, Form(alias="next")] = "/",
    ) -> Response:
        peer = request.client.host if request.client else ""
        try:
            with database.transaction() as tx:
                signed_in = accounts.sign_in_with_password(tx, email, password, peer=peer)
        except SignInRefused as refusal:
            return _refused(request, SignInPage(safe_next(next_path), email=email), refusal)
        return _enter(signed_in, next_path)

    @router.post("/sign-out", dependencies=[Depends(access.own_form)])
    def sign_out(request: Request) -> Response:
        token = access.session_token(request)
        assert token is not None, "own_form has just resolved it"
        with database.transaction() as tx:
            accounts.sign_out(tx, token)
        response = RedirectResponse(SIGN_IN_PATH, HTTPStatus.SEE_OTHER)
        access.close_session(response)
        return response

    def _enter(signed_in: SignedIn, next_path: str) -> Response:
        target = safe_next(next_path) if signed_in.viewer.has_password else SET_UP_PATH
        response = RedirectResponse(target, HTTPStatus.SEE_OTHER)
        access.open_session(response, signed_in)
        return response

    def _refused(request: Request, page: SignInPage, refusal: SignInRefused) -> Response:
        page = SignInPage(page.next, None, page.email, refusal.message, refusal.hint)
        headers = (
            {} if refusal.retry_after_s is None else {"retry-after": str(refusal.retry_after_s)}
        )
        return _form(request, page, refusal.status, headers)

    def _form(
        request: Request,
        page: SignInPage,
        status: int = HTTPStatus.OK,
        headers: dict[str, str] | None = None,
    ) -> Response:
        return portal.shell.page(
            request, "sign_in.html", page, viewer=None, status=status, headers=headers
        )

    return router
