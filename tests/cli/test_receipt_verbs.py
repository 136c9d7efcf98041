"""`tradewind receipt verify`, as a shell sees it, with no platform and no database."""

import json
import subprocess
import sys

import pytest

from tradewind.features.receipts.canonical import (
    END_TYPE,
    FORMAT,
    NO_HASH,
    canonical,
    digest,
    link_hash,
)
from tradewind.features.receipts.signing import ReceiptSigner, pem_of

SALE = {"cost": "0.000002", "currency": "EUR", "lines": []}
BUYER = {"organization": "org_a"}


def lines():
    signer = ReceiptSigner(bytes(32))
    sale, buyer = digest(canonical(SALE)), digest(canonical(BUYER))
    after = {"hash": NO_HASH, "sequence": 0}
    reached = link_hash("c", 1, NO_HASH, sale, buyer)
    end = {"after": after, "at": "", "chain": "c", "hash": reached, "sequence": 1}
    records = [
        {"after": after, "chain": "c", "format": FORMAT, "kind": "chain"},
        {"buyer": BUYER, "kind": "receipt", "sale": SALE, "sequence": 1},
        {
            "end": end,
            "key": signer.key_id,
            "kind": "end",
            "signature": signer.sign(END_TYPE, canonical(end)).hex(),
        },
    ]
    return [canonical(record) + b"\n" for record in records]


@pytest.fixture
def run(tmp_path):
    """Verify these lines."""
    (tmp_path / "keys.pem").write_text(pem_of(ReceiptSigner(bytes(32)).public_key))

    def run(content, *arguments, key="keys.pem"):
        (tmp_path / "receipts.jsonl").write_bytes(b"".join(content))
        command = [sys.executable, "-m", "tradewind.cli", "receipt", "verify", "receipts.jsonl"]
        return subprocess.run(
            [*command, "--key", key, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def test_what_is_right_is_told(run):
    answer = run(lines())
    assert answer.returncode == 0, answer.stderr
    assert "1 receipts, 0 heads, 1 chains" in answer.stdout
    assert "0.000002 EUR" in answer.stdout
    assert "The receipts are right." in answer.stdout


def test_what_is_wrong_is_named_with_its_line(run):
    changed = [line.replace(b"0.000002", b"0.000001") for line in lines()]
    answer = run(changed, "--json")
    assert answer.returncode == 1
    told = json.loads(answer.stdout.splitlines()[-1])
    assert told["is_right"] is False
    assert [problem["line"] for problem in told["problems"]] == [3]


def test_a_line_without_end_is_refused_in_pieces(run):
    answer = run([b"x" * 600_000], "--json")
    assert answer.returncode == 1
    assert json.loads(answer.stdout)["problems"][0]["message"] == "the line is too long"


def test_a_file_that_is_no_key_is_told(run):
    answer = run(lines(), key="receipts.jsonl")
    assert answer.returncode != 0
    assert "no public key" in answer.stderr


def test_a_file_that_is_not_there_is_told(run):
    answer = run(lines(), key="nothing.pem")
    assert answer.returncode != 0
    assert "nothing.pem cannot be read" in answer.stderr
