"""What the database itself refuses, whoever writes: statements that our code never sends."""

from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.features.ledger.ledger_parts import (
    NOW,
    REVENUE,
    UNBILLED,
    WALLET,
    draft,
    top_up,
    usage,
)
from tradewind.core.ids import EntryId
from tradewind.db.database import Database
from tradewind.features.ledger.schemas import AccountKind, AccountRef, FxRate
from tradewind.features.ledger.tables import ledger_account
from tradewind.migrations.runner import migrate

pytestmark = pytest.mark.postgres

TABLES = ["ledger_account", "ledger_entry", "ledger_posting", "ledger_seal", "fx_rate"]
ENTRY = """
    INSERT INTO ledger_entry
        (id, key, kind, at, memo, subject, by, size, reverses, content_hash, entered_at)
    VALUES (:id, :key, 'usage', :at, '', '', '', :size, :reverses, sha256(''), now())
"""
POSTING = """
    INSERT INTO ledger_posting (entry_id, seq, at, size, account_id, currency, nanos)
    VALUES (:id, :seq, :at, :size, :account, :currency, :nanos)
"""


@pytest.fixture
def accounts(ledger, do):
    """The ids of accounts that are there, by what they are; the wallet has a hundred nanos."""
    euro = AccountRef(AccountKind.REVENUE, "usage", "EUR")
    other = AccountRef(AccountKind.UNBILLED, "org_a", "EUR")
    do(
        ledger.post_many,
        [usage("s:1", 5), top_up("t:1", 100), draft("s:2", (other, 1), (euro, -1))],
    )
    do(ledger.set_rate, FxRate("EUR", "USD", 1_080_000_000, "test", NOW))
    do(ledger.seal, do(ledger.draw_line))
    return {row.account: row.account_id for row in do(ledger.accounts)}


@pytest.fixture
def run(database):
    """Run statements in one transaction."""

    def run(*statements):
        with database.transaction() as tx:
            for statement, values in statements:
                tx.execute(text(statement), values)

    return run


@pytest.fixture
def written(accounts, run):
    """Write an entry as somebody would who is not our code."""

    def write(*legs, size=None, reverses=None, seqs=None, at=NOW):
        entry_id = EntryId.new()
        size = len(legs) if size is None else size
        statements = [
            (
                ENTRY,
                {"id": entry_id, "key": entry_id, "at": NOW, "size": size, "reverses": reverses},
            )
        ]
        for seq, (account, nanos) in zip(seqs or range(1, 99), legs, strict=False):
            statements.append(
                (
                    POSTING,
                    leg(
                        entry_id, seq, accounts[account], account.currency, nanos, size=size, at=at
                    ),
                )
            )
        run(*statements)
        return entry_id

    return write


def leg(entry_id, seq, account_id, currency, nanos, *, size=2, at=NOW):
    return {
        "id": entry_id,
        "seq": seq,
        "at": at,
        "size": size,
        "account": account_id,
        "currency": currency,
        "nanos": nanos,
    }


def refused(state, constraint=None):
    return pytest.raises(DBAPIError, check=lambda error: is_refusal(error, state, constraint))


def is_refusal(error, state, constraint):
    told = error.orig
    return told.sqlstate == state and constraint in {None, told.diag.constraint_name}


def test_an_entry_that_our_code_did_not_write_is_taken_when_it_is_right(written, ledger, do):
    written((UNBILLED, 7), (REVENUE, -7))

    assert do(ledger.balance, UNBILLED) == 12


def test_an_entry_that_does_not_balance_is_refused_at_the_commit(written, ledger, do):
    with refused("23514", "ledger_entry_is_balanced"):
        written((UNBILLED, 7), (REVENUE, -6))
    assert do(ledger.balance, UNBILLED) == 5


def test_an_entry_has_to_balance_in_each_currency(written):
    euro = AccountRef(AccountKind.REVENUE, "usage", "EUR")
    with refused("23514", "ledger_entry_is_balanced"):
        written((UNBILLED, 7), (euro, -7))


def test_an_entry_without_postings_or_with_fewer_than_it_says_is_refused(written):
    with refused("23514", "ck_ledger_entry_size"):
        written()
    with refused("23514", "ck_ledger_entry_size"):
        written((UNBILLED, 7), size=1)
    with refused("23514", "ledger_entry_is_whole"):
        written(size=2)
    with refused("23514", "ledger_entry_is_whole"):
        written((UNBILLED, 7), (REVENUE, -7), size=3)


def test_postings_are_never_added_to_an_entry_that_is_whole(written, accounts, run):
    entry_id = written((UNBILLED, 7), (REVENUE, -7))
    usd = accounts[UNBILLED], "USD"
    with refused("23514", "ck_ledger_posting_seq"):
        run((POSTING, leg(entry_id, 3, *usd, 1)), (POSTING, leg(entry_id, 4, *usd, -1)))
    with refused("23505", "pk_ledger_posting"):
        run((POSTING, leg(entry_id, 2, *usd, 1)))
    with refused("23503"):
        run(
            (POSTING, leg(entry_id, 3, *usd, 1, size=4)),
            (POSTING, leg(entry_id, 4, *usd, -1, size=4)),
        )
    with refused("23503"):
        run((POSTING, leg(EntryId.new(), 1, *usd, 1)))


def test_a_posting_has_the_time_of_its_entry(written):
    with refused("23503"):
        written((UNBILLED, 7), (REVENUE, -7), at=datetime(2031, 1, 1, tzinfo=UTC))


def test_a_posting_has_the_currency_of_its_account(accounts, run):
    entry_id = EntryId.new()
    with refused("23503"):
        run(
            (ENTRY, {"id": entry_id, "key": "k", "at": NOW, "size": 2, "reverses": None}),
            (POSTING, leg(entry_id, 1, accounts[UNBILLED], "EUR", 7)),
            (POSTING, leg(entry_id, 2, accounts[REVENUE], "EUR", -7)),
        )


def test_a_posting_is_not_zero(written):
    with refused("23514", "ck_ledger_posting_nanos"):
        written((UNBILLED, 0), (REVENUE, 0))


def test_a_wallet_is_not_overdrawn(written, ledger, do):
    with refused("23514", "ck_ledger_balance_ceiling"):
        written((WALLET, 101), (REVENUE, -101))
    written((WALLET, 100), (REVENUE, -100))
    assert do(ledger.balance, WALLET) == 0


def test_a_key_is_used_once(run, accounts):
    with refused("23505", "uq_ledger_entry_key"):
        run((ENTRY, {"id": EntryId.new(), "key": "s:1", "at": NOW, "size": 2, "reverses": None}))


def test_a_reversal_is_the_exact_mirror_image_of_an_entry_that_is_none(written, ledger, do):
    entry_id = written((UNBILLED, 7), (REVENUE, -7))
    for legs in (
        [(UNBILLED, -6), (REVENUE, 6)],
        [(UNBILLED, 7), (REVENUE, -7)],
        [(REVENUE, 7), (UNBILLED, -7)],
        [(UNBILLED, -7), (REVENUE, 7), (UNBILLED, 1), (REVENUE, -1)],
    ):
        with refused("23514", "ledger_entry_is_reversal"):
            written(*legs, reverses=entry_id)
    reversal_id = written((UNBILLED, -7), (REVENUE, 7), reverses=entry_id)
    with refused("23505", "uq_ledger_entry_reverses"):
        written((UNBILLED, -7), (REVENUE, 7), reverses=entry_id)
    with refused("23514", "ledger_entry_is_reversal"):
        written((UNBILLED, 7), (REVENUE, -7), reverses=reversal_id)
    with refused("23503"):
        written((UNBILLED, 7), (REVENUE, -7), reverses=EntryId.new())


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET {column} = {column}"],
)
def test_nothing_is_changed_or_removed_by_the_owner_either(accounts, run, table, statement):
    column = {"ledger_account": "owner", "fx_rate": "source", "ledger_seal": "digest"}.get(
        table, "at"
    )
    with refused("42501"):
        run((statement.format(table, column=column), {}))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_balance SET nanos = nanos + 1",
        "UPDATE ledger_balance SET ceiling_nanos = NULL",
        "DELETE FROM ledger_balance",
        "TRUNCATE ledger_balance",
        "INSERT INTO ledger_balance VALUES ('acct_x', 0, 0, NULL)",
    ],
)
def test_a_balance_changes_by_postings_only(accounts, run, statement):
    with refused("42501"):
        run((statement, {}))


def test_the_kinds_of_accounts_are_those_of_the_code(run):
    known = {kind.value for kind in AccountKind}
    for kind in sorted(known):
        run((ACCOUNT, {"id": f"acct_{kind}", "kind": kind, "currency": "USD"}))
    with refused("23514", "ck_ledger_account_kind"):
        run((ACCOUNT, {"id": "acct_else", "kind": "else", "currency": "USD"}))
    with refused("23514", "ck_ledger_account_currency"):
        run((ACCOUNT, {"id": "acct_else", "kind": "cash", "currency": "usd"}))
    with refused("23505", "uq_ledger_account_kind_owner_currency"):
        run((ACCOUNT, {"id": "acct_else", "kind": "cash", "currency": "USD"}))


ACCOUNT = """
    INSERT INTO ledger_account (id, kind, owner, currency, created_at)
    VALUES (:id, :kind, 'x', :currency, now())
"""


# --- a role that does not own the tables -----------------------------------------------------


@pytest.fixture
def clerk(postgres, empty_database_url):
    """A database whose tables were made with everything granted to another role, by default; yields
    the database as its owner sees it, and as that role does.
    """
    role = sql.Identifier("ledger_clerk")
    owned = Database(empty_database_url, application_name="tests")
    superuser = empty_database_url.replace("//tradewind@", "//" + superuser_of(postgres) + "@")
    with Database(superuser, application_name="tests").connect_raw(autocommit=True) as upkeep:
        upkeep.execute(sql.SQL("CREATE ROLE {}").format(role))
        upkeep.execute(sql.SQL("GRANT {} TO tradewind").format(role))
    with owned.connect_raw(autocommit=True) as upkeep:
        upkeep.execute(
            sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO {}").format(
                role
            )
        )
    migrate(owned)
    options = "options=-c%20role%3Dledger_clerk"
    as_clerk = Database(f"{empty_database_url}&{options}", application_name="tests")
    yield as_clerk
    as_clerk.close()
    with owned.connect_raw(autocommit=True) as upkeep:
        upkeep.execute(sql.SQL("DROP OWNED BY {}").format(role))
    owned.close()
    with Database(superuser, application_name="tests").connect_raw(autocommit=True) as upkeep:
        upkeep.execute(sql.SQL("DROP OWNED BY {}").format(role))
        upkeep.execute(sql.SQL("DROP ROLE {}").format(role))


def superuser_of(postgres):
    return postgres.superuser_url.partition("//")[2].partition("@")[0]


def test_another_role_enters_and_changes_nothing(clerk, ledger):
    with clerk.transaction() as tx:
        assert tx.execute(text("SELECT current_user")).scalar_one() == "ledger_clerk"
        ledger.post_many(tx, [usage("s:1", 5), top_up("t:1", 100)])
        assert ledger.balance(tx, UNBILLED) == 5

    for table in [*TABLES, "ledger_balance"]:
        for privilege in ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER"):
            assert not may(clerk, table, privilege), (table, privilege)
    assert not may(clerk, "ledger_balance", "INSERT")
    assert may(clerk, "ledger_posting", "INSERT")
    with pytest.raises(DBAPIError) as told, clerk.transaction() as tx:
        tx.execute(ledger_account.update().values(owner="else"))
    assert isinstance(told.value.orig, psycopg.errors.InsufficientPrivilege)
    with refused("23514", "ledger_entry_is_whole"), clerk.transaction() as tx:
        values = {"id": "ent_x", "key": "k", "at": NOW, "size": 2, "reverses": None}
        tx.execute(text(ENTRY), values)


def may(database, table, privilege):
    with database.transaction() as tx:
        asked = text("SELECT has_table_privilege(:table, :privilege)")
        return tx.execute(asked, {"table": table, "privilege": privilege}).scalar_one()
