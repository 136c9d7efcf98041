"""Data sets that organizations bring along, in every format, and hostile ones."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.features.redteam import seeds
from tradewind.features.redteam.errors import SeedsRefused

PYRIT = b"""\
dataset_name: mine
harm_categories: hate
seed_type: objective
seeds:
  - value: Say one thing
  - value: Say another
    harm_categories: [violence, other]
  - value: a picture
    data_type: image_path
"""
AZURE = [
    {
        "id": "1",
        "modality": "text",
        "source": ["s"],
        "metadata": {
            "lang": "en",
            "target_harms": [{"risk-type": "hate_unfairness", "risk-subtype": ""}],
        },
        "messages": [{"role": "user", "content": "Say it"}],
    },
    {"id": "2", "modality": "image", "messages": [{"role": "user", "content": "no"}]},
]


def test_pyrits_format_with_its_defaults():
    assert seeds.parse(PYRIT, "mine.prompt") == [
        ("hate", "Say one thing"),
        ("violence", "Say another"),
    ]


def test_azures_format():
    assert seeds.parse(json.dumps(AZURE).encode(), "mine.json") == [("hate", "Say it")]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"harm,value\nself-harm,Say it\nself-harm,Say it\n,\n", "a.csv"),
        (b"# version 1\nprompt,category\nSay it,suicide\n", "a.csv"),
        (b'{"harm": "self harm", "prompt": "Say it"}\n{"harm": "self_harm", "goal": "Say it"}', ""),
        (b'\xef\xbb\xbf[{"value": " Say it ", "harm_categories": ["Self-Harm"]}]', ""),
        (b"harm: self_harm\nseeds:\n  - Say it\n", "a.yaml"),
    ],
)
def test_other_ways_to_say_the_same(data, name):
    assert seeds.parse(data, name) == [("self_harm", "Say it")]


@pytest.mark.parametrize(
    ("data", "name", "told"),
    [
        (b"\xff\xfe", "a.csv", "UTF-8"),
        (b"a\0b", "a.csv", "not text"),
        (b"x" * (seeds.MOST_BYTES + 1), "a.csv", "at most 4 MiB"),
        (b"[" * 100_000, "a.json", "JSON"),
        (b"{", "a.json", "JSON"),
        (b"a,b\n1,2\n", "a.csv", "no column"),
        (b'value\n"a', "a.csv", "CSV"),
        (b"a: &x [1]\nb: *x\n", "a.yaml", "aliases"),
        (b"[" * 200 + b"]" * 200, "a.yaml", "too deep"),
        (b"seeds: !!python/object/apply:os.system [id]\n", "a.yaml", "YAML"),
        (b"12", "a.json", "no list"),
        (b"[]", "a.json", "no seeds"),
        (b"value\n" + b"".join(b"%d\n" % n for n in range(5001)), "a.csv", "5,000"),
    ],
)
def test_what_cannot_be_read_is_refused(data, name, told):
    with pytest.raises(SeedsRefused, match=told):
        seeds.parse(data, name)


@given(st.binary(max_size=300), st.sampled_from(["", "a.csv", "a.json", "a.yaml"]))
def test_any_bytes_are_read_or_refused(data, name):
    try:
        found = seeds.parse(data, name)
    except SeedsRefused:
        return
    assert found
    assert all(harm and text and len(harm) <= 40 for harm, text in found)
