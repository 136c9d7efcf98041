"""What the routes of wallets and bank transfers take and answer. Amounts are decimal strings."""

from datetime import date, datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body, Moment, amount_of, nanos_of
from tradewind.core.creditor_references import printed
from tradewind.features.payments.schemas import (
    AutoTopUp,
    BankLineRow,
    Imported,
    LineState,
    Lot,
    LotKind,
    Payment,
    PaymentKind,
    PaymentState,
    Wallet,
    WalletSettings,
)

_Amount = Annotated[str, StringConstraints(max_length=24, pattern=r"^[0-9]{1,10}(\.[0-9]{1,9})?$")]
_Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
_Key = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100),
    Field(description="Your own; sent again, nothing is done twice."),
]
_Id = Annotated[str, StringConstraints(max_length=100)]
_FILE_MAX = 1_000_000


class AutoTopUpBody(Body):
    """Charge the saved card when less than `below` is left."""

    below: _Amount
    amount: _Amount
    month_cap: _Amount = Field(description="Charged in a calendar month (UTC) at most.")


class WalletSettingsBody(Body):
    low: _Amount = Field(default="0", description="Below it `wallet.low` is sent; 0 is never.")
    auto: AutoTopUpBody | None = None

    def to_settings(self) -> WalletSettings:
        auto = self.auto
        return WalletSettings(
            nanos_of(self.low),
            None
            if auto is None
            else AutoTopUp(nanos_of(auto.below), nanos_of(auto.amount), nanos_of(auto.month_cap)),
        )


class LotAnswer(BaseModel):
    id: str
    kind: LotKind
    amount: str
    left: str
    expires_at: datetime | None
    memo: str
    created_at: datetime

    @classmethod
    def of(cls, lot: Lot) -> Self:
        return cls(
            id=lot.lot_id,
            kind=lot.kind,
            amount=amount_of(lot.amount_nanos),
            left=amount_of(lot.left_nanos),
            expires_at=lot.expires_at,
            memo=lot.memo,
            created_at=lot.created_at,
        )


class WalletAnswer(BaseModel):
    organization: str
    currency: str
    is_prepaid: bool = Field(description="Whether calls are refused (402) when nothing is left.")
    balance: str = Field(description="By the ledger; usage leaves it when it is invoiced.")
    left: str = Field(description="What can still be spent.")
    held: str = Field(description="The part of `left` that calls hold which run now.")
    low: str
    auto: AutoTopUpBody | None
    has_card: bool
    card: str = Field(description="How people know it: `visa 4242, until 9/2031`.")
    lots: list[LotAnswer] = Field(description="In the order in which they are spent.")
    revision: int

    @classmethod
    def of(cls, wallet: Wallet) -> Self:
        auto = wallet.auto
        return cls(
            organization=wallet.organization_id,
            currency=wallet.currency,
            is_prepaid=wallet.is_prepaid,
            balance=amount_of(wallet.balance_nanos),
            left=amount_of(wallet.left_nanos),
            held=amount_of(wallet.held_nanos),
            low=amount_of(wallet.low_nanos),
            auto=None
            if auto is None
            else AutoTopUpBody(
                below=amount_of(auto.below_nanos),
                amount=amount_of(auto.amount_nanos),
                month_cap=amount_of(auto.month_cap_nanos),
            ),
            has_card=bool(wallet.card),
            card=wallet.card,
            lots=[LotAnswer.of(lot) for lot in wallet.lots],
            revision=wallet.revision,
        )


class WalletShown(BaseModel):
    wallet: WalletAnswer | None = Field(description="Null before anything was paid in.")


class BankTopUpBody(Body):
    amount: _Amount
    currency: _Currency
    key: _Key


class PaymentAnswer(BaseModel):
    id: str
    processor: str
    kind: PaymentKind
    state: PaymentState
    currency: str
    amount: str
    paid: str
    refunded: str
    invoice: str | None
    reference: str = Field(description="What a bank transfer has to carry (ISO 11649).")
    reference_printed: str
    is_automatic: bool
    note: str
    page: str = Field(description="Where somebody goes on with it, while it is pending.")
    created_at: datetime
    paid_at: datetime | None

    @classmethod
    def of(cls, payment: Payment) -> Self:
        return cls(
            id=payment.payment_id,
            processor=payment.processor,
            kind=payment.kind,
            state=payment.state,
            currency=payment.currency,
            amount=amount_of(payment.amount_nanos),
            paid=amount_of(payment.paid_nanos),
            refunded=amount_of(payment.refunded_nanos),
            invoice=payment.invoice_id,
            reference=payment.reference,
            reference_printed=printed(payment.reference),
            is_automatic=payment.is_automatic,
            note=payment.note,
            page=payment.action_url,
            created_at=payment.created_at,
            paid_at=payment.paid_at,
        )


class PaymentPage(BaseModel):
    payments: list[PaymentAnswer]
    next: str | None


class CreditBody(Body):
    organization: _Id
    amount: _Amount
    currency: _Currency
    key: _Key
    memo: Annotated[str, StringConstraints(max_length=200)] = ""
    expires_at: Moment | None = None


class StatementBody(Body):
    content: Annotated[
        str,
        StringConstraints(max_length=_FILE_MAX),
        Field(description="The text of a camt.053 file."),
    ]


class ImportedAnswer(BaseModel):
    lines: int
    known: int = Field(description="Were imported before, and are left alone.")
    matched: int
    unmatched: int
    ignored: int

    @classmethod
    def of(cls, imported: Imported) -> Self:
        return cls(**imported._asdict())


class AssignBody(Body):
    to: Annotated[
        str,
        StringConstraints(min_length=1, max_length=100),
        Field(description="An invoice's number, a reference, or the id of an organization."),
    ]


class SetAsideBody(Body):
    note: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class BankLineAnswer(BaseModel):
    id: str
    account: str
    booked_on: date
    amount: str
    currency: str
    reference: str
    remittance: str
    payer: str
    state: LineState
    organization: str | None
    invoice: str | None
    note: str = Field(description="Why it was not matched, or what somebody said of it.")
    by: str
    imported_at: datetime

    @classmethod
    def of(cls, row: BankLineRow) -> Self:
        line = row.line
        return cls(
            id=row.line_id,
            account=line.account,
            booked_on=line.booked_on,
            amount=amount_of(line.nanos),
            currency=line.currency,
            reference=line.reference,
            remittance=line.remittance,
            payer=line.payer,
            state=row.state,
            organization=row.organization_id,
            invoice=row.invoice_id,
            note=row.note,
            by=row.by,
            imported_at=row.imported_at,
        )


class BankLinePage(BaseModel):
    lines: list[BankLineAnswer]
    next: str | None
