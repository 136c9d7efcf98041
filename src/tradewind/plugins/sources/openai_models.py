"""Any host's `GET /v1/models`, in the form of OpenAI and with what hosts add to it.

Format: "List models" of the OpenAI API reference (developers.openai.com/api/reference/resources/
models): `data` is a list of objects with `id`, `created` and `owned_by`. Additions that are
documented: `max_model_len` of vLLM (docs.vllm.ai, "OpenAI-Compatible Server"), `context_window` and
`max_completion_tokens` of Groq (console.groq.com/docs/models), `meta` of llama-server
(tools/server/README.md of llama.cpp). Prices are in none of them.
"""

import msgspec

from tradewind.plugins.sources.base import (
    Fetch,
    Reading,
    SourceEntry,
    clean_id,
    clean_parameters,
    clean_text,
    clean_tokens,
    collect,
    day_of_seconds,
    decode_list,
    fetch_bounded,
)

NAME = "openai_models"
# What `owned_by` says when it names no maker: the account, or the program that serves.
_NO_MAKERS = frozenset(
    {
        "system",
        "vllm",
        "llamacpp",
        "library",
        "openai-internal",
        "organization-owner",
        "user",
        "tgi",
    }
)


class OpenAIModels:
    """The list of one host, at its base address (the one that ends in `/v1`)."""

    name = NAME

    def __init__(self, host: str, base_url: str) -> None:
        self._host = host
        self._url = f"{base_url.rstrip('/')}/models"

    def read(self, fetch: Fetch) -> Reading:
        answer = decode_list(fetch_bounded(fetch, self._url, NAME), _answer, f"{NAME} {self._host}")
        return collect(answer.data, self._entry)

    def _entry(self, raw: msgspec.Raw) -> SourceEntry:
        line = _model.decode(raw)
        owner = clean_text(line.owned_by)
        return SourceEntry(
            source=NAME,
            host=self._host,
            upstream_id=clean_id(line.id),
            name=clean_text(line.name),
            publisher_hint="" if owner.lower() in _NO_MAKERS | {self._host} else owner,
            # `created` is when this host made the entry, which is no day of release.
            context_tokens=clean_tokens(
                line.max_model_len or line.context_window or line.context_length
            ),
            max_output_tokens=clean_tokens(line.max_completion_tokens),
            parameters=clean_parameters(line.meta.n_params) if line.meta else None,
            status="deprecated" if line.active is False else "",
            observed_on=None,
            released_on=None if self._host != "openai" else day_of_seconds(line.created),
        )


class _Meta(msgspec.Struct):
    n_params: float | None = None


class _Model(msgspec.Struct):
    id: str
    name: str | None = None
    owned_by: str | None = None
    created: float | None = None
    max_model_len: float | None = None
    context_window: float | None = None
    context_length: float | None = None
    max_completion_tokens: float | None = None
    active: bool | None = None
    meta: _Meta | None = None


class _Answer(msgspec.Struct):
    data: list[msgspec.Raw]


_answer = msgspec.json.Decoder(_Answer)
_model = msgspec.json.Decoder(_Model)
