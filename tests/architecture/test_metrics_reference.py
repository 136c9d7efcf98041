"""The reference of metrics says what is exposed, and nothing else."""

import re

import checkout
import pytest

from tradewind.gateway.metrics import families as gateway
from tradewind.telemetry.families import Family
from tradewind.worker import report as worker

PAGE = "docs/reference/metrics.md"
ALL = (*gateway.FAMILIES, *worker.FAMILIES)


def entries() -> dict[str, str]:
    """Return what stands below each heading of a metric."""
    parts = re.split(r"^### `([^`]+)`$", checkout.texts()[PAGE], flags=re.MULTILINE)
    names, texts = parts[1::2], parts[2::2]
    assert len(names) == len(set(names)), "a heading stands twice"
    return dict(zip(names, texts, strict=True))


def labels_of(family: Family) -> set[str]:
    if family is worker.SHIPPED:
        return {"kind"}
    if family is gateway.WORKERS:
        return {"state"}
    found: set[str] = set()
    for block in gateway.BLOCKS:
        for part in block.parts:
            if part.family is family:
                found |= {label.name for label in block.labels} | {name for name, _ in part.labels}
    return found


def test_every_metric_has_a_heading_and_every_heading_a_metric():
    assert set(entries()) == {family.name for family in ALL}


@pytest.mark.parametrize("family", ALL, ids=lambda family: family.name)
def test_an_entry_names_type_and_labels(family):
    found = re.match(r"\n\nType: (\w+)\. Labels: (.+)\.\n\n\S", entries()[family.name])
    assert found is not None, "Type: …. Labels: `…`, `…`."
    assert found[1] == family.kind
    assert set(re.findall(r"`([^`]+)`", found[2])) == labels_of(family)


@pytest.mark.parametrize("family", ALL, ids=lambda family: family.name)
def test_a_name_says_what_it_counts(family):
    """Prometheus, "Metric and label naming"."""
    assert re.fullmatch(r"(gen_ai|tradewind)_[a-z_]+", family.name)
    assert family.name.endswith("_total") == (family.kind == "counter")
    assert family.name.endswith(("_seconds", "_seconds_total")) == (family.scale == 10**6)


def test_names_that_other_documents_use_exist():
    names = {family.name for family in ALL}
    names |= {
        f"{family.name}_{end}"
        for family in ALL
        if family.kind == "histogram"
        for end in ("bucket", "sum", "count")
    }
    used = set(re.findall(r"\b(?:tradewind|gen_ai)_[a-z_]+\b", rules_of("docs/how-to/observe.md")))
    labels = set().union(*map(labels_of, ALL))
    assert used - labels <= names


def rules_of(document: str) -> str:
    """Return the alerts and queries of a document."""
    text = checkout.texts()[document]
    rules = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    queries = re.findall(r"`([^`]*rate\([^`]*)`", text)
    assert rules
    assert queries
    return "\n".join(rules + queries)
