"""Requests for providers, and bytes a real engine sent (llama-server b10434)."""

import itertools
import json

from tradewind.plugins.providers.base import ProviderRequest
from tradewind.snapshot.contents import Endpoint, Operation, Price, Target
from tradewind.wire import chat, embeddings
from tradewind.wire.sse import DONE, data_of, split_events

NAME = "tw/small"
MESSAGES = [{"role": "user", "content": "Hello"}]
ENDPOINT = Endpoint(
    name=NAME,
    operation=Operation.CHAT,
    publisher="tw",
    created_at_ms=1,
    context_tokens=2048,
    max_output_tokens=2048,
    price=Price("price_1", "USD", 1, 2, 3),
    targets=(),
)
EMBEDDER = Endpoint(
    name=NAME,
    operation=Operation.EMBEDDINGS,
    publisher="tw",
    created_at_ms=1,
    context_tokens=256,
    max_output_tokens=0,
    price=Price("price_1", "USD", 1, 2, 3),
    targets=(),
    dimensions=384,
)
TARGET = Target(
    "dep_1", "rep_1", "llama_server", "10.0.0.1:8000", "upstream-model", "key-of-target"
)


def chat_request(**members):
    body = json.dumps({"model": "small", "messages": MESSAGES} | members).encode()
    return ProviderRequest(ENDPOINT, chat.decode_fields(body), chat.decode_request(body))


def embeddings_request(**members):
    body = json.dumps({"model": "small", "input": "Hello"} | members).encode()
    return ProviderRequest(
        EMBEDDER,
        chat.decode_fields(body),
        embeddings.decode_request(body),
        Operation.EMBEDDINGS,
    )


def sent(prepared):
    return json.loads(prepared.body)


def read(reader, *pieces):
    """Feed an answer, return what the client gets of it."""
    return b"".join([*map(reader.feed, pieces), reader.finish()])


def chunks(raw):
    """Return the decoded events of a stream that ends as one of OpenAI's does."""
    assert raw.endswith(DONE)
    assert raw.count(b"[DONE]") == 1
    return [json.loads(data_of(event)) for event in split_events(raw[: -len(DONE)])]


def splits(raw, *, count):
    """Yield every way to cut `raw` once, and some with many cuts."""
    for place in range(len(raw) + 1):
        yield raw[:place], raw[place:]
    for size in range(1, count):
        yield tuple(raw[place : place + size] for place in range(0, len(raw), size))


class LlamaAnswer:
    """A stream as the engine sends it, choice after choice."""

    def __init__(self, *texts, model=NAME, prompt=32, cached=31, finish="stop"):
        self._tail = (
            f'"created":1795316664,"id":"chatcmpl-x","model":"{model}",'
            '"system_fingerprint":"b1-7e4c0a9","object":"chat.completion.chunk"'
        )
        self._prompt, self._cached, self._finish = prompt, cached, finish
        self.parts = list(
            itertools.chain.from_iterable(self._choice(*pair) for pair in enumerate(texts))
        )

    @property
    def raw(self):
        return b"".join([*self.parts, DONE])

    def event(self, members):
        return f"data: {{{members}}}\n\n".encode()

    def piece(self, index, delta, finish="null", extra=""):
        return self.event(
            f'"choices":[{{"finish_reason":{finish},"index":{index},"delta":{delta}}}],'
            f"{self._tail}{extra}"
        )

    def progress(self, index, processed):
        return self.piece(
            index,
            '{"role":"assistant","content":null}',
            extra=f',"prompt_progress":{{"total":{self._prompt},"cache":{self._cached},'
            f'"processed":{processed},"time_ms":0}}',
        )

    def usage(self, written):
        return self.event(
            f'"choices":[],{self._tail},"usage":{{"completion_tokens":{written},'
            f'"prompt_tokens":{self._prompt},"total_tokens":{self._prompt + written},'
            f'"prompt_tokens_details":{{"cached_tokens":{self._cached}}}}},'
            '"timings":{"cache_n":31,"prompt_n":1,"prompt_ms":14.3,"predicted_n":3}'
        )

    def _choice(self, index, words):
        yield self.progress(index, self._cached)
        yield self.progress(index, self._prompt)
        yield self.piece(index, '{"role":"assistant","content":null}')
        for word in words:
            yield self.piece(index, f'{{"content":{json.dumps(word)}}}')
        yield self.piece(index, "{}", f'"{self._finish}"')
        yield self.usage(len(words))
