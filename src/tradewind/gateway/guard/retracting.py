"""What tells a client, where text goes out before it was looked at, how far it was looked at and
what it is to take back. Pure.

Azure's asynchronous filter ("Content streaming", learn.microsoft.com): chunks without text whose
`content_filter_offsets` tell what they are about; `check_offset` never decreases. A client that is
to take text back gets one more event, `tradewind.retract`, in a form that those who do not know it
pass over: clients of OpenAI's dialect take every event for a chunk, so it is one without choices;
clients of Messages pass over names they do not know; those of Gemini know no names at all.
"""

from tradewind.gateway.guard.annotations import Results
from tradewind.gateway.guard.words import Members, Own
from tradewind.plugins.providers.base import Dialect

RETRACT = "tradewind.retract"


def retraction(
    dialect: Dialect,
    frame: Members,
    *,
    choice: int,
    from_offset: int,
    sequence: int,
    is_named: bool = True,
) -> Own:
    """Return the event: from that character on, the text of the choice is to be taken back.

    `frame` are the members that chunks of this answer have in common. `is_named` is False for
    clients that take no event with a name: `azure-ai-inference` fails on one.
    """
    told: Members = {"type": RETRACT, "from_offset": from_offset, "index": choice}
    match dialect:
        case Dialect.OPENAI:
            chunk: Members = {"id": "", "object": "", "created": 0, "model": "", **frame}
            return Own({**chunk, "choices": [], **told}, RETRACT if is_named else "")
        case Dialect.RESPONSES:
            return Own({**told, "sequence_number": sequence}, RETRACT)
        case Dialect.MESSAGES:
            return Own(told, RETRACT)
        case Dialect.GEMINI:
            return Own({"candidates": [], "tradewindRetract": {"fromOffset": from_offset}})


def offsets_chunk(
    choice: int, results: Results, *, check: int, start: int, end: int, finish: str | None = None
) -> Own:
    """Return Azure's annotation of text that has gone out: `check` is how far all was looked at."""
    offsets = {"check_offset": check, "start_offset": start, "end_offset": end}
    annotated = {
        "index": choice,
        "finish_reason": finish,
        "delta": {},
        "content_filter_results": results,
        "content_filter_offsets": offsets,
    }
    chunk = {"id": "", "object": "", "created": 0, "model": ""}
    return Own({**chunk, "choices": [annotated], "usage": None})
