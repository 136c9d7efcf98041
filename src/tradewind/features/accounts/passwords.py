"""Passwords as argon2id (RFC 9106). Slow by design: call it from a thread, never from the loop."""

import base64
import os
from enum import Enum, auto
from threading import BoundedSemaphore

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from argon2.profiles import RFC_9106_LOW_MEMORY

from tradewind.core.errors import TradewindError

_HASHED_AT_ONCE = 2


class Verdict(Enum):
    WRONG = auto()
    RIGHT = auto()
    RIGHT_BUT_OLD = auto()
    """Right, and stored with other parameters than today's: hash it anew."""


class PasswordHashDamaged(TradewindError):
    """A stored hash is not one. The data was changed by hand; nobody can sign in with it."""

    code = "password_hash_damaged"


# The second choice of RFC 9106, section 4, for machines that do other things too: 64 MiB and three
# passes, about 0.16 s of one core here. One lane instead of its four, because lanes are threads and
# would take the cores away from the engines; the work to guess a password stays the same.
HASHER = PasswordHasher(
    time_cost=RFC_9106_LOW_MEMORY.time_cost,
    memory_cost=RFC_9106_LOW_MEMORY.memory_cost,
    parallelism=1,
    type=Type.ID,
)


class Passwords:
    """Hashes and checks passwords, at most two at once: each takes 64 MiB while it runs."""

    def __init__(self, hasher: PasswordHasher = HASHER) -> None:
        self._hasher = hasher
        self._slots = BoundedSemaphore(_HASHED_AT_ONCE)
        self._nobody = _hash_of_nothing(hasher)

    def hash(self, password: bytes) -> str:
        with self._slots:
            return self._hasher.hash(password)

    def check(self, stored: str | None, password: bytes | None) -> Verdict:
        """Compare. `stored` is None for nobody, `password` for text that can be no password.

        Takes the same time whatever the verdict. Raises PasswordHashDamaged.
        """
        try:
            with self._slots:
                self._hasher.verify(stored or self._nobody, password or b"")
        except VerifyMismatchError:
            return Verdict.WRONG
        except InvalidHashError as error:
            raise PasswordHashDamaged("a stored password hash cannot be read") from error
        if stored is None or password is None:
            return Verdict.WRONG
        return Verdict.RIGHT_BUT_OLD if self._hasher.check_needs_rehash(stored) else Verdict.RIGHT


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """Return a hash that no known password has, to check for people who do not exist, so that they
    take as long as those who do. Put together, not computed: start-up does not wait for it.
    """
    salt, digest = (
        base64.b64encode(os.urandom(size)).rstrip(b"=").decode()
        for size in (hasher.salt_len, hasher.hash_len)
    )
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"
