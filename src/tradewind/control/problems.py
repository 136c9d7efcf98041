"""Errors as problem+json (RFC 9457), with our code, a hint and the request id."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tradewind.core.errors import (
    LimitExceeded,
    TradewindError,
    Unauthenticated,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger(__name__)


class InvalidField(BaseModel):
    """One value that cannot be read. The value itself is not repeated: it may be a secret."""

    name: str
    message: str


class Problem(BaseModel):
    type: str = Field(description="A URN that ends in the code.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="What was wrong with this request.")
    code: str = Field(description="A stable name for this kind of error.")
    hint: str | None = Field(default=None, description="What to do.")
    request_id: str
    errors: list[InvalidField] | None = None


_REFERENCES = "#/components/schemas/{model}"
PROBLEM_SCHEMA = {"$ref": _REFERENCES.format(model="Problem")}
PROBLEM_SCHEMAS: dict[str, Any] = models_json_schema(
    [(Problem, "serialization")], ref_template=_REFERENCES
)[1]["$defs"]
"""What the description of the API holds for PROBLEM_SCHEMA to refer to."""


def _answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    # By a reference: of a model FastAPI makes a validator for each status of each route, which were
    # 2,466 of 3,475 that the start waited for.
    return {
        status: {
            "content": {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA}},
            "description": HTTPStatus(status).phrase,
        }
        for status in statuses
    }


PROBLEM_ANSWERS = _answers(401, 403, 404, 422, 503)
PROBLEM_ANSWERS_OF_LINKS = _answers(404, 422, 429, 503)
PROBLEM_ANSWERS_OF_CHANGES = _answers(401, 403, 404, 409, 412, 413, 422, 503)


def add_problem_handlers(app: FastAPI) -> None:
    """Register a handler for everything a route can raise."""
    app.add_exception_handler(TradewindError, _expected)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    for kind in (OperationalError, InterfaceError, PoolTimeoutError):
        app.add_exception_handler(kind, _database_away)
    app.add_exception_handler(Exception, _crashed)


def _expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, TradewindError)
    if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("%s failed", _request_id(request), exc_info=error)
    headers: dict[str, str] = {}
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = 'Bearer realm="tradewind"'
    if isinstance(error, LimitExceeded) and error.retry_after_s is not None:
        headers["retry-after"] = str(error.retry_after_s)
    return _answer(
        request, error.status, error.code, error.message, hint=error.hint, headers=headers
    )


def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = [
        InvalidField(name=".".join(str(part) for part in item["loc"][1:])[:80], message=item["msg"])
        for item in error.errors()[:20]
    ]
    names = ", ".join(sorted({field.name for field in fields}))
    detail = f"these values cannot be read: {names}"
    return _answer(request, 422, "invalid_input", detail, errors=fields)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.BAD_REQUEST:
        # How FastAPI calls a body that is no UTF-8, is nested without end or holds a number of
        # thousands of digits. To whoever sent it, it is as malformed as any other.
        return _answer(request, 422, "invalid_input", "the body cannot be read as JSON")
    code, detail = _HTTP_ERRORS.get(error.status_code, ("http_error", error.detail))
    return _answer(request, error.status_code, code, detail, headers=dict(error.headers or {}))


_HTTP_ERRORS = {
    404: ("not_found", "there is nothing at this path"),
    405: ("method_not_allowed", "this path does not take this method"),
}


def _database_away(request: Request, error: Exception) -> Response:
    # The text of a driver's error can hold the statement and its values; only its kind is logged.
    _log.warning(
        "%s: the database does not answer (%s)", _request_id(request), type(error).__name__
    )
    away = Unavailable("the database does not answer at this moment", hint="try again shortly")
    return _answer(
        request, away.status, away.code, away.message, hint=away.hint, headers={"retry-after": "2"}
    )


def _crashed(request: Request, _error: Exception) -> Response:
    # Starlette raises the error again after this answer, so the server logs the traceback.
    _log.error("%s crashed", _request_id(request))
    return _answer(
        request,
        500,
        "internal_error",
        "the platform failed",
        hint="try again; if it stays, give the request id to whoever runs the platform",
    )


def _answer(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    hint: str | None = None,
    errors: list[InvalidField] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    problem = Problem(
        type=f"urn:tradewind:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        hint=hint,
        request_id=_request_id(request),
        errors=errors,
    )
    body = problem.model_dump_json(exclude_none=True)
    return Response(body, status, headers=headers, media_type=MEDIA_TYPE)


def _request_id(request: Request) -> str:
    identifier: str = request.state.request_id
    return identifier
