"""Counts failed sign-ins and refuses while there were too many.

An attempt is counted before the password is looked at and taken back when it was right, in a
transaction of its own: the caller's is rolled back by the very refusal that has to be remembered,
and a hundred guesses sent at once would all be free if each were counted only once it had failed.
"""

from collections.abc import Generator
from contextlib import contextmanager
from threading import BoundedSemaphore

from sqlalchemy import Engine

from tradewind.core.clock import Clock
from tradewind.features.accounts import rules
from tradewind.features.accounts.errors import SignInBusy, SignInLocked
from tradewind.features.accounts.repository import sessions
from tradewind.features.accounts.rules import SubjectKind
from tradewind.features.accounts.tokens import Tokens

# Each holds its caller's connection and for a moment a second one, so a pool of five always makes
# progress. More are turned away at once: waiting here would hold connections that others need.
_AT_ONCE = 3


class Lockout:
    def __init__(self, tokens: Tokens, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock
        self._places = BoundedSemaphore(_AT_ONCE)

    @contextmanager
    def attempt(self, engine: Engine, *, account: str, peer: str) -> Generator[None]:
        """Count one attempt to prove who one is; leaving without an error takes it back.

        Raises SignInLocked or SignInBusy before anything is tried.
        """
        if not self._places.acquire(blocking=False):
            raise SignInBusy
        try:
            subjects = self._subjects(account, rules.peer_subject(peer))
            self._count(engine, subjects)
            yield
            self._take_back(engine, subjects)
        finally:
            self._places.release()

    def _subjects(self, account: str, peer: str) -> dict[bytes, SubjectKind]:
        named = {
            SubjectKind.PAIR: (account, peer),
            SubjectKind.PEER: (peer,),
            SubjectKind.ACCOUNT: (account,),
        }
        return {
            self._tokens.subject_digest(kind.value, *parts): kind for kind, parts in named.items()
        }

    def _count(self, engine: Engine, subjects: dict[bytes, SubjectKind]) -> None:
        with engine.begin() as tx:
            now = self._clock.now()
            counts = sessions.lock_attempts(tx, subjects, now)
            waits = [
                wait
                for subject, kind in subjects.items()
                if (wait := rules.lockout_s(kind, **counts[subject]._asdict(), now=now))
            ]
            if waits:
                raise SignInLocked(max(waits))
            for subject in subjects:
                failures = rules.failures_after(**counts[subject]._asdict(), now=now)
                sessions.set_attempts(tx, subject, sessions.Attempts(failures, now))
            sessions.purge_attempts(tx, now - rules.FAILURES_FORGOTTEN)

    def _take_back(self, engine: Engine, subjects: dict[bytes, SubjectKind]) -> None:
        with engine.begin() as tx:
            sessions.lock_attempts(tx, subjects, self._clock.now())
            for subject, kind in subjects.items():
                if kind is SubjectKind.PAIR:
                    sessions.forget_attempts(tx, subject)
                else:
                    # Not forgotten: one own account must not wash off guesses at other people's.
                    sessions.forgive_attempt(tx, subject)
