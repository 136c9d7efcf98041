"""Who is calling, and may they: the one way to add a route to the control API."""

from collections.abc import Callable, Generator, Mapping
from copy import copy
from enum import Enum, auto
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple, ParamSpec, Self, TypeVar

from fastapi import APIRouter, Depends, Request, Security
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPBearer
from sqlalchemy import Connection

from tradewind.control.problems import (
    PROBLEM_ANSWERS,
    PROBLEM_ANSWERS_OF_CHANGES,
    PROBLEM_ANSWERS_OF_LINKS,
)
from tradewind.control.services import ControlServices
from tradewind.core.errors import Forbidden
from tradewind.core.permissions import Permission
from tradewind.features.accounts.errors import KeyRefused
from tradewind.features.accounts.schemas import KEY_PERMISSIONS, KeyHolder, KeyPurpose

P = ParamSpec("P")
A = TypeVar("A")
Answers = Mapping[int | str, dict[str, Any]]
"""What is published of answers, by status."""

# Each call holds one connection. The pool has to serve the portal too, so more calls than these
# wait without holding anything.
_CALLS_AT_ONCE = 4


# Only for the published description; `authenticate_key` is what lets anyone in.
_DESCRIBED_CREDENTIAL = HTTPBearer(
    scheme_name="api_key", description="An API key from the Keys page.", auto_error=False
)


class Public(Enum):
    """Stands where a permission would, on the few routes that anyone may call."""

    PUBLIC = auto()


PUBLIC = Public.PUBLIC


class AuthenticatedCall(NamedTuple):
    """One request: a transaction, committed before the answer leaves, and who is calling."""

    tx: Connection
    holder: KeyHolder


class OpenCall(NamedTuple):
    """One request to a route that is open to anyone; whoever sends a key is still that key."""

    tx: Connection
    holder: KeyHolder | None


def _current_call(request: Request) -> AuthenticatedCall:
    call: AuthenticatedCall = request.state.call
    return call


Call = Annotated[AuthenticatedCall, Depends(_current_call)]
"""What a route that takes a permission declares as its first parameter."""


def _current_open_call(request: Request) -> OpenCall:
    call: AuthenticatedCall | OpenCall = request.state.call
    return OpenCall(call.tx, call.holder)


CallOfAnyone = Annotated[OpenCall, Depends(_current_open_call)]
"""What a route declares that may be open; see `Routes.get`."""


class Routes:
    """Adds routes. None can be added without saying who may call it."""

    def __init__(self, services: ControlServices) -> None:
        self._services = services
        self._place = Depends(_place, scope="function", max_concurrency=_CALLS_AT_ONCE)
        self.router = APIRouter()
        self.permissions: dict[tuple[str, str], Permission | Public] = {}
        """Of every route by its method and path, for the test that walks them."""
        self._described: Answers | None = None

    def answering(self, described: Answers) -> Self:
        """Return what adds routes to the same table whose answers have another shape than ours:
        another API's, by status. They answer 200 where nothing else is said.
        """
        other = copy(self)
        other._described = described  # noqa: SLF001  of this class
        return other

    def get(
        self,
        path: str,
        *,
        permission: Permission | Public,
        summary: str,
        is_open: bool = False,
        media_type: str = "",
    ) -> Callable[[Callable[P, A]], Callable[P, A]]:
        """Add a GET route; its answer's schema is the function's return type, unless it answers
        something else than JSON.

        An open one also answers whoever sends no key at all: an administrator's choice. A key that
        is sent is checked as ever. One that is open and public has its own proof in its path.
        """
        return self._add(
            "GET",
            path,
            permission,
            summary,
            HTTPStatus.OK,
            is_open=is_open,
            media_type=media_type,
        )

    def post(
        self,
        path: str,
        *,
        permission: Permission,
        summary: str,
        status: HTTPStatus = HTTPStatus.CREATED,
        at_times: HTTPStatus | None = None,
    ) -> Callable[[Callable[P, A]], Callable[P, A]]:
        """Add a route that makes something, and `at_times` answers another status."""
        return self._add("POST", path, permission, summary, status, at_times=at_times)

    def patch(
        self, path: str, *, permission: Permission, summary: str, at_times: HTTPStatus | None = None
    ) -> Callable[[Callable[P, A]], Callable[P, A]]:
        """Add a route that changes what its body names. `at_times` it answers something else than
        200.
        """
        return self._add("PATCH", path, permission, summary, HTTPStatus.OK, at_times=at_times)

    def put(
        self, path: str, *, permission: Permission, summary: str
    ) -> Callable[[Callable[P, A]], Callable[P, A]]:
        """Add a route that replaces something."""
        return self._add("PUT", path, permission, summary, HTTPStatus.OK)

    def delete(
        self, path: str, *, permission: Permission, summary: str
    ) -> Callable[[Callable[P, A]], Callable[P, A]]:
        """Add a route that removes something and answers nothing."""
        return self._add("DELETE", path, permission, summary, HTTPStatus.NO_CONTENT)

    def _add(
        self,
        method: str,
        path: str,
        permission: Permission | Public,
        summary: str,
        status: HTTPStatus,
        *,
        is_open: bool = False,
        media_type: str = "",
        at_times: HTTPStatus | None = None,
    ) -> Callable[[Callable[P, A]], Callable[P, A]]:
        self.permissions[method, path] = permission
        if isinstance(permission, Public):
            if is_open:
                return self._add_anonymous(method, path, summary, media_type)
            return self.router.api_route(path, methods=[method], summary=summary)
        answers = dict(PROBLEM_ANSWERS if method == "GET" else PROBLEM_ANSWERS_OF_CHANGES)
        if self._described is not None:
            status, answers = HTTPStatus.OK, dict(self._described)
        if media_type:
            answers[status.value] = {"content": {media_type: {"schema": {"type": "string"}}}}
        if at_times is not None:
            answers[at_times.value] = {"description": "The same answer."}
        return self.router.api_route(
            path,
            methods=[method],
            status_code=status,
            response_class=Response if media_type else JSONResponse,
            summary=summary,
            description=f"Takes the permission `{permission.value}`.",
            dependencies=[
                Security(_DESCRIBED_CREDENTIAL),
                self._place,
                Depends(self._authenticated(permission, is_open=is_open), scope="function"),
            ],
            responses=answers,
        )

    def _add_anonymous(
        self, method: str, path: str, summary: str, media_type: str
    ) -> Callable[[Callable[P, A]], Callable[P, A]]:
        """Add a route for which its own address is what lets somebody in. No key is looked at."""

        def begin(request: Request) -> Generator[None]:
            with self._services.database.transaction() as tx:
                request.state.call = OpenCall(tx, None)
                yield

        answers: dict[int | str, dict[str, Any]] = dict(PROBLEM_ANSWERS_OF_LINKS)
        if media_type:
            answers[HTTPStatus.OK.value] = {"content": {media_type: {"schema": {"type": "string"}}}}
        return self.router.api_route(
            path,
            methods=[method],
            response_class=Response if media_type else JSONResponse,
            summary=summary,
            dependencies=[self._place, Depends(begin, scope="function")],
            responses=answers,
        )

    def _authenticated(
        self, permission: Permission, *, is_open: bool
    ) -> Callable[[Request], Generator[None]]:
        def authenticate(request: Request) -> Generator[None]:
            authorization = _only_authorization(request)
            with self._services.database.transaction() as tx:
                if is_open and authorization is None:
                    request.state.call = OpenCall(tx, None)
                    yield
                    return
                holder = self._services.accounts.authenticate_key(tx, authorization)
                if not holder.may(permission):
                    raise Forbidden(
                        f"a {holder.purpose.value} key does not have the permission"
                        f" {permission.value}",
                        hint=_key_for(permission),
                    )
                request.state.call = AuthenticatedCall(tx, holder)
                yield

        return authenticate


def _key_for(permission: Permission) -> str:
    if permission in KEY_PERMISSIONS[KeyPurpose.CLIENT]:
        return "use a key from the Keys page"
    return "use a management key, which an administrator makes"


async def _place() -> Any:
    """Hold one of the places that calls share; see _CALLS_AT_ONCE."""
    yield


def _only_authorization(request: Request) -> str | None:
    # Two headers could be read as two callers by two parts of a system.
    values = request.headers.getlist("authorization")
    if len(values) > 1:
        raise KeyRefused("there is more than one Authorization header", hint="send one")
    return values[0] if values else None
