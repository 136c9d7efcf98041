"""What may be entered, how amounts are exchanged, what a digest covers: pure."""

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec

from tradewind.core.money import NANOS_PER_UNIT, format_nanos
from tradewind.features.ledger.errors import EntryRefused
from tradewind.features.ledger.schemas import (
    AccountKind,
    AccountRef,
    EntryDraft,
    FxRate,
    Posting,
)

MOST_POSTINGS = 100
"""Of one entry."""
MOST_DIFFERENCES = 1_000
"""That a verification lists; it counts on."""
TEXT_MAX = 500
NAME_MAX = 200
RATE_NANOS_MAX = 10**18
REVERSAL = "reversal"
EXCHANGE = "fx"
FX_ROUNDING = "fx"
"""Owner of the account that takes what an exchange rounds off."""
_INT64_MAX = 2**63 - 1
_MINOR_DIGITS_MAX = 9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURRENCY = re.compile(r"[A-Z]{3}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,62}")
# Control characters would break the lines of exports; lone surrogates are no UTF-8.
_TEXT = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]*")


def check_draft(draft: EntryDraft) -> None:
    """Raise EntryRefused for what the database would refuse, with a better message."""
    _check_text("key", draft.key, NAME_MAX, is_needed=True)
    _check_text("memo", draft.memo, TEXT_MAX)
    _check_text("subject", draft.subject, NAME_MAX)
    _check_text("by", draft.by, NAME_MAX)
    if not _KIND.fullmatch(draft.kind):
        raise _refused(draft, f"{draft.kind[:64]!r} is no kind of entry")
    if draft.at.tzinfo is None:
        raise _refused(draft, "its time has no zone")
    if not 2 <= len(draft.postings) <= MOST_POSTINGS:
        raise _refused(
            draft, f"it has {len(draft.postings)} postings, not 2 to {MOST_POSTINGS} of them"
        )
    sums: defaultdict[str, int] = defaultdict(int)
    for posting in draft.postings:
        check_account(posting.account)
        if posting.nanos == 0:
            raise _refused(draft, "a posting of it is zero")
        # -2^63 is left out: its reversal would not fit.
        if abs(posting.nanos) > _INT64_MAX:
            raise _refused(draft, "an amount of it does not fit in 64 bits")
        sums[posting.account.currency] += posting.nanos
    for currency, nanos in sums.items():
        if nanos != 0:
            raise _refused(draft, f"it does not balance: {format_nanos(nanos)} {currency} are left")


def check_account(account: AccountRef) -> None:
    """Raises EntryRefused."""
    check_currency(account.currency)
    _check_text("owner", account.owner, NAME_MAX)


def check_currency(currency: str) -> None:
    """Raises EntryRefused."""
    if not _CURRENCY.fullmatch(currency):
        raise EntryRefused(f"{currency[:16]!r} is not a currency's three letters")


def content_hash(draft: EntryDraft, *, reverses: str | None = None) -> bytes:
    """Return the SHA-256 over everything that an entry says, but its own id.

    Of the JSON array `[1, key, kind, microseconds since 1970, memo, subject, by, id of what it
    reverses or "", [[account's kind, owner, currency, nanos], …]]`, UTF-8, without spaces.
    """
    # Typed ids are no plain strings, and only those are encoded.
    content = [
        1,
        str(draft.key),
        draft.kind,
        (draft.at - _EPOCH) // timedelta(microseconds=1),
        draft.memo,
        str(draft.subject),
        str(draft.by),
        str(reverses or ""),
        [
            [account.kind.value, str(account.owner), account.currency, nanos]
            for account, nanos in draft.postings
        ],
    ]
    return sha256(msgspec.json.encode(content)).digest()


def mirrored(postings: Iterable[Posting]) -> tuple[Posting, ...]:
    """Return the postings that take these back."""
    return tuple(Posting(account, -nanos) for account, nanos in postings)


def exchange(nanos: int, rate: FxRate, *, into: str) -> int:
    """Return an amount of the rate's other currency, rounded half-even to a nano.

    A rate serves in both directions; `into` says in which. Raises EntryRefused when it is of
    other currencies.
    """
    if into == rate.quote:
        return _divide_half_even(nanos * rate.nanos, NANOS_PER_UNIT)
    if into == rate.base:
        return _divide_half_even(nanos * NANOS_PER_UNIT, rate.nanos)
    raise EntryRefused(f"a rate of {rate.base} in {rate.quote} says nothing about {into[:16]!r}")


def round_to_minor(nanos: int, digits: int) -> int:
    """Return nanos rounded half-even to a currency's minor units: 2 digits for cents."""
    assert 0 <= digits <= _MINOR_DIGITS_MAX, "a nano is the ninth digit"
    step = 10 ** (_MINOR_DIGITS_MAX - digits)
    return _divide_half_even(nanos, step) * step


def exchange_postings(
    source: AccountRef,
    target: AccountRef,
    nanos: int,
    rate: FxRate,
    *,
    minor_digits: int | None = None,
) -> tuple[Posting, ...]:
    """Return the postings that move `nanos` out of `source` into `target`, of another currency.

    Two legs go through the FX account of each currency, so each currency balances by itself. For a
    liability `nanos` is below zero, as its balance is. With `minor_digits` the target gets whole
    minor units, and ROUNDING the difference. Raises EntryRefused.
    """
    given, taken = source.currency, target.currency
    if {given, taken} != {rate.base, rate.quote}:
        raise EntryRefused(
            f"a rate of {rate.base} in {rate.quote} exchanges no {given} into {taken}"
        )
    exact = exchange(nanos, rate, into=taken)
    arrives = exact if minor_digits is None else round_to_minor(exact, minor_digits)
    if nanos == 0 or exact == 0 or arrives == 0:
        raise EntryRefused(f"{format_nanos(nanos)} {given} are too little to be exchanged")
    legs = [
        Posting(source, -nanos),
        Posting(AccountRef(AccountKind.FX, "", given), nanos),
        Posting(AccountRef(AccountKind.FX, "", taken), -exact),
        Posting(target, arrives),
    ]
    if arrives != exact:
        rounding = AccountRef(AccountKind.ROUNDING, FX_ROUNDING, taken)
        legs.append(Posting(rounding, exact - arrives))
    return tuple(legs)


def told(rate: FxRate) -> str:
    """Return a rate in words, for the memo of an exchange."""
    return (
        f"1 {rate.base} = {format_nanos(rate.nanos)} {rate.quote}"
        f" ({rate.source}, from {rate.valid_from.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ})"
    )


def check_rate(rate: FxRate) -> None:
    """Raises EntryRefused."""
    check_currency(rate.base)
    check_currency(rate.quote)
    if rate.base == rate.quote:
        raise EntryRefused("a currency has no rate in itself")
    if not 0 < rate.nanos <= RATE_NANOS_MAX:
        raise EntryRefused("a rate is above zero and not above a billion")
    if rate.valid_from.tzinfo is None:
        raise EntryRefused("the time a rate is in force from has no zone")
    _check_text("source", rate.source, NAME_MAX, is_needed=True)


def _divide_half_even(dividend: int, divisor: int) -> int:
    quotient, remainder = divmod(dividend, divisor)
    if remainder * 2 > divisor or (remainder * 2 == divisor and quotient & 1):
        quotient += 1
    return quotient


def _check_text(name: str, text: str, longest: int, *, is_needed: bool = False) -> None:
    if len(text) > longest or not _TEXT.fullmatch(text):
        raise EntryRefused(f"`{name}` is longer than {longest} characters or has control ones")
    if is_needed and not text:
        raise EntryRefused(f"`{name}` is empty")


def _refused(draft: EntryDraft, why: str) -> EntryRefused:
    return EntryRefused(f"the entry {draft.key!r} was refused: {why}")
