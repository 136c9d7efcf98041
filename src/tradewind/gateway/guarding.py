"""The policies of one call, around its prompt and its answer.

The prompt is examined while the upstream already works on it, unless it may have to be sent with
placeholders; what comes of an answer is held until the prompt was judged, and from then on goes
through the guard of answers, one examination at a time. What a host says faster than it is looked
at waits in the socket.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

from tradewind.gateway.guard.answer_guard import AnswerGuard
from tradewind.gateway.guard.judging import NOTHING_FOUND, Judgement
from tradewind.gateway.guard.passed_answer import LookedAt, PassedAnswer
from tradewind.gateway.guard.placeholders import Placeholders
from tradewind.gateway.guard.policies import Guard
from tradewind.gateway.guard.prompt_rewriting import RewrittenInbound, values_to_redact
from tradewind.gateway.guard.prompt_text import PromptText, sources_in, texts_of
from tradewind.gateway.guard.refusal import checks_unavailable, prompt_refused
from tradewind.gateway.guard.runner import Examination, Runner
from tradewind.gateway.guard.trail import trail_of
from tradewind.gateway.http.upstream import UpstreamCall
from tradewind.plugins.providers.base import Reader
from tradewind.snapshot.contents import Endpoint, Grant, Operation
from tradewind.snapshot.safety import Action, Direction
from tradewind.usage.event import Flag, SafetyTrail
from tradewind.wire.errors import ApiError

BLOCKED = "content_filter"
"""What the log says of a call of whose answer something was blocked."""
MOST_HELD_BYTES = 256 * 1024
"""Of an answer whose prompt is not judged yet; beyond it the host is not read."""
_HURRY_S = 0.15
"""What a stream has said is looked at after so long, however little it is: a reader notices a
quarter of a second, and a slow model takes longer than that for a window."""
_ANSWERS_WITH_TEXT = frozenset(
    {Operation.CHAT, Operation.COMPLETIONS, Operation.TRANSCRIPTION, Operation.TRANSLATION}
)


class Host(Protocol):
    """Who answers the call at the moment."""

    reader: Reader
    upstream: UpstreamCall | None
    passes_bytes: bool
    """Whether what answers it is no text: sound, an image."""


class GuardedCall(Protocol):
    """The call, as its policies need it."""

    def prompt_passed(self) -> None:
        """The prompt may be sent now. For a call that waits for that."""
        ...

    def prompt_refused(self, error: ApiError) -> None: ...

    def pass_on(self, answer: bytes) -> None:
        """These bytes may go to the client."""
        ...

    def finish(self, rest: bytes) -> None:
        """These are the last bytes of an answer that went well."""
        ...

    def cut_off(self, rest: bytes, error: ApiError | None) -> None:
        """The answer ends here with these bytes, or with the error where it cannot say so."""
        ...

    def stop_with(self, error: ApiError) -> None:
        """Nothing more goes out of this answer: a check could not tell, or it is not what its
        format says.
        """
        ...

    def read_on(self) -> None: ...


class Guarding:
    """One for a call under policies. `inbound` is what is sent of its request."""

    __slots__ = (
        "_answer",
        "_call",
        "_examination",
        "_examined_s",
        "_failures",
        "_grant",
        "_guard",
        "_held",
        "_held_bytes",
        "_host",
        "_hurry",
        "_is_finishing",
        "_is_form",
        "_is_over",
        "_looked_at",
        "_placeholders",
        "_prompt",
        "_rest",
        "_runner",
        "_since",
        "_sources",
        "_text",
        "_waits",
        "inbound",
    )

    def __init__(
        self, runner: Runner, guard: Guard, grant: Grant, inbound: RewrittenInbound
    ) -> None:
        self._runner = runner
        self._guard = guard
        self._grant = grant
        self.inbound = inbound
        self._call: GuardedCall | None = None
        self._host: Host | None = None
        self._prompt: Judgement | None = None
        self._text = PromptText(())
        self._is_form = False
        self._is_over = False
        self._waits = False
        self._placeholders = Placeholders()
        self._examination: Examination | None = None
        self._answer: LookedAt | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._hurry: asyncio.TimerHandle | None = None
        self._looked_at = 0.0
        self._rest = b""
        self._is_finishing = False
        self._failures: tuple[tuple[str, str], ...] = ()
        self._examined_s = 0.0
        self._since = 0.0
        self._sources: tuple[str, ...] = ()

    @property
    def policies(self) -> tuple[tuple[str, int], ...]:
        return self._guard.policies

    @property
    def error_code(self) -> str:
        """What the log says of an answer that went out: whether some of it was blocked."""
        answer = self._answer
        return "" if answer is None or answer.blocked_at is None else BLOCKED

    @property
    def may_be_kept(self) -> bool:
        """Whether the answer may be given again: nothing is missing, and every check could tell."""
        return not (self._failures or self.error_code)

    @property
    def is_full(self) -> bool:
        """Whether so much waits to be looked at that the host should be read no further."""
        answer = self._answer
        return self._held_bytes > MOST_HELD_BYTES or (answer is not None and answer.is_full)

    def begin(self, call: GuardedCall, host: Host, endpoint: Endpoint) -> bool:
        """Have the prompt examined, once; return whether the call has to wait for that before it
        is sent. Raises ApiError for a request that cannot be sent at all.
        """
        if self._call is not None:
            return False
        self._call, self._host = call, host
        guard = self._guard
        if not guard.policies and not guard.missing:  # switched off
            self._prompt = NOTHING_FOUND
            return False
        request = self.inbound.own_form(endpoint)
        self._text, self._is_form = texts_of(request), request.form is not None
        if guard.wants_sources:
            self._sources = sources_in(self._text)
        self._waits = guard.may(Action.REDACT, Direction.PROMPT) or guard.may(
            Action.REDACT, Direction.DOCUMENT
        )
        if self._waits:
            self._since = time.monotonic()
        self._examination = self._runner.examine(
            guard, self._text.contents, self._prompt_judged, self._grant
        )
        return self._waits

    def feed(self, answer: bytes) -> bytes:
        """Take a piece of the answer, return what of all so far may go out. Raises ApiError 502."""
        if self._prompt is None:
            self._hold(answer)
            return b""
        out = self._guarded().feed(answer)
        self._look()
        self._hurry_later()
        self._stop_reading_if_full()
        return out

    def finish(self, rest: bytes) -> None:
        """The host has said all. Raises ApiError 502; the call is told what follows."""
        self._is_finishing, self._rest = True, rest
        if self._prompt is not None:
            self._finish()
        elif not self._since:
            self._since = time.monotonic()

    def cancel(self) -> None:
        """The call has ended: nothing is examined any more."""
        self._is_over = True
        examination, self._examination = self._examination, None
        if examination is not None:
            examination.cancel()
        if self._hurry is not None:
            self._hurry.cancel()

    def trail(self) -> SafetyTrail:
        answer, prompt = self._answer, self._prompt
        flags: list[Sequence[Flag]] = [() if prompt is None else prompt.flags]
        if answer is not None:
            flags.append(answer.flags)
        blocked_at = None if answer is None else answer.blocked_at
        return trail_of(self._guard, flags, self._failures, blocked_at, self._examined_s)

    # What the runner calls.

    def _prompt_judged(self, judgement: Judgement) -> None:
        self._examination = None
        call = self._call
        assert call is not None
        judgement = self._with_unread(judgement)
        self._failures += judgement.failures
        self._prompt = judgement
        self._count_wait()
        is_redacted = judgement.action is Action.REDACT
        # Files stand in a form byte by byte: what cannot be redacted must not go out.
        if judgement.refusal == "policy" or (is_redacted and self._is_form):
            call.prompt_refused(prompt_refused(judgement, self.inbound.surface))
        elif judgement.refusal == "unavailable":
            call.prompt_refused(checks_unavailable(judgement))
        elif self._waits:
            if is_redacted:
                self._redact(judgement)
            self._text = PromptText(())
            call.prompt_passed()
        else:
            self._text = PromptText(())
            self._go_on(call)

    def _answer_judged(self, judgement: Judgement) -> None:
        self._examination = None
        call, answer = self._call, self._answer
        assert call is not None
        assert answer is not None
        self._failures += judgement.failures
        try:
            out = answer.judged(judgement)
        except ApiError as error:
            call.stop_with(error)
            return
        self._look()
        self._go_out(call, answer, out)

    # What follows is private.

    def _with_unread(self, judgement: Judgement) -> Judgement:
        """Return what is judged of a prompt of which a part could not be read."""
        why = self._text.unread
        uses = self._guard.uses[Direction.PROMPT]
        if not why or not uses:
            return judgement
        refusal = judgement.refusal
        if refusal is None and not all(use.fails_open for use in uses):
            refusal = "unavailable"
        return Judgement(
            judgement.action,
            judgement.flags,
            judgement.findings,
            (*judgement.failures, ("prompt", why)),
            refusal,
        )

    def _redact(self, judgement: Judgement) -> None:
        of_prompt = self._placeholders.of_prompt
        values = values_to_redact(judgement, self._text.contents)
        self.inbound.replace({value: of_prompt(label, value) for label, value in values})

    def _go_on(self, call: GuardedCall) -> None:
        """The prompt passed: what was held of the answer goes on."""
        held = b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        try:
            if held and (out := self.feed(held)):
                call.pass_on(out)  # which may end it: its budget may be spent
            if self._is_finishing and not self._is_over:
                self._finish()
                return
        except ApiError as error:
            call.stop_with(error)
            return
        if not self.is_full:
            call.read_on()

    def _finish(self) -> None:
        call, answer = self._call, self._guarded()
        assert call is not None
        rest, self._rest = self._rest, b""
        out = answer.finish(rest)
        self._look()
        if answer.is_waiting:
            self._since = time.monotonic()
        self._go_out(call, answer, out)

    def _go_out(self, call: GuardedCall, answer: LookedAt, out: bytes) -> None:
        """Tell the call how the answer stands; `out` may go to the client."""
        if answer.is_blocked:
            self._count_wait()
            call.cut_off(out, answer.error)
        elif answer.error is not None:
            self._count_wait()
            call.stop_with(answer.error)
        elif self._is_finishing and not answer.is_waiting:
            self._count_wait()
            if answer.final is not None:
                self.inbound.told(answer)
            call.finish(out)
        else:
            if out:
                call.pass_on(out)
            if not self.is_full:
                call.read_on()

    def _guarded(self) -> LookedAt:
        answer = self._answer
        if answer is None:
            prompt, host, inbound = self._prompt, self._host, self.inbound
            assert prompt is not None
            assert host is not None
            if (
                self._guard.policies
                and inbound.operation in _ANSWERS_WITH_TEXT
                and not host.passes_bytes
            ):
                answer = AnswerGuard(
                    inbound.surface,
                    inbound.dialect,
                    self._guard,
                    prompt,
                    is_stream=inbound.is_stream,
                    operation=inbound.operation,
                    choices=inbound.choices,
                    placeholders=self._placeholders,
                    tokens=lambda: host.reader.counts,
                )
            else:
                answer = PassedAnswer()
            self._answer = answer
        return answer

    def _look(self) -> None:
        """Have the next piece of the answer examined, if one is due and none is under way."""
        if self._examination is None and self._answer is not None:
            content = self._answer.next_content()
            if content is not None:
                if self._sources:
                    content = content._replace(sources=self._sources)
                self._looked_at = time.monotonic()
                self._examination = self._runner.examine(
                    self._guard, (content,), self._answer_judged, self._grant
                )

    def _hurry_later(self) -> None:
        if self._hurry is None and isinstance(self._answer, AnswerGuard) and self.inbound.is_stream:
            loop = asyncio.get_running_loop()
            self._hurry = loop.call_later(_HURRY_S, self._hurry_now)

    def _hurry_now(self) -> None:
        self._hurry = None
        answer = self._answer
        if answer is None or self._is_finishing:
            return
        since_s = time.monotonic() - self._looked_at
        if since_s < _HURRY_S:
            loop = asyncio.get_running_loop()
            self._hurry = loop.call_later(_HURRY_S - since_s + 0.001, self._hurry_now)
            return
        answer.hurry()
        self._look()

    def _hold(self, answer: bytes) -> None:
        if not self._since:
            self._since = time.monotonic()
        self._held.append(answer)
        self._held_bytes += len(answer)
        self._stop_reading_if_full()

    def _stop_reading_if_full(self) -> None:
        if self.is_full and self._host is not None and self._host.upstream is not None:
            self._host.upstream.pause()

    def _count_wait(self) -> None:
        if self._since:
            self._examined_s += time.monotonic() - self._since
            self._since = 0.0
