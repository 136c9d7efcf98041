"""Who is calling, and may they: the one way to add a route to the control API."""

from collections.abc import Callable, Generator
from enum import Enum, auto
from typing import Annotated, Any, NamedTuple, ParamSpec, TypeVar

from fastapi import APIRouter, Depends, Request, Security
from fastapi.security import HTTPBearer
from sqlalchemy import Connection

from tradewind.control.problems import PROBLEM_ANSWERS
from tradewind.control.services import ControlServices
from tradewind.core.errors import Forbidden
from tradewind.core.permissions import Permission
from tradewind.features.accounts.errors import KeyRefused
from tradewind.features.accounts.schemas import KeyHolder

P = ParamSpec("P")
A = TypeVar("A")

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


def _current_call(request: Request) -> AuthenticatedCall:
    call: AuthenticatedCall = request.state.call
    return call


Call = Annotated[AuthenticatedCall, Depends(_current_call)]
"""What a route that takes a permission declares as its first parameter."""


class Routes:
    """Adds routes. None can be added without saying who may call it."""

    def __init__(self, services: ControlServices) -> None:
        self._services = services
        self._place = Depends(_place, scope="function", max_concurrency=_CALLS_AT_ONCE)
        self.router = APIRouter()
        self.permissions: dict[str, Permission | Public] = {}
        """Of every route by its path, for the test that walks them."""

    def get(
        self, path: str, *, permission: Permission | Public, summary: str
    ) -> Callable[[Callable[P, A]], Callable[P, A]]:
        """Add a GET route; its answer's schema is the function's return type."""
        self.permissions[path] = permission
        if isinstance(permission, Public):
            return self.router.get(path, summary=summary)
        return self.router.get(
            path,
            summary=summary,
            description=f"Takes the permission `{permission.value}`.",
            dependencies=[
                Security(_DESCRIBED_CREDENTIAL),
                self._place,
                Depends(self._authenticated(permission), scope="function"),
            ],
            responses=PROBLEM_ANSWERS,
        )

    def _authenticated(self, permission: Permission) -> Callable[[Request], Generator[None]]:
        def authenticate(request: Request) -> Generator[None]:
            authorization = _only_authorization(request)
            with self._services.database.transaction() as tx:
                holder = self._services.accounts.authenticate_key(tx, authorization)
                if not holder.may(permission):
                    raise Forbidden(
                        f"a {holder.purpose.value} key does not have the permission"
                        f" {permission.value}",
                        hint="use a key from the Keys page",
                    )
                request.state.call = AuthenticatedCall(tx, holder)
                yield

        return authenticate


async def _place() -> Any:
    """Hold one of the places that calls share; see _CALLS_AT_ONCE."""
    yield


def _only_authorization(request: Request) -> str | None:
    # Two headers could be read as two callers by two parts of a system.
    values = request.headers.getlist("authorization")
    if len(values) > 1:
        raise KeyRefused("there is more than one Authorization header", hint="send one")
    return values[0] if values else None
