"""Empty books, for machines that begin anew thousands of times: a new database is too slow."""

from sqlalchemy import text

from tradewind.db.database import Database

OF_BILLING = (
    "usage_event",
    "usage_hour",
    "usage_hour_meter",
    "usage_hour_host",
    "usage_news",
    "settlement_due",
    "settlement_meter",
    "settlement_host",
    "settlement_line",
    "settlement",
    "deferral",
    "credit_note_line",
    "credit_note",
    "invoice_payment",
    "invoice_line",
    "invoice",
    "invoice_number",
    "billing_close",
    "ledger_posting",
    "ledger_balance",
    "ledger_entry",
    "ledger_account",
    "ledger_seal",
)
OF_PAYOUTS = (
    "payout_event",
    "payout_reserve",
    "payout",
    "payout_statement",
    "payout_run",
    "payout_hold",
    "payout_terms",
)
"""In both, what refers to others comes before them."""
_STEPS = (
    "ALTER TABLE {} DISABLE TRIGGER USER",
    "DELETE FROM {}",
    "ALTER TABLE {} ENABLE TRIGGER USER",
)


def wipe(database: Database, *tables: str) -> None:
    """Empty `tables` and those of billing: what guards them is off for this transaction alone."""
    statements = [step.format(table) for step in _STEPS for table in (*tables, *OF_BILLING)]
    with database.transaction() as tx:
        tx.execute(text(";".join(statements)))
