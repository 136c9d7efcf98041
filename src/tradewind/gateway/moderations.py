"""`POST /v1/moderations`: by a model where one is called, else by our own checks.

The answer has all of OpenAI's categories, so that its clients can read it. Four of them are what
our checks look for; the others are always false with a score of 0, and their
`category_applied_input_types` says that nothing was looked at. Format: platform.openai.com, API
reference, "Moderations".
"""

from typing import Any

from tradewind.core.ids import uuid7_bytes
from tradewind.gateway.content_safety import LIKELY, evidence, guard_for
from tradewind.gateway.content_safety_call import SAFETY_MODEL, SafetyCall
from tradewind.gateway.dialects import operations
from tradewind.gateway.dialects.surfaces import OPENAI
from tradewind.gateway.guard.judging import Judgement
from tradewind.gateway.handle import handle
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.names import find_endpoint
from tradewind.gateway.state import GatewayState
from tradewind.plugins.checks.base import Content
from tradewind.snapshot.contents import Grant
from tradewind.snapshot.safety import CheckUse, Direction
from tradewind.wire.chat import encode
from tradewind.wire.errors import ApiError
from tradewind.wire.moderations import CATEGORIES, DEFAULT_MODEL, decode_request, texts_of

OWN_NAMES = frozenset({SAFETY_MODEL, DEFAULT_MODEL, "text-moderation-latest"})
"""What means our own checks where no endpoint has the name."""
_CHECKS = (CheckUse("harms", frozenset({Direction.PROMPT}), deadline_ms=5_000),)


def moderate(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:  # noqa: ARG001
    """Raises ApiError for what is refused at once."""
    request = exchange.request
    asked = decode_request(request.body)
    if asked.model not in OWN_NAMES or _is_endpoint(state, grant, asked.model):
        content_type = request.headers.get(b"content-type", b"")
        handle(state, exchange, grant, operations.moderation(request.body, content_type))
        return
    inputs = texts_of(asked)
    contents = [Content(text, Direction.PROMPT) for text in inputs]

    def write(judgement: Judgement) -> bytes:
        return encode(
            {
                "id": "modr-" + uuid7_bytes().hex(),
                "model": SAFETY_MODEL,
                "results": [_result(judgement, place) for place in range(len(inputs))],
            }
        )

    SafetyCall(
        state,
        exchange,
        grant,
        OPENAI,
        guard=guard_for(state, _CHECKS),
        contents=contents,
        write=write,
        model=asked.model,
    ).start()


def _is_endpoint(state: GatewayState, grant: Grant, name: str) -> bool:
    """Say whether the name leads to an endpoint, if only to one that refuses this key."""
    try:
        find_endpoint(state.view, grant, name)
    except ApiError as error:
        return error.status != 404
    return True


def _result(judgement: Judgement, place: int) -> dict[str, Any]:
    findings = [judged for judged in judgement.findings if judged.content == place]
    severities: dict[str, int] = {}
    scores: dict[str, float] = {}
    for judged in findings:
        found = judged.finding
        severities[found.category] = max(severities.get(found.category, 0), found.severity)
        scores[found.category] = max(scores.get(found.category, 0.0), found.score)
    flags = {
        name: ours is not None and severities.get(ours, 0) >= LIKELY
        for name, ours in CATEGORIES.items()
    }
    return {
        "flagged": any(flags.values()),
        "categories": flags,
        "category_scores": {
            name: 0.0 if ours is None else scores.get(ours, 0.0)
            for name, ours in CATEGORIES.items()
        },
        "category_applied_input_types": {
            name: [] if ours is None else ["text"] for name, ours in CATEGORIES.items()
        },
        "tradewind_safety": evidence(findings),
    }
