"""What accounts raise beyond the leaves of `core.errors`."""

from tradewind.core.errors import TradewindError, Unauthenticated

_REFUSED = "the sign-in was refused"


class SignInRefused(Unauthenticated):
    """One error for every reason, so that it does not tell which accounts exist."""

    code = "sign_in_refused"

    def __init__(
        self, message: str = _REFUSED, *, hint: str, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class SignInLocked(SignInRefused):
    """Too many failures lately; the password was not even looked at."""

    code = "sign_in_locked"
    status = 429

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            "too many sign-ins failed",
            hint=f"try again in {retry_after_s} s, or print a new sign-in link in the terminal",
            retry_after_s=retry_after_s,
        )


class SignInBusy(SignInRefused):
    """More passwords are being checked than the machine can do at once."""

    code = "sign_in_busy"
    status = 503

    def __init__(self) -> None:
        super().__init__(
            "many people are signing in at this moment",
            hint="try again in a second",
            retry_after_s=1,
        )


class KeyRefused(Unauthenticated):
    """The API key is missing, malformed, unknown, expired or revoked."""

    code = "key_refused"


class TooManyKeys(TradewindError):
    code = "too_many_keys"
    status = 409


class InvitationRefused(Unauthenticated):
    """The invitation is unknown, was accepted, withdrawn or replaced, or has expired."""

    code = "invitation_refused"


class LastAdministrator(TradewindError):
    code = "last_administrator"
    status = 409


class TooManyInAccounts(TradewindError):
    """More members, invitations, projects or organizations than there may be."""

    code = "too_many_in_accounts"
    status = 409
