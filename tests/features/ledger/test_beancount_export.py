"""The export, checked by Beancount itself: another program, which knows nothing of ours."""

import importlib.util
import subprocess
import sys
from datetime import timedelta

import pytest

from tests.features.ledger.ledger_parts import (
    CASH,
    NOW,
    REVENUE,
    UNBILLED,
    draft,
    top_up,
    usage,
)
from tradewind.features.ledger.beancount import account_name, beancount_lines
from tradewind.features.ledger.schemas import AccountKind, AccountRef, FxRate

pytestmark = pytest.mark.postgres

WALLET_NAME = "Liabilities:Wallet:Of-org-5fa"
EUR_CASH = CASH._replace(currency="EUR")
HOSTILE = 'Zoë "the \\ quote" \\" ; * ! #tag ^link 2030-01-01 open'


@pytest.fixture
def exported(ledger, database, tmp_path):
    """Return a function that writes the ledger to a file."""

    def export():
        with database.transaction() as tx:
            ledger.hold_still(tx)
            text = "".join(beancount_lines(list(ledger.all_accounts(tx)), ledger.whole_entries(tx)))
        file = tmp_path / "books.beancount"
        file.write_text(text)
        return file

    return export


@pytest.fixture
def check():
    """Return a function that runs Beancount's checker over a file."""
    if importlib.util.find_spec("beancount") is None:
        pytest.skip("beancount is not installed; it is one of the tools of requirements/dev.in")

    def run(file):
        return subprocess.run(
            [sys.executable, "-m", "beancount.scripts.check", str(file)],
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    return run


@pytest.fixture
def books(ledger, do):
    most = 2**63 - 1
    ids = do(
        ledger.post_many,
        [
            usage("s:1", 5),
            usage("s:2", most, at=NOW - timedelta(days=400), memo=HOSTILE, subject=HOSTILE[:200]),
            usage("s:3", most, by="Ann", kind="else"),
            top_up("t:1", 1_500_000_000),
            draft("o", (UNBILLED._replace(owner='org-a."x"/Zoë'), 1), (REVENUE, -1)),
            draft("p", (UNBILLED._replace(owner="org_a-2d"), 1), (REVENUE, -1)),
        ],
    )
    do(ledger.set_rate, FxRate("EUR", "USD", 1_080_000_001, "bank", NOW))
    do(ledger.exchange, CASH, EUR_CASH, 10**9, key="fx:1", at=NOW, minor_digits=2)
    do(ledger.reverse, ids[2], key="r:1", reason="twice")


@pytest.mark.usefixtures("books")
def test_beancount_finds_the_exported_books_right(exported, check):
    checked = check(exported())

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("former", "later"),
    [
        # A leg that is a nano off, and a balance that is.
        (f"  {WALLET_NAME}  -1.500000000 USD", f"  {WALLET_NAME}  -1.499999999 USD"),
        (f"balance {WALLET_NAME} -1.500000000", f"balance {WALLET_NAME} -1.499999999"),
    ],
)
@pytest.mark.usefixtures("books")
def test_beancount_sees_a_difference_of_a_nano(exported, check, former, later):
    file = exported()
    text = file.read_text()
    assert text.count(former) == 1
    file.write_text(text.replace(former, later))

    assert check(file).returncode != 0


def test_an_empty_ledger_is_a_file_too(exported, check):
    assert check(exported()).returncode == 0


def test_every_owner_has_a_name_of_its_own():
    owners = ["", "All", "a", "A", "a_b", "a-b", "a-5fb", "a.b", "é", "-"]
    names = [account_name(AccountRef(AccountKind.PAYABLE, owner, "USD")) for owner in owners]
    assert len(set(names)) == len(owners)
    assert names[:2] == ["Liabilities:Payable:All", "Liabilities:Payable:Of-All"]
    assert names[5] == "Liabilities:Payable:Of-a-2db"


def test_every_kind_of_account_has_a_place():
    names = {account_name(AccountRef(kind, "x", "USD")) for kind in AccountKind}
    assert len(names) == len(AccountKind)
