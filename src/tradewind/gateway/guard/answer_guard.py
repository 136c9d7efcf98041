"""An answer on its way through the policies of its call. Pure and synchronous.

Whoever carries the call (`gateway.call`) does this, for an answer with status 200, behind the
reader that makes the client's dialect of it:

    guard = AnswerGuard(surface, dialect, policies, judgement_of_the_prompt, is_stream=…)

    each piece of the answer      send(guard.feed(data)); ask()
    its end                       send(guard.finish(rest)); ask()
    ask()                         while the guard has one: content = guard.next_content();
                                  have it examined; when that is judged:
                                  send(guard.judged(judgement)); ask()

`feed`, `finish` and `judged` return what the client gets now, which may be nothing. After any of
them, in this order:

- `error` is set: nothing more goes out of this answer; end the call with that error as any other
  (by its status while nothing has gone out, by the surface's failure events behind that).
- `is_blocked`: what was returned is the end of the answer, with the dialect's last event. Stop the
  upstream; the answer is complete for the client, and what was generated is billed. Status 200,
  error code `content_filter`.
- `is_full`: more is held back than is good; let the upstream wait until this is False again.
- after `finish`, `is_waiting`: the end waits for verdicts. Once it is False, what was returned last
  is the answer's last bytes: of a whole answer its body.

At most one content is out for examination at a time; it is examined while the answer goes on.
`blocked_at` is set as soon as anything was blocked: one choice of several may be while the others
go on, as each of them is an answer that was asked for and paid for, and what is wrong with one says
nothing about another. The call ends once all of them are blocked.

A guard never waits for time. `hurry` has what is there looked at, however little it is: for a
stream in which nothing has come for a while.
"""

from collections.abc import Iterable
from typing import Any

from tradewind.gateway.dialects.surfaces import Surface
from tradewind.gateway.guard.annotations import filter_results, prompt_results
from tradewind.gateway.guard.answer_events import Frame, read, written
from tradewind.gateway.guard.answer_forms import AnswerForm, form_of
from tradewind.gateway.guard.answer_text import Key, Said
from tradewind.gateway.guard.channel import Channel
from tradewind.gateway.guard.found import FoundInAnswer
from tradewind.gateway.guard.held_stream import FULL, Held, HeldStream
from tradewind.gateway.guard.hold_back import hold_back_of
from tradewind.gateway.guard.judging import NOTHING_FOUND, Judgement
from tradewind.gateway.guard.placeholders import Placeholders
from tradewind.gateway.guard.policies import Guard
from tradewind.gateway.guard.refusal import answer_refused, checks_unavailable
from tradewind.gateway.guard.retracting import offsets_chunk, retraction
from tradewind.gateway.guard.rewriting import rewrite
from tradewind.gateway.guard.words import ChatWords, Own, Tokens
from tradewind.gateway.guard.words_of_responses import ResponsesWords
from tradewind.plugins.checks.base import Content
from tradewind.plugins.providers.base import NOTHING_TOLD, Dialect
from tradewind.snapshot.contents import Operation
from tradewind.snapshot.safety import Action, Direction, Streaming
from tradewind.usage.event import Flag
from tradewind.wire.errors import ApiError
from tradewind.wire.sse import data_of

_COMPLETION = Direction.COMPLETION
_PINGS = (b'{"type":"ping"}', b'{"type": "ping"}')


class AnswerGuard:
    """One answer's. See the module for how it is used."""

    def __init__(
        self,
        surface: Surface,
        dialect: Dialect,
        guard: Guard,
        prompt: Judgement = NOTHING_FOUND,
        *,
        is_stream: bool,
        operation: Operation = Operation.CHAT,
        choices: int = 1,
        placeholders: Placeholders | None = None,
        tokens: Tokens = lambda: NOTHING_TOLD,
    ) -> None:
        """`placeholders` are those the prompt was redacted with; `tokens` tells what the upstream
        has said of tokens, for dialects that tell it at the end.
        """
        self._surface = surface
        self._dialect = dialect
        self._guard = guard
        self._prompt = prompt
        self._is_stream = is_stream
        self._choice_count = max(1, choices)
        self._placeholders = Placeholders() if placeholders is None else placeholders
        form = form_of(surface, dialect, operation, tokens, is_stream=is_stream)
        self._form: AnswerForm = form
        self._framing, self._words = form.framing, form.words
        self._examines = bool(guard.uses.get(_COMPLETION)) or bool(guard.missing)
        self._is_asynchronous = (
            is_stream
            and guard.streaming is Streaming.ASYNCHRONOUS
            # What has gone out cannot be redacted any more.
            and not guard.may(Action.REDACT, _COMPLETION)
        )
        self._hold_back = hold_back_of(guard) if is_stream else 0
        self._stream = HeldStream(self._channel)
        self._found = FoundInAnswer(guard.policies, prompt)
        self._asked: tuple[Channel, int] | None = None
        self._tells_prompt = bool(prompt.flags or prompt.failures) and form.words.tells_prompt
        self._sent = 0
        self._last_written = b""
        self._is_finished = False
        self.error: ApiError | None = None
        """Why the call is to fail; None while it need not."""
        self.is_blocked = False
        """Whether the answer ended because all of it was blocked."""
        self.blocked_at: int | None = None
        """Characters that had gone out when anything was first blocked."""
        self.is_changed = False
        """Whether anything the model said left as something else, or not at all."""

    # What comes.

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the answer in the client's dialect. Raises ApiError 502 for an answer that
        is too large to be held.
        """
        if self._is_over or not data:
            return b""
        out: list[bytes] = []
        for frame in self._framing.feed(data):
            if self._stream.held_bytes and (alive := _sign_of_life(frame)):
                out.append(alive)
                continue
            self._take(frame, is_last=False)
            out += map(self._write, self._stream.ready())
        return b"".join(out)

    def finish(self, rest: bytes) -> bytes:
        """Take the last bytes: of a whole answer, its body. Raises as `feed`."""
        if self._is_over:
            return b""
        self._is_finished = True
        frames = self._framing.feed(rest) if rest else []
        for frame in [*frames, *self._framing.finish()]:
            self._take(frame, is_last=True)
        self._stream.finish()
        return self._out()

    def hurry(self) -> None:
        """Nothing came for a while: look at what there is."""
        if not self._is_over:
            self._stream.hurry()

    # What is to be examined.

    def next_content(self) -> Content | None:
        """Return what is to be examined now; None when nothing is, or one is being examined."""
        if self._is_over:
            return None
        question = self._stream.question()
        if question is None:
            return None
        text, look_back, channel = question
        self._asked = channel, channel.asked_at
        return Content(_whole_characters(text), _COMPLETION, look_back)

    def judged(self, judgement: Judgement) -> bytes:
        """Take what came of the last content. What comes after the end of the answer is of no use,
        and does no harm.
        """
        if self._is_over or self._asked is None:
            return b""
        (channel, offset), self._asked = self._asked, None
        index = channel.key[0]
        self._found.note(channel.key, offset, judgement)
        if judgement.refusal == "unavailable":
            self._end()
            self.error = checks_unavailable(judgement)
            return b""
        if judgement.refusal == "policy" or judgement.action is Action.BLOCK:
            self._stream.drop_answer()
            return self._block(index, channel, judgement)
        before = channel.settled
        self._stream.answered(judgement.findings)
        annotation = b""
        if self._is_asynchronous and self._is_azure and channel.settled > before:
            results = filter_results(judgement.flags, judgement.findings, judgement.failures)
            own = offsets_chunk(
                index, results, check=channel.settled, start=before, end=channel.examined
            )
            annotation = self._own([own])
        return annotation + self._out()

    # How it stands.

    @property
    def is_waiting(self) -> bool:
        """Whether the upstream has ended and the end of the answer waits for a verdict."""
        return self._is_finished and not self._is_over and not self._stream.is_settled

    @property
    def is_full(self) -> bool:
        return self._stream.held_bytes > FULL

    @property
    def flags(self) -> tuple[Flag, ...]:
        """The gravest of each category, of all choices. Nothing of the prompt's."""
        return self._found.flags

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """Checks that could not tell, and why."""
        return self._found.failures

    @property
    def characters(self) -> int:
        """How many characters of the answer came, whatever they were part of."""
        return self._stream.characters

    @property
    def final(self) -> bytes | None:
        """A Responses object as the client got it, once it did: what is stored has to be that."""
        words = self._words
        if not isinstance(words, ResponsesWords) or words.final is None:
            return None
        return written(words.final)

    def unstored(self, last: bytes) -> bytes:
        """Return the end of a Responses answer again, saying that it could not be stored."""
        words = self._words
        if not isinstance(words, ResponsesWords) or words.final is None:
            return last
        former = self._last_written
        words.final["store"] = False
        if not self._is_stream:
            return written(words.final)
        event = {**(read(data_of(former)) or {}), "response": words.final}
        again = self._own([Own(event, str(event.get("type", "")))])
        self._last_written = again
        return last.removesuffix(former) + again

    # What follows is private.

    @property
    def _is_over(self) -> bool:
        return self.is_blocked or self.error is not None

    @property
    def _is_azure(self) -> bool:
        return self._surface.name == "azure_openai" and self._dialect is Dialect.OPENAI

    def _channel(self, key: Key) -> Channel:
        return Channel(
            key,
            self._placeholders,
            hold_back=self._hold_back,
            passes_at_once=self._is_asynchronous or not self._examines,
            keeps_edits=self._form.repeats,
            # What signs a thought signs its text; it is never shown to the model as another one.
            returns=key[2] != "thinking",
            is_examined=self._examines,
        )

    def _take(self, frame: Frame, *, is_last: bool) -> None:
        event = read(frame.data)
        said: Said | None = None
        is_plain = event is None and self._form.takes_plain_text and bool(frame.data)
        if is_plain:
            event = {"text": frame.data.decode("utf-8", "replace")}
        if event is not None:
            self._words.came(event)
            said = self._form.said(event)
        held = Held(frame, event, said)
        held.is_last, held.is_plain = is_last, is_plain
        if self._is_stream and self._stream.blocked and not self._without_blocked(held):
            return
        if said is not None and held.is_changed and event is not None:
            said = self._form.said(event)
            held.pieces, held.choices, held.ended = said.pieces, said.choices, said.ended
        self._stream.take(held, said)

    def _without_blocked(self, held: Held) -> bool:
        """Take blocked choices out of a frame; return whether anything is left of it."""
        blocked = self._stream.blocked
        if held.event is None or not blocked.intersection(held.choices):
            return True
        held.is_changed = True
        if not self._words.without(held.event, blocked):
            return False
        kept = [
            (piece, span)
            for piece, span in zip(held.pieces, held.spans, strict=False)
            if piece.key[0] not in blocked
        ]
        held.pieces = [piece for piece, _ in kept]
        held.spans = [span for _, span in kept]
        held.spans_gone = 0
        held.ended = tuple(index for index in held.ended if index not in blocked)
        return True

    # Blocking.

    def _block(self, index: int, channel: Channel, judgement: Judgement) -> bytes:
        self.is_changed = True
        stream = self._stream
        if self.blocked_at is None:
            self.blocked_at = self._sent
        if not self._words.can_cut:
            self._end()
            self.is_blocked = True
            self.error = answer_refused(judgement, self._surface)
            return b""
        if not self._is_stream:
            stream.block(index, None)
            return self._out()
        came = stream.characters
        own: list[Own] = []
        if self._is_asynchronous:
            own.append(self._retraction(index, channel))
            if self._is_azure:
                own.append(self._offsets_of_block(index, channel, judgement))
        stream.block(index, self._without_blocked)
        is_over = len(stream.blocked) >= self._choice_count
        ending = self._words.cut(index, self._found.told(index), came)
        if self._tells_prompt and not self._is_azure:
            self._annotates_prompt(ending[-1].data)
        own += ending
        out = self._prompt_chunk() + self._own(own)
        self._last_written = self._own(own[-1:]) if self._dialect is Dialect.RESPONSES else b""
        if not is_over:
            return out + self._out()
        self._end()
        self.is_blocked = True
        return out + self._framing.end()

    def _retraction(self, index: int, channel: Channel) -> Own:
        words = self._words
        return retraction(
            self._dialect,
            words.frame() if isinstance(words, ChatWords) else {},
            choice=index,
            from_offset=channel.settled,
            sequence=words.next_sequence() if isinstance(words, ResponsesWords) else 0,
            is_named=self._surface.name != "azure_inference",
        )

    def _offsets_of_block(self, index: int, channel: Channel, judgement: Judgement) -> Own:
        results = filter_results(judgement.flags, judgement.findings, judgement.failures)
        at = channel.settled
        return offsets_chunk(index, results, check=at, start=at, end=channel.end)

    def _end(self) -> None:
        self._stream.clear()
        self._asked = None

    # What goes out.

    def _out(self) -> bytes:
        return b"".join([self._write(held) for held in self._stream.ready()])

    def _write(self, held: Held) -> bytes:
        event = held.event
        if event is None:
            return self._framing.write(held.frame)
        is_changed = held.is_changed
        if rewrite(held):
            self.is_changed = is_changed = True
        start = b""
        if self._tells_prompt:
            start = self._prompt_chunk()
            is_changed |= self._annotates_prompt(event)
        for index in held.ended:
            if index in self._stream.blocked:
                self._words.empty(event, index, self._found.told(index))
                is_changed = True
            elif self._examines:
                is_changed |= self._words.annotate(event, index, self._found.told(index))
        self._words.goes(event)
        self._sent += sum(len(piece.text) for piece in held.pieces if not piece.is_repeat)
        if not is_changed:
            out = self._framing.write(held.frame)
        elif held.is_plain:
            out = str(event["text"]).encode("utf-8", "replace")
        else:
            out = self._framing.changed(held.frame, written(event))
        if held.ended:
            self._last_written = out
        return start + out

    def _annotates_prompt(self, event: dict[str, Any]) -> bool:
        """Tell of the prompt in the first event that can."""
        if not self._tells_prompt or not self._words.has_choice(event):
            return False
        self._tells_prompt = False
        told = self._found.told_of_prompt()
        return self._words.annotate_prompt(event, prompt_results(self._prompt), told)

    def _prompt_chunk(self) -> bytes:
        """Return Azure's first chunk, once: clients elsewhere look for a choice in every chunk."""
        if not (self._tells_prompt and self._is_stream and self._is_azure):
            return b""
        self._tells_prompt = False
        chunk = {
            "id": "",
            "object": "",
            "created": 0,
            "model": "",
            "prompt_filter_results": prompt_results(self._prompt),
            "choices": [],
            "usage": None,
        }
        return self._own([Own(chunk)])

    def _own(self, own: Iterable[Own]) -> bytes:
        return b"".join([self._framing.own(written(each.data), each.name) for each in own])


def _sign_of_life(frame: Frame) -> bytes:
    """Return what a host says only so that nobody takes it for dead: a client is to hear that while
    text is held back, too. What stands in a comment stays here.
    """
    if frame.raw.startswith(b":") and not frame.data:
        return b":\n\n"
    return frame.raw if frame.data in _PINGS else b""


def _whole_characters(text: str) -> str:
    """Return the text without halves of surrogate pairs, which no check can encode; as long."""
    if text.isascii():
        return text
    return "".join(["\ufffd" if "\ud800" <= each <= "\udfff" else each for each in text])
