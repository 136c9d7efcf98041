"""The ledger as a text file of Beancount, so that another program, which knows nothing of ours, can
check every sum: pure. Syntax: https://beancount.github.io/docs/beancount_language_syntax.html

Each entry is a transaction; at the end stands an assertion for each balance that we keep. Amounts
have all nine decimals: Beancount takes its tolerance from the last digit that is written.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, timedelta

from tradewind.core.money import NANOS_PER_UNIT
from tradewind.features.ledger.schemas import AccountKind, AccountRef, AccountRow, WholeEntry

_OPENED = date(1900, 1, 1)
_ROOTS = {
    AccountKind.CASH: "Assets:Cash",
    AccountKind.RECEIVABLE: "Assets:Receivable",
    AccountKind.UNBILLED: "Assets:Unbilled",
    AccountKind.WALLET: "Liabilities:Wallet",
    AccountKind.PAYABLE: "Liabilities:Payable",
    AccountKind.RESERVE: "Liabilities:Reserve",
    AccountKind.PROVIDER_PAYABLE: "Liabilities:Provider-Payable",
    AccountKind.TAX: "Liabilities:Tax",
    AccountKind.REVENUE: "Income:Revenue",
    AccountKind.FEE: "Income:Fee",
    AccountKind.PROVIDER_COST: "Expenses:Provider-Cost",
    AccountKind.CREDIT: "Expenses:Credit",
    AccountKind.WRITE_OFF: "Expenses:Write-Off",
    AccountKind.ROUNDING: "Expenses:Rounding",
    AccountKind.FX: "Equity:Exchange",
    AccountKind.DEFERRED: "Liabilities:Deferred",
}


def beancount_lines(
    accounts: Iterable[AccountRow], pages: Iterable[Iterable[WholeEntry]]
) -> Iterator[str]:
    """Yield the file's text, piece by piece. Accounts and entries are of one moment."""
    kept = list(accounts)
    currencies: defaultdict[tuple[AccountKind, str], list[str]] = defaultdict(list)
    for row in kept:
        currencies[row.account.kind, row.account.owner].append(row.account.currency)
    yield 'option "title" "Tradewind"\n\n'
    for (kind, owner), used in currencies.items():
        name = account_name(AccountRef(kind, owner, used[0]))
        yield f"{_OPENED} open {name} {','.join(sorted(used))}\n  owner: {_quoted(owner)}\n"
    last = _OPENED
    for page in pages:
        for entry in page:
            day = entry.draft.at.astimezone(UTC).date()
            last = max(last, day)
            yield _transaction(entry, day)
    # An assertion is of the morning of its day.
    morning = last + timedelta(days=1)
    yield "\n"
    for row in kept:
        amount = _amount(row.nanos)
        yield f"{morning} balance {account_name(row.account)} {amount} ~ 0 {row.account.currency}\n"


def account_name(account: AccountRef) -> str:
    """Return a name that Beancount takes, another for every owner.

    It may have letters, digits and dashes, so everything else, the dash included, is written as a
    dash and the hexadecimal digits of its bytes.
    """
    owner = "".join(
        letter if letter.isascii() and letter.isalnum() else _escaped(letter)
        for letter in account.owner
    )
    return f"{_ROOTS[account.kind]}:Of-{owner}" if owner else f"{_ROOTS[account.kind]}:All"


def _transaction(entry: WholeEntry, day: date) -> str:
    draft = entry.draft
    link = f" ^{entry.reverses}" if entry.reverses is not None else ""
    told = {"key": draft.key, "subject": draft.subject, "by": draft.by}
    lines = [
        f"{day} * {_quoted(draft.kind)} {_quoted(draft.memo)} ^{entry.entry_id}{link}",
        f"  time: {_quoted(draft.at.astimezone(UTC).isoformat())}",
        *(f"  {name}: {_quoted(text)}" for name, text in told.items() if text),
        *(
            f"  {account_name(account)}  {_amount(nanos)} {account.currency}"
            for account, nanos in draft.postings
        ),
    ]
    return "\n" + "\n".join(lines) + "\n"


def _amount(nanos: int) -> str:
    # Not by way of Decimal, whose context would round sums of more than 28 digits.
    whole, rest = divmod(abs(nanos), NANOS_PER_UNIT)
    return f"{'-' if nanos < 0 else ''}{whole}.{rest:09}"


def _escaped(letter: str) -> str:
    return "".join(f"-{byte:02x}" for byte in letter.encode())


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
