"""What the fake engine answers. Pure: the same question has the same answer, one word is one token.

A *directive* asks for a fault. It stands as `[[name]]` or `[[name=number]]` in the request's model
name, in its last message, or in `--fault` for every request:

    tokens=N         answer with N words (8)        word_bytes=N   make each word that long
    delay_ms=N       wait before each word          first_ms=N     wait before the answer begins
    cached=N         report N input tokens cached   no_usage       never report usage
    late_usage       report usage after the end     no_done        end a stream without its end
    status=N         answer with this error         hang           never answer
    hang_after=N     fall silent after N words      cut_after=N    hang up after N words
    garbage_after=N  send nonsense after N words    crash          end the process, status 70
    crash_after=N    the same after N words         log=N          write N bytes of log
"""

import base64
import hashlib
import re
import struct
import zlib
from typing import Any, NamedTuple, cast

Json = dict[str, Any]

DEFAULT_TOKENS = 8
MOST_TOKENS = 10_000_000
MOST_CHOICES = 16
_DIRECTIVE = re.compile(r"\[\[([a-z_]{1,32})(?:=([0-9]{1,9}))?\]\]")
_TAKES_TIME = frozenset({"delay_ms", "first_ms", "hang", "hang_after", "cut_after", "crash_after"})
_TEXT = (
    "steady winds carry the fleet past quiet harbours while lanterns mark each berth and the "
    "captain reads a chart of distant islands before dawn breaks over calm water"
)
_WORDS = tuple(_TEXT.split(" "))


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, code: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": code, "code": code, "param": None}}


class ChatQuestion(NamedTuple):
    """A chat request, read."""

    text: str
    input_tokens: int
    output_tokens: int
    is_cut: bool
    """Whether the request's own limit makes the answer shorter than it wants to be."""
    choices: int
    is_stream: bool
    wants_usage: bool
    faults: dict[str, int]

    @property
    def takes_time(self) -> bool:
        return self.is_stream or not _TAKES_TIME.isdisjoint(self.faults)

    @property
    def words(self) -> list[str]:
        return answer_words(self.text, self.output_tokens, self.faults.get("word_bytes", 0))

    def usage(self) -> Json:
        output = self.output_tokens * self.choices
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": output,
            "total_tokens": self.input_tokens + output,
            "prompt_tokens_details": {
                "cached_tokens": min(self.faults.get("cached", 0), self.input_tokens)
            },
        }


def answer_words(question: str, count: int, word_bytes: int = 0) -> list[str]:
    """Return the words of the answer to `question`; joined without a separator they are it."""
    start = zlib.crc32(question.encode())
    words = [_WORDS[(start + number) % len(_WORDS)] for number in range(count)]
    if word_bytes:
        words = [(word * (word_bytes // len(word) + 1))[:word_bytes] for word in words]
    return [word if number == 0 else " " + word for number, word in enumerate(words)]


def count_tokens(text: str) -> int:
    """Return how many tokens the fake engine takes `text` for."""
    return len(text.split())


def embedding(text: str, dimensions: int) -> list[float]:
    """Return the vector of `text`: of length 1, the same for the same text, else unrelated."""
    raw = hashlib.shake_128(text.encode()).digest(2 * dimensions)
    numbers = [number - 32767.5 for number in struct.unpack(f"<{dimensions}H", raw)]
    length = sum(number * number for number in numbers) ** 0.5
    return [number / length for number in numbers]


def faults_of(*sources: str) -> dict[str, int]:
    """Return the directives found in the sources; later ones win."""
    return {
        name: int(value or 1) for source in sources for name, value in _DIRECTIVE.findall(source)
    }


def read_chat(body: Json, *, fault: str, context_tokens: int) -> ChatQuestion:
    """Return what a chat request asks. Raises Refused."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused(400, "'messages' is required")
    texts = [_text_of(message) for message in cast("list[Any]", messages)]
    faults = faults_of(fault, str(body.get("model", "")), texts[-1])
    input_tokens = sum(map(count_tokens, texts))
    if input_tokens > context_tokens:
        raise Refused(
            400,
            f"This model's maximum context length is {context_tokens} tokens",
            "context_length_exceeded",
        )
    choices = body.get("n") or 1
    if not isinstance(choices, int) or not 1 <= choices <= MOST_CHOICES:
        raise Refused(400, f"'n' must be between 1 and {MOST_CHOICES}")
    wanted = min(faults.get("tokens", DEFAULT_TOKENS), MOST_TOKENS)
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    given = min(wanted, limit) if isinstance(limit, int) and limit >= 0 else wanted
    options: Json = body.get("stream_options") or {}
    return ChatQuestion(
        texts[-1],
        input_tokens,
        given,
        is_cut=given < wanted,
        choices=choices,
        is_stream=bool(body.get("stream")),
        wants_usage=bool(options.get("include_usage")) and "no_usage" not in faults,
        faults=faults,
    )


def whole_answer(question: ChatQuestion, *, alias: str, created: int) -> Json:
    content = "".join(question.words)
    answer: Json = {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": created,
        "model": alias,
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": content},
                "finish_reason": "length" if question.is_cut else "stop",
            }
            for index in range(question.choices)
        ],
    }
    if "no_usage" not in question.faults:
        answer["usage"] = question.usage()
    return answer


def read_texts(body: Json) -> list[str]:
    """Return the texts of an embeddings request; token ids count as words. Raises Refused."""
    given: Any = body.get("input")
    texts: list[Any] = cast("list[Any]", given) if isinstance(given, list) else [given]
    if isinstance(given, list) and texts and all(isinstance(item, int) for item in texts):
        texts = [texts]
    if not texts or not all(text and isinstance(text, str | list) for text in texts):
        raise Refused(400, "'input' must be a text or texts")
    return [text if isinstance(text, str) else " ".join(map(str, text)) for text in texts]


def embeddings_answer(
    texts: list[str], *, alias: str, dimensions: int, as_base64: bool, with_usage: bool
) -> Json:
    vectors = [embedding(text, dimensions) for text in texts]
    answer: Json = {
        "object": "list",
        "model": alias,
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": _in_base64(vector) if as_base64 else vector,
            }
            for index, vector in enumerate(vectors)
        ],
    }
    if with_usage:
        tokens = sum(map(count_tokens, texts))
        answer["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return answer


def _text_of(message: Any) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in cast("list[Json]", content))
    return content if isinstance(content, str) else ""


def _in_base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
