"""Exports of providers, in the formats their documentation gives."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.features.reconciliation.errors import UnknownStatement
from tradewind.features.reconciliation.schemas import Measure, StatementFormat
from tradewind.features.reconciliation.statements import parse_statement

DAY = date(2030, 1, 31)
UNIX = 1_896_048_000
OPENAI_COSTS = """{"object": "page", "data": [{"object": "bucket", "start_time": 1896048000,
  "end_time": 1896134400, "results": [
    {"object": "organization.costs.result", "amount": {"value": 0.06, "currency": "usd"},
     "line_item": "gpt-4o, input", "project_id": null},
    {"object": "organization.costs.result", "amount": {"value": "0.100000000000001",
     "currency": "usd"}, "line_item": null, "project_id": "proj_abc"}]}],
  "has_more": false, "next_page": null}"""
OPENAI_USAGE = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": UNIX,
            "end_time": UNIX + 86_400,
            "results": [
                {
                    "object": "organization.usage.completions.result",
                    "input_tokens": 1000,
                    "output_tokens": 500,
                    "input_cached_tokens": 800,
                    "num_model_requests": 5,
                    "model": "gpt-4o-mini-2024-07-18",
                }
            ],
        }
    ],
    "has_more": False,
}
ANTHROPIC_COSTS = {
    "data": [
        {
            "starting_at": "2030-01-31T00:00:00Z",
            "ending_at": "2030-02-01T00:00:00Z",
            "results": [
                {"currency": "USD", "amount": "123.78912", "description": "Tokens"},
                {"currency": "USD", "amount": "0.1", "cost_type": "web_search"},
            ],
        }
    ],
    "has_more": False,
    "next_page": None,
}
ANTHROPIC_USAGE = {
    "data": [
        {
            "starting_at": "2030-01-31T00:00:00Z",
            "ending_at": "2030-02-01T00:00:00Z",
            "results": [
                {
                    "uncached_input_tokens": 1500,
                    "cache_creation": {
                        "ephemeral_1h_input_tokens": 1000,
                        "ephemeral_5m_input_tokens": 500,
                    },
                    "cache_read_input_tokens": 200,
                    "output_tokens": 700,
                    "model": "claude-sonnet-4-20250514",
                }
            ],
        }
    ],
    "has_more": False,
}


def read(content):
    text = content if isinstance(content, str) else json.dumps(content)
    parsed = parse_statement(text.encode())
    return parsed.format, {
        (line.day, line.measure, line.currency): line.quantity for line in parsed.lines
    }


def test_costs_of_openai_are_added_up_by_day_to_the_nano():
    assert read(OPENAI_COSTS) == (
        StatementFormat.OPENAI_COSTS_JSON,
        {(DAY, Measure.COST, "USD"): 160_000_000},
    )


def test_pages_may_come_as_one_list():
    page = json.loads(OPENAI_COSTS)
    assert read([page, page])[1] == {(DAY, Measure.COST, "USD"): 320_000_000}


def test_usage_of_openai_counts_cached_input_once():
    assert read(OPENAI_USAGE) == (
        StatementFormat.OPENAI_USAGE_JSON,
        {
            (DAY, Measure.INPUT_TOKENS, ""): 1000,
            (DAY, Measure.OUTPUT_TOKENS, ""): 500,
            (DAY, Measure.REQUESTS, ""): 5,
        },
    )


def test_costs_of_anthropic_are_cents():
    assert read(ANTHROPIC_COSTS) == (
        StatementFormat.ANTHROPIC_COSTS_JSON,
        {(DAY, Measure.COST, "USD"): 1_238_891_200},
    )


def test_input_of_anthropic_is_all_that_was_read():
    assert read(ANTHROPIC_USAGE) == (
        StatementFormat.ANTHROPIC_USAGE_JSON,
        {(DAY, Measure.INPUT_TOKENS, ""): 3200, (DAY, Measure.OUTPUT_TOKENS, ""): 700},
    )


@pytest.mark.parametrize("separator", [",", "\t"])
def test_the_dashboard_of_openai_exports_rows_some_without_an_amount(separator):
    rows = [
        "start_time,end_time,start_time_iso,amount_value,amount_currency,line_item",
        "1896048000,1896134400,2030-01-31T00:00:00+00:00,0.8958740000000000,usd,",
        "1896134400,1896220800,2030-02-01T00:00:00+00:00,,,",
    ]
    assert read("\n".join(rows).replace(",", separator)) == (
        StatementFormat.OPENAI_COSTS_CSV,
        {(DAY, Measure.COST, "USD"): 895_874_000},
    )


def test_any_provider_may_come_as_plain_rows():
    text = "day,measure,quantity,currency\n2030-01-31,cost,1.5,eur\n2030-01-31,requests,7,\n"
    assert read(text) == (
        StatementFormat.PLAIN_CSV,
        {(DAY, Measure.COST, "EUR"): 1_500_000_000, (DAY, Measure.REQUESTS, ""): 7},
    )


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "[1]",
        '{"data": []}',
        '{"data": [{"start_time": 1, "results": [{}]}]}',
        '{"data": [{"start_time": "x", "results": [{"amount": {"value": 1, "currency": "usd"}}]}]}',
        OPENAI_COSTS.replace("0.06", "NaN"),
        OPENAI_COSTS.replace("0.06", "1e999999"),
        OPENAI_COSTS.replace('"usd"', '"dollars"'),
        OPENAI_COSTS.replace("1896048000", "1" * 30),
        "[" * 100_000,
        "a,b\n1,2\n",
        "day,measure,quantity\n2030-01-31,words,1\n",
        "day,measure,quantity\n2030-01-31,requests,-1\n",
        "day,measure,quantity\n0001-01-01,requests,1\n",
    ],
)
def test_what_is_no_export_is_refused(content):
    with pytest.raises(UnknownStatement):
        parse_statement(content.encode())


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_no_bytes_do_more_than_be_refused(data):
    with pytest.raises(UnknownStatement):
        parse_statement(data)
