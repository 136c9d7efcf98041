"""How routes that speak Azure's marketplace read and answer: its bodies, statuses and headers.

Format: learn.microsoft.com, "Marketplace metered billing APIs" and "SaaS fulfillment Subscription
APIs v2". A key that is missing or too weak is refused as everywhere in this API (401, 403).
"""

import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, cast
from uuid import uuid4

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from tradewind.control.problems import MEDIA_TYPE, PROBLEM_SCHEMA
from tradewind.core.errors import InvalidInput, TradewindError

API_VERSION = "2018-08-31"
_HEADERS = ("x-ms-requestid", "x-ms-correlationid")
_TRACE = re.compile(r"[A-Za-z0-9._-]{1,100}")
_CODES = {
    HTTPStatus.BAD_REQUEST: "BadArgument",
    HTTPStatus.FORBIDDEN: "Forbidden",
    HTTPStatus.NOT_FOUND: "EntityNotFound",
    HTTPStatus.CONFLICT: "Conflict",
}


class AzureDetail(BaseModel):
    message: str
    target: str
    code: str


class AzureError(BaseModel):
    """How Azure's marketplace says what went wrong."""

    message: str
    target: str
    details: list[AzureDetail] = []
    code: str


def _described(status: int) -> dict[str, Any]:
    """Publish an error: of the marketplace, or of this API where a key or an address is wrong."""
    return {
        "model": AzureError,
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA}},
    }


AZURE_ANSWERS: dict[int | str, dict[str, Any]] = {
    **{
        status: {"description": HTTPStatus(status).phrase, "content": {"application/json": {}}}
        for status in (200, 202)
    },
    **{status: _described(status) for status in (400, 401, 403, 404, 409, 413, 422, 503)},
}


class ShapedError(Exception):
    """An answer in Azure's shape. Raised, so that nothing of the request is kept."""

    def __init__(self, response: Response) -> None:
        super().__init__("an answer of the marketplace")
        self.response = response


class Asked:
    """One request of a publisher's program."""

    def __init__(self, request: Request, body: bytes) -> None:
        self._request = request
        self._body = body
        self._headers = {name: _trace(request.headers.get(name)) for name in _HEADERS}

    @property
    def token(self) -> str:
        return self._request.headers.get("x-ms-marketplace-token", "")

    @contextmanager
    def shaped(self, target: str) -> Generator[None]:
        """Answer what goes wrong within the block in Azure's shape."""
        try:
            if self._request.query_params.get("api-version", API_VERSION) != API_VERSION:
                raise InvalidInput(f"api-version has to be {API_VERSION}")
            yield
        except TradewindError as error:
            # What cannot be read is 422 here and 400 there.
            is_malformed = error.status == HTTPStatus.UNPROCESSABLE_ENTITY
            status = HTTPStatus.BAD_REQUEST if is_malformed else HTTPStatus(error.status)
            raise ShapedError(self.refusal(status, error.message, target)) from error

    def refusal(
        self, status: HTTPStatus, message: str, target: str, code: str = "", field: str = ""
    ) -> Response:
        named = code or _CODES.get(status, "Error")
        body = {
            "message": "One or more errors have occurred.",
            "target": target,
            "details": [{"message": message, "target": field or target, "code": named}],
            "code": named,
        }
        return self.answer(status, body)

    def answer(
        self, status: HTTPStatus, body: object = None, *, headers: dict[str, str] | None = None
    ) -> Response:
        sent = self._headers | (headers or {})
        if body is None:
            return Response(status_code=status, headers=sent)
        return JSONResponse(body, status, headers=sent)

    def url(self, public_url: str, path: str) -> str:
        """Return an address below the API: at the platform's origin, or where this request came."""
        came_to = self._request.url
        return f"{public_url or f'{came_to.scheme}://{came_to.netloc}'}/api{path}"

    def fields(self) -> dict[str, Any]:
        """Return the body, which has to be an object. Raises InvalidInput."""
        try:
            found = json.loads(self._body, parse_float=Decimal)
        except (ValueError, RecursionError):
            raise InvalidInput("the body is not JSON") from None
        if not isinstance(found, dict):
            raise InvalidInput("the body is not a JSON object")
        return cast("dict[str, Any]", found)


def text_of(fields: dict[str, Any], name: str) -> str:
    """Return a text; empty where there is none. Raises InvalidInput."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 1_000 or "\x00" in value:
        raise InvalidInput(f"`{name}` is not a text")
    return value


def seats_of(fields: dict[str, Any]) -> int | None:
    """Return a quantity of seats: Azure's clients write it as a number or as a text."""
    value = fields.get("quantity")
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isdigit() and len(value) < 10:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise InvalidInput("`quantity` is not a whole number")


async def _asked(request: Request) -> Asked:
    return Asked(request, await request.body())


AzureCall = Annotated[Asked, Depends(_asked)]


def add_shaped_answers(app: FastAPI) -> None:
    """Register the handler of ShapedError."""
    app.add_exception_handler(ShapedError, _shaped)


def _shaped(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ShapedError)
    return error.response


def _trace(sent: str | None) -> str:
    return sent if sent is not None and _TRACE.fullmatch(sent) else str(uuid4())
