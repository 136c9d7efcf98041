"""What single hosts of a common dialect do differently, as data.

The host's public name (`Target.host`) finds its entry; a target's options say the same of a host
that is not in the table.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from tradewind.snapshot.contents import Operation, Target
from tradewind.wire.chat import Fields, encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError


class Quirks(NamedTuple):
    renames: tuple[tuple[str, str], ...] = ()
    """Request members that the host knows by another name."""
    drops: frozenset[str] = frozenset()
    """Members it refuses and that change no meaning."""
    takes_stream_options: bool = True
    """False: it tells the usage of a stream anyway, or never."""
    knows_developer: bool = True
    """False: messages of the role `developer` are sent as `system`."""


AS_IS = Quirks()
_OLD_LIMIT = (("max_completion_tokens", "max_tokens"),)
_NEW_LIMIT = (("max_tokens", "max_completion_tokens"),)

# Only what was looked up: a wrong entry breaks a host that works without one. A target's options
# say the same of any other.
HOSTS: dict[str, Quirks] = {
    # Its API refuses the role: "unknown variant `developer`, expected one of `system`, `user`,
    # `assistant`, `tool`"; its reference of "Create Chat Completion" has `max_tokens` alone.
    "deepseek": Quirks(_OLD_LIMIT, knows_developer=False),
}


# Models that refuse `max_tokens`, by name: those that reason (o1, o3, o4-mini, gpt-5 and later),
# with or without a prefix. OpenAI's API reference, "Create chat completion": it is deprecated,
# and not compatible with o-series models.
_REASONS = re.compile(r"(?:ft:)?(?:o[1-9]|gpt-(?:[5-9]|[1-9]\d)|codex|computer-use)")


def for_model(quirks: Quirks, target: Target, operation: Operation) -> Quirks:
    """Return what holds for a chat with the target's model, unless options say how it is limited.

    Only for hosts whose names of models are OpenAI's.
    """
    if quirks.renames or operation is not Operation.CHAT or not _reasons(target.upstream_model):
        return quirks
    return quirks._replace(renames=_NEW_LIMIT)


@lru_cache(maxsize=1024)
def _reasons(model: str) -> bool:
    return _REASONS.match(model) is not None


def quirks_of(target: Target) -> Quirks:
    """Return how the target's host differs. Raises ApiError 502 for an option that is none."""
    quirks = HOSTS.get(target.host, AS_IS)
    options = target.options
    return quirks if not options else _with_options(quirks, tuple(sorted(options.items())))


def apply(quirks: Quirks, fields: Fields) -> None:
    """Change the members of a request as the host needs it."""
    for former, name in quirks.renames:
        value = fields.pop(former, None)
        if value is not None:
            fields.setdefault(name, value)
    for name in quirks.drops & fields.keys():
        del fields[name]
    if not quirks.knows_developer and "messages" in fields:
        fields["messages"] = _without_developer(fields["messages"])


@lru_cache(maxsize=1024)
def _with_options(quirks: Quirks, options: tuple[tuple[str, str], ...]) -> Quirks:
    found: Mapping[str, str] = dict(options)
    match found.get("max_tokens_field"):
        case None:
            pass
        case "max_tokens":
            quirks = quirks._replace(renames=_OLD_LIMIT)
        case "max_completion_tokens":
            quirks = quirks._replace(renames=_NEW_LIMIT)
        case other:
            raise wrong_option("max_tokens_field", other)
    match found.get("stream_options"):
        case None:
            pass
        case "omit":
            quirks = quirks._replace(takes_stream_options=False)
        case "send":
            quirks = quirks._replace(takes_stream_options=True)
        case other:
            raise wrong_option("stream_options", other)
    match found.get("developer_role"):
        case None:
            pass
        case "system":
            quirks = quirks._replace(knows_developer=False)
        case "developer":
            quirks = quirks._replace(knows_developer=True)
        case other:
            raise wrong_option("developer_role", other)
    if dropped := found.get("drop"):
        quirks = quirks._replace(drops=frozenset(name.strip() for name in dropped.split(",")))
    return quirks


def wrong_option(name: str, value: str) -> ApiError:
    return ApiError(
        502,
        f"The model's provider is not set up right: its option '{name}' cannot be {value[:64]!r}.",
        type="server_error",
        code="upstream_error",
    )


def _without_developer(messages: Raw) -> Raw:
    if b'"developer"' not in bytes(messages):
        return messages
    try:
        found = msgspec.json.decode(messages, type=list[dict[str, Any]])
    except UNREADABLE:
        return messages  # the host will say what is wrong with them
    for message in found:
        if message.get("role") == "developer":
            message["role"] = "system"
    return Raw(encode(found))
