"""A psycopg connection that does not wait for ever."""

import time
from typing import Any, Self, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

_CHECK_EVERY_S = 0.1
_Result = TypeVar("_Result")


class BoundedConnection(psycopg.Connection[TupleRow]):
    """Closes itself when the server stays silent for `answer_timeout_s` within one exchange.

    The server's own statement_timeout cannot help against a server that is frozen or a network
    that swallows packets, and keepalives are answered by the kernel of a frozen server's machine.
    It is closed without a cancel request: that would wait for the same silent server (measured:
    12 s for a timeout of 2 s).
    """

    answer_timeout_s: float | None = None

    @classmethod
    def open(cls, parameters: dict[str, Any], *, answer_timeout_s: float | None) -> Self:
        """Connect. `parameters` are libpq's and psycopg's keywords."""
        connection = cls.connect(**parameters)
        connection.answer_timeout_s = answer_timeout_s
        return connection

    def wait(
        self,
        gen: PQGen[_Result],
        interval: float = _CHECK_EVERY_S,
        timeout: float | None = None,
    ) -> _Result:
        # Whoever gives a timeout (waiting for notifications) expects silence and deals with it.
        bound = self.answer_timeout_s if timeout is None else None
        if bound is None:
            return super().wait(gen, interval, timeout)
        deadline = time.monotonic() + bound
        try:
            return super().wait(gen, interval, bound)
        except psycopg.OperationalError as error:
            if time.monotonic() < deadline:
                raise
            self.close()
            raise psycopg.OperationalError(
                f"the database did not answer within {bound:g} s"
            ) from error
