"""The error tree. Every leaf has a stable `code`, an HTTP `status`, a message and a hint.

    TradewindError
      ├─ MalformedId            422
      ├─ NotFound               404
      ├─ Conflict               409
      ├─ PreconditionFailed     412
      ├─ InvalidInput           422
      ├─ Unauthenticated        401
      ├─ Forbidden              403
      ├─ LimitExceeded          429
      ├─ Unavailable            503
      └─ StartupError           (no status) one line for whoever starts the platform

Messages name the thing and what to do; secrets and prompts never appear in them (style 17).
"""

from typing import ClassVar


class TradewindError(Exception):
    """Base of everything Tradewind raises on purpose. `str(error)` is fit for a person."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InvalidInput(TradewindError):
    code = "invalid_input"
    status = 422


class MalformedId(InvalidInput):
    code = "malformed_id"

    def __init__(self, text: str, prefix: str) -> None:
        super().__init__(f"{text[:64]!r} is not an id of the form {prefix}…")


class NotFound(TradewindError):
    code = "not_found"
    status = 404


class Conflict(TradewindError):
    code = "conflict"
    status = 409


class PreconditionFailed(TradewindError):
    """The caller wants to change what it has seen, and it has changed since."""

    code = "precondition_failed"
    status = 412


class Unauthenticated(TradewindError):
    code = "unauthenticated"
    status = 401


class Forbidden(TradewindError):
    code = "forbidden"
    status = 403


class LimitExceeded(TradewindError):
    code = "limit_exceeded"
    status = 429

    def __init__(
        self, message: str, *, hint: str | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class Unavailable(TradewindError):
    code = "unavailable"
    status = 503


class StartupError(TradewindError):
    """The platform or one of its parts cannot start. Printed as one line; exit status 1."""

    code = "startup_failed"
