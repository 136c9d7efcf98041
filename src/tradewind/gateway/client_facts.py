"""What the request log keeps of a request's headers: bounded, and never a credential."""

from typing import NamedTuple

_MOST_TEXT = 200
_MOST_TAGS = 16
_MOST_TAG_BYTES = 2048


class ClientFacts(NamedTuple):
    trace_parent: str
    user_agent: str
    tags: dict[str, str]


def client_facts(headers: dict[bytes, bytes]) -> ClientFacts:
    """Read `traceparent`, `user-agent` and `x-tradewind-tags: team=search, run=7`."""
    tags = headers.get(b"x-tradewind-tags")
    return ClientFacts(
        _text(headers.get(b"traceparent")),
        _text(headers.get(b"user-agent")),
        {} if tags is None else _tags(tags),
    )


def _text(value: bytes | None) -> str:
    return "" if value is None else value[:_MOST_TEXT].decode("latin-1")


def _tags(value: bytes) -> dict[str, str]:
    tags: dict[str, str] = {}
    for pair in value[:_MOST_TAG_BYTES].split(b",")[:_MOST_TAGS]:
        name, _, content = pair.partition(b"=")
        if name.strip():
            tags[_text(name.strip())] = _text(content.strip())
    return tags
