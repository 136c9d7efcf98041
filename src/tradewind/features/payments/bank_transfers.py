"""Bank transfers: references that payers write, and statements that say what came."""

import secrets
from typing import NamedTuple

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.creditor_references import (
    body_of_invoice,
    candidates,
    creditor_reference,
    normalized,
)
from tradewind.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from tradewind.core.ids import BankLineId, PaymentId
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.ledger.schemas import AccountKind, AccountRef
from tradewind.features.payments.errors import BankLineSettled
from tradewind.features.payments.ports import Bills
from tradewind.features.payments.repository import bank_lines as bank_lines_sql
from tradewind.features.payments.repository import payments as payments_sql
from tradewind.features.payments.rules.amounts import check_amount
from tradewind.features.payments.rules.camt import read_statements
from tradewind.features.payments.schemas import (
    BankLine,
    BankLineRow,
    Imported,
    LineState,
    OpenInvoice,
    PaidIn,
    Payment,
    PaymentKind,
    PaymentState,
)
from tradewind.features.payments.service import Wallets

BANK = "bank"
_DIGITS = 14
_NOTE_MAX = 500
PAGE_MAX = 500


class _Meant(NamedTuple):
    """Whom a booking is from, and what for."""

    organization_id: str
    invoice: OpenInvoice | None = None
    payment: Payment | None = None


class BankTransfers:
    def __init__(self, clock: Clock, wallets: Wallets, bills: Bills) -> None:
        self._clock = clock
        self._wallets = wallets
        self._bills = bills

    # --- for members -------------------------------------------------------------------------

    def announce(
        self, tx: Connection, actor: Actor, nanos: int, currency: str, *, key: str, by: str = ""
    ) -> Payment:
        """Return a top-up with the reference that its transfer has to carry. The same key again is
        the same one. Raises InvalidInput.
        """
        require(actor, Permission.BILLING_WRITE)
        check_amount(nanos)
        organization_id = str(actor.organization_id)
        self._wallets.open(tx, organization_id, currency)
        now = self._clock.now()
        # Begins with a letter that no invoice's number begins with.
        body = "W" + "".join(secrets.choice("0123456789") for _ in range(_DIGITS))
        own = f"{organization_id}:bank:{key}"
        payments_sql.add_payment(
            tx,
            {
                "id": PaymentId.new(),
                "organization_id": organization_id,
                "processor": BANK,
                "processor_id": "",
                "intent_id": "",
                "kind": PaymentKind.TOP_UP.value,
                "amount_nanos": nanos,
                "paid_nanos": 0,
                "refunded_nanos": 0,
                "currency": currency,
                "state": PaymentState.PENDING.value,
                "reference": creditor_reference(body),
                "is_automatic": False,
                "note": "",
                "key": own,
                "by": by,
                "created_at": now,
                "updated_at": now,
            },
        )
        found = payments_sql.payment_of_key(tx, own)
        assert found is not None, "it was just added"
        if (found.amount_nanos, found.currency) != (nanos, currency):
            raise Conflict("the key belongs to another top-up", hint="use a new key")
        return found

    # --- for whoever runs the platform -------------------------------------------------------

    def take_statement(self, tx: Connection, actor: Actor, data: bytes) -> Imported:
        """Take a camt.053 file in. What was taken before, from this file or one that overlaps, is
        left alone. Raises Forbidden, InvalidInput.
        """
        _require(actor, Permission.FINANCE_WRITE)
        states: list[LineState] = []
        known = 0
        lines = read_statements(data)
        # In one order for all, so that two imports of overlapping files do not wait crosswise.
        for line, fingerprint in sorted(lines, key=lambda each: each.fingerprint):
            line_id = str(BankLineId.new())
            is_ours = line.nanos > 0 and not line.is_reversal
            added = bank_lines_sql.add_bank_line(
                tx,
                {
                    "id": line_id,
                    "fingerprint": fingerprint,
                    **line._asdict(),
                    "state": (LineState.UNMATCHED if _is_open(line) else LineState.IGNORED).value,
                    "note": "" if is_ours else _why_not(line),
                    "by": "",
                    "imported_at": self._clock.now(),
                },
            )
            if not added:
                known += 1
            elif not is_ours:
                states.append(LineState.UNMATCHED if _is_open(line) else LineState.IGNORED)
            else:
                states.append(self._match(tx, line_id, line))
        return Imported(
            lines=len(lines),
            known=known,
            matched=states.count(LineState.MATCHED),
            unmatched=states.count(LineState.UNMATCHED),
            ignored=states.count(LineState.IGNORED),
        )

    def lines(
        self,
        tx: Connection,
        actor: Actor,
        *,
        state: LineState | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[BankLineRow]:
        """Return bookings, those imported last first. Raises Forbidden."""
        _require(actor, Permission.FINANCE_READ)
        return bank_lines_sql.list_bank_lines(
            tx, state=state, before=before, limit=min(limit, PAGE_MAX)
        )

    def assign(
        self, tx: Connection, actor: Actor, line_id: str, target: str, *, by: str
    ) -> BankLineRow:
        """Say by hand what a booking is for: an invoice by its number, a reference, or the id of an
        organization, whose wallet it then fills.

        Raises Forbidden, NotFound, InvalidInput, BankLineSettled.
        """
        _require(actor, Permission.FINANCE_WRITE)
        row = self._locked(tx, line_id)
        if row.line.nanos <= 0 or row.line.is_reversal:
            raise InvalidInput("only money that came in is assigned", hint="set it aside")
        meant = self._meant(tx, normalized(target)) or self._meant_by_hand(tx, target)
        if meant is None:
            raise NotFound(
                f"{target[:60]!r} is no invoice, reference or organization",
                hint="write an invoice's number, or the id of an organization",
            )
        self._settle(tx, line_id, row.line, meant, by=by)
        return self._found(tx, line_id)

    def set_aside(
        self, tx: Connection, actor: Actor, line_id: str, note: str, *, by: str
    ) -> BankLineRow:
        """Say that a booking is none of ours. Raises Forbidden, NotFound, BankLineSettled."""
        _require(actor, Permission.FINANCE_WRITE)
        self._locked(tx, line_id)
        values = {"state": LineState.IGNORED.value, "note": note[:_NOTE_MAX], "by": by}
        bank_lines_sql.update_bank_line(tx, line_id, values)
        return self._found(tx, line_id)

    # --- what follows is private -------------------------------------------------------------

    def _match(self, tx: Connection, line_id: str, line: BankLine) -> LineState:
        named = [line.reference] if line.reference else []
        note = "no reference was found"
        for reference in [*named, *candidates(line.remittance)]:
            meant = self._meant(tx, reference)
            if meant is None:
                note = f"nothing has the reference {reference}"
                continue
            try:
                with tx.begin_nested():
                    self._settle(tx, line_id, line, meant, by="")
            except (Conflict, InvalidInput) as error:
                note = str(error)
                break
            return LineState.MATCHED
        bank_lines_sql.update_bank_line(tx, line_id, {"note": note[:_NOTE_MAX]})
        return LineState.UNMATCHED

    def _meant(self, tx: Connection, reference: str) -> _Meant | None:
        if not reference:
            return None
        payment = payments_sql.payment_of_reference(tx, reference)
        if payment is not None:
            return _Meant(payment.organization_id, payment=payment)
        invoice = self._bills.invoice_of_number(tx, reference[4:])
        return None if invoice is None else _Meant(invoice.organization_id, invoice=invoice)

    def _meant_by_hand(self, tx: Connection, target: str) -> _Meant | None:
        invoice = self._bills.invoice_of_number(tx, body_of_invoice(target))
        if invoice is not None:
            return _Meant(invoice.organization_id, invoice=invoice)
        payer = self._bills.payer(tx, target)
        return None if payer is None else _Meant(payer.organization_id)

    def _settle(
        self, tx: Connection, line_id: str, line: BankLine, meant: _Meant, *, by: str
    ) -> None:
        """Pay the invoice, as far as it is open, and put the rest into the wallet."""
        rest, invoice = line.nanos, meant.invoice
        if invoice is not None:
            if invoice.currency != line.currency:
                raise InvalidInput(f"{invoice.number} is in {invoice.currency}")
            # A part of a minor unit pays no invoice: it stays in the rest.
            minor = min(invoice.open_minor, rest // invoice.nanos_per_minor)
            if minor > 0:
                reference = line.reference or line.bank_reference
                key = f"bank:{line_id}"
                self._bills.record_payment(
                    tx, invoice.invoice_id, minor, BANK, reference[:100], key
                )
                rest -= minor * invoice.nanos_per_minor
        if rest > 0:
            self._fill_wallet(tx, line_id, line, meant, rest, by=by)
        if meant.payment is not None:
            self._note_paid(tx, meant.payment, rest)
        bank_lines_sql.update_bank_line(
            tx,
            line_id,
            {
                "state": LineState.MATCHED.value,
                "organization_id": meant.organization_id,
                "invoice_id": None if invoice is None else invoice.invoice_id,
                "note": "",
                "by": by,
            },
        )

    def _fill_wallet(
        self, tx: Connection, line_id: str, line: BankLine, meant: _Meant, nanos: int, *, by: str
    ) -> None:
        payment = meant.payment
        self._wallets.pay_in(
            tx,
            PaidIn(
                meant.organization_id,
                line.currency,
                nanos,
                AccountRef(AccountKind.CASH, BANK, line.currency),
                key=f"bank:{line_id}",
                kind="wallet_top_up",
                at=self._clock.now(),
                subject=line_id,
                memo=line.remittance,
                by=by,
                payment_id=line_id if payment is None else payment.payment_id,
            ),
        )

    def _note_paid(self, tx: Connection, payment: Payment, nanos: int) -> None:
        paid, now = payment.paid_nanos + nanos, self._clock.now()
        values: dict[str, object] = {"paid_nanos": paid, "updated_at": now}
        if payment.state is not PaymentState.PAID and paid >= payment.amount_nanos:
            values |= {"state": PaymentState.PAID.value, "paid_at": now}
        payments_sql.update_payment(tx, payment.payment_id, values)

    def _locked(self, tx: Connection, line_id: str) -> BankLineRow:
        row = self._found(tx, line_id)
        if row.state is not LineState.UNMATCHED:
            raise BankLineSettled(f"the booking is {row.state.value} already")
        return row

    def _found(self, tx: Connection, line_id: str) -> BankLineRow:
        row = bank_lines_sql.lock_bank_line(tx, line_id)
        if row is None:
            raise NotFound(f"there is no booking {line_id[:64]!r}")
        return row


def _is_open(line: BankLine) -> bool:
    """Say whether somebody has to look at a booking: a transfer that the bank took back is one."""
    return line.nanos > 0 or line.is_reversal


def _why_not(line: BankLine) -> str:
    return "the bank took a booking back" if line.is_reversal else "it left the account"


def _require(actor: Actor, permission: Permission) -> None:
    require(actor, permission)
    if not is_platform_administrator(actor):
        raise Forbidden("only administrators of the platform see its bank account")
