"""Which form an answer has: how it is cut, where its texts are, what it has words for. Pure."""

from collections.abc import Callable
from typing import Any, NamedTuple

from tradewind.gateway.dialects.surfaces import Surface
from tradewind.gateway.guard.answer_events import ArrayFraming, BodyFraming, EventFraming, Framing
from tradewind.gateway.guard.answer_text import (
    Said,
    said_in_chat,
    said_in_gemini,
    said_in_messages,
    said_in_responses,
    said_in_transcript,
)
from tradewind.gateway.guard.words import (
    ChatWords,
    GeminiWords,
    MessagesWords,
    NoWords,
    Tokens,
    Words,
)
from tradewind.gateway.guard.words_of_responses import ResponsesWords
from tradewind.plugins.providers.base import Dialect
from tradewind.snapshot.contents import Operation
from tradewind.wire.sse import DONE

_SPEECH = (Operation.TRANSCRIPTION, Operation.TRANSLATION)


class AnswerForm(NamedTuple):
    framing: Framing
    said: Callable[[dict[str, Any]], Said]
    words: Words
    repeats: bool = False
    """Whether its events say whole texts again."""
    takes_plain_text: bool = False
    """Whether a body that is no JSON is the text itself."""


def form_of(
    surface: Surface, dialect: Dialect, operation: Operation, tokens: Tokens, *, is_stream: bool
) -> AnswerForm:
    """`tokens` is what the upstream has said of tokens, asked for when it is told."""
    framing: Framing = BodyFraming()
    if is_stream:
        if surface.stream_type == b"application/json":
            framing = ArrayFraming()
        else:
            has_done = dialect is Dialect.OPENAI and operation not in _SPEECH
            framing = EventFraming(DONE if has_done else b"")
    match dialect:
        case Dialect.RESPONSES:
            return AnswerForm(framing, said_in_responses, ResponsesWords(), repeats=True)
        case Dialect.MESSAGES:
            return AnswerForm(framing, said_in_messages, MessagesWords(tokens))
        case Dialect.GEMINI:
            return AnswerForm(framing, said_in_gemini, GeminiWords(tokens))
        case Dialect.OPENAI:
            if operation in _SPEECH:
                return AnswerForm(
                    framing,
                    said_in_transcript,
                    NoWords(),
                    repeats=True,
                    takes_plain_text=not is_stream,
                )
            words = ChatWords(is_chat=operation is Operation.CHAT)
            return AnswerForm(framing, said_in_chat, words)
