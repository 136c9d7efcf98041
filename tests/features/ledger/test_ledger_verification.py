"""Verification finds what somebody changed behind the database's back, and seals keep the rest."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.features.ledger.ledger_parts import UNBILLED, draft, top_up, usage
from tradewind.features.ledger.schemas import Difference, NamedCheck

pytestmark = pytest.mark.postgres


@pytest.fixture
def tamper(superuser_database):
    """Change the books as a superuser who switches the triggers off."""

    def tamper(statement):
        with superuser_database.transaction() as tx:
            tx.execute(text("SET LOCAL session_replication_role = replica"))
            assert tx.execute(text(statement)).rowcount > 0

    return tamper


@pytest.fixture
def books(ledger, do):
    """Three entries, one of them reversed, all sealed."""
    ids = do(ledger.post_many, [usage("s:1", 5), usage("s:2", 7), top_up("t:1", 100)])
    do(ledger.reverse, ids[1], key="r:1", reason="twice")
    do(ledger.seal, do(ledger.draw_line))
    return ids


def test_an_empty_ledger_is_right(ledger, do):
    found = do(ledger.verify)
    assert (found.accounts, found.entries, found.postings) == (0, 0, 0)
    assert found.is_clean
    assert do(ledger.seal, do(ledger.draw_line)) is None


def test_books_that_nobody_touched_are_right(ledger, do, books):
    found = do(ledger.verify)

    assert (found.accounts, found.entries, found.postings) == (4, 4, 8)
    assert (found.differences, found.difference_count, found.difference_nanos) == ((), 0, 0)
    assert [check.name for check in found.checks] == [
        "balances",
        "sums",
        "entries",
        "reversals",
        "contents",
        "seals",
    ]


@pytest.mark.parametrize(
    ("statement", "checks", "nanos"),
    [
        (
            (
                "UPDATE ledger_balance SET nanos = nanos + 3 WHERE account_id ="
                " (SELECT id FROM ledger_account WHERE kind = 'unbilled')"
            ),
            {"balances", "sums"},
            6,
        ),
        (
            (
                "DELETE FROM ledger_balance WHERE account_id ="
                " (SELECT id FROM ledger_account WHERE kind = 'unbilled')"
            ),
            {"balances", "sums"},
            10,
        ),
        (
            (
                "UPDATE ledger_posting SET nanos = nanos + 2 WHERE entry_id ="
                " (SELECT id FROM ledger_entry WHERE key = 's:1') AND seq = 1"
            ),
            {"balances", "entries", "contents"},
            4,
        ),
        (
            (
                "DELETE FROM ledger_posting WHERE entry_id ="
                " (SELECT id FROM ledger_entry WHERE key = 's:1') AND seq = 1"
            ),
            {"balances", "entries", "contents"},
            10,
        ),
        (
            # Both sides, and the balances with them: only hashes know.
            (
                "WITH changed AS (UPDATE ledger_posting SET nanos = nanos * 2 WHERE entry_id ="
                " (SELECT id FROM ledger_entry WHERE key = 's:1')"
                " RETURNING account_id, nanos / 2 AS n)"
                " UPDATE ledger_balance SET nanos = ledger_balance.nanos + changed.n FROM changed"
                " WHERE changed.account_id = ledger_balance.account_id"
            ),
            {"contents"},
            0,
        ),
        ("UPDATE ledger_entry SET memo = 'else' WHERE key = 's:1'", {"contents"}, 0),
        ("UPDATE ledger_entry SET reverses = NULL WHERE key = 'r:1'", {"contents"}, 0),
        (
            (
                "UPDATE ledger_entry SET reverses = (SELECT id FROM ledger_entry WHERE key = 't:1')"
                " WHERE key = 'r:1'"
            ),
            {"contents", "reversals"},
            200,
        ),
        (
            (
                "WITH gone AS (DELETE FROM ledger_entry WHERE key = 't:1' RETURNING id)"
                " DELETE FROM ledger_posting USING gone WHERE entry_id = gone.id"
            ),
            {"balances", "seals"},
            200,
        ),
        ("UPDATE ledger_entry SET content_hash = sha256('x') WHERE key = 's:1'", None, 0),
        ("UPDATE ledger_seal SET digest = sha256('x')", {"seals"}, 0),
        ("UPDATE ledger_seal SET number = 2", {"seals"}, 0),
    ],
)
@pytest.mark.usefixtures("books")
def test_what_was_changed_behind_the_database_is_found(  # noqa: PLR0917  fixtures and cases
    ledger, do, tamper, statement, checks, nanos
):
    tamper(statement)

    found = do(ledger.verify)

    wrong = {check.name for check in found.checks if check.differences}
    assert wrong == (checks or {"contents", "seals"})
    assert found.difference_nanos == nanos
    assert found.difference_count == len(found.differences) > 0
    assert {difference.check for difference in found.differences} == wrong


def test_those_who_post_add_checks_of_their_own_and_progress_is_told(ledger, do, books):
    def look(_tx, tell):
        tell(1, 2)
        yield Difference("settlement", "org_a", "an hour was not settled", -4)

    told = []
    found = do(
        ledger.verify,
        lambda check, done, total: told.append((check, done, total)),
        more=[NamedCheck("settlement", look)],
    )

    assert found.checks[-1] == ("settlement", 1)
    assert (found.difference_count, found.difference_nanos) == (1, 4)
    assert ("contents", 4, 4) in told
    assert told[-2:] == [("settlement", 1, 2), ("settlement", 1, 1)]


def test_verification_sees_one_moment_while_others_enter(ledger, database, do, books):
    with database.transaction() as tx:
        ledger.hold_still(tx)
        before = ledger.verify(tx)
        do(ledger.post, usage("s:9", 5))
        assert ledger.verify(tx) == before
    assert do(ledger.verify).entries == before.entries + 1


def test_seals_are_chained_and_cover_each_entry_once(ledger, do, books):
    first_line = do(ledger.draw_line)
    assert do(ledger.seal, first_line) is None
    do(ledger.post_many, [usage("s:3"), usage("s:4")])

    second = do(ledger.seal, do(ledger.draw_line))

    assert (second.number, second.entries) == (2, 2)
    assert second.up_to > first_line
    assert do(ledger.seal, second.up_to) is None
    assert do(ledger.verify).is_clean


def test_a_line_is_drawn_behind_everybody_who_is_entering(ledger, database, do, clock):
    """Otherwise an entry with a lower number could appear below a seal later."""
    with database.transaction() as writing:
        ledger.post(writing, usage("s:1"))
        with database.transaction() as drawing:
            drawing.execute(text("SET LOCAL lock_timeout = '50ms'"))
            with pytest.raises(OperationalError, match="lock timeout"), drawing.begin_nested():
                ledger.draw_line(drawing)
    assert do(ledger.draw_line) >= 1


def test_a_retry_burns_a_number_and_the_books_stay_right(ledger, do):
    do(ledger.post, usage("s:1"))
    do(ledger.post, usage("s:1"))
    entry_id = do(ledger.post, draft("s:2", (UNBILLED, 1), (UNBILLED, -1)))

    assert do(ledger.entry, entry_id).number == 3
    assert do(ledger.seal, do(ledger.draw_line)).entries == 2
    assert do(ledger.verify).is_clean
