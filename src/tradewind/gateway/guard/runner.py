"""Has checks examine texts: local ones in one thread, remote ones and safety models as calls.

The thread goes round: every examination in it gets a piece of a few thousand characters at a time,
so that a long prompt does not hold up the short ones behind it. What is late, breaks or answers
nonsense is a failure of that check alone; the examination ends when every check has told or failed,
at the latest when their deadlines are over.
"""

import asyncio
import contextlib
import functools
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, cast

from tradewind.gateway.guard.check_data import CheckData
from tradewind.gateway.guard.judging import NOTHING_FOUND, Failure, Judgement, judge
from tradewind.gateway.guard.pieces import batches_of, verdict_of_pieces
from tradewind.gateway.guard.policies import Guard, Use
from tradewind.gateway.guard.verdict_memory import VerdictMemory
from tradewind.plugins.checks.base import AnyCheck, CheckFailed, Content, LocalCheck, Verdict
from tradewind.snapshot.contents import Grant
from tradewind.snapshot.safety import Direction

MOST_WAITING = 512
"""Examinations in the thread at once."""
MOST_WAITING_CHARACTERS = 16_000_000
_CHARACTERS_OF_DEADLINE = 8192
"""A deadline is for so much text; more text has proportionally more time."""
_GRAVEST = 7
_log = logging.getLogger(__name__)

Done = Callable[[Judgement], None]
Told = Callable[["list[Verdict] | str"], None]
"""Gets a verdict for each content, or why there is none."""


class Cancellable(Protocol):
    def cancel(self) -> None: ...


class AskedCheck(Protocol):
    """Who runs checks that are calls: remote ones, or safety models."""

    def ask(
        self, use: Use, contents: Sequence[Content], grant: Grant | None, told: Told
    ) -> Cancellable | None:
        """Ask; `told` is called once, unless what is returned is cancelled. May call it at once."""
        ...


class Examination:
    """One run of a guard's checks over contents."""

    __slots__ = (
        "_asked",
        "_contents",
        "_done",
        "_failures",
        "_guard",
        "_left",
        "_timers",
        "_verdicts",
        "is_over",
    )

    def __init__(self, guard: Guard, contents: Sequence[Content], done: Done) -> None:
        self._guard = guard
        self._contents = contents
        self._done = done
        self._left: set[Use] = set()
        self._verdicts: list[Sequence[Verdict]] = []
        self._failures: list[Failure] = []
        self._timers: list[asyncio.TimerHandle] = []
        self._asked: list[Cancellable] = []
        self.is_over = False
        """Also read in the thread, which then goes on to something else."""

    def cancel(self) -> None:
        """Nobody waits any more; `done` is not called."""
        self._end()

    def is_waiting_for(self, use: Use) -> bool:
        return use in self._left

    def expect(self, use: Use, late: asyncio.TimerHandle) -> None:
        self._left.add(use)
        self._timers.append(late)

    def keep(self, asked: Cancellable | None) -> None:
        if asked is not None:
            self._asked.append(asked)

    def told(self, use: Use, indexes: Sequence[int], verdicts: "Sequence[Verdict] | str") -> None:
        """A check has told, or a text says why not. What comes later than that is nothing."""
        if use not in self._left:
            return
        self._left.discard(use)
        if isinstance(verdicts, str):
            self._failures.append(Failure(use, verdicts))
        elif len(verdicts) != len(indexes) or not all(map(_is_sound, verdicts)):
            self._failures.append(Failure(use, "garbage"))
        else:
            # One for each of all contents: those of another direction it was not asked about.
            nothing = Verdict(use.name, "")
            placed = [nothing] * len(self._contents)
            for index, verdict in zip(indexes, verdicts, strict=True):
                placed[index] = verdict
            self._verdicts.append(placed)
        if not self._left:
            judgement = judge(self._guard, self._contents, self._verdicts, self._failures)
            done = self._done
            self._end()
            done(judgement)

    def _end(self) -> None:
        self.is_over = True
        self._left.clear()
        for timer in self._timers:
            timer.cancel()
        for asked in self._asked:
            asked.cancel()
        self._timers.clear()
        self._asked.clear()


class _Job:
    """One check over the contents of one examination, in the thread."""

    __slots__ = ("contents", "data", "examination", "keys", "size", "steps", "told", "use")

    def __init__(
        self,
        examination: Examination,
        use: Use,
        contents: Sequence[Content],
        *,
        keys: Sequence[bytes | None],
        data: Sequence[object],
        told: Told,
    ) -> None:
        """`keys` are what the verdicts are remembered by; `told` gets them in the loop."""
        self.examination = examination
        self.use = use
        self.contents = contents
        self.keys = keys
        self.data = data
        self.told = told
        self.size = sum(len(content.text) for content in contents)
        self.steps: Iterator[list[Verdict] | None] | None = None


class Runner:
    """One for a gateway process. Used from the event loop; the thread starts with the first use."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        data: CheckData,
        checks: Mapping[str, AnyCheck],
        *,
        remote: AskedCheck | None = None,
        models: AskedCheck | None = None,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._loop = loop
        self._data = data
        self.checks = checks
        """Those that policies can ask for, by their names."""
        self.remote = remote
        self.models = models
        self._most_waiting = most_waiting
        self._jobs: deque[_Job] = deque()
        self._through: deque[tuple[_Job, list[Verdict] | str]] = deque()
        """What the thread is through with and the loop has not taken."""
        self._there_is_work = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._waiting = 0
        self._waiting_characters = 0
        self.memory = VerdictMemory()

    @property
    def waiting(self) -> int:
        """Runs of local checks that are not through."""
        return self._waiting

    def examine(
        self, guard: Guard, contents: Sequence[Content], done: Done, grant: Grant | None = None
    ) -> Examination:
        """Have contents examined by the checks of their directions; `done` is called once, in a
        later turn of the loop, unless the examination is cancelled. `grant` is whose call it is:
        safety models are asked as calls of theirs.
        """
        examination = Examination(guard, contents, done)
        asked: list[tuple[Use, list[int]]] = []
        for direction in Direction:
            indexes = [i for i, each in enumerate(contents) if each.direction is direction]
            if indexes:
                asked += ((use, indexes) for use in guard.uses[direction])
        if not asked:
            found = judge(guard, contents, (), ()) if guard.missing else NOTHING_FOUND
            self._loop.call_soon(_tell, examination, done, found)
            return examination
        for use, indexes in asked:
            length = sum(len(contents[index].text) for index in indexes)
            deadline_s = use.deadline_s * max(1.0, length / _CHARACTERS_OF_DEADLINE)
            late = functools.partial(examination.told, use, indexes, "timeout")
            examination.expect(use, self._loop.call_later(deadline_s, late))
        for use, indexes in asked:
            chosen = [contents[index] for index in indexes]
            told = functools.partial(examination.told, use, indexes)
            if use.check is None:
                self._loop.call_soon(told, "unknown")
            elif hasattr(use.check, "examine"):
                self._run_local(examination, use, indexes, chosen)
            else:
                self._ask(examination, use, chosen, grant, told)
        return examination

    def close(self, timeout_s: float) -> None:
        """End the thread after what it is at. Blocking."""
        with self._there_is_work:
            self._is_closed = True
            self._there_is_work.notify()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _ask(
        self,
        examination: Examination,
        use: Use,
        contents: Sequence[Content],
        grant: Grant | None,
        told: Told,
    ) -> None:
        asker = self.remote if hasattr(use.check, "requests") else self.models
        if asker is None:
            self._loop.call_soon(told, "down")
            return

        def tell_later(verdicts: "list[Verdict] | str") -> None:
            # Never within `examine`: its caller does not have the examination yet.
            self._loop.call_soon(told, verdicts)

        examination.keep(asker.ask(use, contents, grant, tell_later))

    def _run_local(
        self,
        examination: Examination,
        use: Use,
        indexes: Sequence[int],
        contents: Sequence[Content],
    ) -> None:
        check = cast("LocalCheck", use.check)
        missing = [each for each in use.data if self._data.find(check, each) is None]
        if not missing:
            self._submit(examination, use, indexes, contents)
            return
        left = len(missing)

        def came(found: object | None) -> None:
            nonlocal left
            left -= 1
            if found is None:
                examination.told(use, indexes, "data")
            elif not left and examination.is_waiting_for(use):
                self._submit(examination, use, indexes, contents)

        for reference in missing:
            self._data.fetch(check, reference, came)

    def _submit(
        self,
        examination: Examination,
        use: Use,
        indexes: Sequence[int],
        contents: Sequence[Content],
    ) -> None:
        check = cast("LocalCheck", use.check)
        data = [self._data.find(check, each) for each in use.data]
        if any(each is None for each in data):  # made room for others since it came
            self._loop.call_soon(examination.told, use, indexes, "data")
            return
        keys = [self.memory.key_of(use, content) for content in contents]
        known = [self.memory.find(key) for key in keys]
        left = [place for place, verdict in enumerate(known) if verdict is None]
        if not left:
            all_known = cast("list[Verdict]", known)
            self._loop.call_soon(examination.told, use, indexes, all_known)
            return

        def told(verdicts: "list[Verdict] | str") -> None:
            if not isinstance(verdicts, str) and len(verdicts) == len(left):
                for place, verdict in zip(left, verdicts, strict=True):
                    known[place] = verdict
                verdicts = cast("list[Verdict]", known)
            examination.told(use, indexes, verdicts)

        job = _Job(
            examination,
            use,
            [contents[place] for place in left],
            keys=[keys[place] for place in left],
            data=data,
            told=told,
        )
        if (
            self._is_closed
            or self._waiting >= self._most_waiting
            or (self._waiting and self._waiting_characters + job.size > MOST_WAITING_CHARACTERS)
        ):
            self._loop.call_soon(examination.told, use, indexes, "busy")
            return
        self._waiting += 1
        self._waiting_characters += job.size
        with self._there_is_work:
            self._jobs.append(job)
            self._there_is_work.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="checks", daemon=True)
            self._thread.start()

    def _take(self) -> None:
        """Take what the thread is through with: mostly all checks of an examination, at once."""
        through = self._through
        try:
            while through:
                self._tell(*through.popleft())
        finally:
            # What broke breaks for one examination alone: the others are told.
            if through:
                self._loop.call_soon(self._take)

    def _tell(self, job: _Job, verdicts: "list[Verdict] | str") -> None:
        self._waiting -= 1
        self._waiting_characters -= job.size
        if not isinstance(verdicts, str) and all(map(_is_sound, verdicts)):
            for key, verdict in zip(job.keys, verdicts, strict=True):
                self.memory.keep(key, verdict)
        job.told(verdicts)

    # In the thread.

    def _run(self) -> None:
        while True:
            with self._there_is_work:
                while not self._jobs and not self._is_closed:
                    self._there_is_work.wait()
                if self._is_closed:
                    return
                job = self._jobs.popleft()
            told = _step(job)
            if told is None:
                with self._there_is_work:
                    self._jobs.append(job)
                continue
            # The loop is woken once for all that it has not taken: each time costs a system call
            # here and a turn of it there.
            self._through.append((job, told))
            if len(self._through) == 1:
                # It is closed when a gateway stopped meanwhile: nobody waits then.
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._take)


def _step(job: _Job) -> "list[Verdict] | str | None":
    """Do a piece of the work; return what came of all of it, or None while there is more."""
    if job.examination.is_over:
        return "timeout"
    if job.steps is None:
        job.steps = _steps(job)
    try:
        return next(job.steps)
    except CheckFailed:
        return "failed"
    except _Garbage:
        return "garbage"
    except Exception as error:  # noqa: BLE001 - the edge of a member: a check's bug is its failure
        # Its text may be somebody's prompt, so the kind of the error is all that is told.
        _log.error("the check %s failed: %s", job.use.name, type(error).__name__)
        return "crash"


def _steps(job: _Job) -> "Iterator[list[Verdict] | None]":
    """Yield None between pieces of work, and at last a verdict for each content."""
    check = cast("LocalCheck", job.use.check)
    pieces: list[list[tuple[int, Verdict]]] = [[] for _ in job.contents]
    for number, batch in enumerate(batches_of(job.contents, check.most_characters)):
        if number:
            yield None
        texts = [piece.content for piece in batch]
        verdicts = check.examine(texts, job.use.options, job.data)
        if len(verdicts) != len(texts):
            raise _Garbage
        for piece, verdict in zip(batch, verdicts, strict=True):
            pieces[piece.of].append((piece.start, verdict))
    yield [
        verdict_of_pieces(check, content, of_content)
        for content, of_content in zip(job.contents, pieces, strict=True)
    ]


class _Garbage(Exception):
    """A check did not return a verdict for each content."""


def _is_sound(verdict: object) -> bool:
    """Say whether it is what a check may return: a member may be anybody's."""
    return isinstance(verdict, Verdict) and all(
        0 <= finding.severity <= _GRAVEST and finding.start >= 0 and finding.end >= 0
        for finding in verdict.findings
    )


def _tell(examination: Examination, done: Done, judgement: Judgement) -> None:
    if not examination.is_over:
        examination.is_over = True
        done(judgement)
