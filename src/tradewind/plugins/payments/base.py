"""What a payment processor does for the platform. Amounts are nanos of a currency."""

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
    """pending, paid or failed."""
    nanos: int
    currency: str
    payment_id: str
    """The one of ours that it is for, as we told the processor."""
    intent_id: str = ""
    card: str = ""
    customer: str = ""
    why: str = ""


class Notice(NamedTuple):
    """A message of the processor whose signature is right. It only says where to look."""

    event_id: str
    kind: str
    object_id: str


class Asked(NamedTuple):
    payment_id: str
    nanos: int
    currency: str
    description: str
    back_url: str
    customer: str = ""


class Processor(Protocol):
    """Every call leaves the process: never make one while a transaction is open.

    Raises ProcessorRefused, and Unavailable where nobody can say what became of it.
    """

    @property
    def name(self) -> str: ...
    def pay(self, asked: Asked) -> Checkout: ...
    def save_card(self, asked: Asked) -> Checkout: ...
    def standing(self, processor_id: str) -> Standing: ...
    def charge(self, asked: Asked, card: str) -> tuple[str, Standing]: ...
    def refund(self, intent_id: str, nanos: int, currency: str, key: str) -> str: ...
    def read_notice(self, body: bytes, signature: str) -> Notice: ...
