"""What other features may ask of the ledger. Everything takes the caller's transaction."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import NotFound
from tradewind.core.ids import EntryId, LedgerAccountId
from tradewind.features.ledger import repository, rules
from tradewind.features.ledger.errors import (
    EntryRefused,
    EntryReversed,
    KeyReused,
    NoRate,
    RateTaken,
    ReversalFinal,
)
from tradewind.features.ledger.repository import Prepared
from tradewind.features.ledger.schemas import (
    AccountKind,
    AccountRef,
    AccountRow,
    CheckResult,
    Difference,
    Entry,
    EntryDraft,
    FxRate,
    NamedCheck,
    Posting,
    Progress,
    Seal,
    StatementPlace,
    StatementRow,
    Tell,
    Verification,
    WholeEntry,
)

MOST_AT_ONCE = 10_000
"""Drafts of one `post_many`. Whoever has more commits in between: the balances that they change
stay locked until the transaction ends."""
PAGE_MAX = 1_000


def _tell_nobody(_check: str, _done: int, _total: int) -> None:
    pass


class Ledger:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    # --- entering ----------------------------------------------------------------------------

    def post(self, tx: Connection, draft: EntryDraft) -> EntryId:
        """Enter what happened. The same key with the same content is the same entry.

        Raises KeyReused, WalletOverdrawn, EntryRefused. After these the transaction can go on.
        """
        return self.post_many(tx, [draft])[0]

    def post_many(self, tx: Connection, drafts: Sequence[EntryDraft]) -> list[EntryId]:
        """Enter many in one statement, all or none; return their ids in the order of the drafts.

        A wallet may be topped up and charged by the same call, in any order: what counts is its
        balance at the end. Enter once in a transaction: two writers who each enter twice can wait
        for each other, and the database then ends one of them. Raises as `post`.
        """
        if len(drafts) > MOST_AT_ONCE:
            raise EntryRefused(
                f"{len(drafts)} entries at once are too many",
                hint=f"enter {MOST_AT_ONCE:,} in a transaction",
            )
        for draft in drafts:
            rules.check_draft(draft)
        return self._enter(tx, [_prepared(draft) for draft in drafts])

    def reverse(
        self, tx: Connection, entry_id: str, *, key: str, reason: str, by: str = ""
    ) -> EntryId:
        """Take an entry back by its mirror image, dated now. The same key again is the same
        reversal.

        Raises NotFound, EntryReversed, ReversalFinal, KeyReused, WalletOverdrawn.
        """
        original = self.entry(tx, entry_id)
        if original.reverses is not None:
            raise ReversalFinal(
                f"{entry_id} is a reversal itself", hint="enter anew what it took back"
            )
        draft = EntryDraft(
            key=key,
            kind=rules.REVERSAL,
            at=self._clock.now(),
            postings=rules.mirrored(original.postings),
            memo=reason,
            subject=original.subject,
            by=by,
        )
        rules.check_draft(draft)
        former = repository.find_by_keys(tx, [key]).get(key)
        if former is None and original.reversed_by is not None:
            raise EntryReversed(f"{entry_id} was reversed by {original.reversed_by}")
        return self._enter(tx, [_prepared(draft, reverses=original.entry_id)])[0]

    def _enter(self, tx: Connection, entries: Sequence[Prepared]) -> list[EntryId]:
        if not entries:
            return []
        # Sorted, so that two who enter the same keys wait for each other in one order.
        by_key: dict[str, Prepared] = {}
        for entry in sorted(entries, key=lambda entry: entry.draft.key):
            first = by_key.setdefault(entry.draft.key, entry)
            if first.content_hash != entry.content_hash:
                raise _reused(entry)
        unique = list(by_key.values())
        now = self._clock.now()
        accounts = repository.find_or_add_accounts(
            tx, {leg.account for entry in unique for leg in entry.draft.postings}, now
        )
        written = repository.enter(tx, unique, accounts, now)
        ids = {entry.draft.key: entry.entry_id for entry in unique}
        known = [entry for entry in unique if entry.entry_id not in written]
        if known:
            stored = repository.find_by_keys(tx, [entry.draft.key for entry in known])
            for entry in known:
                row = stored[entry.draft.key]
                if not _is_same(entry, row):
                    raise _reused(entry)
                ids[entry.draft.key] = EntryId(row.id)
        return [ids[entry.draft.key] for entry in entries]

    # --- reading -----------------------------------------------------------------------------

    def balance(self, tx: Connection, account: AccountRef) -> int:
        """Return nanos; 0 for an account that was never used."""
        return repository.balance(tx, account)

    def accounts(
        self,
        tx: Connection,
        *,
        kind: AccountKind | None = None,
        owner: str | None = None,
        currency: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[AccountRow]:
        """Return accounts with their balances, in the order of their first use."""
        rows = repository.list_accounts(
            tx, kind=kind, owner=owner, currency=currency, after=after, limit=min(limit, PAGE_MAX)
        )
        return [_account_row(row) for row in rows]

    def account(self, tx: Connection, account_id: str) -> AccountRow:
        """Raises NotFound."""
        row = repository.get_account(tx, account_id)
        if row is None:
            raise NotFound(f"there is no ledger account {account_id[:64]!r}")
        return _account_row(row)

    def statement(
        self,
        tx: Connection,
        account: AccountRef | LedgerAccountId,
        *,
        since: datetime,
        until: datetime,
        after: StatementPlace | None = None,
        limit: int = 100,
    ) -> list[StatementRow]:
        """Return an account's postings from `since` to before `until`, in the order in which
        things happened, each with the balance behind it. `after` is the `place` of the last row of
        the page before.
        """
        account_id = (
            repository.find_account_id(tx, account) if isinstance(account, AccountRef) else account
        )
        if account_id is None:
            return []
        rows = repository.statement(
            tx, account_id, since=since, until=until, after=after, limit=min(limit, PAGE_MAX)
        )
        return [
            StatementRow(
                entry_id=EntryId(row.entry_id),
                seq=row.seq,
                at=row.at,
                kind=row.kind,
                memo=row.memo,
                subject=row.subject,
                nanos=row.nanos,
                balance_nanos=int(row.balance),
            )
            for row in rows
        ]

    def entry(self, tx: Connection, entry_id: str) -> Entry:
        """Raises NotFound."""
        row = repository.find_entry(tx, entry_id)
        if row is None:
            raise NotFound(f"there is no entry {entry_id[:64]!r}")
        legs = repository.postings_of(tx, entry_id)
        return Entry(
            entry_id=EntryId(row.id),
            number=row.number,
            key=row.key,
            kind=row.kind,
            at=row.at,
            memo=row.memo,
            subject=row.subject,
            by=row.by,
            entered_at=row.entered_at,
            reverses=None if row.reverses is None else EntryId(row.reverses),
            reversed_by=None if row.reversed_by is None else EntryId(row.reversed_by),
            postings=tuple(posting for _, posting in legs),
            account_ids=tuple(account_id for account_id, _ in legs),
        )

    def entries_of(self, tx: Connection, subject: str, *, limit: int = 100) -> list[EntryId]:
        """Return what an invoice, a payout or a settlement has caused, the oldest first."""
        found = repository.entry_ids_of(tx, subject, min(limit, PAGE_MAX))
        return [EntryId(entry_id) for entry_id in found]

    # --- exchange ----------------------------------------------------------------------------

    def set_rate(self, tx: Connection, rate: FxRate) -> None:
        """Store what a currency costs from a moment on. Idempotent.

        Raises RateTaken when another rate is stored for that moment, EntryRefused.
        """
        rules.check_rate(rate)
        if repository.add_rate(tx, rate, self._clock.now()):
            return
        if repository.get_rate(tx, rate.base, rate.quote, rate.valid_from) != rate:
            raise RateTaken(
                f"{rate.base} in {rate.quote} has another rate from that moment on",
                hint="a rate stays as it is: store one that is valid from a later moment",
            )

    def rate(self, tx: Connection, base: str, quote: str, at: datetime) -> FxRate:
        """Return the rate of two currencies that was in force, whichever way round it is stored;
        the newer one when it is stored both ways. Raises NoRate.
        """
        stored = [
            repository.rate_in_force(tx, base, quote, at),
            repository.rate_in_force(tx, quote, base, at),
        ]
        found = [rate for rate in stored if rate is not None]
        if not found:
            raise NoRate(
                f"there is no rate of {base[:16]!r} in {quote[:16]!r} for that time",
                hint="store one with POST /api/ledger/fx-rates",
            )
        return max(found, key=lambda rate: rate.valid_from)

    def rates(
        self, tx: Connection, *, currency: str | None = None, limit: int = 100
    ) -> list[FxRate]:
        """Return stored rates, the newest first."""
        return repository.list_rates(tx, currency, min(limit, PAGE_MAX))

    def exchange(
        self,
        tx: Connection,
        source: AccountRef,
        target: AccountRef,
        nanos: int,
        *,
        key: str,
        at: datetime,
        subject: str = "",
        minor_digits: int | None = None,
    ) -> EntryId:
        """Move `nanos` out of `source` into `target` of another currency, at the rate in force at
        `at`; see `rules.exchange_postings`. Raises NoRate and as `post`.
        """
        postings, memo = self.exchange_legs(
            tx, source, target, nanos, at=at, minor_digits=minor_digits
        )
        return self.post(
            tx, EntryDraft(key, rules.EXCHANGE, at, postings, memo=memo, subject=subject)
        )

    def exchange_legs(
        self,
        tx: Connection,
        source: AccountRef,
        target: AccountRef,
        nanos: int,
        *,
        at: datetime,
        minor_digits: int | None = None,
    ) -> tuple[tuple[Posting, ...], str]:
        """Return the postings of an exchange and the rate in words, for an entry that is more than
        one. Raises NoRate, EntryRefused.
        """
        rate = self.rate(tx, source.currency, target.currency, at)
        postings = rules.exchange_postings(source, target, nanos, rate, minor_digits=minor_digits)
        return postings, rules.told(rate)

    # --- seals and verification --------------------------------------------------------------

    def draw_line(self, tx: Connection) -> int:
        """Return up to which number all entries are committed, for `seal`.

        Nobody can enter until this transaction has ended: end it at once, and seal in another.
        """
        return repository.wait_for_writers(tx)

    def seal(self, tx: Connection, up_to: int) -> Seal | None:
        """Seal what is not sealed yet, up to a line; None when nothing is left.

        Covers at most 200,000 entries: call it until it returns None.
        """
        row = repository.add_seal(tx, up_to, self._clock.now())
        if row is None:
            return None
        return Seal(row.number, row.up_to, row.entries, bytes(row.digest), row.sealed_at)

    def hold_still(self, tx: Connection) -> None:
        """Let `verify` and `whole_entries` see one moment while others go on entering. Has to be
        the first thing that is asked of the transaction, which can then only read.
        """
        repository.hold_still(tx)

    def verify(
        self,
        tx: Connection,
        progress: Progress = _tell_nobody,
        *,
        more: Sequence[NamedCheck] = (),
    ) -> Verification:
        """Derive everything in the books again and return what differs from what is kept.

        `more` are the checks of those who post: from usage to settlement to entries. In a
        transaction of its own, call `hold_still` first.
        """
        counted = repository.counts(tx)
        results: list[CheckResult] = []
        listed: list[Difference] = []
        total_nanos = 0
        for check in (*ledger_checks(), *more):
            found = 0
            for difference in check.run(tx, _telling(progress, check.name)):
                found += 1
                total_nanos += abs(difference.nanos)
                if len(listed) < rules.MOST_DIFFERENCES:
                    listed.append(difference)
            progress(check.name, 1, 1)
            results.append(CheckResult(check.name, found))
        return Verification(
            accounts=counted.accounts,
            entries=counted.entries,
            postings=counted.postings,
            checks=tuple(results),
            differences=tuple(listed),
            difference_count=sum(result.differences for result in results),
            difference_nanos=total_nanos,
        )

    def whole_entries(self, tx: Connection) -> Iterator[Sequence[WholeEntry]]:
        """Yield all entries with their postings, page by page, for an export."""
        return repository.whole_entries(tx)

    def all_accounts(self, tx: Connection) -> Iterator[AccountRow]:
        """Yield all accounts, in the order of their first use."""
        after: str | None = None
        while rows := self.accounts(tx, after=after, limit=PAGE_MAX):
            yield from rows
            after = rows[-1].account_id


def ledger_checks() -> tuple[NamedCheck, ...]:
    """Return what the ledger checks of itself."""
    return (
        NamedCheck("balances", _check_balances),
        NamedCheck("sums", _check_sums),
        NamedCheck("entries", _check_entries),
        NamedCheck("reversals", _check_reversals),
        NamedCheck("contents", _check_contents),
        NamedCheck("seals", _check_seals),
    )


def _check_balances(tx: Connection, _tell: Tell) -> Iterable[Difference]:
    for row in repository.wrong_balances(tx):
        detail = (
            f"{row.kind} {row.owner} {row.currency}: kept {row.kept} of {row.kept_postings}"
            f" postings, derived {row.derived} of {row.derived_postings}"
        )
        yield Difference("balances", row.id, detail, int(row.kept - row.derived))


def _check_sums(tx: Connection, _tell: Tell) -> Iterable[Difference]:
    for row in repository.wrong_sums(tx):
        yield Difference("sums", row.currency, "all balances do not sum to 0", int(row.nanos))


def _check_entries(tx: Connection, _tell: Tell) -> Iterable[Difference]:
    for row in repository.wrong_entries(tx):
        detail = f"{row.postings} postings of {row.size}, which do not balance by {row.left_over}"
        yield Difference("entries", row.id, detail, int(row.left_over))


def _check_reversals(tx: Connection, _tell: Tell) -> Iterable[Difference]:
    for row in repository.wrong_reversals(tx):
        detail = f"does not mirror {row.reverses}"
        yield Difference("reversals", row.id, detail, int(row.left_over))


def _check_contents(tx: Connection, tell: Tell) -> Iterable[Difference]:
    total = repository.counts(tx).entries
    done = 0
    for page in repository.whole_entries(tx):
        for entry in page:
            if rules.content_hash(entry.draft, reverses=entry.reverses) != entry.content_hash:
                yield Difference("contents", entry.entry_id, "is not what was entered")
        done += len(page)
        tell(done, total)


def _check_seals(tx: Connection, _tell: Tell) -> Iterable[Difference]:
    for row in repository.broken_seals(tx):
        detail = f"covers {row.entries} entries; {row.found} are there, or others than were sealed"
        yield Difference("seals", f"seal {row.number}", detail)


def _telling(progress: Progress, name: str) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        progress(name, done, total)

    return tell


def _prepared(draft: EntryDraft, *, reverses: EntryId | None = None) -> Prepared:
    digest = rules.content_hash(draft, reverses=reverses)
    return Prepared(EntryId.new(), draft, reverses, digest)


def _is_same(entry: Prepared, row: Row[Any]) -> bool:
    """Say whether a stored entry is what a retry says. A retried reversal has another time."""
    if entry.reverses is not None:
        return row.reverses == entry.reverses and row.memo == entry.draft.memo
    return bytes(row.content_hash) == entry.content_hash


def _reused(entry: Prepared) -> KeyReused:
    return KeyReused(
        f"the key {entry.draft.key!r} belongs to an entry with other content",
        hint="a retry says exactly what was said before; something new needs a key of its own",
    )


def _account_row(row: Row[Any]) -> AccountRow:
    account = AccountRef(AccountKind(row.kind), row.owner, row.currency)
    return AccountRow(
        LedgerAccountId(row.id), account, int(row.nanos), row.postings, row.created_at
    )
