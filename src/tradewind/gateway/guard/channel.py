"""One text of an answer while it comes: what was examined of it, what may go, what is rewritten.

Offsets are characters from the start of the channel. `settled` is how far its text was judged for
good; behind it the last characters may still be the start of a finding. `may_go` is how far it may
leave: as far as it is settled, or, where text goes out at once, as far as it came. Neither ever
decreases. What is kept of the text is what lies behind `settled`, and the look-back before it.
"""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from tradewind.gateway.guard.escapes import Unescaped, before_escape, unescaped
from tradewind.gateway.guard.judging import Judged
from tradewind.gateway.guard.placeholders import Placeholders
from tradewind.snapshot.safety import Action

LOOK_BACK = 200
FIRST_WINDOW = 40
WINDOW = 100
MOST_NEW = 8_000
"""Characters behind the look-back that are examined at once."""
MOST_SPAN = 2_048
"""A finding that goes on for longer is redacted in parts, so that no stream waits for its end."""
_NO_LABEL = "REDACTED"


class Edit(NamedTuple):
    """A span that leaves as something else. Only the piece in which it starts carries `text`."""

    start: int
    end: int
    text: str


class Channel:
    """Held back by `hold_back` characters at its end until it is closed."""

    __slots__ = (
        "_asked",
        "_digest",
        "_edits",
        "_hold_back",
        "_is_json",
        "_keeps_edits",
        "_new",
        "_placeholders",
        "_start",
        "_text",
        "_unescaped",
        "characters_at",
        "end",
        "examined",
        "is_closed",
        "is_examined",
        "is_hurried",
        "is_stalled",
        "key",
        "may_go",
        "passes_at_once",
        "returns",
        "settled",
    )

    def __init__(
        self,
        key: tuple[int, int, str],
        placeholders: Placeholders,
        *,
        hold_back: int,
        passes_at_once: bool,
        keeps_edits: bool,
        returns: bool,
        is_examined: bool = True,
    ) -> None:
        """`keeps_edits` is for dialects that say the whole text again at its end. `returns` tells
        whether placeholders are turned back in it. One that is not examined is settled at once.
        """
        self.key = key
        self.end = self.settled = self.may_go = self.examined = 0
        self.is_closed = False
        self.is_stalled = False
        self.is_hurried = False
        """Whether what is there is to be looked at, little as it may be."""
        self.characters_at = 0
        """Of its choice, when its last piece came."""
        self.passes_at_once = passes_at_once
        self.is_examined = is_examined
        self.returns = returns and placeholders.may_return
        self._placeholders = placeholders
        self._hold_back = hold_back
        self._keeps_edits = keeps_edits
        self._edits: list[Edit] = []
        self._start = 0
        self._text = ""
        self._new: list[str] = []
        self._asked = (0, 0)
        self._is_json = key[2].startswith("call")
        self._unescaped: Unescaped | None = None
        self._digest = hashlib.blake2b(digest_size=16) if keeps_edits else None

    # Taking text in.

    def add(self, text: str) -> tuple[int, int]:
        """Return where it stands."""
        start = self.end
        self.end += len(text)
        self._new.append(text)
        if not self.is_examined:
            self.settled = self.end
        self.is_closed = self.is_stalled = False
        if self._digest is not None:
            self._digest.update(text.encode("utf-8", "surrogatepass"))
        if self.passes_at_once:
            if not self.returns or ("<" not in text and self.may_go == start):
                self.may_go = self.end
            else:
                self._let_go(self.end, is_last=False)
        return start, self.end

    def close(self) -> None:
        """Nothing follows, as far as the upstream says."""
        self.is_closed = True
        if self.passes_at_once:
            self._let_go(self.end, is_last=True)

    def stall(self) -> None:
        """Others have gone on without it: its end is not waited for."""
        self.is_stalled = True
        if self.passes_at_once:
            self._let_go(self.end, is_last=True)

    def is_whole(self, text: str) -> bool:
        """Tell whether this is what came so far, said again."""
        assert self._digest is not None
        if len(text) != self.end:
            return False
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16)
        return digest.digest() == self._digest.digest()

    # Examining.

    @property
    def is_settled(self) -> bool:
        return self.settled == self.end

    @property
    def is_due(self) -> bool:
        """Whether there is enough to look at. What is looked at again is at most a few times what
        is new, so the work stays in proportion to the text.
        """
        if self.settled == self.end:
            return False
        if self.is_closed or self.is_stalled:
            return True
        if self.is_hurried:
            return self.end > self.examined
        window = WINDOW if self.examined else FIRST_WINDOW + self._hold_back
        return self.end - self.examined >= max(window, (self.examined - self.settled) // 4)

    def question(self) -> tuple[str, int]:
        """Return the text to examine now, and how much of its start is look-back."""
        self._join()
        start = max(self._start, self.settled - LOOK_BACK)
        end = min(self.end, self.settled + MOST_NEW)
        self._asked = start, end
        text, look_back = self._text[start - self._start : end - self._start], self.settled - start
        meant = self._unescaped = unescaped(text) if self._is_json else None
        return (text, look_back) if meant is None else (meant.text, meant.meant_at(look_back))

    @property
    def asked_at(self) -> int:
        """Where the text of the last question starts."""
        return self._asked[0]

    def answered(self, findings: Sequence[Judged]) -> None:
        """Take what came of `question`: settle what is known by now."""
        start, end = self._asked
        is_last = (self.is_closed or self.is_stalled) and end == self.end
        limit = end if is_last else max(self.settled, end - self._hold_back)
        if self._is_json and not is_last:
            low = self.settled - self._start
            limit = self._start + before_escape(self._text, low, limit - self._start)
        for low, high, label in self._spans(findings, start, end):
            if high > limit and not is_last:
                if end - low < MOST_SPAN:  # it may go on: wait for its end
                    limit = max(self.settled, min(limit, low))
                    break
                limit = max(limit, low)
            self._redact(low, min(high, limit), label)
        self.examined = end
        self.is_hurried = False
        self._settle(limit, is_last=is_last)

    def _spans(
        self, findings: Sequence[Judged], start: int, end: int
    ) -> list[tuple[int, int, str]]:
        """Return what is to be redacted behind `settled`: spans in order, apart from each other."""
        spans: list[tuple[int, int, str]] = []
        for one in findings:
            if one.action is not Action.REDACT:
                continue
            found = one.finding
            low, high = start, end
            if found.end:
                meant = self._unescaped
                low += found.start if meant is None else meant.written_at(found.start)
                high = start + (found.end if meant is None else meant.written_at(found.end))
            low, high = max(low, self.settled), min(high, end)
            if low < high:
                spans.append((low, high, found.label or _NO_LABEL))
        spans.sort(key=lambda span: (span[0], -span[1]))
        apart: list[tuple[int, int, str]] = []
        for low, high, label in spans:
            if apart and low < apart[-1][1]:
                before = apart[-1]
                apart[-1] = before[0], max(high, before[1]), before[2]
            else:
                apart.append((low, high, label))
        return apart

    def _redact(self, low: int, high: int, label: str) -> None:
        if low >= high:
            return
        last = self._edits[-1] if self._edits else None
        goes_on = last is not None and last.end == low == self.settled
        value = self._text[low - self._start : high - self._start]
        text = "" if goes_on else self._placeholders.of_answer(label, value)
        self._edits.append(Edit(low, high, text))

    def _settle(self, limit: int, *, is_last: bool) -> None:
        if not self.passes_at_once:
            limit = self._let_go(limit, is_last=is_last)
            while self._edits and self._edits[-1].start >= limit:
                self._edits.pop()  # not settled after all: it is found again
        self.settled = max(self.settled, limit)
        keep = self.settled - LOOK_BACK
        if self.passes_at_once:
            keep = min(keep, self.may_go)
        if keep > self._start:
            self._text = self._text[keep - self._start :]
            self._start = keep

    # Letting text go.

    def _let_go(self, limit: int, *, is_last: bool) -> int:
        """Let it go up to `limit`, but for a placeholder that may have begun there; return up to
        where.
        """
        if limit <= self.may_go:
            return self.may_go
        if self.returns:
            self._join()
            text, start = self._text, self._start
            at = self._behind_edit(self.may_go)
            if not is_last:
                open_at = self._placeholders.open_end(text, max(0, at - start), limit - start)
                # Never within what is redacted: that would be found anew, in two halves.
                limit = self._behind_edit(min(limit, max(self.may_go, open_at + start)))
            found = self._placeholders.found_in(text, max(0, at - start), limit - start)
            escaped = self._is_json  # within strings of it
            self._merge(
                [
                    Edit(low + start, high + start, _within_json(value) if escaped else value)
                    for low, high, value in found
                ]
            )
        self.may_go = max(self.may_go, limit)
        return self.may_go

    def _behind_edit(self, at: int) -> int:
        """Return `at`, or the end of the edit that reaches over it."""
        for edit in reversed(self._edits):
            if edit.end <= at:
                break
            if edit.start < at:
                return edit.end
        return at

    def _merge(self, returned: list[Edit]) -> None:
        """Put edits of placeholders between those of redactions, which go first."""
        if not returned:
            return
        edits = self._edits
        at = max(0, bisect_right(edits, (returned[0].start,)) - 1)
        redacted = edits[at:]
        kept = [
            edit
            for edit in returned
            if all(edit.end <= other.start or other.end <= edit.start for other in redacted)
        ]
        edits[at:] = sorted([*redacted, *kept])

    def rewritten(self, start: int, end: int, text: str) -> str | None:
        """Return what leaves of the piece `text` that stands there; None where it leaves as it is.

        Pieces are asked for in order, unless edits are kept.
        """
        edits = self._edits
        if not edits:
            return None
        at = max(0, bisect_right(edits, (start,)) - 1)
        parts: list[str] = []
        done = start
        is_changed = False
        for edit in edits[at:] if at else edits:
            if edit.start >= end:
                break
            if edit.end <= start:
                continue
            is_changed = True
            if edit.start >= start:
                parts += [text[done - start : edit.start - start], edit.text]
            done = min(end, edit.end)
        if not self._keeps_edits:
            self._forget(end)
        if not is_changed:
            return None
        return "".join([*parts, text[done - start :]])

    def _forget(self, end: int) -> None:
        edits = self._edits
        gone = 0
        # The last one stays: what goes on behind it is part of it.
        while gone < len(edits) - 1 and edits[gone].end <= end:
            gone += 1
        if gone:
            del edits[:gone]

    def _join(self) -> None:
        if self._new:
            self._text = "".join([self._text, *self._new])
            self._new.clear()


def _within_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
