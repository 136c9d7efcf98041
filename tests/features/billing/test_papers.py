"""Papers: the same sums in every format, and a stranger's program that finds them again."""

import csv
import io
import json
import re
import subprocess
import sys
import zlib
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from tests.features.billing.billing_parts import HOUR, MARCH, event
from tradewind.features.billing.papers.page import page
from tradewind.features.billing.papers.pdf import pdf
from tradewind.features.billing.papers.tables import FOCUS_COLUMNS, focus_csv, lines_csv, table
from tradewind.features.billing.papers.ubl import CAC, CBC, CREDIT_NOTE, INVOICE, ubl
from tradewind.gateway.record import cost_nanos
from tradewind.readmodels.invoice_evidence import events_csv, settlement_csv
from tradewind.snapshot.contents import Price
from tradewind.usage.event import Usage, UsageSource

pytestmark = pytest.mark.postgres
SCRIPT = Path(__file__).parents[3] / "bench" / "recompute_invoice.py"
NAMES = {"cbc": CBC, "cac": CAC}


@pytest.fixture
def row(world):
    acme, price = world.add_buyer(), world.add_price()
    world.use(
        *(event(acme, price, MARCH + at * HOUR) for at in range(7)),
        *(event(acme, price, MARCH, model="acme/two") for _ in range(200)),
        event(
            acme,
            price,
            MARCH,
            model="acme/three",
            input_tokens=1_001,
            cached_input_tokens=3,
            cache_write_tokens=1,
            output_tokens=1,
            cost_nanos=2_003_500,
        ),
    )
    return world.invoice(acme)


@pytest.fixture
def frozen(world, row):
    with world.database.transaction() as tx:
        return world.billing.frozen(tx, row.invoice_id)


@pytest.fixture
def credit(world, row):
    with world.database.transaction() as tx:
        made = world.billing.credit(tx, row.invoice_id, reason="an outage", key="k")
        return world.billing.frozen_credit(tx, made.credit_note_id)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_lines_as_csv_add_up(frozen):
    rows = rows_of(lines_csv(frozen.content))

    assert sum(Decimal(row["amount"]) for row in rows) == Decimal(frozen.content.net)
    assert sum(Decimal(row["exact"]) for row in rows) == Decimal(frozen.content.exact)
    assert [row["model"] for row in rows] == ["acme/one", "acme/three", "acme/two"]


def test_a_name_that_a_spreadsheet_would_run_is_quoted():
    assert "'=SUM(A1)" in table(("name",), [{"name": "=SUM(A1)"}])


def test_focus_has_its_columns_and_the_total(frozen, credit):
    rows = rows_of(focus_csv(frozen.content))
    back = rows_of(focus_csv(credit.content))

    assert tuple(rows[0]) == FOCUS_COLUMNS
    assert [row["ChargeCategory"] for row in rows] == ["Usage"] * 3 + ["Tax"]
    total = Decimal(frozen.content.total)
    assert sum(Decimal(row["BilledCost"]) for row in rows) == total
    assert sum(Decimal(row["BilledCost"]) for row in back) == -total
    assert {row["ChargeCategory"] for row in back} == {"Credit", "Tax"}


def test_the_page_says_everything_and_trusts_no_name(frozen):
    html = page(frozen.content, frozen.sha256, lambda line: f"/usage?line={line.seq}")

    assert "Acme &amp; Söhne &lt;AG&gt;" in html
    assert f"{frozen.content.total} USD" in html
    assert 'href="/usage?line=1"' in html
    assert frozen.sha256.hex() in html


def test_the_pdf_is_the_same_each_time_and_has_every_line(frozen):
    data = pdf(frozen.content)

    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert data == pdf(frozen.content)
    assert len(data) > 1_500


def printed(data):
    """What stands in the streams of a PDF."""
    streams = re.findall(rb"stream\n(.*?)\nendstream", data, re.DOTALL)
    return b"".join(zlib.decompress(stream) for stream in streams)


def test_a_pdf_says_that_it_cannot_show_a_name(frozen):
    party = msgspec.structs.replace(
        frozen.content.buyer, legal_name="\u03a9\u03bc\u03b5\u03b3\u03b1"
    )
    other = msgspec.structs.replace(frozen.content, buyer=party)

    assert b"question" in printed(pdf(other))
    assert b"question" not in printed(pdf(frozen.content))


def test_the_e_invoice_keeps_the_rules_of_its_sums(frozen, credit):
    for document, name in ((frozen, INVOICE), (credit, CREDIT_NOTE)):
        root = ET.fromstring(ubl(document.content))
        is_credit = name == CREDIT_NOTE
        kind = "CreditNote" if is_credit else "Invoice"
        assert root.tag == f"{{{name}}}{kind}"

        def amount(path, root=root):
            return Decimal(root.findtext(path, "", NAMES))

        total = "cac:LegalMonetaryTotal/cbc:"
        parts = root.findall(f"cac:{kind}Line", NAMES)
        net = sum(amount("cbc:LineExtensionAmount", part) for part in parts)
        tax = amount("cac:TaxTotal/cbc:TaxAmount")
        # BR-CO-10, BR-CO-13, BR-CO-15, BR-CO-16, BR-CO-17
        assert net == amount(f"{total}LineExtensionAmount") == amount(f"{total}TaxExclusiveAmount")
        assert net + tax == amount(f"{total}TaxInclusiveAmount") == amount(f"{total}PayableAmount")
        subtotal = "cac:TaxTotal/cac:TaxSubtotal/"
        assert amount(f"{subtotal}cbc:TaxableAmount") == net
        rate = amount(f"{subtotal}cac:TaxCategory/cbc:Percent")
        assert round(net * rate / 100, 2) == tax
        for part in parts:
            quantity = "Credited" if is_credit else "Invoiced"
            # PEPPOL-EN16931-R120, BR-27
            price = amount("cac:Price/cbc:PriceAmount", part)
            assert price >= 0
            assert amount(f"cbc:{quantity}Quantity", part) * price == amount(
                "cbc:LineExtensionAmount", part
            )
        supplier = "cac:AccountingSupplierParty/cac:Party/"
        endpoint = root.find(f"{supplier}cbc:EndpointID", NAMES)
        assert endpoint is not None
        assert (endpoint.text, endpoint.attrib) == ("DE123456789", {"schemeID": "9930"})
        assert root.findtext("cbc:BuyerReference", None, NAMES) == "PO-7"
    reference = "cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID"
    assert root.findtext(reference, None, NAMES) == frozen.content.number


def test_a_stranger_recomputes_rarer_meters_and_leaves_corrections_alone(world, tmp_path):
    usd = 10**9
    meters = {
        "images": 40_000 * usd,
        "reasoning_tokens": 9 * usd,
        "audio_input_tokens": 3 * usd,
        "requests": 100 * usd,
    }
    acme, price_id = world.add_buyer(), world.add_price(meters=meters)
    used = Usage(
        input_tokens=1_000,
        cached_input_tokens=100,
        output_tokens=500,
        source=UsageSource.UPSTREAM,
        cache_write_tokens=7,
        reasoning_tokens=200,
        audio_input_tokens=50,
        meters={"images": 2},
    )
    price = Price(price_id, "USD", 2 * usd, 6 * usd, usd // 2, meters=meters)
    plain = Usage(1_000, 0, 500, UsageSource.NONE)
    call = event(
        acme,
        price_id,
        MARCH,
        cost_nanos=cost_nanos(used, price),
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cached_input_tokens=used.cached_input_tokens,
        cache_write_tokens=used.cache_write_tokens,
        usage_source="upstream",
        meters={"images": 2, "reasoning_tokens": 200, "audio_input_tokens": 50},
    )
    fix = event(acme, price_id, MARCH, cost_nanos=-1, input_tokens=-1, corrects=call.event_id)
    world.use(call, fix, event(acme, price_id, MARCH, cost_nanos=cost_nanos(plain, price)))
    row = world.invoice(acme)
    with world.database.transaction() as tx:
        settlement = settlement_csv(world.billing.evidence(tx, row.invoice_id))
        events = events_csv(tx, row.invoice_id)
        (tmp_path / "j").write_bytes(world.billing.frozen(tx, row.invoice_id).data)
    (tmp_path / "s").write_text(settlement, newline="")
    (tmp_path / "e").write_text(events, newline="")

    done = recompute(tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def exported(world, row, frozen, tmp_path):
    with world.database.transaction() as tx:
        settlement = settlement_csv(world.billing.evidence(tx, row.invoice_id))
        events = events_csv(tx, row.invoice_id)
    (tmp_path / "j").write_bytes(frozen.data)
    (tmp_path / "s").write_text(settlement, newline="")
    (tmp_path / "e").write_text(events, newline="")
    return tmp_path


def recompute(folder):
    files = [str(folder / name) for name in "jse"]
    return subprocess.run(
        [sys.executable, "-I", str(SCRIPT), *files], capture_output=True, text=True, check=False
    )


def test_a_program_that_knows_nothing_of_ours_finds_the_same_sums(exported):
    done = recompute(exported)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything is as it says." in done.stdout
    content = json.loads((exported / "j").read_bytes())
    content["total"] = "0.07"
    (exported / "j").write_text(json.dumps(content))
    lied = recompute(exported)
    assert lied.returncode == 1
    assert "should be" in lied.stdout
