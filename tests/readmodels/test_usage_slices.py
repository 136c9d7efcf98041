"""Usage by what only single calls tell: regions and tags, beside projects and cost centres."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tradewind.core.errors import InvalidInput
from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.features.accounts.tables import organization, project
from tradewind.features.billing.tables import project_label
from tradewind.readmodels.project_usage import UsageGroup, UsageQuestion, read_project_usage
from tradewind.readmodels.usage import Step, Window, check_readable, read_series, window_between
from tradewind.readmodels.usage import read_groups as groups_of
from tradewind.readmodels.usage import read_totals as totals_of
from tradewind.readmodels.usage_export import export
from tradewind.readmodels.usage_slices import (
    MOST_EVENTS,
    Grouping,
    Measure,
    Scope,
    count_calls,
    read_tag_names,
)
from tradewind.testing.logged_calls import OWN_ATTEMPT, ended_call, log_calls
from tradewind.usage.event import Trail

pytestmark = pytest.mark.postgres

DAY = datetime(2030, 1, 31, tzinfo=UTC)
WINDOW = Window(DAY, DAY + timedelta(days=1), timedelta(hours=1))
ORGANIZATION, PROJECT, OTHER_PROJECT = OrganizationId.new(), ProjectId.new(), ProjectId.new()


def tagged(**tags):
    return Trail("openai", "small", (OWN_ATTEMPT,), tags=tags)


@pytest.fixture
def books(database):
    """Three calls: two in Europe, one of another project; one tagged, one untagged and so on."""
    with database.transaction() as tx:
        tx.execute(organization.insert().values(id=ORGANIZATION, name="Acme", created_at=DAY))
        for id_, name in ((PROJECT, "Search"), (OTHER_PROJECT, "Chat")):
            tx.execute(
                project.insert().values(
                    id=id_, organization_id=ORGANIZATION, name=name, created_at=DAY
                )
            )
        tx.execute(
            project_label.insert().values(
                organization_id=ORGANIZATION,
                project_id=PROJECT,
                cost_centre="4711",
                tags={},
                updated_at=DAY,
            )
        )
    calls = [
        ended_call(
            DAY + timedelta(hours=hour),
            organization_id=ORGANIZATION,
            project_id=of,
            region=region,
            cost_nanos=cost,
            trail=trail,
        )
        for hour, of, region, cost, trail in (
            (1, PROJECT, "eu-central", 100, tagged(team="red")),
            (2, PROJECT, "eu-central", 20, tagged(team="blue")),
            (3, OTHER_PROJECT, "", 3, tagged(other="x")),
        )
    ]
    log_calls(database, *calls)
    log_calls(
        database, ended_call(DAY, organization_id="org_b", region="eu-central", cost_nanos=10**9)
    )
    return database


@pytest.fixture
def grouped(books):
    def grouped(grouping, **scope):
        with books.transaction() as tx:
            of = Scope(ORGANIZATION, **scope)
            rows = groups_of(tx, of, WINDOW, grouping, Measure.SPEND)
            totals = totals_of(tx, of, WINDOW, grouping)
        assert sum(row.totals.cost_nanos for row in rows) == sum(each.cost_nanos for each in totals)
        return [(row.group, row.label, row.totals.cost_nanos) for row in rows]

    return grouped


def test_regions_are_read_from_the_calls(grouped):
    assert grouped(Grouping.REGION) == [("eu-central", "eu-central", 120), ("-", "Not told", 3)]


def test_a_tag_is_grouped_by_its_values(grouped):
    assert grouped(Grouping.TAG, tag="team") == [
        ("red", "red", 100),
        ("blue", "blue", 20),
        ("-", "Without this tag", 3),
    ]


def test_projects_have_their_names(grouped):
    assert grouped(Grouping.PROJECT) == [(PROJECT, "Search", 120), (OTHER_PROJECT, "Chat", 3)]


def test_projects_without_a_cost_centre_are_one_group(grouped):
    assert grouped(Grouping.COST_CENTRE) == [
        ("4711", "4711", 120),
        ("-", "No cost centre", 3),
    ]


@pytest.mark.parametrize(
    ("scope", "spent"),
    [
        ({"region": "eu-central"}, 120),
        ({"region": "-"}, 3),
        ({"tag": "team", "value": "blue"}, 20),
        ({"tag": "team", "value": "-"}, 3),
        ({"cost_centre": "4711"}, 120),
        ({"cost_centre": "-"}, 3),
        ({"project": OTHER_PROJECT}, 3),
        ({"project": PROJECT, "tag": "team", "value": "red"}, 100),
    ],
)
def test_usage_is_narrowed_to_one_of_them(grouped, scope, spent):
    assert sum(row[2] for row in grouped(Grouping.MODEL, **scope)) == spent


def test_the_chart_of_a_tag_adds_up(books):
    with books.transaction() as tx:
        of = Scope(ORGANIZATION, tag="team")
        largest = groups_of(tx, of, WINDOW, Grouping.TAG, Measure.SPEND)
        series = read_series(
            tx, of, WINDOW, Grouping.TAG, Measure.SPEND, largest=largest, currency="USD"
        )
    assert {line.group: line.values[:4] for line in series} == {
        "red": [0, 100, 0, 0],
        "blue": [0, 0, 20, 0],
        "-": [0, 0, 0, 3],
    }


def test_an_export_by_region_names_it(books):
    with books.transaction() as tx:
        rows = export(tx, Scope(ORGANIZATION), WINDOW, Grouping.REGION)
    assert [(row.project_name, row.group, row.totals.cost_nanos) for row in rows] == [
        ("Search", "eu-central", 100),
        ("Search", "eu-central", 20),
        ("Chat", "-", 3),
    ]


def test_the_api_reads_the_same_by_hour_or_day(books):
    question = UsageQuestion(
        ORGANIZATION,
        None,
        DAY,
        WINDOW.until,
        UsageGroup.TAG,
        100,
        tag="team",
        step=Step.DAY,
    )
    with books.transaction() as tx:
        found = read_project_usage(tx, question)
    assert [(line.at, line.group, line.cost_nanos) for line in found.lines] == [
        (DAY, "-", 3),
        (DAY, "blue", 20),
        (DAY, "red", 100),
    ]


def test_the_names_of_tags_are_those_of_the_newest_calls(books):
    with books.transaction() as tx:
        assert read_tag_names(tx, ORGANIZATION) == ["other", "team"]
        assert read_tag_names(tx, "org_nobody") == []


def test_more_calls_than_are_looked_at_one_by_one_are_refused(books):
    with books.transaction() as tx:
        tx.execute(text("UPDATE usage_hour SET requests = :n"), {"n": MOST_EVENTS})
        assert count_calls(tx, Scope(ORGANIZATION), DAY, WINDOW.until) == 3 * MOST_EVENTS
        with pytest.raises(InvalidInput, match="call by call"):
            check_readable(tx, Scope(ORGANIZATION), WINDOW, Grouping.REGION)
        with pytest.raises(InvalidInput, match="call by call"):
            check_readable(tx, Scope(ORGANIZATION, region="a"), WINDOW, Grouping.MODEL)
        check_readable(tx, Scope(ORGANIZATION), WINDOW, Grouping.PROJECT)


def test_days_are_whole_and_not_more_than_a_chart_has_room_for():
    window = window_between(DAY.date(), DAY.date())
    assert (window.since, window.until) == (DAY, DAY + timedelta(days=1))
    assert len(window.starts) == 24
    later = DAY.date() + timedelta(days=40)
    assert len(window_between(DAY.date(), later).starts) == 41
    with pytest.raises(InvalidInput):
        window_between(DAY.date(), later, Step.HOUR)
    with pytest.raises(InvalidInput):
        window_between(later, DAY.date())
    with pytest.raises(InvalidInput):
        window_between(DAY.date(), DAY.date() + timedelta(days=366))
