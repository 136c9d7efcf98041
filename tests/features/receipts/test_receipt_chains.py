"""Receipts are made of what is new in the books, and anybody can check them."""

import json
import random
import subprocess
import sys
import threading
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy.exc
from receipt_parts import PRICE, add_price
from sqlalchemy import text

from tradewind.core.ids import request_id
from tradewind.features.receipts.errors import NoReceipt
from tradewind.features.receipts.verifying import verify
from tradewind.usage.event import Outcome, Usage, UsageSource

pytestmark = pytest.mark.postgres

SCRIPT = Path(__file__).parents[3] / "docs" / "how-to" / "verify_receipts.py"


@pytest.fixture
def lines(books):
    """An export of seven receipts with heads after the third and the last."""
    for _ in range(3):
        books.call(price_id=PRICE)
    books.make()
    books.sign()
    for _ in range(4):
        books.call(price_id=PRICE)
    books.make()
    books.sign()
    return books.export()


def parts(lines, kind="receipt"):
    return [record for line in lines if (record := json.loads(line))["kind"] == kind]


def test_each_call_has_one_receipt_in_the_chain_of_its_organization(books):
    calls = [books.call(organization_id=f"org_{letter}") for letter in "abab"]
    assert books.make() == 4
    assert books.make() == 0
    for letter in "ab":
        told = [part["sale"]["request"] for part in parts(books.export(f"org_{letter}"))]
        assert told == [
            request_id(call.event_id) for call in calls if call.organization_id[-1] == letter
        ]


def test_an_export_is_right(books, lines):
    found = verify(lines, books.keys())
    assert found.problems == []
    assert (found.chains, found.receipts, found.heads, found.whole_parts) == (1, 7, 2, 14)
    assert found.cost_nanos == {"USD": 7 * 6400}


def test_a_receipt_says_what_the_call_was(books, database):
    usage = Usage(100, 20, 30, UsageSource.UPSTREAM, reasoning_tokens=7)
    event = books.call(
        price_id=PRICE,
        usage=usage,
        cost_nanos=80 * 100 + 20 * 50 + 30 * 200,
        outcome=Outcome.CANCELLED,
        host="azure",
        region="eu",
        provider_cost_nanos=999,
        provider_currency="USD",
    )
    books.make()
    [receipt] = parts(books.export())
    sale, buyer = receipt["sale"], receipt["buyer"]
    assert len(sale.pop("salt")) == len(buyer.pop("salt")) == 32
    assert sale.pop("at").startswith("2030-01-31T12:34:57")
    assert sale == {
        "batch": False,
        "corrects": None,
        "cost": "0.000015",
        "counted_by": "upstream",
        "currency": "USD",
        "digest": "",
        "lines": [
            {"meter": "input_tokens", "price": "0.1", "quantity": 80},
            {"meter": "cached_input_tokens", "price": "0.05", "quantity": 20},
            {"meter": "output_tokens", "price": "0.2", "quantity": 30},
        ],
        "meters": {
            "cache_write_tokens": 0,
            "cached_input_tokens": 20,
            "input_tokens": 100,
            "output_tokens": 30,
            "reasoning_tokens": 7,
        },
        "model": "smollm2-135m-instruct",
        "operation": "chat",
        "outcome": "cancelled",
        "price": PRICE,
        "request": request_id(event.event_id),
        "seller": "",
        "version": "",
    }
    assert buyer == {
        "deployment": event.deployment_id,
        "host": "azure",
        "key": event.key_id,
        "organization": "org_a",
        "policies": [],
        "project": event.project_id,
        "region": "eu",
    }
    assert "999" not in json.dumps([sale, buyer]), "what a host takes is not the buyer's to know"


def test_every_flipped_bit_is_found(books, lines):
    whole, keys = b"".join(lines), books.keys()
    chance = random.Random(7)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines))]
    places = {*starts, *(start - 1 for start in starts[1:]), len(whole) - 1}
    places |= {chance.randrange(len(whole)) for _ in range(400)}
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << chance.randrange(8)
        assert not verify(bytes(changed).splitlines(keepends=True), keys).is_right, place


def test_a_missing_line_is_found(books, lines):
    keys = books.keys()
    for number, line in enumerate(lines):
        without = [*lines[:number], *lines[number + 1 :]]
        # A head less is a proof less, and not a receipt less.
        is_head = json.loads(line)["kind"] == "head"
        assert verify(without, keys).is_right is is_head


def test_lines_in_another_order_are_found(books, lines):
    keys = books.keys()
    for number in range(1, len(lines)):
        swapped = [*lines]
        swapped[number - 1 : number + 1] = reversed(swapped[number - 1 : number + 1])
        assert not verify(swapped, keys).is_right


def test_a_file_that_is_cut_off_is_found(books, lines):
    keys = books.keys()
    for count in range(len(lines)):
        assert not verify(lines[:count], keys).is_right


def test_a_receipt_of_another_chain_is_found(books, lines):
    books.call(organization_id="org_b")
    books.make()
    other = next(line for line in books.export("org_b") if b'"kind":"receipt"' in line)
    assert not verify([lines[0], other, *lines[2:]], books.keys()).is_right


def test_a_number_written_otherwise_is_found(books, lines):
    changed = lines[1].replace(b'"sequence":1}', b'"sequence":1.0}')
    assert changed != lines[1]
    assert not verify([lines[0], changed, *lines[2:]], books.keys()).is_right
    changed = lines[1].replace(b'"sequence":1}', b'"sequence":true}')
    assert not verify([lines[0], changed, *lines[2:]], books.keys()).is_right


def test_another_key_is_found(books, lines):
    keys = books.keys()
    [key_id] = keys
    assert not verify(lines, {}).is_right
    assert not verify(lines, {key_id: bytes(32)}).is_right


def test_several_exports_in_one_file_are_right(books, lines):
    books.call(organization_id="org_b")
    books.make()
    found = verify([*lines, *books.export("org_b")], books.keys())
    assert found.problems == []
    assert (found.chains, found.receipts) == (2, 8)


def test_a_publisher_sees_their_own_sales_and_checks_the_whole_chain(books, database):
    with database.transaction() as tx:
        add_price(tx, "price_sold", seller="acme")
    books.call(price_id=PRICE)
    sold = books.call(price_id="price_sold")
    books.call(price_id=PRICE)
    books.make()
    books.sign()
    lines = books.export(seller="acme")
    found = verify(lines, books.keys())
    assert found.problems == []
    assert (found.receipts, found.whole_parts, found.cost_nanos) == (3, 1, {"USD": 6400})
    shown = [part["sale"] for part in parts(lines) if isinstance(part["sale"], dict)]
    assert [sale["request"] for sale in shown] == [request_id(sold.event_id)]
    everything = b"".join(lines)
    for private in ("org_a", sold.key_id, sold.project_id, sold.deployment_id):
        assert private.encode() not in everything


def test_a_script_without_our_code_comes_to_the_same(books, lines, tmp_path):
    file, pem = tmp_path / "receipts.jsonl", tmp_path / "keys.pem"
    pem.write_text(books.pem())

    def run(content):
        file.write_bytes(b"".join(content))
        command = [sys.executable, str(SCRIPT), str(file), str(pem)]
        return subprocess.run(command, capture_output=True, check=False, timeout=120)

    right = run(lines)
    assert right.returncode == 0, right.stderr
    assert json.loads(right.stdout) == {"USD": "0.0000448"}
    assert run(lines[:-1]).returncode
    assert run([*lines[:2], *lines[3:]]).returncode
    assert run([lines[0], lines[1].replace(b"0.0000064", b"0.0000063"), *lines[2:]]).returncode


def test_the_receipt_of_one_call_is_proved_by_its_head(books, database):
    calls = [books.call(price_id=PRICE) for _ in range(4)]
    books.make()
    books.sign()
    with database.transaction() as tx:
        view = books.receipts.show(tx, "org_a", _uuid(calls[1]))
    lines = list(books.receipts.lines_of(view))
    found = verify(lines, books.keys())
    assert found.problems == []
    assert (found.receipts, found.heads, found.whole_parts) == (3, 1, 2)
    [shown] = [part["sale"] for part in parts(lines) if isinstance(part["sale"], dict)]
    assert shown["request"] == request_id(calls[1].event_id)


def test_a_receipt_is_shown_before_it_is_signed(books, database):
    call = books.call()
    books.make()
    with database.transaction() as tx:
        view = books.receipts.show(tx, "org_a", _uuid(call))
    assert view.head is None
    assert verify(list(books.receipts.lines_of(view)), books.keys()).is_right


def test_a_receipt_of_somebody_else_is_not_there(books, database):
    call = books.call()
    books.make()
    with database.transaction() as tx:
        for whose, event_id in (("org_b", _uuid(call)), ("org_a", _uuid(books.call()))):
            with pytest.raises(NoReceipt):
                books.receipts.show(tx, whose, event_id)


def test_nothing_is_made_of_what_is_rolled_back_and_nothing_twice(books, database):
    books.call()
    with database.transaction() as tx:
        assert books.receipts.make(tx).receipts == 1
        tx.rollback()
    assert books.make() == 1
    assert len(parts(books.export())) == 1


def test_two_makers_at_once_make_each_receipt_once(books, database):
    books.call()
    is_taken, may_end = threading.Event(), threading.Event()

    def hold():
        with database.transaction() as tx:
            books.receipts.make(tx)
            is_taken.set()
            may_end.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    try:
        assert is_taken.wait(60)
        books.call()
        assert books.make() == 0, "another one is at it"
    finally:
        may_end.set()
        other.join()
    assert books.make() == 1
    assert [part["sequence"] for part in parts(books.export())] == [1, 2]


def test_a_chain_is_signed_once_until_it_grows(books):
    books.call()
    books.make()
    assert books.sign() == 1
    assert books.sign() == 0
    books.call()
    books.make()
    assert books.sign() == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE receipt SET sale = '{}'",
        "DELETE FROM receipt",
        "TRUNCATE receipt",
        "UPDATE receipt_head SET key_id = ''",
        "DELETE FROM receipt_head",
    ],
)
def test_receipts_and_heads_stay_as_they_are(books, database, statement):
    books.call()
    books.make()
    books.sign()
    with pytest.raises(sqlalchemy.exc.DBAPIError), database.transaction() as tx:
        tx.execute(text(statement))


def test_what_the_lines_do_not_explain_has_no_lines(books):
    books.call(price_id=PRICE, cost_nanos=1)
    books.call(price_id="price_unknown")
    books.make()
    assert [part["sale"]["lines"] for part in parts(books.export())] == [[], []]
    assert verify(books.export(), books.keys()).is_right


def _uuid(call):
    return UUID(bytes=call.event_id)
