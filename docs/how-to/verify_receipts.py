# ruff: noqa: INP001, SIM115
"""Checks an export of receipts, by the book and without Tradewind.

    python verify_receipts.py RECEIPTS.jsonl KEYS.pem

Needs the package `cryptography` for Ed25519. See docs/reference/receipts.md.
"""

import hashlib
import json
import sys
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key


def must(be_true: bool, message: str) -> None:
    if not be_true:
        sys.exit(message)


def canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def check_signed(line: dict, name: str, keys: dict) -> dict:
    kind, payload = f"application/vnd.tradewind.receipt-{name}+json", canonical(line[name])
    signed = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    keys[line["key"]].verify(bytes.fromhex(line["signature"]), signed)
    return line[name]


keys = {}
for part in Path(sys.argv[2]).read_text().split("-----BEGIN PUBLIC KEY-----")[1:]:
    key = load_pem_public_key(("-----BEGIN PUBLIC KEY-----" + part).encode())
    keys[sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw))] = key
here, begin, costs = None, None, {}
for text in Path(sys.argv[1]).open("rb"):
    line = json.loads(text)
    must(canonical(line) + b"\n" == text, "a line is not canonical")
    if line["kind"] == "chain":
        must(here is None, "a chain has no end")
        here = begin = {"chain": line["chain"], **line["after"]}
    elif line["kind"] == "receipt":
        must(line["sequence"] == here["sequence"] + 1, "a receipt is missing or out of order")
        parts = [line["buyer"], line["sale"]]
        buyer, sale = (p if isinstance(p, str) else sha256(canonical(p)) for p in parts)
        link = {"buyer": buyer, "sale": sale, "previous": here["hash"]}
        link |= {"chain": here["chain"], "sequence": line["sequence"]}
        here = {**here, "sequence": line["sequence"], "hash": sha256(canonical(link))}
        if isinstance(sold := line["sale"], dict):
            exact = sum(each["quantity"] * Decimal(each["price"]) for each in sold["lines"])
            cost = (exact / 10**6).quantize(Decimal("1e-9"), ROUND_HALF_EVEN)
            must(not sold["lines"] or cost == Decimal(sold["cost"]), "the lines are not the cost")
            costs[sold["currency"]] = costs.get(sold["currency"], 0) + Decimal(sold["cost"])
    else:
        signed = check_signed(line, line["kind"], keys)
        must(all(signed[name] == here[name] for name in here), "what is signed is something else")
        if line["kind"] == "end":
            after = {name: begin[name] for name in ("hash", "sequence")}
            must(signed["after"] == after, "the end is of another stretch")
            here = None
must(begin is not None and here is None, "the file is cut off")
print(json.dumps({currency: str(total) for currency, total in sorted(costs.items())}))
