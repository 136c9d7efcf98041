"""Lowers what a request may generate to what its budget pays for."""

from typing import Any

import msgspec
from msgspec import Raw

from tradewind.plugins.providers.base import Dialect, ProviderRequest
from tradewind.snapshot.contents import Operation
from tradewind.wire.chat import ChatRequest, encode
from tradewind.wire.decoding import UNREADABLE

_OPENAI = Dialect.OPENAI  # looked up in its Enum, a member costs as much as ten comparisons
_WRITES_TEXT = (Operation.CHAT, Operation.COMPLETIONS)
_NAMES: dict[Dialect, tuple[str, ...]] = {
    Dialect.OPENAI: ("max_completion_tokens", "max_tokens"),
    Dialect.MESSAGES: ("max_tokens",),
    Dialect.RESPONSES: ("max_output_tokens",),
}


def capped(request: ProviderRequest, most_output_tokens: int) -> ProviderRequest:
    """Return the request with its own limit of output tokens at most this; at least 1.

    Operations that write no text know no such limit and are returned as they are.
    """
    if request.operation not in _WRITES_TEXT:
        return request
    if request.dialect is _OPENAI and _is_within(request.parsed, most_output_tokens):
        return request
    cap = max(1, most_output_tokens)
    fields = request.fields.copy()
    if request.dialect is Dialect.GEMINI:
        fields["generationConfig"] = _capped_config(fields.get("generationConfig"), cap)
    else:
        names = _NAMES[request.dialect]
        said = [name for name in names if name in fields] or [names[-1]]
        for name in said:
            fields[name] = _lower(fields.get(name), cap)
    return msgspec.structs.replace(request, fields=fields)


def _is_within(parsed: object, cap: int) -> bool:
    """Tell whether a chat request says itself that it wants no more: most that say it do."""
    if not isinstance(parsed, ChatRequest):
        return False
    by_old_name, by_new_name = parsed.max_tokens, parsed.max_completion_tokens
    if by_new_name is None:
        return by_old_name is not None and by_old_name <= cap
    return by_new_name <= cap and (by_old_name is None or by_old_name <= cap)


def _lower(value: Raw | None, cap: int) -> Raw:
    try:
        said = None if value is None else msgspec.json.decode(value, type=int | None)
    except UNREADABLE:
        said = None
    return Raw(encode(cap if said is None else min(said, cap)))


def _capped_config(value: Raw | None, cap: int) -> Raw:
    try:
        config = msgspec.json.decode(value or b"{}", type=dict[str, Any])
    except UNREADABLE:
        config = {}
    said = config.get("maxOutputTokens")
    config["maxOutputTokens"] = min(said, cap) if isinstance(said, int) else cap
    return Raw(encode(config))
