"""What the request log keeps of a request's headers: bounded, and never a credential."""

from functools import lru_cache

import msgspec

_MOST_TEXT = 200
_MOST_TAGS = 16
_MOST_TAG_BYTES = 2048


class ClientFacts(msgspec.Struct, frozen=True):
    trace_parent: str
    user_agent: str
    tags: dict[str, str]


_NO_TAGS: dict[str, str] = {}
_NOTHING = ClientFacts("", "", _NO_TAGS)


def client_facts(headers: dict[bytes, bytes]) -> ClientFacts:
    """Read `traceparent`, `user-agent` and `x-tradewind-tags: team=search, run=7`."""
    agent = headers.get(b"user-agent")
    if b"traceparent" not in headers and b"x-tradewind-tags" not in headers:
        return _NOTHING if agent is None else ClientFacts("", _agent(agent), _NO_TAGS)
    tags = headers.get(b"x-tradewind-tags")
    return ClientFacts(
        _text(headers.get(b"traceparent")),
        "" if agent is None else _agent(agent),
        _NO_TAGS if tags is None else _tags(tags),
    )


@lru_cache(maxsize=1024)
def _agent(value: bytes) -> str:
    """The same few for nearly all calls."""
    return _text(value)


def _text(value: bytes | None) -> str:
    return "" if value is None else value[:_MOST_TEXT].decode("latin-1")


def _tags(value: bytes) -> dict[str, str]:
    tags: dict[str, str] = {}
    for pair in value[:_MOST_TAG_BYTES].split(b",")[:_MOST_TAGS]:
        name, _, content = pair.partition(b"=")
        if name.strip():
            tags[_text(name.strip())] = _text(content.strip())
    return tags
