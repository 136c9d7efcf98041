"""Runs: how what publishers are owed leaves the platform, once.

Every step is a transaction of its own, and can be asked for again: a run that was killed while it
was prepared goes on behind the last publisher it was done with, and a file that was made once is
what every later export hands out.
"""

from collections.abc import Sequence
from datetime import UTC, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput, NotFound
from tradewind.core.ids import PayoutId, PayoutRunId, PayoutStatementId
from tradewind.core.money import format_nanos
from tradewind.core.permissions import Permission
from tradewind.db.outbox import enqueue
from tradewind.features.accounts.schemas import Actor
from tradewind.features.catalog.service import Catalog
from tradewind.features.ledger.service import Ledger
from tradewind.features.payouts.drawing import Drawing, Drawn, freeze
from tradewind.features.payouts.entries import confirmed_draft, payout_draft
from tradewind.features.payouts.errors import (
    NoPayoutSource,
    PayoutKeyReused,
    RunOpen,
    RunState,
    SamePerson,
)
from tradewind.features.payouts.ports import Earnings, MinorDigits, Transactions
from tradewind.features.payouts.profiles import check_currency, destination_words, require_finance
from tradewind.features.payouts.repository import accounts, runs, statements
from tradewind.features.payouts.rules.credit_transfers import (
    PAYOUTS_MAX,
    Account,
    Instruction,
    Transfer,
    next_banking_day,
    pain_001,
)
from tradewind.features.payouts.schemas import (
    Payout,
    PayoutState,
    Profile,
    Run,
    RunDetail,
    RunStage,
    Way,
)

PAYOUT_PAID = "payout.paid"
PAYOUT_FAILED = "payout.failed"
PUBLISHERS_AT_ONCE = 200
"""Of one call of `prepare`; the worker does the rest."""
PAGE_MAX = 500
PLATFORM = By("platform", "the platform")
_KEY_MAX = 100
_NOTE_MAX = 500


class PayoutRuns:
    """Locks are taken in one order: the run, the publisher's profile, its accounts in the ledger.

    `allows_self_approval` is for a platform that one person runs: who prepared a run may approve
    it, and the run and its trail say so.
    """

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        catalog: Catalog,
        earnings: Earnings,
        minor_digits: MinorDigits,
        *,
        allows_self_approval: bool = False,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._catalog = catalog
        self._earnings = earnings
        self._minor_digits = minor_digits
        self._drawing = Drawing(ledger, earnings, minor_digits)
        self.allows_self_approval = allows_self_approval

    # --- preparing ---------------------------------------------------------------------------

    def prepare(
        self, database: Transactions, actor: Actor, currency: str, *, key: str, by: By
    ) -> Run:
        """Draw up the statements of everybody who is paid in a currency, and what is paid of them.

        The same key again is the same run, which goes on where it was. A run of very many is
        returned while it is still preparing. Raises Forbidden, InvalidInput, RunOpen,
        PayoutKeyReused.
        """
        require_finance(actor, Permission.FINANCE_WRITE)
        check_currency(currency)
        if not 1 <= len(key) <= _KEY_MAX:
            raise InvalidInput(f"a key has 1 to {_KEY_MAX} characters")
        with database.transaction() as tx:
            run_id = self.begin(tx, currency, key=key, by=by)
        for _ in range(PUBLISHERS_AT_ONCE):
            with database.transaction() as tx:
                if not self.step(tx, run_id):
                    break
        with database.transaction() as tx:
            return self._run(tx, run_id)

    def begin(self, tx: Connection, currency: str, *, key: str, by: By) -> str:
        """Add a run that looks at everything entered until now; end `tx` at once, because nobody
        can enter meanwhile. The same key again is the same run. Raises RunOpen, PayoutKeyReused.
        """
        run_id, now = PayoutRunId.new(), self._clock.now()
        added = runs.run_of_key(tx, key) is None and runs.add_run(
            tx,
            {
                "id": run_id,
                "key": key,
                "currency": currency,
                "state": RunStage.PREPARING.value,
                "up_to": 0,
                "after": "",
                "payouts": 0,
                "nanos": 0,
                "prepared_by_id": by.id,
                "prepared_by": by.name[:200],
                "prepared_at": now,
                "is_self_approved": False,
            },
        )
        if added:
            runs.update_run(tx, run_id, {"up_to": self._ledger.draw_line(tx)})
            accounts.add_event(tx, run_id, "begun", by, "", now)
            return run_id
        former = runs.run_of_key(tx, key)
        if former is None:
            raise RunOpen(
                f"a run in {currency} is not exported yet",
                hint="export it or cancel it before the next one",
            )
        if former.currency != currency or former.prepared_by_id != by.id:
            raise PayoutKeyReused("the key belongs to another run", hint="use a new key")
        return former.id

    def step(self, tx: Connection, run_id: str) -> bool:
        """Do the next publisher of a run that is being prepared; False when there is none left."""
        run = self._locked(tx, run_id)
        if run.state != RunStage.PREPARING.value:
            return False
        slug = accounts.next_profile(tx, run.currency, run.after)
        if slug is None:
            runs.update_run(tx, run_id, {"state": RunStage.PREPARED.value})
            who = By(run.prepared_by_id, run.prepared_by)
            words = f"{run.payouts} payouts, {format_nanos(int(run.nanos))} {run.currency}"
            accounts.add_event(tx, run_id, "prepared", who, words, self._clock.now())
            return False
        paid = self._pay(tx, run, slug)
        runs.update_run(
            tx,
            run_id,
            {
                "after": slug,
                "payouts": run.payouts + len(paid),
                "nanos": int(run.nanos) + sum(paid),
            },
        )
        return True

    def carry_on(self, database: Transactions) -> int:
        """Go on with runs whose preparing was left in the middle; return how many steps."""
        with database.transaction() as tx:
            left = runs.runs_to_prepare(tx, 10)
        steps = 0
        for run_id in left:
            more = True
            while more:
                with database.transaction() as tx:
                    more = self.step(tx, run_id)
                steps += more
        return steps

    def _pay(self, tx: Connection, run: Row[Any], slug: str) -> list[int]:
        profile = accounts.find_profile(tx, slug, locks=True)
        if profile is None or profile.currency != run.currency:
            # It was changed meanwhile.
            return []
        publisher = self._catalog.find_publisher(tx, slug)
        assert publisher is not None, "a profile names a publisher"
        paid: list[int] = []
        for currency in self._earnings.currencies(tx, slug):
            drawn = self._drawing.draw(
                tx,
                slug,
                currency,
                profile,
                is_verified=publisher.verified_at is not None,
                up_to=run.up_to,
                now=self._clock.now(),
            )
            is_past = drawn.former is not None and drawn.former.up_to > run.up_to
            if is_past or not (drawn.fall.earned.lines or drawn.fall.paid_nanos):
                continue
            self._store(tx, run, drawn, profile, publisher_name=publisher.name)
            if drawn.fall.paid_nanos:
                paid.append(drawn.fall.paid_nanos)
        return paid

    def _store(
        self, tx: Connection, run: Row[Any], drawn: Drawn, profile: Profile, *, publisher_name: str
    ) -> None:
        now, fall = self._clock.now(), drawn.fall
        statement_id, payout_id = PayoutStatementId.new(), PayoutId.new()
        frozen = freeze(
            statement_id,
            PayoutRunId(run.id),
            drawn,
            publisher_name=publisher_name,
            up_to=run.up_to,
            now=now,
        )
        statements.add_statement(
            tx,
            {
                "id": statement_id,
                "publisher_slug": fall.publisher,
                "currency": fall.currency,
                "number": frozen.row.number,
                "run_id": run.id,
                "after": 0 if drawn.former is None else drawn.former.up_to,
                "up_to": run.up_to,
                "opening_nanos": fall.opening_nanos,
                "balance_nanos": fall.balance_nanos,
                "payable_nanos": fall.payable_nanos,
                "closing_nanos": fall.closing_nanos,
                "drawn_at": now,
                "content": frozen.data.decode(),
                "sha256": frozen.sha256,
            },
        )
        if not fall.paid_nanos:
            return
        entry_id = self._ledger.post(tx, payout_draft(payout_id, fall, drawn.moved, now))
        runs.add_payout(
            tx,
            {
                "id": payout_id,
                "run_id": run.id,
                "statement_id": statement_id,
                "publisher_slug": fall.publisher,
                **profile.destination._asdict(),
                "way": profile.destination.way.value,
                "currency": fall.paid_currency,
                "nanos": fall.paid_nanos,
                "state": PayoutState.READY.value,
                "note": "",
                "processor_id": "",
                "entry_id": entry_id,
                "created_at": now,
            },
        )
        runs.release_reserves(tx, fall.publisher, fall.currency, now, payout_id)
        if fall.reserve_nanos:
            runs.add_reserve(
                tx,
                {
                    "payout_id": payout_id,
                    "publisher_slug": fall.publisher,
                    "currency": fall.currency,
                    "nanos": fall.reserve_nanos,
                    "release_at": now + timedelta(days=drawn.terms.reserve_days),
                    "is_undone": False,
                },
            )

    # --- approving and exporting -------------------------------------------------------------

    def approve(self, tx: Connection, actor: Actor, run_id: str, *, by: By) -> Run:
        """Raises Forbidden, NotFound, RunState, SamePerson."""
        require_finance(actor, Permission.FINANCE_WRITE)
        run = self._locked(tx, run_id)
        if run.state == RunStage.APPROVED.value and run.approved_by_id == by.id:
            return self._run(tx, run_id)
        _expect(run, RunStage.PREPARED, "approved")
        is_same = run.prepared_by_id == by.id
        if is_same and not self.allows_self_approval:
            raise SamePerson(
                "you prepared this run, so another person approves it",
                hint="ask another administrator; where there is none, whoever runs the platform can"
                " set TRADEWIND_PAYOUT_SELF_APPROVAL",
            )
        now = self._clock.now()
        runs.update_run(
            tx,
            run_id,
            {
                "state": RunStage.APPROVED.value,
                "approved_by_id": by.id,
                "approved_by": by.name[:200],
                "approved_at": now,
                "is_self_approved": is_same,
            },
        )
        what = "approved_by_who_prepared_it" if is_same else "approved"
        accounts.add_event(tx, run_id, what, by, "", now)
        return self._run(tx, run_id)

    def export(self, tx: Connection, actor: Actor, run_id: str, *, by: By) -> Run:
        """Make the file for the bank. One that was made stays as it is, byte for byte.

        Raises Forbidden, NotFound, RunState, NoPayoutSource.
        """
        require_finance(actor, Permission.FINANCE_WRITE)
        run = self._locked(tx, run_id)
        if run.exported_at is not None:
            return self._run(tx, run_id)
        _expect(run, RunStage.APPROVED, "exported")
        now = self._clock.now()
        payouts = runs.payouts_of_run(tx, run_id, state=PayoutState.READY, limit=PAYOUTS_MAX + 1)
        by_bank = [each for each in payouts if each.destination.way is Way.BANK]
        day = next_banking_day(now.astimezone(UTC).date())
        values: dict[str, object] = {"exported_at": now, "execute_on": day}
        if by_bank:
            source = accounts.find_source(tx, run.currency)
            if source is None:
                raise NoPayoutSource(
                    f"the platform has said no account to pay {run.currency} from",
                    hint="set it first: on the page Payouts, or PUT /api/payouts/sources",
                )
            instruction = Instruction(
                run_id,
                now,
                day,
                run.currency,
                Account(source.name, source.iban, source.bic),
                [self._transfer(each) for each in by_bank],
                self._amount(sum(each.nanos for each in by_bank), run.currency),
            )
            data = pain_001(instruction)
            values |= {"file": data, "sha256": sha256(data).digest()}
        state = RunStage.EXPORTED if payouts else RunStage.DONE
        runs.update_run(tx, run_id, values | {"state": state.value})
        runs.mark_exported(tx, run_id)
        accounts.add_event(tx, run_id, "exported", by, f"{len(payouts)} payouts", now)
        return self._run(tx, run_id)

    def file(self, tx: Connection, actor: Actor, run_id: str) -> bytes:
        """Return the file for the bank as it was exported. Raises Forbidden, NotFound, RunState."""
        require_finance(actor, Permission.FINANCE_READ)
        run = self._run(tx, run_id)
        if run.exported_at is None:
            raise RunState(f"{run_id} is {run.stage.value}", hint="export it first")
        data = runs.file_of(tx, run_id)
        if data is None:
            raise RunState(f"nothing of {run_id} goes by bank", hint="take its payouts as CSV")
        return data

    # --- what became of it -------------------------------------------------------------------

    def confirm(
        self, tx: Connection, actor: Actor, payout_ids: Sequence[str], *, note: str, by: By
    ) -> list[Payout]:
        """Note that payouts arrived. Idempotent. Raises Forbidden, NotFound, RunState."""
        require_finance(actor, Permission.FINANCE_WRITE)
        return self._confirm(tx, payout_ids, note=note, by=by)

    def confirm_all(self, tx: Connection, actor: Actor, run_id: str, *, by: By) -> Run:
        """Note that everything that went by bank arrived. Raises Forbidden, NotFound, RunState."""
        require_finance(actor, Permission.FINANCE_WRITE)
        run = self._locked(tx, run_id)
        if run.exported_at is None:
            _expect(run, RunStage.EXPORTED, "confirmed")
        payouts = runs.payouts_of_run(tx, run_id, state=PayoutState.EXPORTED, limit=PAYOUTS_MAX)
        ids = [each.payout_id for each in payouts if each.destination.way is Way.BANK]
        self._confirm(tx, ids, note="", by=by)
        return self._run(tx, run_id)

    def fail(self, tx: Connection, actor: Actor, payout_id: str, *, reason: str, by: By) -> Payout:
        """Note that a payout did not arrive, or came back later: the publisher is owed all of it
        again. Idempotent. Raises Forbidden, NotFound, RunState, InvalidInput.
        """
        require_finance(actor, Permission.FINANCE_WRITE)
        reason = reason.strip()
        if not 1 <= len(reason) <= _NOTE_MAX:
            raise InvalidInput(f"a reason has 1 to {_NOTE_MAX} characters")
        return self.note_failed(tx, payout_id, reason=reason, by=by)

    def cancel(self, tx: Connection, actor: Actor, run_id: str, *, by: By) -> Run:
        """Give back everything of a run that was not exported. Idempotent. Raises Forbidden,
        NotFound, RunState.
        """
        require_finance(actor, Permission.FINANCE_WRITE)
        run = self._locked(tx, run_id)
        if run.state == RunStage.CANCELLED.value:
            return self._run(tx, run_id)
        if run.exported_at is not None:
            raise RunState(f"{run_id} was exported", hint="say of each payout what became of it")
        for each in runs.payouts_of_run(tx, run_id, state=PayoutState.READY, limit=PAYOUTS_MAX):
            self._return(tx, each, PayoutState.CANCELLED, "the run was cancelled")
        runs.update_run(tx, run_id, {"state": RunStage.CANCELLED.value})
        accounts.add_event(tx, run_id, "cancelled", by, "", self._clock.now())
        return self._run(tx, run_id)

    def note_sent(self, tx: Connection, payout_id: str, processor_id: str) -> None:
        """Note that a processor has transferred a payout."""
        self._confirm(tx, [payout_id], note="", by=PLATFORM, processor_id=processor_id)

    def note_failed(self, tx: Connection, payout_id: str, *, reason: str, by: By) -> Payout:
        self._lock_runs_of(tx, [payout_id])
        payout = self._payout(tx, payout_id)
        if payout.state is PayoutState.FAILED:
            return payout
        if payout.state not in {PayoutState.EXPORTED, PayoutState.CONFIRMED}:
            raise RunState(f"{payout_id} is {payout.state.value}", hint="cancel its run instead")
        self._return(tx, payout, PayoutState.FAILED, reason)
        words = f"{payout.publisher}: {reason}"
        accounts.add_event(tx, payout.run_id, "failed", by, words, self._clock.now())
        self._tell(tx, PAYOUT_FAILED, payout, reason)
        self._close(tx, payout.run_id)
        return self._payout(tx, payout_id)

    # --- reading -----------------------------------------------------------------------------

    def list_runs(
        self, tx: Connection, actor: Actor, *, before: str | None = None, limit: int = 100
    ) -> list[Run]:
        """Return runs, the newest first. Raises Forbidden."""
        require_finance(actor, Permission.FINANCE_READ)
        return runs.list_runs(tx, before=before, limit=min(limit, PAGE_MAX))

    def detail(self, tx: Connection, actor: Actor, run_id: str) -> RunDetail:
        """Raises Forbidden, NotFound."""
        require_finance(actor, Permission.FINANCE_READ)
        return RunDetail(
            self._run(tx, run_id),
            tuple(runs.payouts_of_run(tx, run_id, limit=PAYOUTS_MAX)),
            tuple(accounts.events_of(tx, run_id, PAGE_MAX)),
        )

    # --- what follows is private -------------------------------------------------------------

    def _confirm(
        self,
        tx: Connection,
        payout_ids: Sequence[str],
        *,
        note: str,
        by: By,
        processor_id: str = "",
    ) -> list[Payout]:
        now = self._clock.now()
        self._lock_runs_of(tx, payout_ids)
        found = [self._payout(tx, payout_id) for payout_id in sorted(set(payout_ids))]
        fresh: list[Payout] = []
        for payout in found:
            if payout.state is PayoutState.EXPORTED:
                fresh.append(payout)
            elif payout.state is not PayoutState.CONFIRMED:
                raise RunState(f"{payout.payout_id} is {payout.state.value}")
        drafts = [confirmed_draft(payout, payout.destination.way.value, now) for payout in fresh]
        entry_ids = self._ledger.post_many(tx, drafts)
        for payout, entry_id in zip(fresh, entry_ids, strict=True):
            runs.update_payout(
                tx,
                payout.payout_id,
                {
                    "state": PayoutState.CONFIRMED.value,
                    "note": note[:_NOTE_MAX],
                    "processor_id": processor_id,
                    "settled_entry_id": entry_id,
                    "settled_at": now,
                },
            )
            accounts.add_event(tx, payout.run_id, "confirmed", by, payout.publisher, now)
            self._tell(tx, PAYOUT_PAID, payout, note)
        for run_id in sorted({payout.run_id for payout in fresh}):
            self._close(tx, run_id)
        return [self._payout(tx, payout.payout_id) for payout in found]

    def _return(self, tx: Connection, payout: Payout, state: PayoutState, why: str) -> None:
        """Take a payout back, as if it had never been: by the mirror image of its entry."""
        accounts.find_profile(tx, payout.publisher, locks=True)
        if not runs.undo_reserves(tx, payout.payout_id):
            raise RunState(
                f"what was withheld of {payout.payout_id} was released since",
                hint="correct it in the ledger by hand",
            )
        own = f"payout:{payout.payout_id}"
        if payout.settled_entry_id is not None:
            self._ledger.reverse(
                tx, payout.settled_entry_id, key=f"{own}:came-back", reason=why[:_NOTE_MAX]
            )
        self._ledger.reverse(tx, payout.entry_id, key=f"{own}:returned", reason=why[:_NOTE_MAX])
        values = {"state": state.value, "note": why[:_NOTE_MAX], "settled_at": self._clock.now()}
        runs.update_payout(tx, payout.payout_id, values)

    def _tell(self, tx: Connection, kind: str, payout: Payout, note: str) -> None:
        publisher = self._catalog.find_publisher(tx, payout.publisher)
        if publisher is None or publisher.organization_id is None:
            return
        enqueue(
            tx,
            kind,
            publisher.organization_id,
            {
                "publisher": payout.publisher,
                "payout": payout.payout_id,
                "statement": payout.statement_id,
                "amount": format_nanos(payout.nanos),
                "currency": payout.currency,
                "account": destination_words(payout.destination),
                "note": note[:_NOTE_MAX],
            },
            key=f"{kind} {payout.payout_id}",
        )

    def _close(self, tx: Connection, run_id: str) -> None:
        run = self._locked(tx, run_id)
        if run.state == RunStage.EXPORTED.value and runs.count_open(tx, run_id) == 0:
            runs.update_run(tx, run_id, {"state": RunStage.DONE.value})

    def _transfer(self, payout: Payout) -> Transfer:
        to = payout.destination
        unit = 10 ** (9 - self._minor_digits(payout.currency))
        return Transfer(
            payout.payout_id,
            Account(to.name, to.iban, to.bic),
            payout.nanos // unit,
            self._amount(payout.nanos, payout.currency),
            f"Payout {payout.payout_id} of {payout.publisher}",
        )

    def _amount(self, nanos: int, currency: str) -> str:
        return format_nanos(nanos, digits=self._minor_digits(currency))

    def _payout(self, tx: Connection, payout_id: str) -> Payout:
        found = runs.lock_payout(tx, payout_id)
        if found is None:
            raise NotFound(f"there is no payout {payout_id[:64]!r}")
        return found

    def _lock_runs_of(self, tx: Connection, payout_ids: Sequence[str]) -> None:
        for run_id in runs.run_ids_of(tx, payout_ids):
            self._locked(tx, run_id)

    def _locked(self, tx: Connection, run_id: str) -> Row[Any]:
        row = runs.lock_run(tx, run_id)
        if row is None:
            raise _no_run(run_id)
        return row

    def _run(self, tx: Connection, run_id: str) -> Run:
        found = runs.list_runs(tx, run_id=run_id, limit=1)
        if not found:
            raise _no_run(run_id)
        return found[0]


def _expect(run: Row[Any], stage: RunStage, verb: str) -> None:
    if run.state != stage.value:
        raise RunState(
            f"a run that is {run.state} cannot be {verb}", hint=f"it has to be {stage.value} first"
        )


def _no_run(run_id: str) -> NotFound:
    return NotFound(f"there is no payout run {run_id[:64]!r}")
