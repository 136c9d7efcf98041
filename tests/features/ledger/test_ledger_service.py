"""Entering, retrying, reversing and reading, on a real database."""

import threading
from datetime import timedelta

import pytest

from tests.features.ledger.ledger_parts import (
    CASH,
    EVER,
    FEE,
    NOW,
    PAYABLE,
    REVENUE,
    UNBILLED,
    WALLET,
    charge,
    draft,
    top_up,
    usage,
)
from tradewind.core.errors import NotFound
from tradewind.core.ids import EntryId
from tradewind.features.ledger.errors import (
    EntryRefused,
    EntryReversed,
    KeyReused,
    ReversalFinal,
    WalletOverdrawn,
)
from tradewind.features.ledger.schemas import AccountKind, AccountRef, Posting
from tradewind.features.ledger.service import MOST_AT_ONCE

pytestmark = pytest.mark.postgres


def test_an_entry_changes_the_balances_of_its_accounts(ledger, do):
    do(ledger.post, draft("s:1", (UNBILLED, 100), (PAYABLE, -97), (FEE, -3)))

    assert do(ledger.balance, UNBILLED) == 100
    assert do(ledger.balance, PAYABLE) == -97
    assert do(ledger.balance, FEE) == -3


def test_an_account_that_was_never_used_has_nothing(ledger, do):
    assert do(ledger.balance, CASH) == 0
    assert do(ledger.accounts) == []
    assert do(ledger.statement, CASH, since=EVER[0], until=EVER[1]) == []


def test_an_entry_is_read_as_it_was_entered(ledger, do):
    entry_id = do(ledger.post, usage("s:1", 5, memo="Über\u2028alles", subject="inv_1", by="me"))

    entry = do(ledger.entry, entry_id)
    assert (entry.key, entry.kind, entry.at) == ("s:1", "usage", NOW)
    assert (entry.memo, entry.subject, entry.by) == ("Über\u2028alles", "inv_1", "me")
    assert entry.postings == (Posting(UNBILLED, 5), Posting(REVENUE, -5))
    assert (entry.reverses, entry.reversed_by) == (None, None)
    accounts = {row.account_id: row.account for row in do(ledger.accounts)}
    assert [accounts[account_id] for account_id in entry.account_ids] == [UNBILLED, REVENUE]
    assert do(ledger.entries_of, "inv_1") == [entry_id]
    assert do(ledger.entries_of, "") == []


def test_the_same_key_with_the_same_content_is_entered_once(ledger, do):
    first = do(ledger.post, usage("s:1", 5))

    assert do(ledger.post, usage("s:1", 5)) == first
    assert do(ledger.balance, UNBILLED) == 5


@pytest.mark.parametrize(
    "other",
    [
        usage("s:1", 6),
        usage("s:1", 5, memo="else"),
        usage("s:1", 5, subject="else"),
        usage("s:1", 5, by="else"),
        usage("s:1", 5, kind="else"),
        usage("s:1", 5, at=NOW + timedelta(microseconds=1)),
        draft("s:1", (REVENUE, -5), (UNBILLED, 5)),
    ],
)
def test_the_same_key_with_other_content_is_refused(ledger, do, other):
    do(ledger.post, usage("s:1", 5))

    with pytest.raises(KeyReused, match="s:1"):
        do(ledger.post, other)
    assert do(ledger.balance, UNBILLED) == 5


def test_many_are_entered_in_their_order_and_retries_among_them_are_known(ledger, do):
    former = do(ledger.post, usage("b", 1))

    ids = do(ledger.post_many, [usage("c", 2), usage("b", 1), usage("a", 4), usage("c", 2)])

    assert ids[1] == former
    assert ids[0] == ids[3]
    assert [do(ledger.entry, entry_id).key for entry_id in ids] == ["c", "b", "a", "c"]
    assert do(ledger.balance, UNBILLED) == 7
    assert do(ledger.post_many, []) == []


def test_of_many_none_is_entered_when_one_is_refused(ledger, do):
    do(ledger.post, usage("b", 1))
    for drafts in (
        [usage("a", 1), usage("b", 2)],
        [usage("a", 1), usage("c", 1), usage("c", 2)],
        [usage("a", 1), charge("c", 1)],
    ):
        with pytest.raises((KeyReused, WalletOverdrawn)):
            do(ledger.post_many, drafts)
    assert do(ledger.balance, UNBILLED) == 1
    assert do(ledger.verify).entries == 1


def test_more_at_once_than_one_statement_takes_are_refused(ledger, do):
    with pytest.raises(EntryRefused, match="too many"):
        do(ledger.post_many, [usage("a")] * (MOST_AT_ONCE + 1))


def test_a_wallet_is_never_overdrawn_and_the_transaction_goes_on(ledger, database, do):
    do(ledger.post, top_up("t", 100))
    do(ledger.post, charge("c:1", 60))
    with database.transaction() as tx:
        with pytest.raises(WalletOverdrawn):
            ledger.post(tx, charge("c:2", 41))
        ledger.post(tx, charge("c:3", 40))

    assert do(ledger.balance, WALLET) == 0
    assert do(ledger.verify).is_clean


def test_a_wallet_is_topped_up_and_charged_by_one_statement(ledger, do):
    do(ledger.post_many, [charge("a", 60), top_up("b", 100)])

    assert do(ledger.balance, WALLET) == -40


def test_two_who_charge_a_wallet_at_once_do_not_overdraw_it(ledger, database, do):
    do(ledger.post, top_up("t", 100))
    outcomes = []

    def charge_once(number):
        try:
            with database.transaction() as tx:
                ledger.post(tx, charge(f"c:{number}", 60))
            outcomes.append("charged")
        except WalletOverdrawn:
            outcomes.append("refused")

    at_once(charge_once, 4)

    assert sorted(outcomes) == ["charged", "refused", "refused", "refused"]
    assert do(ledger.balance, WALLET) == -40


def test_many_who_enter_the_same_at_once_enter_it_once(ledger, database, do):
    drafts = [usage(f"s:{number:02}", 1) for number in range(40)]
    found = []

    def enter(number):
        mine = drafts if number % 2 else list(reversed(drafts))
        with database.transaction() as tx:
            ids = ledger.post_many(tx, mine)
        found.append(sorted(ids))

    at_once(enter, 4)

    assert len(found) == 4
    assert all(ids == found[0] for ids in found)
    assert do(ledger.balance, UNBILLED) == 40
    assert do(ledger.verify).is_clean


def test_balances_beyond_64_bits_are_kept_exactly(ledger, do):
    most = 2**63 - 1
    do(ledger.post_many, [usage(f"s:{number}", most) for number in range(3)])

    assert do(ledger.balance, UNBILLED) == 3 * most
    rows = do(ledger.statement, UNBILLED, since=EVER[0], until=EVER[1])
    assert rows[-1].balance_nanos == 3 * most


# --- reversals -------------------------------------------------------------------------------


def test_a_reversal_takes_an_entry_back(ledger, do, clock):
    entry_id = do(ledger.post, usage("s:1", 5, subject="inv_1"))
    clock.turn(timedelta(days=1))

    reversal_id = do(ledger.reverse, entry_id, key="r:1", reason="twice", by="Ann")

    reversal = do(ledger.entry, reversal_id)
    assert reversal.postings == (Posting(UNBILLED, -5), Posting(REVENUE, 5))
    assert (reversal.kind, reversal.at) == ("reversal", NOW + timedelta(days=1))
    assert (reversal.memo, reversal.subject, reversal.by) == ("twice", "inv_1", "Ann")
    assert reversal.reverses == entry_id
    assert do(ledger.entry, entry_id).reversed_by == reversal_id
    assert do(ledger.balance, UNBILLED) == 0
    assert do(ledger.verify).is_clean


def test_a_reversal_is_retried_at_another_time(ledger, do, clock):
    entry_id = do(ledger.post, usage("s:1", 5))
    first = do(ledger.reverse, entry_id, key="r:1", reason="twice")
    clock.turn(timedelta(hours=1))

    assert do(ledger.reverse, entry_id, key="r:1", reason="twice") == first
    assert do(ledger.balance, UNBILLED) == 0


def test_an_entry_is_reversed_once_and_a_reversal_never(ledger, do):
    entry_id = do(ledger.post, usage("s:1", 5))
    other_id = do(ledger.post, usage("s:2", 5))
    reversal_id = do(ledger.reverse, entry_id, key="r:1", reason="twice")

    with pytest.raises(EntryReversed, match=reversal_id):
        do(ledger.reverse, entry_id, key="r:2", reason="again")
    with pytest.raises(ReversalFinal):
        do(ledger.reverse, reversal_id, key="r:3", reason="no")
    with pytest.raises(KeyReused):
        do(ledger.reverse, other_id, key="r:1", reason="twice")
    with pytest.raises(KeyReused):
        do(ledger.reverse, entry_id, key="r:1", reason="for another reason")
    with pytest.raises(NotFound):
        do(ledger.reverse, EntryId.new(), key="r:4", reason="no")
    assert do(ledger.balance, UNBILLED) == 5


def test_two_who_reverse_at_once_do_it_once(ledger, database, do):
    entry_id = do(ledger.post, usage("s:1", 5))
    outcomes = []

    def reverse(number):
        try:
            with database.transaction() as tx:
                ledger.reverse(tx, entry_id, key=f"r:{number}", reason="twice")
            outcomes.append("reversed")
        except EntryReversed:
            outcomes.append("refused")

    at_once(reverse, 4)

    assert sorted(outcomes) == ["refused", "refused", "refused", "reversed"]
    assert do(ledger.balance, UNBILLED) == 0


# --- statements and accounts -----------------------------------------------------------------


def test_a_statement_runs_from_balance_to_balance(ledger, do):
    for day in (3, 1, 2):
        do(
            ledger.post,
            usage(f"s:{day}", day * 10, at=NOW + timedelta(days=day), memo=f"day {day}"),
        )
    since, until = NOW + timedelta(days=2), NOW + timedelta(days=4)

    rows = do(ledger.statement, UNBILLED, since=since, until=until)

    assert [(row.memo, row.nanos, row.balance_nanos) for row in rows] == [
        ("day 2", 20, 30),
        ("day 3", 30, 60),
    ]
    assert do(ledger.statement, UNBILLED, since=since, until=since) == []


def test_a_statement_is_read_page_by_page(ledger, do):
    # Two postings of one entry on the same account, and many entries of one moment.
    do(ledger.post_many, [usage(f"s:{number}", number + 1) for number in range(6)])
    do(ledger.post, draft("d", (UNBILLED, 7), (UNBILLED, 8), (REVENUE, -15)))
    [account] = [row for row in do(ledger.accounts) if row.account == UNBILLED]
    whole = do(ledger.statement, UNBILLED, since=EVER[0], until=EVER[1])

    paged, place = [], None
    while rows := do(
        ledger.statement,
        account.account_id,
        since=EVER[0],
        until=EVER[1],
        after=place,
        limit=3,
    ):
        assert len(rows) <= 3
        paged += rows
        place = rows[-1].place

    assert paged == whole
    assert len(whole) == 8
    assert whole[-1].balance_nanos == account.nanos == 36


def test_accounts_are_found_by_what_they_are(ledger, do):
    other = AccountRef(AccountKind.UNBILLED, "org_b", "USD")
    do(ledger.post, usage("s:1", 5))
    do(ledger.post, draft("s:2", (other, 3), (REVENUE, -3)))

    assert {row.account for row in do(ledger.accounts, kind=AccountKind.UNBILLED)} == {
        UNBILLED,
        other,
    }
    [found] = do(ledger.accounts, owner="org_b")
    assert (found.account, found.nanos, found.postings) == (other, 3, 1)
    assert do(ledger.account, found.account_id) == found
    assert do(ledger.accounts, currency="EUR") == []
    first, *rest = do(ledger.accounts)
    assert do(ledger.accounts, after=first.account_id) == rest
    with pytest.raises(NotFound):
        do(ledger.account, "acct_none")


def at_once(act, count):
    failures = []

    def run(number):
        try:
            act(number)
        except Exception as error:  # noqa: BLE001 - the test's own thread must hear of it
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
