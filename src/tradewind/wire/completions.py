"""Completions (OpenAI v1, legacy): a text goes on. The few fields Tradewind acts on."""

from typing import Annotated

import msgspec
from msgspec import Meta

from tradewind.wire.chat import StreamOptions
from tradewind.wire.decoding import UNREADABLE, check_text, refuse
from tradewind.wire.routing import ModelName

_MOST_CHOICES = 16
_MOST_PROMPTS = 128


class CompletionsRequest(msgspec.Struct, frozen=True):
    """`prompt` is a text, texts, token ids, or lists of token ids."""

    model: ModelName = ""
    prompt: (
        str | Annotated[list[str | int | list[int]], Meta(min_length=1, max_length=1024 * 1024)]
    ) = "<|endoftext|>"
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    n: Annotated[int, Meta(ge=1, le=_MOST_CHOICES)] | None = None
    best_of: Annotated[int, Meta(ge=1, le=_MOST_CHOICES)] | None = None
    echo: bool | None = None
    logprobs: int | None = None
    suffix: str | None = None

    @property
    def wants_usage_chunk(self) -> bool:
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def prompts(self) -> int:
        """How many prompts are completed, each into `n` choices."""
        prompt = self.prompt
        if isinstance(prompt, str) or isinstance(prompt[0], int):
            return 1
        return len(prompt)


_decode = msgspec.json.Decoder(CompletionsRequest).decode


def decode_request(body: bytes) -> CompletionsRequest:
    """Raises ApiError 400 that names the field."""
    check_text(body)
    try:
        request = _decode(body)
    except UNREADABLE as error:
        raise refuse(error) from None
    if request.prompts > _MOST_PROMPTS:
        raise refuse(
            msgspec.ValidationError(f"Expected at most {_MOST_PROMPTS} prompts - at `$.prompt`")
        )
    return request
