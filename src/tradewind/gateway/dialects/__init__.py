"""The dialects that clients speak: bytes of theirs to a request, an answer back to bytes of theirs.

An *inbound* is one parsed request in its client's dialect. The gateway's common form is the OpenAI
v1 body, which every provider takes: an inbound translates itself to it once, and only when the
chosen provider does not speak the client's dialect itself. The answer then comes back in the common
form and a *writer* turns it into the client's. A *surface* is how errors look on a family of paths.

Pure: no socket, no clock but the time of creation, no snapshot. What a dialect cannot say in the
common form is refused with 400 that names the field; tuning knobs that change no meaning may be
left out. A writer is a state machine that cannot emit its events in an order its clients do not
know.
"""
