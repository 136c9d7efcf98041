"""OpenAI itself: the v1 dialect in its strict form, and Responses.

Nothing is added to a request and nothing taken out but what its own reference forbids: newer models
refuse `max_tokens`. Options of a target: `organization` and `project` (headers of its API), and
those of `dialects/quirks`.

Source: OpenAI's API reference, "Authentication", "Create chat completion" (`max_tokens`: deprecated
and not compatible with o-series models).
"""

import re
from functools import lru_cache

from tradewind.plugins.providers.base import (
    PATHS,
    Dialect,
    FilesWire,
    Prepared,
    ProviderRequest,
    Reader,
    request_bytes,
)
from tradewind.plugins.providers.dialects.openai import error_of, member
from tradewind.plugins.providers.dialects.openai_requests import Wire, prepare
from tradewind.plugins.providers.dialects.quirks import for_model, quirks_of, wrong_option
from tradewind.plugins.providers.dialects.responses import StreamedResponse, WholeResponse
from tradewind.snapshot.contents import Operation, Target
from tradewind.wire.chat import encode
from tradewind.wire.errors import ApiError

_RESPONSES = b"/responses"
_OPERATIONS = frozenset(PATHS) - {Operation.RERANK}
_HEADER_VALUE = re.compile(r"[\x21-\x7e]{1,128}")


class OpenAI:
    name = "openai"
    dialects = frozenset({Dialect.RESPONSES})
    operations = _OPERATIONS

    def files_at(self, target: Target) -> FilesWire:
        return FilesWire(headers=_account_lines_of(target))

    def prepare(self, request: ProviderRequest, target: Target) -> Prepared:
        headers = _account_lines_of(target)
        if request.dialect is Dialect.RESPONSES:
            return prepare_responses(request, target, headers=headers)
        quirks = for_model(quirks_of(target), target, request.operation)
        return prepare(request, target, Wire(headers=headers, quirks=quirks))

    def error_of(self, status: int, body: bytes) -> ApiError:
        return error_of(status, body)


def prepare_responses(
    request: ProviderRequest, target: Target, *, headers: bytes = b""
) -> Prepared:
    """Return a Responses request as it came, but for the model's name."""
    fields = request.fields.copy()
    fields["model"] = member(target.upstream_model)
    name = request.endpoint.name
    shown = None if target.upstream_model == name else name
    reader: Reader = StreamedResponse(shown) if request.is_stream else WholeResponse(shown)
    body = encode(fields)
    head = request_bytes(target, _RESPONSES, body, headers=headers + request.headers)
    return Prepared(head, body, reader)


def _account_lines_of(target: Target) -> bytes:
    return _account_lines(target.options.get("organization", ""), target.options.get("project", ""))


@lru_cache(maxsize=256)
def _account_lines(organization: str, project: str) -> bytes:
    lines = b""
    for header, option, value in (
        (b"openai-organization", "organization", organization),
        (b"openai-project", "project", project),
    ):
        if not value:
            continue
        if _HEADER_VALUE.fullmatch(value) is None:
            raise wrong_option(option, value)
        lines += b"%b: %b\r\n" % (header, value.encode())
    return lines
