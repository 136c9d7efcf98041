"""What the routes of the ledger take and answer. Debit is above zero, credit below."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body, nanos_of
from tradewind.control.span import in_utc
from tradewind.core.errors import InvalidInput
from tradewind.core.money import format_nanos
from tradewind.features.ledger import rules
from tradewind.features.ledger.schemas import (
    AccountKind,
    AccountRow,
    Entry,
    FxRate,
    StatementPlace,
    StatementRow,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE = re.compile(r"(-?[0-9]{1,18})\.(ent_[0-9a-z]{26})\.([0-9]{1,3})")
_Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class ReversalBody(Body):
    key: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(
        description="Makes a retry harmless: the same key is the same reversal."
    )
    reason: Annotated[str, StringConstraints(min_length=1, max_length=rules.TEXT_MAX)]


class RateBody(Body):
    base: _Currency
    quote: _Currency
    rate: Annotated[str, StringConstraints(max_length=24)] = Field(
        description="What one unit of `base` costs in `quote`: a decimal, at most nine places."
    )
    source: Annotated[str, StringConstraints(min_length=1, max_length=rules.NAME_MAX)] = Field(
        description="Who said so: a bank, a central bank, a contract."
    )
    valid_from: Annotated[datetime, Field(strict=False)]

    def to_rate(self) -> FxRate:
        valid_from = in_utc(self.valid_from, "valid_from")
        return FxRate(self.base, self.quote, nanos_of(self.rate), self.source, valid_from)


class RateAnswer(BaseModel):
    base: str
    quote: str
    rate: str
    source: str
    valid_from: datetime

    @classmethod
    def of(cls, rate: FxRate) -> Self:
        return cls(
            base=rate.base,
            quote=rate.quote,
            rate=format_nanos(rate.nanos),
            source=rate.source,
            valid_from=rate.valid_from,
        )


class RateList(BaseModel):
    rates: list[RateAnswer] = Field(description="The newest first.")


class LedgerAccountAnswer(BaseModel):
    id: str
    kind: AccountKind
    owner: str
    currency: str
    balance: str = Field(description="An exact decimal amount of `currency`.")
    postings: int
    created_at: datetime

    @classmethod
    def of(cls, row: AccountRow) -> Self:
        return cls(
            id=row.account_id,
            kind=row.account.kind,
            owner=row.account.owner,
            currency=row.account.currency,
            balance=format_nanos(row.nanos),
            postings=row.postings,
            created_at=row.created_at,
        )


class LedgerAccountPage(BaseModel):
    accounts: list[LedgerAccountAnswer] = Field(description="In the order of their first use.")
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class StatementLine(BaseModel):
    entry: str
    at: datetime
    kind: str
    memo: str
    subject: str
    amount: str
    balance: str = Field(description="Of the account behind this line.")

    @classmethod
    def of(cls, row: StatementRow) -> Self:
        return cls(
            entry=row.entry_id,
            at=row.at,
            kind=row.kind,
            memo=row.memo,
            subject=row.subject,
            amount=format_nanos(row.nanos),
            balance=format_nanos(row.balance_nanos),
        )


class StatementAnswer(BaseModel):
    account: LedgerAccountAnswer
    since: datetime = Field(description="Inclusive.")
    until: datetime = Field(description="Exclusive.")
    lines: list[StatementLine]
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class PostingAnswer(BaseModel):
    account: str
    kind: AccountKind
    owner: str
    currency: str
    amount: str


class EntryAnswer(BaseModel):
    id: str
    number: int
    key: str
    kind: str
    at: datetime
    entered_at: datetime
    memo: str
    subject: str
    by: str
    reverses: str | None
    reversed_by: str | None
    postings: list[PostingAnswer]

    @classmethod
    def of(cls, entry: Entry) -> Self:
        return cls(
            id=entry.entry_id,
            number=entry.number,
            key=entry.key,
            kind=entry.kind,
            at=entry.at,
            entered_at=entry.entered_at,
            memo=entry.memo,
            subject=entry.subject,
            by=entry.by,
            reverses=entry.reverses,
            reversed_by=entry.reversed_by,
            postings=[
                PostingAnswer(
                    account=account_id,
                    kind=account.kind,
                    owner=account.owner,
                    currency=account.currency,
                    amount=format_nanos(nanos),
                )
                for account_id, (account, nanos) in zip(
                    entry.account_ids, entry.postings, strict=True
                )
            ],
        )


def told_place(place: StatementPlace) -> str:
    """Return where a page ended, for the `next` of an answer."""
    microseconds = (place.at - _EPOCH) // timedelta(microseconds=1)
    return f"{microseconds}.{place.entry_id}.{place.seq}"


def place_of(text: str) -> StatementPlace:
    """Raises InvalidInput."""
    found = _PLACE.fullmatch(text)
    if found is not None:
        try:
            at = _EPOCH + timedelta(microseconds=int(found[1]))
        except OverflowError:
            pass
        else:
            return StatementPlace(at, found[2], int(found[3]))
    raise InvalidInput("`after` is not the `next` of a page", hint="start without it")
