"""What came of an answer and may not go out yet, in the order in which it came. Pure.

Events leave in their order, so one whose text waits for its verdict holds back all behind it. Which
text is looked at next is said by its channel: it has enough that is new, or it has ended, or others
of its choice have gone on without it.

Work: each frame is put in and taken out once; each character is looked at a bounded number of
times, as `Channel.is_due` says.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from tradewind.gateway.guard.answer_events import Frame
from tradewind.gateway.guard.answer_text import Key, Piece, Said
from tradewind.gateway.guard.channel import FIRST_WINDOW, Channel
from tradewind.gateway.guard.judging import Judged
from tradewind.plugins.providers.dialects.openai import MOST_ANSWER_BYTES
from tradewind.plugins.providers.dialects.refusals import broken_answer

FULL = 256 * 1024
"""Bytes held from which on an upstream had better wait."""
_MOST_CHANNELS = 8_192


class Span(NamedTuple):
    """Where a piece stands in its channel."""

    channel: Channel
    start: int
    end: int


class Held:
    """One frame that came."""

    __slots__ = (
        "choices",
        "ended",
        "event",
        "frame",
        "is_changed",
        "is_last",
        "is_plain",
        "pieces",
        "spans",
        "spans_gone",
    )

    def __init__(self, frame: Frame, event: dict[str, Any] | None, said: Said | None) -> None:
        self.frame = frame
        self.event = event
        """Its object; None where it has none."""
        self.pieces: list[Piece] = said.pieces if said is not None else []
        self.spans: list[Span | None] = []
        """Of each piece; None of one that says nothing of its own."""
        self.spans_gone = 0
        """How many spans, from the first on, wait for nothing any more."""
        self.choices = said.choices if said is not None else ()
        self.ended = said.ended if said is not None else ()
        self.is_last = False
        """Whether it waits until all that came is settled."""
        self.is_changed = False
        self.is_plain = False
        """Whether it is no JSON but a text, which stands for one here."""


class _Choice:
    """One of the answers of a call."""

    __slots__ = ("channels", "characters", "unsettled")

    def __init__(self) -> None:
        self.channels: dict[int, list[Channel]] = {}
        """By place."""
        self.unsettled: dict[Channel, None] = {}
        """Those that wait for a verdict, the one first that got nothing new for longest."""
        self.characters = 0


class HeldStream:
    """All of one answer."""

    __slots__ = (
        "_asked",
        "_channels",
        "_choices",
        "_due",
        "_make",
        "_queue",
        "blocked",
        "characters",
        "held_bytes",
    )

    def __init__(self, make: Callable[[Key], Channel]) -> None:
        self._make = make
        self._choices: dict[int, _Choice] = {}
        self._channels: dict[Key, Channel] = {}
        self._queue: deque[Held] = deque()
        self._due: dict[Channel, None] = {}
        self._asked: Channel | None = None
        self.blocked: set[int] = set()
        """Choices of which nothing more goes out."""
        self.characters = 0
        self.held_bytes = 0

    # What came.

    def take(self, held: Held, said: Said | None) -> None:
        """Put a frame at the end. Raises ApiError 502 when more is held than an answer may be."""
        self.held_bytes += len(held.frame.raw)
        if self.held_bytes > MOST_ANSWER_BYTES:
            raise broken_answer()
        self._queue.append(held)
        if said is None:
            return
        for piece in said.pieces:
            held.spans.append(self._place(piece))
        for choice, place in said.closed:
            self._close(choice, place)

    def finish(self) -> None:
        """Nothing more comes."""
        for choice in self._choices:
            self._close(choice, None)

    def hurry(self) -> None:
        """Have looked at what is there, little as it may be."""
        for channel in self._unsettled():
            channel.is_hurried = True
            self._look_at(channel)

    @property
    def is_settled(self) -> bool:
        return not any(choice.unsettled for choice in self._choices.values())

    # What is to be looked at.

    def question(self) -> tuple[str, int, Channel] | None:
        """Return the text to examine next and how much of its start is look-back; None while
        another one is being examined, and when nothing is due.
        """
        if self._asked is not None:
            return None
        if not self._due and self.held_bytes > FULL:
            # Waiting for more would be waiting for ever: the upstream waits for us.
            for channel in self._unsettled():
                channel.stall()
                self._look_at(channel)
        if not self._due:
            return None
        channel = next(iter(self._due))
        del self._due[channel]
        self._asked = channel
        return *channel.question(), channel

    @property
    def is_asking(self) -> bool:
        return self._asked is not None

    def answered(self, findings: Sequence[Judged]) -> None:
        """Take what came of the last question."""
        channel, self._asked = self._asked, None
        assert channel is not None, "a verdict nobody asked for"
        if channel.key[0] in self.blocked:
            return
        channel.answered(findings)
        self._look_at(channel)

    def drop_answer(self) -> None:
        """The last question was answered, and what came of it is of no use."""
        self._asked = None

    # What goes out.

    def ready(self) -> Iterable[Held]:
        """Yield the frames that may go out now; each is gone from here."""
        queue = self._queue
        while queue and self._may_go(queue[0]):
            held = queue.popleft()
            self.held_bytes -= len(held.frame.raw)
            yield held

    def block(self, choice: int, without: Callable[[Held], bool] | None) -> None:
        """Nothing more of a choice goes out. `without` takes the blocked choices out of a frame and
        tells whether anything is left; None leaves the frames as they are.
        """
        self.blocked.add(choice)
        known = self._choices.get(choice)
        if known is not None:
            for channel in known.unsettled:
                self._due.pop(channel, None)
            known.unsettled.clear()
        if without is not None:
            kept = [held for held in self._queue if without(held)]
            self._queue = deque(kept)
            self.held_bytes = sum(len(held.frame.raw) for held in kept)

    def clear(self) -> None:
        self._queue.clear()
        self._due.clear()
        self._choices.clear()
        self._channels.clear()
        self._asked = None
        self.held_bytes = 0

    # What follows is private.

    def _may_go(self, held: Held) -> bool:
        blocked = self.blocked
        spans = held.spans
        while held.spans_gone < len(spans):
            span = spans[held.spans_gone]
            if (
                span is not None
                and span.channel.may_go < span.end
                and span.channel.key[0] not in blocked
            ):
                return False
            held.spans_gone += 1
        for index in held.ended:
            choice = self._choices.get(index)
            if choice is not None and choice.unsettled:
                return False
        return not held.is_last or self.is_settled

    def _unsettled(self) -> list[Channel]:
        return [channel for choice in self._choices.values() for channel in choice.unsettled]

    def _place(self, piece: Piece) -> Span | None:
        if not piece.text or piece.key[0] in self.blocked:
            return None
        key = piece.key
        if piece.is_repeat:
            for known_key in (key, (key[0], key[1], f"{key[2]}, said otherwise")):
                channel = self._channels.get(known_key)
                if channel is not None and channel.end and channel.is_whole(piece.text):
                    return Span(channel, 0, channel.end)
            # It says something else than what came before: that is a text like any other.
            if key in self._channels:
                key = key[0], key[1], f"{key[2]}, said otherwise"
        channel = self._channel(key)
        choice = self._choices[channel.key[0]]
        choice.characters += len(piece.text)
        self.characters += len(piece.text)
        channel.characters_at = choice.characters
        span = Span(channel, *channel.add(piece.text))
        choice.unsettled.pop(channel, None)
        choice.unsettled[channel] = None
        self._look_at(channel)
        oldest = next(iter(choice.unsettled), channel)
        if choice.characters - oldest.characters_at >= FIRST_WINDOW and not oldest.is_stalled:
            oldest.stall()
            self._look_at(oldest)
        return span

    def _channel(self, key: Key) -> Channel:
        channel = self._channels.get(key)
        if channel is not None:
            return channel
        if len(self._channels) >= _MOST_CHANNELS:
            raise broken_answer()
        channel = self._channels[key] = self._make(key)
        choice = self._choices.setdefault(key[0], _Choice())
        choice.channels.setdefault(key[1], []).append(channel)
        return channel

    def _close(self, index: int, place: int | None) -> None:
        choice = self._choices.get(index)
        if choice is None:
            return
        channels = list(choice.unsettled) if place is None else choice.channels.get(place, ())
        for channel in channels:
            if not channel.is_closed:
                channel.close()
                self._look_at(channel)

    def _look_at(self, channel: Channel) -> None:
        """See where a channel stands, after anything happened to it."""
        if channel.is_settled and channel.may_go == channel.end:
            self._due.pop(channel, None)
            choice = self._choices.get(channel.key[0])
            if choice is not None:
                choice.unsettled.pop(channel, None)
        elif channel is not self._asked and channel.is_due:
            self._due[channel] = None
