"""A machine that does with the ledger whatever comes to mind, from several connections, and knows
what has to come out: sums are zero, balances are sums, and the drafts alone rebuild the books.
"""

import os
import random
import threading
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from tests.features.ledger.ledger_parts import NOW, TurnedClock
from tradewind.db.database import Database
from tradewind.features.ledger import rules
from tradewind.features.ledger.errors import (
    EntryReversed,
    KeyReused,
    ReversalFinal,
    WalletOverdrawn,
)
from tradewind.features.ledger.schemas import AccountKind, AccountRef, EntryDraft, FxRate, Posting
from tradewind.features.ledger.service import Ledger

pytestmark = pytest.mark.postgres

OWNERS = ["org_a", "org_b", "acme"]
CURRENCIES = ["USD", "EUR"]
KINDS = [AccountKind.UNBILLED, AccountKind.WALLET, AccountKind.PAYABLE, AccountKind.REVENUE]
# A few seconds; give more for a long run.
EXAMPLES = int(os.environ.get("TRADEWIND_TEST_LEDGER_EXAMPLES", "25"))
RATE = FxRate("EUR", "USD", 1_083_700_001, "bank", NOW)
# A superuser may; what the ledger refuses to everybody is a test of its own.
EMPTIED = """
    SET LOCAL session_replication_role = replica;
    TRUNCATE ledger_account, ledger_entry, ledger_posting, ledger_balance, ledger_seal, fx_rate
        CASCADE;
"""


@st.composite
def drafts(draw, keys):
    """A draft that balances in each of its currencies."""
    postings = []
    for currency in draw(st.lists(st.sampled_from(CURRENCIES), min_size=1, max_size=2)):
        accounts = draw(
            st.lists(
                st.builds(
                    AccountRef,
                    st.sampled_from(KINDS),
                    st.sampled_from(OWNERS),
                    st.just(currency),
                ),
                min_size=2,
                max_size=4,
            )
        )
        amounts = [draw(AMOUNTS) for _ in accounts[1:]]
        rest = -sum(amounts)
        if rest == 0:
            amounts[0] += 1
            rest = -sum(amounts)
        if rest == 0 or 0 in amounts:
            amounts, rest = [1] * len(amounts), -len(amounts)
        postings += map(Posting, accounts, [*amounts, rest])
    at = NOW + timedelta(hours=draw(st.integers(-48, 48)))
    return EntryDraft(draw(keys), "usage", at, tuple(postings), subject=draw(st.sampled_from("ab")))


AMOUNTS = st.one_of(
    st.integers(-1_000, 1_000), st.integers(-(2**61), 2**61)
).filter(bool)  # fmt: skip
KEYS = st.integers(0, 60).map("k:{}".format)


class LedgerMachine(RuleBasedStateMachine):
    """Set by the test: `database`, `emptied`."""

    database: Database
    emptied: Database

    entered = Bundle("entered")

    @initialize()
    def begin(self):
        with self.emptied.transaction() as tx:
            for statement in EMPTIED.split(";")[:-1]:
                tx.execute(text(statement))
        self.clock = TurnedClock()
        self.ledger = Ledger(self.clock)
        with self.database.transaction() as tx:
            self.ledger.set_rate(tx, RATE)
        self.drafts: dict[str, EntryDraft] = {}
        self.reversals: dict[str, tuple[str, str]] = {}
        """Keys of reversals, with the key of what they reverse and their reason, in their order."""
        self.ids: dict[str, str] = {}

    def balances(self, more=()):
        """What the model says: from drafts and reversals alone."""
        known: Counter[AccountRef] = Counter()
        for draft in (*self.drafts.values(), *more):
            for account, nanos in draft.postings:
                known[account] += nanos
        for reversed_key, _ in self.reversals.values():
            for account, nanos in self.drafts[reversed_key].postings:
                known[account] -= nanos
        return known

    def is_overdrawn(self, more=()):
        return any(
            account.kind is AccountKind.WALLET and nanos > 0
            for account, nanos in self.balances(more).items()
        )

    @rule(target=entered, draft=drafts(KEYS))
    def post(self, draft):
        return self.enter([draft], lambda tx: [self.ledger.post(tx, draft)])

    @rule(target=entered, batch=st.lists(drafts(KEYS), min_size=1, max_size=12))
    def post_many(self, batch):
        return self.enter(batch, lambda tx: self.ledger.post_many(tx, batch))

    def enter(self, batch, act):
        """Do it, and hold what comes out against what the model says has to."""
        fresh = {}
        is_reused = False
        for draft in batch:
            former = self.drafts.get(draft.key) or fresh.get(draft.key)
            is_reused |= former not in {None, draft} or draft.key in self.reversals
            if former is None:
                fresh[draft.key] = draft
        is_refused = is_reused or self.is_overdrawn(fresh.values())
        try:
            with self.database.transaction() as tx:
                ids = act(tx)
        except (KeyReused, WalletOverdrawn):
            assert is_refused
            return multiple()
        assert not is_refused
        for draft, entry_id in zip(batch, ids, strict=True):
            assert self.ids.setdefault(draft.key, entry_id) == entry_id
        self.drafts |= fresh
        return multiple(*fresh)

    @rule(key=entered)
    def retry(self, key):
        with self.database.transaction() as tx:
            assert self.ledger.post(tx, self.drafts[key]) == self.ids[key]

    @rule(key=entered, number=st.integers(0, 20), minutes=st.integers(0, 90))
    def reverse(self, key, number, minutes):
        self.clock.turn(timedelta(minutes=minutes))
        reversal_key, said = f"r:{number}", (key, "because")
        former = self.reversals.get(reversal_key)
        is_taken = any(reversed_key == key for reversed_key, _ in self.reversals.values())
        try:
            with self.database.transaction() as tx:
                reversal_id = self.ledger.reverse(
                    tx, self.ids[key], key=reversal_key, reason="because"
                )
        except KeyReused:
            assert former not in {None, said}
        except EntryReversed:
            assert is_taken
            assert former != said
        except WalletOverdrawn:
            mirror = EntryDraft("x", "x", NOW, rules.mirrored(self.drafts[key].postings))
            assert self.is_overdrawn([mirror])
        else:
            assert former in {None, said}
            self.reversals[reversal_key] = said
            assert self.ids.setdefault(reversal_key, reversal_id) == reversal_id

    @rule()
    def reverse_a_reversal(self):
        for reversal_key in list(self.reversals)[:1]:
            with pytest.raises(ReversalFinal), self.database.transaction() as tx:
                self.ledger.reverse(tx, self.ids[reversal_key], key="r:x", reason="no")

    @rule(
        target=entered,
        number=st.integers(0, 20),
        nanos=st.integers(10**8, 10**12),
        is_owed=st.booleans(),
        is_whole=st.booleans(),
    )
    def exchange(self, number, nanos, is_owed, is_whole):
        source = AccountRef(AccountKind.PAYABLE, "acme", "USD")
        target = source._replace(currency="EUR")
        amount = -nanos if is_owed else nanos
        digits = 2 if is_whole else None
        postings = rules.exchange_postings(source, target, amount, RATE, minor_digits=digits)
        key = f"fx:{number}"
        draft = EntryDraft(key, "fx", NOW, postings, memo=rules.told(RATE))
        return self.enter(
            [draft],
            lambda tx: [
                self.ledger.exchange(
                    tx, source, target, amount, key=key, at=NOW, minor_digits=digits
                )
            ],
        )

    @rule(target=entered, batch=st.lists(drafts(KEYS), min_size=1, max_size=8), seed=st.integers())
    def post_from_two_connections_at_once(self, batch, seed):
        """Both say the same in their own order; without wallets, so that neither is refused."""
        batch = [
            draft
            for draft in {draft.key: draft for draft in batch}.values()
            if self.drafts.get(draft.key) in {None, draft}
            and all(account.kind is not AccountKind.WALLET for account, _ in draft.postings)
        ]
        outcomes: list[dict[str, str]] = []

        def enter(mine):
            with self.database.transaction() as tx:
                ids = self.ledger.post_many(tx, mine)
            outcomes.append({draft.key: id_ for draft, id_ in zip(mine, ids, strict=True)})

        shuffled = random.Random(seed).sample(batch, len(batch))
        threads = [threading.Thread(target=enter, args=(mine,)) for mine in (batch, shuffled)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(outcomes) == 2
        assert outcomes[0] == outcomes[1]
        fresh = {draft.key: draft for draft in batch if draft.key not in self.drafts}
        self.ids = outcomes[0] | self.ids
        self.drafts |= fresh
        return multiple(*fresh)

    @rule()
    def seal(self):
        with self.database.transaction() as tx:
            line = self.ledger.draw_line(tx)
        with self.database.transaction() as tx:
            self.ledger.seal(tx, line)

    @invariant()
    def balances_are_sums_and_sums_are_zero(self):
        with self.database.transaction() as tx:
            kept = {row.account: row.nanos for row in self.ledger.all_accounts(tx)}
        known = self.balances()
        # Accounts of entries that were refused at the commit do not stay.
        assert {account: nanos for account, nanos in kept.items() if nanos} == {
            account: nanos for account, nanos in known.items() if nanos
        }
        for currency in CURRENCIES:
            assert sum(nanos for ref, nanos in kept.items() if ref.currency == currency) == 0
        assert all(
            nanos <= 0 for account, nanos in kept.items() if account.kind is AccountKind.WALLET
        )

    def teardown(self):
        if not hasattr(self, "ledger"):
            return
        with self.database.transaction() as tx:
            found = self.ledger.verify(tx)
            kept = {row.account: row.nanos for row in self.ledger.all_accounts(tx)}
        assert found.differences == ()
        assert found.entries == len(self.drafts) + len(self.reversals)
        self.replay(kept)

    def replay(self, kept):
        """The drafts, entered at once into an empty ledger, make the same balances."""
        with self.emptied.transaction() as tx:
            for statement in EMPTIED.split(";")[:-1]:
                tx.execute(text(statement))
        mirrors = [
            EntryDraft(key, "reversal", NOW, rules.mirrored(self.drafts[reversed_key].postings))
            for key, (reversed_key, _) in self.reversals.items()
        ]
        with self.database.transaction() as tx:
            self.ledger.post_many(tx, [*self.drafts.values(), *mirrors])
        with self.database.transaction() as tx:
            again = {row.account: row.nanos for row in self.ledger.all_accounts(tx)}
        assert again == {account: nanos for account, nanos in kept.items() if account in again}
        assert all(nanos == 0 for account, nanos in kept.items() if account not in again)


def test_whatever_is_done_to_the_ledger_the_books_stay_right(database, superuser_database):
    LedgerMachine.database, LedgerMachine.emptied = database, superuser_database
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
