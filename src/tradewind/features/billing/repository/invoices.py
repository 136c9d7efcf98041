"""Invoices and credit notes: what they take, how they are stored, what was paid of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.core.ids import CreditNoteId, InvoiceId, OrganizationId
from tradewind.features.billing.drawing import thaw
from tradewind.features.billing.schemas import (
    CreditNoteRow,
    DraftLine,
    Drawn,
    Evidence,
    Frozen,
    InvoiceRow,
    InvoiceState,
    LineKind,
    Watermark,
)
from tradewind.features.billing.tables import (
    credit_note,
    credit_note_line,
    invoice,
    invoice_line,
    invoice_number,
    invoice_payment,
    settlement_line,
)

# --- what an invoice takes -------------------------------------------------------------------

# A line is taken by the first invoice whose watermark reaches it: those of an organization and
# currency rise in both parts, so nothing has to be written to a line. The two halves of the union
# are each one range of an index: what is new by its hour, and what is new by its number alone.
_TAKE = text("""
    WITH wanted AS MATERIALIZED (
        SELECT wanted.organization_id, wanted.currency, wanted.after_hour, wanted.after_number
        FROM unnest(CAST(:organizations AS text[]), CAST(:currencies AS text[]),
            CAST(:after_hours AS timestamptz[]), CAST(:after_numbers AS bigint[]))
            AS wanted (organization_id, currency, after_hour, after_number)
    ), line AS (
        SELECT settlement_line.*, false AS is_late
        FROM wanted JOIN settlement_line USING (organization_id, currency)
        WHERE hour >= coalesce(after_hour, '-infinity') AND hour < :period_end AND number <= :up_to
        UNION ALL
        SELECT settlement_line.*, true
        FROM wanted JOIN settlement_line USING (organization_id, currency)
        WHERE number > after_number AND number <= :up_to AND hour < after_hour
    )
    SELECT organization_id, currency, project_id, model, operation, price_id, seller, is_late,
        min(hour) AS hour_from, max(hour) + interval '1 hour' AS hour_to, count(*) AS lines,
        sum(requests) AS requests, sum(input_tokens) AS input_tokens,
        sum(cached_input_tokens) AS cached_input_tokens, sum(output_tokens) AS output_tokens,
        sum(cache_write_tokens) AS cache_write_tokens,
        sum(cost_nanos) AS cost_nanos, sum(fee_nanos) AS fee_nanos
    FROM line
    GROUP BY organization_id, currency, project_id, model, operation, price_id, seller, is_late
    ORDER BY organization_id, currency
""")
_CURRENCIES = text("""
    WITH wanted AS (
        SELECT unnest(CAST(:organizations AS text[])) AS organization_id
    )
    SELECT DISTINCT wanted.organization_id, account.currency
    FROM wanted JOIN ledger_account AS account
        ON account.owner = wanted.organization_id AND account.kind = 'unbilled'
""")
_WATERMARKS = text("""
    SELECT DISTINCT ON (organization_id, currency) organization_id, currency, period_end, up_to
    FROM invoice
    WHERE organization_id = ANY(:organizations) AND number IS NOT NULL
    ORDER BY organization_id, currency, period_end DESC, up_to DESC
""")
_TERM_USAGE = text("""
    SELECT hour, sum(requests) AS requests, sum(input_tokens) AS input_tokens,
        sum(cached_input_tokens) AS cached_input_tokens, sum(output_tokens) AS output_tokens,
        sum(cache_write_tokens) AS cache_write_tokens, sum(cost_nanos) AS cost_nanos
    FROM settlement_line
    WHERE organization_id = :organization AND currency = :currency AND model = ANY(:models)
        AND hour >= :since AND hour < :until AND number <= :up_to
    GROUP BY hour
""")


def newest_line(tx: Connection) -> int:
    """Return up to which number settlement lines are committed: one settlement is under way at a
    time, so none below it can still appear.
    """
    return tx.execute(select(func.coalesce(func.max(settlement_line.c.number), 0))).scalar_one()


def watermarks(tx: Connection, organization_ids: Sequence[str]) -> dict[tuple[str, str], Watermark]:
    """Return up to where the invoices of these took, by organization and currency."""
    rows = tx.execute(_WATERMARKS, {"organizations": list(organization_ids)})
    return {
        (row.organization_id, row.currency): Watermark(row.period_end, row.up_to) for row in rows
    }


def settled_currencies(
    tx: Connection, organization_ids: Sequence[str]
) -> Sequence[tuple[str, str]]:
    rows = tx.execute(_CURRENCIES, {"organizations": list(organization_ids)})
    return [(row.organization_id, row.currency) for row in rows]


def take_usage(
    tx: Connection,
    after: Mapping[tuple[str, str], Watermark],
    *,
    period_end: datetime,
    up_to: int,
) -> Sequence[Row[Any]]:
    """Return usage that is on no invoice, summed by what a line of an invoice is about."""
    return tx.execute(
        _TAKE,
        {
            "organizations": [organization_id for organization_id, _ in after],
            "currencies": [currency for _, currency in after],
            "after_hours": [mark.hour for mark in after.values()],
            "after_numbers": [mark.number for mark in after.values()],
            "period_end": period_end,
            "up_to": up_to,
        },
    ).all()


def term_usage(
    tx: Connection,
    organization_id: str,
    currency: str,
    models: Sequence[str],
    *,
    span: tuple[datetime, datetime],
    up_to: int,
) -> Sequence[Row[Any]]:
    """Return what was used and settled of models in a term, hour by hour."""
    return tx.execute(
        _TERM_USAGE,
        {
            "organization": organization_id,
            "currency": currency,
            "models": list(models),
            "since": span[0],
            "until": span[1],
            "up_to": up_to,
        },
    ).all()


def charged_before(tx: Connection, source_key: str) -> dict[LineKind, int]:
    """Return what finalized invoices charged for a source, by kind."""
    rows = tx.execute(
        select(invoice_line.c.kind, func.sum(invoice_line.c.exact_nanos).label("nanos"))
        .join(invoice)
        .where(invoice_line.c.source_key == source_key, invoice.c.number.is_not(None))
        .group_by(invoice_line.c.kind)
    )
    return {LineKind(row.kind): int(row.nanos) for row in rows}


def charged_keys(tx: Connection, keys: Sequence[str]) -> set[str]:
    """Return which of these charges are on a finalized invoice."""
    if not keys:
        return set()
    found = (
        select(invoice_line.c.source_key)
        .join(invoice)
        .where(invoice_line.c.source_key.in_(keys), invoice.c.number.is_not(None))
    )
    return set(tx.execute(found).scalars())


# --- drafts ----------------------------------------------------------------------------------


class Stored(NamedTuple):
    """A draft with everything that finalizing it needs."""

    row: InvoiceRow
    lines: Sequence[DraftLine]
    shares: Sequence[int]


def drafts_of(tx: Connection, organization_ids: Sequence[str]) -> dict[tuple[str, str], str]:
    """Return the drafts there are, by organization and currency."""
    rows = tx.execute(
        select(invoice.c.id, invoice.c.organization_id, invoice.c.currency).where(
            invoice.c.organization_id.in_(organization_ids),
            invoice.c.state == InvoiceState.DRAFT.value,
        )
    )
    return {(row.organization_id, row.currency): row.id for row in rows}


def clear_drafts(tx: Connection, invoice_ids: Sequence[str]) -> None:
    """Take the lines of drafts away."""
    if invoice_ids:
        tx.execute(delete(invoice_line).where(invoice_line.c.invoice_id.in_(invoice_ids)))


def write_drafts(
    tx: Connection, drafts: Sequence[tuple[str, Drawn]], known: set[str], now: datetime
) -> None:
    """Store drafts under their ids; those known have no lines, and are written over."""
    if not drafts:
        return
    rows: list[dict[str, Any]] = [
        {
            "id": invoice_id,
            "organization_id": drawn.account.organization_id,
            "currency": drawn.currency,
            "state": InvoiceState.DRAFT.value,
            "period_start": drawn.period_start,
            "period_end": drawn.period_end,
            "up_to": drawn.up_to,
            "after_hour": drawn.after.hour,
            "after_number": drawn.after.number,
            "usage_nanos": drawn.usage_nanos,
            "exact_nanos": drawn.exact_nanos,
            "net_minor": drawn.net_minor,
            "tax_minor": drawn.tax_minor,
            "total_minor": drawn.total_minor,
            "created_at": now,
        }
        for invoice_id, drawn in drafts
    ]
    fresh = [row for row in rows if row["id"] not in known]
    if fresh:
        tx.execute(insert(invoice), fresh)
    for row in rows:
        if row["id"] in known:
            tx.execute(update(invoice).where(invoice.c.id == row["id"]).values(**row))
    lines = [
        _line_values(invoice_id, seq, line, share)
        for invoice_id, drawn in drafts
        for seq, (line, share) in enumerate(zip(drawn.lines, drawn.shares, strict=True), start=1)
    ]
    if lines:
        tx.execute(insert(invoice_line), lines)


def _line_values(invoice_id: str, seq: int, line: DraftLine, share: int) -> dict[str, Any]:
    values = line._asdict()
    values["kind"] = line.kind.value
    values["evidence"] = msgspec.to_builtins(line.evidence)
    return {**values, "invoice_id": invoice_id, "seq": seq, "minor": share}


def lock_invoice(tx: Connection, invoice_id: str) -> InvoiceRow | None:
    row = tx.execute(select(invoice).where(invoice.c.id == invoice_id).with_for_update()).first()
    return None if row is None else _row(row)


def lines_of(tx: Connection, invoice_id: str) -> tuple[list[DraftLine], list[int]]:
    """Return the lines and their shares in minor units."""
    rows = tx.execute(
        select(invoice_line)
        .where(invoice_line.c.invoice_id == invoice_id)
        .order_by(invoice_line.c.seq)
    ).all()
    lines = [
        DraftLine(
            kind=LineKind(row.kind),
            description=row.description,
            quantity=row.quantity,
            unit=row.unit,
            exact_nanos=int(row.exact_nanos),
            fee_nanos=int(row.fee_nanos),
            project_id=row.project_id,
            model=row.model,
            operation=row.operation,
            price_id=row.price_id,
            seller=row.seller,
            hour_from=row.hour_from,
            hour_to=row.hour_to,
            source_key=row.source_key,
            evidence=msgspec.convert(row.evidence, Evidence),
        )
        for row in rows
    ]
    return lines, [row.minor for row in rows]


# --- finalizing ------------------------------------------------------------------------------

_FINALIZE = text("""
    UPDATE invoice SET state = :state, series = :series, number = fresh.number,
        issued_at = :issued_at, due_at = fresh.due_at, content = fresh.content,
        sha256 = fresh.sha256, tax_minor = fresh.tax_minor,
        total_minor = invoice.net_minor + fresh.tax_minor
    FROM unnest(CAST(:ids AS text[]), CAST(:numbers AS text[]), CAST(:due_ats AS timestamptz[]),
        CAST(:contents AS text[]), CAST(:hashes AS bytea[]), CAST(:taxes AS bigint[]))
        AS fresh (id, number, due_at, content, sha256, tax_minor)
    WHERE invoice.id = fresh.id
""")


class Finalized(NamedTuple):
    invoice_id: str
    number: str
    due_at: datetime
    frozen: Frozen
    tax_minor: int


def take_numbers(tx: Connection, series: str, count: int) -> int:
    """Return the first of `count` numbers of a series. Whoever takes more waits until this
    transaction ends, so that none is missing where one is rolled back.
    """
    taken = upsert(invoice_number).values(series=series, last=count)
    last = tx.execute(
        taken.on_conflict_do_update(
            index_elements=["series"],
            set_={"last": invoice_number.c.last + taken.excluded.last},
        ).returning(invoice_number.c.last)
    ).scalar_one()
    return last - count + 1


def finalize(
    tx: Connection, finalized: Sequence[Finalized], series: str, issued_at: datetime
) -> None:
    tx.execute(
        _FINALIZE,
        {
            "state": InvoiceState.FINALIZED.value,
            "series": series,
            "issued_at": issued_at,
            "ids": [each.invoice_id for each in finalized],
            "numbers": [each.number for each in finalized],
            "due_ats": [each.due_at for each in finalized],
            "contents": [each.frozen.data.decode() for each in finalized],
            "hashes": [each.frozen.sha256 for each in finalized],
            "taxes": [each.tax_minor for each in finalized],
        },
    )


def set_state(tx: Connection, invoice_id: str, state: InvoiceState) -> None:
    tx.execute(update(invoice).where(invoice.c.id == invoice_id).values(state=state.value))


# --- payments and credit ---------------------------------------------------------------------


class Payment(NamedTuple):
    key: str
    invoice_id: str
    amount_minor: int
    method: str
    reference: str
    paid_at: datetime


def find_payment(tx: Connection, key: str) -> Payment | None:
    row = tx.execute(select(invoice_payment).where(invoice_payment.c.key == key)).first()
    return None if row is None else Payment(*row)


def add_payment(tx: Connection, payment: Payment, state: InvoiceState) -> None:
    tx.execute(insert(invoice_payment).values(**payment._asdict()))
    tx.execute(
        update(invoice)
        .where(invoice.c.id == payment.invoice_id)
        .values(paid_minor=invoice.c.paid_minor + payment.amount_minor, state=state.value)
    )


class NewCredit(NamedTuple):
    credit_note_id: str
    invoice: InvoiceRow
    key: str
    series: str
    number: str
    reason: str
    is_goodwill: bool
    lines: Mapping[int, int]
    tax_minor: int
    issued_at: datetime
    frozen: Frozen
    state: InvoiceState
    """Of the invoice afterwards."""


def add_credit(tx: Connection, new: NewCredit) -> None:
    net = sum(new.lines.values())
    tx.execute(
        insert(credit_note).values(
            id=new.credit_note_id,
            invoice_id=new.invoice.invoice_id,
            organization_id=new.invoice.organization_id,
            currency=new.invoice.currency,
            key=new.key,
            series=new.series,
            number=new.number,
            reason=new.reason,
            is_goodwill=new.is_goodwill,
            net_minor=net,
            tax_minor=new.tax_minor,
            total_minor=net + new.tax_minor,
            issued_at=new.issued_at,
            content=new.frozen.data.decode(),
            sha256=new.frozen.sha256,
        )
    )
    tx.execute(
        insert(credit_note_line),
        [
            {"credit_note_id": new.credit_note_id, "seq": seq, "minor": minor}
            for seq, minor in new.lines.items()
        ],
    )
    tx.execute(
        update(invoice)
        .where(invoice.c.id == new.invoice.invoice_id)
        .values(
            credited_minor=invoice.c.credited_minor + net + new.tax_minor, state=new.state.value
        )
    )


def find_credit(tx: Connection, key: str) -> CreditNoteRow | None:
    row = tx.execute(select(credit_note).where(credit_note.c.key == key)).first()
    return None if row is None else _credit(row)


def credits_of(tx: Connection, invoice_id: str) -> list[CreditNoteRow]:
    rows = tx.execute(
        select(credit_note).where(credit_note.c.invoice_id == invoice_id).order_by(credit_note.c.id)
    )
    return [_credit(row) for row in rows]


def credited_lines(tx: Connection, invoice_id: str) -> dict[int, int]:
    """Return what was taken back of each line."""
    rows = tx.execute(
        select(credit_note_line.c.seq, func.sum(credit_note_line.c.minor).label("minor"))
        .join(credit_note)
        .where(credit_note.c.invoice_id == invoice_id)
        .group_by(credit_note_line.c.seq)
    )
    return {row.seq: int(row.minor) for row in rows}


# --- reading ---------------------------------------------------------------------------------


def find_invoice(tx: Connection, invoice_id: str) -> InvoiceRow | None:
    row = tx.execute(select(invoice).where(invoice.c.id == invoice_id)).first()
    return None if row is None else _row(row)


def list_invoices(
    tx: Connection,
    *,
    organization_id: str | None,
    state: InvoiceState | None,
    before: str | None,
    limit: int,
) -> list[InvoiceRow]:
    """Return invoices, the newest first."""
    found = select(invoice)
    if organization_id is not None:
        found = found.where(invoice.c.organization_id == organization_id)
    if state is not None:
        found = found.where(invoice.c.state == state.value)
    if before is not None:
        found = found.where(invoice.c.id < before)
    return [_row(row) for row in tx.execute(found.order_by(invoice.c.id.desc()).limit(limit))]


def frozen_invoice(tx: Connection, invoice_id: str) -> Frozen | None:
    """Return what was finalized; None for a draft, and for what does not exist."""
    found = select(invoice.c.content, invoice.c.sha256).where(invoice.c.id == invoice_id)
    return _frozen(tx.execute(found).first())


def frozen_credit(tx: Connection, credit_note_id: str) -> Frozen | None:
    found = select(credit_note.c.content, credit_note.c.sha256).where(
        credit_note.c.id == credit_note_id
    )
    return _frozen(tx.execute(found).first())


_TAKEN_LINES = text("""
    SELECT line.* FROM settlement_line AS line
    JOIN invoice ON invoice.organization_id = line.organization_id
        AND invoice.currency = line.currency
    WHERE invoice.id = :invoice AND line.number > :after
        AND line.hour < invoice.period_end AND line.number <= invoice.up_to
        AND (invoice.after_hour IS NULL OR line.hour >= invoice.after_hour
            OR line.number > invoice.after_number)
    ORDER BY line.number
    LIMIT :most
""")
_AT_ONCE = 5_000


def taken_lines(tx: Connection, invoice_id: str) -> Iterator[Row[Any]]:
    """Yield the settlement lines that an invoice takes, in the order of their numbers."""
    after = 0
    while True:
        rows = tx.execute(
            _TAKEN_LINES, {"invoice": invoice_id, "after": after, "most": _AT_ONCE}
        ).all()
        yield from rows
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].number


# --- checks ----------------------------------------------------------------------------------

_UNINVOICED = text("""
    WITH mark AS (
        SELECT DISTINCT ON (organization_id, currency) organization_id, currency, period_end, up_to
        FROM invoice WHERE number IS NOT NULL
        ORDER BY organization_id, currency, period_end DESC, up_to DESC
    ), wanted AS (
        SELECT line.organization_id AS owner, line.currency, sum(line.cost_nanos) AS nanos
        FROM settlement_line AS line
        LEFT JOIN mark USING (organization_id, currency)
        WHERE mark.period_end IS NULL
            OR NOT (line.hour < mark.period_end AND line.number <= mark.up_to)
        GROUP BY 1, 2
    ), kept AS (
        SELECT owner, currency, nanos
        FROM ledger_account AS account
        JOIN ledger_balance AS balance ON balance.account_id = account.id
        WHERE kind = 'unbilled'
    )
    SELECT owner, currency, coalesce(kept.nanos, 0) - coalesce(wanted.nanos, 0) AS nanos
    FROM wanted FULL JOIN kept USING (owner, currency)
    WHERE coalesce(kept.nanos, 0) <> coalesce(wanted.nanos, 0)
    ORDER BY 1, 2
""")
_UNENTERED = text("""
    WITH wanted AS (
        SELECT id, organization_id, currency, usage_nanos, exact_nanos, total_minor
        FROM invoice WHERE number IS NOT NULL
    ), entered AS (
        SELECT entry.subject AS id,
            sum(posting.nanos) FILTER (WHERE account.kind = 'unbilled') AS unbilled,
            sum(posting.nanos) FILTER (WHERE account.kind = 'receivable') AS receivable,
            sum(posting.nanos) FILTER (WHERE account.kind = 'tax') AS tax,
            sum(posting.nanos) FILTER (WHERE account.kind = 'rounding') AS rounding
        FROM ledger_entry AS entry
        JOIN ledger_posting AS posting ON posting.entry_id = entry.id
        JOIN ledger_account AS account ON account.id = posting.account_id
        WHERE entry.kind = 'invoice'
        GROUP BY 1
    ), lines AS (
        SELECT invoice_id AS id, sum(minor) AS minor, sum(exact_nanos) AS exact,
            coalesce(sum(exact_nanos) FILTER (WHERE kind = 'usage'), 0) AS usage
        FROM invoice_line GROUP BY 1
    )
    SELECT invoice.id, invoice.number, invoice.currency, invoice.net_minor, invoice.tax_minor,
        invoice.total_minor, invoice.exact_nanos, invoice.usage_nanos, lines.minor, lines.exact,
        lines.usage, coalesce(entered.unbilled, 0) AS unbilled,
        coalesce(entered.receivable, 0) AS receivable, coalesce(entered.tax, 0) AS tax,
        coalesce(entered.rounding, 0) AS rounding, invoice.content, invoice.sha256
    FROM invoice
    LEFT JOIN entered ON entered.id = invoice.id
    LEFT JOIN lines ON lines.id = invoice.id
    WHERE invoice.number IS NOT NULL AND invoice.id > :after
    ORDER BY invoice.id
    LIMIT :most
""")
_GAPS = text("""
    SELECT counted.series, counted.last, coalesce(used.count, 0) AS count
    FROM invoice_number AS counted
    LEFT JOIN (
        SELECT series, count(DISTINCT number) AS count
        FROM (
            SELECT series, number FROM invoice WHERE number IS NOT NULL
            UNION ALL SELECT series, number FROM credit_note
        ) AS numbered GROUP BY series
    ) AS used USING (series)
    WHERE coalesce(used.count, 0) <> counted.last
    ORDER BY 1
""")


def uninvoiced(tx: Connection) -> Iterable[Row[Any]]:
    """Return what UNBILLED differs by from the settlement lines that are on no invoice."""
    return tx.execute(_UNINVOICED).all()


def entered_invoices(tx: Connection) -> Iterator[Row[Any]]:
    """Yield finalized invoices with what their lines and their entries come to."""
    after = ""
    while True:
        rows = tx.execute(_UNENTERED, {"after": after, "most": _AT_ONCE}).all()
        yield from rows
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].id


def gaps(tx: Connection) -> Iterable[Row[Any]]:
    """Return series in which a number is missing, or too many."""
    return tx.execute(_GAPS).all()


def _row(row: Row[Any]) -> InvoiceRow:
    return InvoiceRow(
        invoice_id=InvoiceId(row.id),
        organization_id=OrganizationId(row.organization_id),
        currency=row.currency,
        state=InvoiceState(row.state),
        number=row.number,
        period_start=row.period_start,
        period_end=row.period_end,
        exact_nanos=int(row.exact_nanos),
        net_minor=row.net_minor,
        tax_minor=row.tax_minor,
        total_minor=row.total_minor,
        paid_minor=row.paid_minor,
        credited_minor=row.credited_minor,
        issued_at=row.issued_at,
        due_at=row.due_at,
        created_at=row.created_at,
    )


def _credit(row: Row[Any]) -> CreditNoteRow:
    return CreditNoteRow(
        credit_note_id=CreditNoteId(row.id),
        invoice_id=InvoiceId(row.invoice_id),
        number=row.number,
        currency=row.currency,
        reason=row.reason,
        is_goodwill=row.is_goodwill,
        net_minor=row.net_minor,
        tax_minor=row.tax_minor,
        total_minor=row.total_minor,
        issued_at=row.issued_at,
    )


def _frozen(row: Row[Any, Any] | None) -> Frozen | None:
    if row is None or row.content is None:
        return None
    return thaw(row.content.encode(), bytes(row.sha256))
