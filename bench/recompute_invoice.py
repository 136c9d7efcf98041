"""Recompute an invoice from its exported files: python recompute_invoice.py J.json S.csv E.csv

Needs Python and nothing else. J is `tradewind invoices export --format json`, S `settlement` and E
`events`. Prints what differs and ends with status 1, or prints the total.
"""

import csv
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

TOKENS = ("cached_input", "cache_write", "output")
PART_OF = {
    "audio_input_tokens": "input",
    "audio_output_tokens": "output",
    "reasoning_tokens": "output",
}
CALLS = {"upstream", "estimated"}


def group(row: dict[str, str], project: str, price: str) -> tuple[str, ...]:
    return row[project], row["model"], row["operation"], row[price]


def rounded(amount: Decimal, places: int) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)


def rows_of(file: str) -> Iterator[dict[str, str]]:
    with Path(file).open(newline="", encoding="utf-8") as opened:
        yield from csv.DictReader(opened)


def event_cost(row: dict[str, str]) -> Decimal:
    tokens = {name: int(row[f"{name}_tokens"]) for name in TOKENS}
    tokens["input"] = int(row["input_tokens"]) - tokens["cached_input"] - tokens["cache_write"]
    meters, prices = json.loads(row["meters"]), json.loads(row["meter_prices"])
    parts = [
        n * Decimal(price)
        for m, price in prices.items()
        if (n := meters.get(m, 0)) and m not in PART_OF
    ]
    for name, whole in PART_OF.items():
        taken = min(meters.get(name, 0), tokens[whole]) if name in prices else 0
        tokens[whole] -= taken
        parts.append(taken * Decimal(prices.get(name, 0)))
    if "requests" in prices and "requests" not in meters and row["usage_source"] in CALLS:
        parts.append(Decimal(prices["requests"]))
    parts += [n * Decimal(row[f"{name}_price"]) for name, n in tokens.items()]
    return rounded(sum(parts, Decimal()) / 10**6, 9)


def main(invoice_file: str, settlement_file: str, events_file: str) -> int:
    data = Path(invoice_file).read_bytes()
    it, wrong = json.loads(data), []
    places = len(it["total"].partition(".")[2])
    settled, called, usage = defaultdict(Decimal), defaultdict(Decimal), defaultdict(Decimal)
    for row in rows_of(settlement_file):
        settled[group(row, "project_id", "price_id")] += Decimal(row["cost"])
    for row in rows_of(events_file):
        # What corrects another says itself by how much.
        if not row["corrects"] and event_cost(row) != Decimal(row["cost"]):
            wrong.append(f"event {row['event_id']} costs {event_cost(row)}, not {row['cost']}")
        called[group(row, "project_id", "price_id")] += Decimal(row["cost"])
    for line in it["lines"]:
        if line["kind"] == "usage":
            usage[group(line, "project", "price")] += Decimal(line["exact"])
    for key in usage.keys() | settled.keys() | called.keys():
        sums = (usage[key], settled[key], called[key])
        wrong += [f"{key}: invoiced, settled, used are {sums}"] if len(set(sums)) > 1 else []
    exact = [Decimal(line["exact"]) for line in it["lines"]]
    unit = Decimal(1).scaleb(-places)
    shares = [amount // unit * unit - (unit if amount % unit < 0 else 0) for amount in exact]
    missing = int((rounded(sum(exact, Decimal()), places) - sum(shares)) / unit)
    lost = sorted(range(len(exact)), key=lambda at: (shares[at] - exact[at], at))
    for at in lost[:missing]:
        shares[at] += unit
    tax = rounded(sum(shares, Decimal()) * it["tax"]["rate_ppm"] / 10**6, places)
    found = [*shares, sum(shares), tax, sum(shares) + tax]
    said = [line["amount"] for line in it["lines"]] + [it["net"], it["tax"]["amount"], it["total"]]
    wrong += [f"{b} should be {a}" for a, b in zip(found, said, strict=True) if a != Decimal(b)]
    print(
        f"{it['number']}: {found[-1]} {it['currency']}, sha256 {hashlib.sha256(data).hexdigest()}"
    )
    print("\n".join(wrong) or "Everything is as it says.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
