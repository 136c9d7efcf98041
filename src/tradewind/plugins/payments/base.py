"""What a payment processor does for the platform. Amounts are nanos of a currency."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from tradewind.core.errors import Conflict, InvalidInput


class ProcessorRefused(Conflict):
    """The processor answered, and said no: a declined card, an amount that is too small."""

    code = "payment_refused"


class NoticeRefused(InvalidInput):
    """A message that does not prove to come from the processor."""

    code = "payment_notice_refused"


class Checkout(NamedTuple):
    """A page of the processor, where somebody pays or saves a card."""

    processor_id: str
    url: str


class Standing(NamedTuple):
    """What the processor says of a payment now."""

    state: str
    """pending, paid, failed; or confirm: whoever holds the card has to say yes to their bank."""
    nanos: int
    currency: str
    payment_id: str
    """The one of ours that it is for, as we told the processor."""
    intent_id: str = ""
    card: str = ""
    card_label: str = ""
    """For people: the brand, the last digits, until when."""
    customer: str = ""
    why: str = ""


class Taking(StrEnum):
    """What became of money that was to be taken back."""

    NONE = "none"
    """Nothing moved: a question of a bank, or a refund that never began."""
    OPEN = "open"
    """It is gone, and may come back."""
    FINAL = "final"
    RETURNED = "returned"
    """It was gone, and came back."""


class TakenBack(NamedTuple):
    """Money of a payment that went back: refunded, or disputed at a bank."""

    processor_id: str
    is_dispute: bool
    intent_id: str
    nanos: int
    currency: str
    state: Taking
    refund_id: str = ""
    """Our own, where we had asked for it."""
    why: str = ""


class About(StrEnum):
    PAYMENT = "payment"
    TAKEN_BACK = "taken_back"
    OTHER = "other"


class Notice(NamedTuple):
    """A message of the processor whose signature is right. It only says where to look."""

    event_id: str
    kind: str
    about: About
    object_id: str


class Asked(NamedTuple):
    payment_id: str
    nanos: int
    currency: str
    description: str
    back_url: str
    customer: str = ""


class Transfer(NamedTuple):
    """What is to be sent to a publisher's account at the processor."""

    key: str
    """Our own id of it: one key is one transfer, for ever."""
    nanos: int
    currency: str
    account: str


class Processor(Protocol):
    """Every call leaves the process: never make one while a transaction is open.

    Raises ProcessorRefused, and Unavailable where nobody can say what became of it.
    """

    @property
    def name(self) -> str: ...
    def pay(self, asked: Asked) -> Checkout: ...
    def save_card(self, asked: Asked) -> Checkout: ...
    def standing(self, processor_id: str) -> Standing: ...

    def charge(self, asked: Asked, card: str) -> tuple[str, Standing]:
        """Charge a saved card while nobody sits before it."""
        ...

    def cancel(self, intent_id: str) -> Standing:
        """Give a charge up, unless it is done; return how it stands then."""
        ...

    def forget_card(self, card: str) -> None:
        """Let a saved card be charged no more. One that is forgotten is no fault."""
        ...

    def refund(self, intent_id: str, nanos: int, currency: str, key: str) -> str: ...

    def taken_back(self, object_id: str) -> Sequence[TakenBack]:
        """Return what went back of the payment that a dispute, a refund or a charge is of."""
        ...

    def transfer(self, asked: Transfer) -> str:
        """Send money to an account; return the processor's id. The same key again is the same
        transfer, however long ago it was.
        """
        ...

    def read_notice(self, body: bytes, signature: str) -> Notice: ...
