"""Bank transfers: each booking counts once, for whom its reference names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.features.billing.billing_parts import MARCH, event
from tests.features.payments.payments_parts import ONE
from tradewind.core.creditor_references import (
    candidates,
    creditor_reference,
    normalized,
    printed,
    reference_of_invoice,
)
from tradewind.core.errors import Forbidden, InvalidInput, NotFound
from tradewind.core.permissions import Role
from tradewind.features.billing.papers.formats import PaperFormat, paper
from tradewind.features.billing.schemas import InvoiceState, Mode
from tradewind.features.ledger.schemas import AccountKind
from tradewind.features.payments.bank_transfers import BankTransfers
from tradewind.features.payments.errors import BankLineSettled
from tradewind.features.payments.rules.camt import read_statements
from tradewind.features.payments.schemas import LineState, PaymentState

SPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
BODIES = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=21)


def entry(amount, text="", *, reference="", bank="1", **more):
    """Return a booking, as version 08 writes it."""
    strd = f"<Strd><CdtrRefInf><Ref>{reference}</Ref></CdtrRefInf></Strd>" if reference else ""
    reversal = "<RvslInd>true</RvslInd>" if more.get("is_reversal") else ""
    return f"""<Ntry><Amt Ccy="{more.get("currency", "USD")}">{amount}</Amt>
      <CdtDbtInd>{more.get("direction", "CRDT")}</CdtDbtInd>{reversal}
      <Sts><Cd>{more.get("status", "BOOK")}</Cd></Sts>
      <BookgDt><Dt>{more.get("day", "2030-04-01")}</Dt></BookgDt><AcctSvcrRef>{bank}</AcctSvcrRef>
      <NtryDtls><TxDtls><RltdPties><Dbtr><Pty><Nm>Acme AG</Nm></Pty></Dbtr></RltdPties>
      <RmtInf><Ustrd>{text}</Ustrd>{strd}</RmtInf></TxDtls></NtryDtls></Ntry>"""


def statement(*entries, space=SPACE):
    return f"""<?xml version="1.0" encoding="UTF-8"?>
      <Document xmlns="{space}"><BkToCstmrStmt><GrpHdr><MsgId>m</MsgId></GrpHdr><Stmt>
      <Id>1</Id><Acct><Id><IBAN>DE02120300000000202051</IBAN></Id></Acct>{"".join(entries)}
      </Stmt></BkToCstmrStmt></Document>""".encode()


# --- references ------------------------------------------------------------------------------


def test_the_reference_of_the_standard_has_its_check_digits():
    # The example of ISO 11649.
    assert creditor_reference("539007547034") == "RF18539007547034"
    assert printed("RF18539007547034") == "RF18 5390 0754 7034"
    assert normalized("rf18 5390 0754 7034") == "RF18539007547034"


@given(BODIES)
def test_every_reference_checks_and_is_found_in_what_people_write(body):
    reference = creditor_reference(body)
    assert normalized(printed(reference)) == reference
    assert reference in candidates(f"Invoice, {printed(reference).lower()}, thanks")


@given(BODIES, st.data())
def test_one_wrong_character_is_noticed(body, data):
    reference = creditor_reference(body)
    place = data.draw(st.integers(4, len(reference) - 1))
    other = data.draw(st.sampled_from("0123456789").filter(lambda each: each != reference[place]))
    if not reference[place].isdigit():
        return
    assert normalized(reference[:place] + other + reference[place + 1 :]) == ""


# --- files -----------------------------------------------------------------------------------

BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">&b;</Document>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE d SYSTEM "file:///etc/passwd"><d/>"""


@pytest.mark.parametrize(
    "data",
    [
        BOMB,
        OUTSIDE,
        b"",
        b"no xml",
        b"<a>" * 100 + b"</a>" * 100,
        b" " * (1024 * 1024 + 1),
        statement(space="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"),
        statement(entry("1e9")),
        statement(entry("-5.00")),
        statement(entry("5.00", currency="usd")),
        statement(entry("5.00", day="yesterday")),
        statement(entry("5.00", direction="IN")),
        statement(entry("5.00")).replace(b"<IBAN>DE02120300000000202051</IBAN>", b""),
    ],
)
def test_what_is_no_statement_is_refused(data):
    with pytest.raises(InvalidInput):
        read_statements(data)


def test_a_statement_of_the_old_version_reads_the_same():
    old = statement(entry("5.00", "x"), space=SPACE.replace(".08", ".02"))
    old = old.replace(b"<Sts><Cd>BOOK</Cd></Sts>", b"<Sts>BOOK</Sts>")
    old = old.replace(b"<Pty>", b"").replace(b"</Pty>", b"")
    assert read_statements(old) == read_statements(statement(entry("5.00", "x")))


def test_many_transfers_that_are_booked_as_one_are_taken_apart_when_they_add_up():
    parts = "".join(
        f'<TxDtls><Refs><AcctSvcrRef>{bank}</AcctSvcrRef></Refs><Amt Ccy="USD">{amount}</Amt>'
        "</TxDtls>"
        for bank, amount in (("a", "2.00"), ("b", "3.00"))
    )
    start, end = entry("5.00").split("<NtryDtls>")[0], "</NtryDtls></Ntry>"
    found = read_statements(statement(start + "<NtryDtls>" + parts + end))
    assert [each.line.nanos for each in found] == [2 * ONE, 3 * ONE]
    wrong = parts.replace("3.00", "2.50")
    found = read_statements(statement(start + "<NtryDtls>" + wrong + end))
    assert [each.line.nanos for each in found] == [5 * ONE]


def test_what_is_only_announced_is_not_read():
    assert read_statements(statement(entry("5.00", status="PDNG"))) == []


# --- matching --------------------------------------------------------------------------------


@pytest.fixture
def bank(paid):
    return BankTransfers(paid.world.clock, paid.wallets, paid.bills)


@pytest.fixture
def acme(paid):
    return paid.world.add_buyer(mode=Mode.POSTPAID)


@pytest.fixture
def admin(paid, acme):
    return paid.admin(acme)


@pytest.fixture
def invoice(paid, acme):
    """A finalized invoice of 1.19, tax included."""
    paid.world.use(event(acme, paid.world.add_price(), MARCH, cost_nanos=ONE))
    return paid.world.invoice(acme)


@pytest.fixture
def take(paid, bank, admin):
    def take(*entries):
        return paid.do(bank.take_statement, admin, statement(*entries))

    return take


def unmatched(paid, bank, admin):
    return paid.do(bank.lines, admin, state=LineState.UNMATCHED)


def invoice_of(paid, row):
    return paid.do(paid.world.billing.invoice, row.invoice_id)


@pytest.mark.postgres
def test_a_transfer_with_the_reference_of_an_invoice_pays_it_once(paid, invoice, take):
    reference = reference_of_invoice(invoice.number)
    paying = entry("1.19", reference=reference)
    assert take(paying).matched == 1
    assert invoice_of(paid, invoice).state is InvoiceState.PAID
    # The same file again, and one that overlaps.
    again = take(paying, entry("3.00", bank="2"))
    assert (again.lines, again.known, again.unmatched) == (2, 1, 1)
    assert paid.balance(AccountKind.CASH, "bank") == 1_190_000_000


@pytest.mark.postgres
@pytest.mark.parametrize("form", [PaperFormat.HTML, PaperFormat.UBL])
def test_the_reference_that_a_paper_names_pays_its_invoice(paid, invoice, take, form):
    frozen = paid.do(paid.world.billing.frozen, invoice.invoice_id)
    text = paper(frozen, form).decode()
    [reference] = {found for each in candidates(text) if (found := normalized(each))}
    assert take(entry("1.19", reference=reference)).matched == 1
    assert invoice_of(paid, invoice).state is InvoiceState.PAID


@pytest.mark.postgres
def test_two_equal_bookings_of_a_statement_are_two(paid, invoice, take):
    text = printed(reference_of_invoice(invoice.number))
    half = entry("0.50", f"Rechnung {text} danke", bank="")
    assert take(half, half).matched == 2
    assert take(half, half).known == 2
    assert invoice_of(paid, invoice).open_minor == 19


@pytest.mark.postgres
def test_what_is_paid_too_much_is_in_the_wallet(paid, acme, invoice, take):
    take(entry("5.00", reference=reference_of_invoice(invoice.number)))
    assert invoice_of(paid, invoice).state is InvoiceState.PAID
    assert paid.wallet(acme).balance_nanos == 3_810_000_000


@pytest.mark.postgres
def test_a_top_up_is_paid_when_all_of_it_came(paid, acme, bank, admin, take):
    asked = paid.do(bank.announce, admin, 5 * ONE, "USD", key="k")
    assert paid.do(bank.announce, admin, 5 * ONE, "USD", key="k") == asked
    take(entry("2.00", reference=asked.reference))
    assert paid.wallet(acme).balance_nanos == 2 * ONE
    assert paid.do(bank.announce, admin, 5 * ONE, "USD", key="k").state is PaymentState.PENDING
    take(entry("4.00", reference=asked.reference, bank="2"))
    assert paid.wallet(acme).balance_nanos == 6 * ONE
    assert paid.do(bank.announce, admin, 5 * ONE, "USD", key="k").state is PaymentState.PAID


@pytest.mark.postgres
def test_what_cannot_be_matched_waits_with_its_reason(paid, bank, admin, invoice, take):
    done = take(
        entry("1.19", "no reference"),
        entry("1.19", reference=reference_of_invoice("INV-1"), bank="2"),
        entry("1.19", reference=reference_of_invoice(invoice.number), currency="EUR", bank="3"),
        entry("7.00", direction="DBIT", bank="4"),
        entry("7.00", direction="DBIT", is_reversal=True, bank="5"),
    )
    assert (done.matched, done.unmatched, done.ignored) == (0, 4, 1)
    assert all(row.note for row in unmatched(paid, bank, admin))
    assert paid.balance(AccountKind.CASH, "bank") == 0


@pytest.mark.postgres
def test_somebody_says_what_a_booking_is_for_once(paid, bank, admin, invoice, take):
    acme = str(admin.organization_id)
    take(entry("2.00", "a", bank="1"), entry("3.00", "b", bank="2"), entry("4.00", bank="3"))
    two, three, four = sorted(unmatched(paid, bank, admin), key=lambda row: row.line.nanos)
    paid.do(bank.assign, admin, two.line_id, invoice.number, by="Ada")
    paid.do(bank.assign, admin, three.line_id, acme, by="Ada")
    paid.do(bank.set_aside, admin, four.line_id, "rent", by="Ada")
    assert unmatched(paid, bank, admin) == []
    assert paid.wallet(acme).balance_nanos == 3_810_000_000
    for row in (two, four):
        with pytest.raises(BankLineSettled):
            paid.do(bank.assign, admin, row.line_id, acme, by="Ada")


@pytest.mark.postgres
def test_a_booking_is_assigned_to_what_there_is(paid, bank, admin, take):
    take(entry("2.00"))
    [row] = unmatched(paid, bank, admin)
    with pytest.raises(NotFound):
        paid.do(bank.assign, admin, row.line_id, "INV-9", by="")
    with pytest.raises(NotFound):
        paid.do(bank.assign, admin, "bln_x", "INV-9", by="")


@pytest.mark.postgres
def test_only_the_platform_sees_its_bank_account(paid, acme, bank):
    member = paid.admin(acme, Role.DEVELOPER)
    for act, arguments in ((bank.lines, ()), (bank.take_statement, (b"",))):
        with pytest.raises(Forbidden):
            paid.do(act, member, *arguments)
