"""All SQL of the ledger.

Locks are taken in one order by every writer: accounts that are new (by kind, owner, currency), keys
(sorted), balances (by account id, in the database's trigger). So writers wait for each other and
never in a circle, as long as a transaction enters once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import errors as refusals
from sqlalchemy import Connection, Row, func, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from tradewind.core.ids import EntryId, LedgerAccountId
from tradewind.features.ledger.errors import EntryReversed, WalletOverdrawn
from tradewind.features.ledger.schemas import (
    AccountKind,
    AccountRef,
    EntryDraft,
    FxRate,
    Posting,
    WholeEntry,
)
from tradewind.features.ledger.tables import (
    fx_rate,
    ledger_account,
    ledger_balance,
    ledger_entry,
    ledger_posting,
)

# The migration's triggers take the first in common for every statement that enters.
_WRITERS_LOCK = 0x6C65_6467_6572
_SEALERS_LOCK = 0x7365_616C
_SEALED_AT_ONCE = 200_000
_VERIFIED_AT_ONCE = 5_000


class Prepared(NamedTuple):
    """An entry ready to be written."""

    entry_id: EntryId
    draft: EntryDraft
    reverses: EntryId | None
    content_hash: bytes


# --- entering --------------------------------------------------------------------------------

_FIND_ACCOUNTS = text("""
    SELECT account.id, account.kind, account.owner, account.currency
    FROM unnest(CAST(:kinds AS text[]), CAST(:owners AS text[]), CAST(:currencies AS text[]))
        AS wanted (kind, owner, currency)
    JOIN ledger_account AS account USING (kind, owner, currency)
""")
_ADD_ACCOUNTS = text("""
    INSERT INTO ledger_account (id, kind, owner, currency, created_at)
    SELECT * FROM unnest(
        CAST(:ids AS text[]), CAST(:kinds AS text[]), CAST(:owners AS text[]),
        CAST(:currencies AS text[])
    ) AS fresh (id, kind, owner, currency), CAST(:now AS timestamptz) AS now
    ORDER BY kind, owner, currency
    ON CONFLICT (kind, owner, currency) DO NOTHING
""")
_ENTER = text("""
    WITH draft AS (
        SELECT * FROM unnest(
            CAST(:ids AS text[]), CAST(:keys AS text[]), CAST(:kinds AS text[]),
            CAST(:ats AS timestamptz[]), CAST(:memos AS text[]), CAST(:subjects AS text[]),
            CAST(:bys AS text[]), CAST(:sizes AS smallint[]), CAST(:reverses AS text[]),
            CAST(:hashes AS bytea[])
        ) AS draft (id, key, kind, at, memo, subject, by, size, reverses, content_hash)
    ), entered AS (
        INSERT INTO ledger_entry
            (id, key, kind, at, memo, subject, by, size, reverses, content_hash, entered_at)
        SELECT draft.*, CAST(:now AS timestamptz) FROM draft ORDER BY key
        ON CONFLICT (key) DO NOTHING
        RETURNING id, at, size
    ), posted AS (
        INSERT INTO ledger_posting (entry_id, seq, at, size, account_id, currency, nanos)
        SELECT entered.id, leg.seq, entered.at, entered.size, leg.account_id, leg.currency,
            leg.nanos
        FROM unnest(
            CAST(:leg_entries AS text[]), CAST(:leg_seqs AS smallint[]),
            CAST(:leg_accounts AS text[]), CAST(:leg_currencies AS text[]),
            CAST(:leg_nanos AS bigint[])
        ) AS leg (entry_id, seq, account_id, currency, nanos)
        JOIN entered ON entered.id = leg.entry_id
    )
    SELECT id FROM entered
""")


def find_or_add_accounts(
    tx: Connection, accounts: Iterable[AccountRef], now: datetime
) -> dict[AccountRef, LedgerAccountId]:
    """Return the ids of accounts; those never used before are made."""
    wanted = set(accounts)
    found = _find_accounts(tx, wanted)
    missing = sorted(wanted - found.keys())
    if missing:
        tx.execute(
            _ADD_ACCOUNTS,
            {"ids": [LedgerAccountId.new() for _ in missing], "now": now, **_columns(missing)},
        )
        # Somebody else may have been first.
        found |= _find_accounts(tx, missing)
    return found


def enter(
    tx: Connection,
    entries: Sequence[Prepared],
    accounts: Mapping[AccountRef, LedgerAccountId],
    now: datetime,
) -> set[str]:
    """Write entries with their postings in one statement; return the ids of those whose key was
    not taken. All or nothing.

    Raises WalletOverdrawn, EntryReversed.
    """
    legs = [
        (entry.entry_id, seq, accounts[account], account.currency, nanos)
        for entry in entries
        for seq, (account, nanos) in enumerate(entry.draft.postings, start=1)
    ]
    drafts = [entry.draft for entry in entries]
    try:
        with tx.begin_nested():
            written = tx.execute(
                _ENTER,
                {
                    "ids": [entry.entry_id for entry in entries],
                    "keys": [draft.key for draft in drafts],
                    "kinds": [draft.kind for draft in drafts],
                    "ats": [draft.at for draft in drafts],
                    "memos": [draft.memo for draft in drafts],
                    "subjects": [draft.subject for draft in drafts],
                    "bys": [draft.by for draft in drafts],
                    "sizes": [len(draft.postings) for draft in drafts],
                    "reverses": [entry.reverses for entry in entries],
                    "hashes": [entry.content_hash for entry in entries],
                    "now": now,
                    "leg_entries": [leg[0] for leg in legs],
                    "leg_seqs": [leg[1] for leg in legs],
                    "leg_accounts": [leg[2] for leg in legs],
                    "leg_currencies": [leg[3] for leg in legs],
                    "leg_nanos": [leg[4] for leg in legs],
                },
            )
            return set(written.scalars())
    except IntegrityError as error:
        raise _named(error) or error from error


def find_by_keys(tx: Connection, keys: Iterable[str]) -> dict[str, Row[Any]]:
    rows = tx.execute(select(ledger_entry).where(ledger_entry.c.key.in_(list(keys))))
    return {row.key: row for row in rows}


def _find_accounts(
    tx: Connection, wanted: Iterable[AccountRef]
) -> dict[AccountRef, LedgerAccountId]:
    return {
        AccountRef(AccountKind(row.kind), row.owner, row.currency): LedgerAccountId(row.id)
        for row in tx.execute(_FIND_ACCOUNTS, _columns(wanted))
    }


def _columns(accounts: Iterable[AccountRef]) -> dict[str, list[str]]:
    listed = list(accounts)
    return {
        "kinds": [account.kind.value for account in listed],
        "owners": [account.owner for account in listed],
        "currencies": [account.currency for account in listed],
    }


def _named(error: IntegrityError) -> Exception | None:
    match error.orig:
        case refusals.CheckViolation() as refusal:
            if refusal.diag.constraint_name == "ck_ledger_balance_ceiling":
                return WalletOverdrawn(
                    "a wallet does not hold as much", hint="top it up, or take less"
                )
        case refusals.UniqueViolation() as refusal:
            if refusal.diag.constraint_name == "uq_ledger_entry_reverses":
                return EntryReversed("this entry was reversed before")
        case _:
            pass
    return None


# --- reading ---------------------------------------------------------------------------------


def balance(tx: Connection, account: AccountRef) -> int:
    found = tx.execute(
        select(ledger_balance.c.nanos)
        .join(ledger_account)
        .where(
            ledger_account.c.kind == account.kind.value,
            ledger_account.c.owner == account.owner,
            ledger_account.c.currency == account.currency,
        )
    ).scalar()
    return 0 if found is None else int(found)


def list_accounts(
    tx: Connection,
    *,
    kind: AccountKind | None,
    owner: str | None,
    currency: str | None,
    after: str | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Return accounts with their balances in the order of their ids, which is that of first use."""
    found = select(ledger_account, ledger_balance.c.nanos, ledger_balance.c.postings).join(
        ledger_balance
    )
    if kind is not None:
        found = found.where(ledger_account.c.kind == kind.value)
    if owner is not None:
        found = found.where(ledger_account.c.owner == owner)
    if currency is not None:
        found = found.where(ledger_account.c.currency == currency)
    if after is not None:
        found = found.where(ledger_account.c.id > after)
    return tx.execute(found.order_by(ledger_account.c.id).limit(limit)).all()


def get_account(tx: Connection, account_id: str) -> Row[Any] | None:
    return tx.execute(
        select(ledger_account, ledger_balance.c.nanos, ledger_balance.c.postings)
        .join(ledger_balance)
        .where(ledger_account.c.id == account_id)
    ).first()


def find_account_id(tx: Connection, account: AccountRef) -> LedgerAccountId | None:
    return _find_accounts(tx, [account]).get(account)


def statement(
    tx: Connection,
    account_id: str,
    *,
    since: datetime,
    until: datetime,
    after: tuple[datetime, str, int] | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Return postings with the balance behind each.

    Balances are counted back from today's, so that what is read is what lies behind the page: the
    books are looked at from their end. One statement, hence of one moment.
    """
    place = tuple_(ledger_posting.c.at, ledger_posting.c.entry_id, ledger_posting.c.seq)
    of_account = ledger_posting.c.account_id == account_id
    begins = ledger_posting.c.at >= since if after is None else place > tuple_(*after)
    page = (
        select(ledger_posting)
        .where(of_account, begins, ledger_posting.c.at >= since, ledger_posting.c.at < until)
        .order_by(ledger_posting.c.at, ledger_posting.c.entry_id, ledger_posting.c.seq)
        .limit(limit)
        .cte("page")
    )
    now = select(ledger_balance.c.nanos).where(ledger_balance.c.account_id == account_id)
    behind = select(func.coalesce(func.sum(ledger_posting.c.nanos), 0)).where(of_account, begins)
    opening = (now.scalar_subquery() - behind.scalar_subquery()).label("opening")
    order = (page.c.at, page.c.entry_id, page.c.seq)
    return tx.execute(
        select(
            page,
            ledger_entry.c.kind,
            ledger_entry.c.memo,
            ledger_entry.c.subject,
            (opening + func.sum(page.c.nanos).over(order_by=order)).label("balance"),
        )
        .join(ledger_entry, ledger_entry.c.id == page.c.entry_id)
        .order_by(*order)
    ).all()


def find_entry(tx: Connection, entry_id: str) -> Row[Any] | None:
    reversal = ledger_entry.alias("reversal")
    return tx.execute(
        select(ledger_entry, reversal.c.id.label("reversed_by"))
        .outerjoin(reversal, reversal.c.reverses == ledger_entry.c.id)
        .where(ledger_entry.c.id == entry_id)
    ).first()


def entry_ids_of(tx: Connection, subject: str, limit: int) -> Sequence[str]:
    return (
        tx.execute(
            select(ledger_entry.c.id)
            .where(ledger_entry.c.subject == subject, ledger_entry.c.subject != "")
            .order_by(ledger_entry.c.number)
            .limit(limit)
        )
        .scalars()
        .all()
    )


def postings_of(tx: Connection, entry_id: str) -> list[tuple[LedgerAccountId, Posting]]:
    rows = tx.execute(
        select(ledger_posting.c.nanos, ledger_account)
        .join(ledger_account, ledger_account.c.id == ledger_posting.c.account_id)
        .where(ledger_posting.c.entry_id == entry_id)
        .order_by(ledger_posting.c.seq)
    )
    return [
        (
            LedgerAccountId(row.id),
            Posting(AccountRef(AccountKind(row.kind), row.owner, row.currency), row.nanos),
        )
        for row in rows
    ]


# --- exchange rates --------------------------------------------------------------------------


def add_rate(tx: Connection, rate: FxRate, now: datetime) -> bool:
    """False when there is a rate from that moment on already."""
    added = tx.execute(
        upsert(fx_rate)
        .values(**rate._asdict(), created_at=now)
        .on_conflict_do_nothing()
        .returning(fx_rate.c.nanos)
    )
    return added.first() is not None


def get_rate(tx: Connection, base: str, quote: str, valid_from: datetime) -> FxRate | None:
    row = tx.execute(
        select(fx_rate).where(
            fx_rate.c.base == base, fx_rate.c.quote == quote, fx_rate.c.valid_from == valid_from
        )
    ).first()
    return None if row is None else _rate(row)


def rate_in_force(tx: Connection, base: str, quote: str, at: datetime) -> FxRate | None:
    row = tx.execute(
        select(fx_rate)
        .where(fx_rate.c.base == base, fx_rate.c.quote == quote, fx_rate.c.valid_from <= at)
        .order_by(fx_rate.c.valid_from.desc())
        .limit(1)
    ).first()
    return None if row is None else _rate(row)


def list_rates(tx: Connection, currency: str | None, limit: int) -> list[FxRate]:
    """Return the newest first."""
    found = select(fx_rate)
    if currency is not None:
        found = found.where(or_(fx_rate.c.base == currency, fx_rate.c.quote == currency))
    order = (fx_rate.c.valid_from.desc(), fx_rate.c.base, fx_rate.c.quote)
    return [_rate(row) for row in tx.execute(found.order_by(*order).limit(limit))]


def _rate(row: Row[Any]) -> FxRate:
    return FxRate(row.base, row.quote, row.nanos, row.source, row.valid_from)


# --- seals -----------------------------------------------------------------------------------

_SEAL = text("""
    WITH former AS (
        SELECT number, up_to, digest FROM ledger_seal ORDER BY number DESC LIMIT 1
    ), covered AS (
        SELECT number, id, content_hash FROM ledger_entry
        WHERE number > coalesce((SELECT up_to FROM former), 0) AND number <= :up_to
        ORDER BY number LIMIT :most
    )
    INSERT INTO ledger_seal (number, up_to, entries, digest, sealed_at)
    SELECT coalesce((SELECT number FROM former), 0) + 1, max(number), count(*),
        sha256(
            coalesce((SELECT digest FROM former), ''::bytea)
            || string_agg(convert_to(id, 'UTF8') || content_hash, ''::bytea ORDER BY number)
        ),
        CAST(:now AS timestamptz)
    FROM covered HAVING count(*) > 0
    RETURNING number, up_to, entries, digest, sealed_at
""")
_BROKEN_SEALS = text("""
    WITH seal AS (
        SELECT *, lag(digest, 1, ''::bytea) OVER (ORDER BY number) AS former,
            lag(up_to, 1, 0::bigint) OVER (ORDER BY number) AS since,
            row_number() OVER (ORDER BY number) AS place
        FROM ledger_seal
    )
    SELECT seal.number, seal.entries, seen.entries AS found
    FROM seal, LATERAL (
        SELECT count(*) AS entries,
            coalesce(
                string_agg(convert_to(id, 'UTF8') || content_hash, ''::bytea ORDER BY number),
                ''::bytea
            ) AS said
        FROM ledger_entry WHERE number > seal.since AND number <= seal.up_to
    ) AS seen
    WHERE seal.number <> seal.place OR seen.entries <> seal.entries
        OR sha256(seal.former || seen.said) <> seal.digest
    ORDER BY seal.number
""")


def wait_for_writers(tx: Connection) -> int:
    """Return a number that no entry up to it will be added below any more.

    Waits until everybody who is entering has ended, and keeps the next ones waiting until this
    transaction has: end it at once.
    """
    tx.execute(select(func.pg_advisory_xact_lock(_WRITERS_LOCK)))
    return tx.execute(select(func.coalesce(func.max(ledger_entry.c.number), 0))).scalar_one()


def add_seal(tx: Connection, up_to: int, now: datetime) -> Row[Any] | None:
    """Seal the next entries, at most 200,000; None when all up to `up_to` are sealed."""
    tx.execute(select(func.pg_advisory_xact_lock(_SEALERS_LOCK)))
    return tx.execute(_SEAL, {"up_to": up_to, "most": _SEALED_AT_ONCE, "now": now}).first()


def broken_seals(tx: Connection) -> Sequence[Row[Any]]:
    return tx.execute(_BROKEN_SEALS).all()


# --- verifying -------------------------------------------------------------------------------

_HOLD_STILL = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
_COUNTS = text("""
    SELECT (SELECT count(*) FROM ledger_account) AS accounts,
        (SELECT count(*) FROM ledger_entry) AS entries,
        (SELECT count(*) FROM ledger_posting) AS postings
""")
_WRONG_BALANCES = text("""
    SELECT account.id, account.kind, account.owner, account.currency,
        coalesce(balance.nanos, 0) AS kept, coalesce(derived.nanos, 0) AS derived,
        coalesce(balance.postings, 0) AS kept_postings,
        coalesce(derived.postings, 0) AS derived_postings,
        balance.account_id IS NULL AS is_missing
    FROM ledger_account AS account
    LEFT JOIN ledger_balance AS balance ON balance.account_id = account.id
    LEFT JOIN (
        SELECT account_id, sum(nanos) AS nanos, count(*) AS postings
        FROM ledger_posting GROUP BY account_id
    ) AS derived ON derived.account_id = account.id
    WHERE balance.account_id IS NULL OR balance.nanos <> coalesce(derived.nanos, 0)
        OR balance.postings <> coalesce(derived.postings, 0)
        OR balance.nanos > balance.ceiling_nanos
    ORDER BY account.id
""")
_WRONG_SUMS = text("""
    SELECT currency, sum(nanos) AS nanos
    FROM ledger_balance JOIN ledger_account ON ledger_account.id = account_id
    GROUP BY currency HAVING sum(nanos) <> 0 ORDER BY currency
""")
_WRONG_ENTRIES = text("""
    SELECT entry.id, entry.size, coalesce(sum(leg.postings), 0) AS postings,
        coalesce(sum(abs(leg.nanos)), 0) AS left_over
    FROM ledger_entry AS entry
    LEFT JOIN (
        SELECT entry_id, sum(nanos) AS nanos, count(*) AS postings
        FROM ledger_posting GROUP BY entry_id, currency
    ) AS leg ON leg.entry_id = entry.id
    GROUP BY entry.id, entry.size
    HAVING coalesce(sum(leg.postings), 0) <> entry.size
        OR coalesce(sum(abs(leg.nanos)), 0) <> 0
    ORDER BY entry.id
""")
_WRONG_REVERSALS = text("""
    SELECT reversal.id, reversal.reverses, coalesce(sum(abs(
        coalesce(taken.nanos, 0) + coalesce(leg.nanos, 0)
    )), 0) AS left_over
    FROM ledger_entry AS reversal
    JOIN ledger_entry AS original ON original.id = reversal.reverses
    JOIN ledger_posting AS leg ON leg.entry_id = original.id
    LEFT JOIN ledger_posting AS taken
        ON taken.entry_id = reversal.id AND taken.seq = leg.seq
        AND taken.account_id = leg.account_id
    GROUP BY reversal.id, reversal.reverses, original.reverses, original.size, reversal.size
    HAVING original.reverses IS NOT NULL OR original.size <> reversal.size
        OR bool_or(taken.nanos IS DISTINCT FROM -leg.nanos)
    ORDER BY reversal.id
""")
_ENTRIES_WHOLE = text("""
    SELECT entry.number, entry.id, entry.key, entry.kind, entry.at, entry.memo, entry.subject,
        entry.by, entry.reverses, entry.content_hash,
        array_agg(account.kind ORDER BY posting.seq) AS kinds,
        array_agg(account.owner ORDER BY posting.seq) AS owners,
        array_agg(account.currency ORDER BY posting.seq) AS currencies,
        array_agg(posting.nanos ORDER BY posting.seq) AS nanos
    FROM (
        SELECT * FROM ledger_entry WHERE number > :after ORDER BY number LIMIT :most
    ) AS entry
    JOIN ledger_posting AS posting ON posting.entry_id = entry.id
    JOIN ledger_account AS account ON account.id = posting.account_id
    GROUP BY entry.number, entry.id, entry.key, entry.kind, entry.at, entry.memo, entry.subject,
        entry.by, entry.reverses, entry.content_hash
    ORDER BY entry.number
""")


def hold_still(tx: Connection) -> None:
    """Let every later statement of the transaction see one moment. It has to be the first."""
    tx.execute(_HOLD_STILL)


def counts(tx: Connection) -> Row[Any]:
    return tx.execute(_COUNTS).one()


def wrong_balances(tx: Connection) -> Sequence[Row[Any]]:
    return tx.execute(_WRONG_BALANCES).all()


def wrong_sums(tx: Connection) -> Sequence[Row[Any]]:
    return tx.execute(_WRONG_SUMS).all()


def wrong_entries(tx: Connection) -> Sequence[Row[Any]]:
    return tx.execute(_WRONG_ENTRIES).all()


def wrong_reversals(tx: Connection) -> Sequence[Row[Any]]:
    return tx.execute(_WRONG_REVERSALS).all()


def whole_entries(tx: Connection) -> Iterator[Sequence[WholeEntry]]:
    """Yield all entries, page by page, in the order of their numbers."""
    after = 0
    while True:
        rows = tx.execute(_ENTRIES_WHOLE, {"after": after, "most": _VERIFIED_AT_ONCE}).all()
        if not rows:
            return
        after = rows[-1].number
        yield [_whole(row) for row in rows]


def _whole(row: Row[Any]) -> WholeEntry:
    postings = tuple(
        Posting(AccountRef(AccountKind(kind), owner, currency), nanos)
        for kind, owner, currency, nanos in zip(
            row.kinds, row.owners, row.currencies, row.nanos, strict=True
        )
    )
    draft = EntryDraft(
        row.key, row.kind, row.at, postings, memo=row.memo, subject=row.subject, by=row.by
    )
    return WholeEntry(row.id, draft, row.reverses, bytes(row.content_hash))
