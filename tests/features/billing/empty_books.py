"""Empty books, for machines that begin anew thousands of times: a new database is too slow."""

import itertools

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
_SWEPT_EACH = 50
_wiped = itertools.count(1)


def wipe(superuser: Database, *tables: str) -> None:
    """Empty `tables` and those of billing: what guards them is off for this transaction alone.

    Nothing vacuums the databases of tests by itself, and each example would be slower than the
    last, so it is done here now and then.
    """
    all_tables = (*tables, *OF_BILLING)
    statements = ["SET LOCAL session_replication_role = replica"]
    statements += [f"DELETE FROM {table}" for table in all_tables]
    with superuser.transaction() as tx:
        tx.execute(text(";".join(statements)))
    if next(_wiped) % _SWEPT_EACH == 0:
        with superuser.connect_raw(autocommit=True) as connection:
            connection.execute("VACUUM")
