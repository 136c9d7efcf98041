"""Syncs on PostgreSQL: what sources say comes in whole, once, and under review."""

from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError

from tradewind.core.clock import SystemClock
from tradewind.core.errors import Conflict, Forbidden, InvalidInput
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.features.catalog.errors import ChangeDecided, ModelNotFound, NotDeployable
from tradewind.features.catalog.reading import said_by
from tradewind.features.catalog.rules.said import (
    OfferKey,
    Prices,
    Said,
    SaidModel,
    SaidOffer,
    Terms,
    Unfolded,
)
from tradewind.features.catalog.schemas import NewModel, NewVersion, Visibility
from tradewind.features.catalog.tables import (
    catalog_change,
    catalog_sync,
    model,
    model_fact,
    model_version,
    offer,
)
from tradewind.plugins.sources.registry import shipped_sources
from tradewind.readmodels.catalog_search.live import CatalogSearch
from tradewind.readmodels.catalog_search.query import CatalogQuery
from tradewind.readmodels.catalog_search.rows import Reader
from tradewind.snapshot.contents import Operation

pytestmark = pytest.mark.postgres

DAY = date(2026, 11, 20)
USD = 10**9
CHEAP = Prices("USD", USD, 2 * USD)
FACTS = {"operation": "chat", "context_tokens": 128_000, "display_name": "Model M"}


@pytest.fixture
def catalog(services):
    return services.catalog


@pytest.fixture
def syncs(services):
    return services.syncs


@pytest.fixture
def sync(do, syncs):
    """Have a source say something, in a transaction of its own."""

    def sync(*offers, source="models_dev", day=DAY, models=None, unfolded=(), **how):
        models = [SaidModel("tw/m", "TW", facts=FACTS)] if models is None else models
        said = Said(source, day, len(offers), tuple(models), tuple(offers), tuple(unfolded))
        return do(syncs.apply, said, **how)

    return sync


def an_offer(name="m", host="h", prices=CHEAP, model="tw/m", **terms):
    return SaidOffer(OfferKey(host, name), Terms(model, **terms), prices)


def hosted(**changes):
    return NewModel("tw", "tw", "m", "m", Operation.CHAT, "hosted", "host:m", **changes)


def never(url):
    raise AssertionError(f"nothing is fetched: {url}")


def test_what_is_shipped_comes_in_whole_and_a_second_time_changes_nothing(do, syncs, catalog):
    today = SystemClock().now().date()
    for source in shipped_sources(today):
        reading = source.read(never)
        said = said_by(source.name, reading, do(syncs.names), today)
        assert do(syncs.apply, said, edition="1", skipped=reading.skipped).error == ""
        said = said_by(source.name, reading, do(syncs.names), today)
        again = do(syncs.apply, said, edition="1")
        assert (again.added, again.changed, again.vanished) == (0, 0, 0)
    stats = do(catalog.stats)
    assert stats.models >= 2_000
    assert stats.offers >= 6_000
    assert stats.publishers >= 100
    assert stats.providers >= 150
    shown = do(catalog.show_model, "openai/gpt-4o", None)
    assert (shown.publisher_name, shown.operation) == ("OpenAI", Operation.CHAT)
    assert shown.offers == len(do(catalog.offers_of, shown.model_id)) > 5


def test_what_follows_is_told_as_such_and_gives_way_to_who_says_something(sync, do, catalog):
    def shown():
        model = do(catalog.show_model, "tw/m", None)
        told = do(catalog.facts_of, model.model_id)
        return model.licence, {(fact.name, fact.source, fact.value) for fact in told}

    guess = SaidModel("tw/m", "TW", inferred={"licence": "MIT", "operation": "chat"})
    assert sync(models=[guess]).changed == 0, "no source said it"
    assert shown() == (
        "MIT",
        {("licence", "inferred", "MIT"), ("operation", "inferred", "chat")},
    )
    sync(models=[SaidModel("tw/m", "TW", facts={"licence": "Apache-2.0"})], source="huggingface")
    licence, told = shown()
    assert licence == "Apache-2.0"
    assert told == {("licence", "huggingface", "Apache-2.0")}, "a wrong guess is taken back"


def test_the_columns_of_a_model_are_the_stronger_word_whatever_came_first(sync, do, catalog):
    weak = SaidModel("tw/m", "TW", facts={"family": "genai", "licence": "MIT"})
    strong = SaidModel("tw/m", "TW", facts={"family": "hub"})
    sync(models=[weak], source="genai_prices")
    sync(models=[strong], source="huggingface")
    sync(models=[weak], source="genai_prices")
    shown = do(catalog.show_model, "tw/m", None)
    assert (shown.family, shown.licence) == ("hub", "MIT")
    told = {(fact.name, fact.source): fact for fact in do(catalog.facts_of, shown.model_id)}
    assert told["family", "huggingface"].is_winner
    assert not told["family", "genai_prices"].is_winner
    assert told["licence", "genai_prices"].observed_on == DAY


def test_a_sync_that_fails_leaves_nothing_behind(database, syncs, sync, do):
    broken = an_offer(prices=Prices("USD", -1, 1))
    with pytest.raises(DBAPIError):
        sync(an_offer("fine"), broken)
    with database.transaction() as tx:
        for table in (model, offer, catalog_sync):
            assert tx.execute(select(func.count()).select_from(table)).scalar_one() == 0


def test_an_older_list_is_not_applied_and_says_why(sync, do, syncs):
    sync(an_offer())
    row = sync(an_offer(prices=Prices("USD", 5, 5)), day=DAY - timedelta(days=1))
    assert row.error == "the list is of 2026-11-19, the last one of 2026-11-20"
    assert row.changed == 0
    assert do(syncs.last_day, "models_dev") == DAY


def test_a_held_price_waits_is_applied_once_and_stays(sync, do, syncs, operator, catalog):
    sync(an_offer())
    dear = an_offer(prices=Prices("USD", 50 * USD, 2 * USD, meters=(("images", 5),)))
    assert sync(dear, day=DAY + timedelta(days=1)).held == 1
    assert sync(dear, day=DAY + timedelta(days=2)).held == 1
    [change] = do(syncs.list_changes, operator)
    assert (change.kind, change.host, change.upstream_model) == ("price", "h", "m")
    assert change.reason == "the price of input rose 50 times"
    [stored] = do(catalog.offers_of, do(catalog.find_model, "tw/m").model_id)
    assert stored.input_nanos == USD

    assert do(syncs.apply_change, operator, change.change_id).state == "applied"
    [stored] = do(catalog.offers_of, do(catalog.find_model, "tw/m").model_id)
    assert (stored.input_nanos, stored.meters) == (50 * USD, {"images": 5})
    with pytest.raises(ChangeDecided):
        do(syncs.dismiss_change, operator, change.change_id)
    assert sync(dear, day=DAY + timedelta(days=3)).held == 0
    assert do(syncs.list_changes, operator) == []


def test_a_dismissed_change_is_not_asked_again(sync, do, syncs, operator):
    sync(an_offer())
    free = an_offer(prices=Prices("USD", 0, 0))
    sync(free)
    [change] = do(syncs.list_changes, operator)
    do(syncs.dismiss_change, operator, change.change_id)
    assert sync(free).held == 0
    assert sync(an_offer(prices=Prices("USD", 90 * USD, USD))).held == 1


def test_a_question_that_is_raised_no_more_goes_away(sync, do, syncs, operator, database):
    sync(an_offer())
    sync(an_offer(prices=Prices("USD", 0, 0)))
    sync(an_offer())
    assert do(syncs.list_changes, operator) == []
    with database.transaction() as tx:
        assert tx.execute(select(catalog_change.c.state)).scalars().all() == ["overtaken"]


def test_offers_that_are_missing_are_marked_and_many_are_held(sync, do, syncs, operator, catalog):
    names = [f"m{number}" for number in range(12)]
    sync(*map(an_offer, names))
    assert sync(*map(an_offer, names[1:])).vanished == 1
    row = sync(*map(an_offer, names[6:]))
    assert (row.vanished, row.held) == (0, 1)
    model_id = do(catalog.find_model, "tw/m").model_id
    gone = [each for each in do(catalog.offers_of, model_id) if each.status == "vanished"]
    assert [each.upstream_model for each in gone] == ["m0"]
    [change] = do(syncs.list_changes, operator)
    do(syncs.apply_change, operator, change.change_id)
    assert do(catalog.stats).offers == 6


def test_a_shrunken_context_of_a_model_is_applied_by_a_person(sync, do, syncs, operator, catalog):
    sync(an_offer())
    less = SaidModel("tw/m", "TW", facts=FACTS | {"context_tokens": 2_000})
    assert sync(an_offer(), models=[less]).held == 1
    assert do(catalog.find_model, "tw/m").context_tokens == 128_000
    [change] = do(syncs.list_changes, operator)
    do(syncs.apply_change, operator, change.change_id)
    assert do(catalog.find_model, "tw/m").context_tokens == 2_000


def test_only_administrators_of_the_platform_decide_and_ask(sync, do, syncs, person):
    sync(an_offer())
    sync(an_offer(prices=Prices("USD", 0, 0)))
    stranger = person(is_operator=False)
    [change] = do(syncs.list_changes, stranger)
    for act in (syncs.apply_change, syncs.dismiss_change):
        with pytest.raises(Forbidden):
            do(act, stranger, change.change_id)
    with pytest.raises(Forbidden):
        do(syncs.request, stranger, "models_dev")


def test_a_sync_is_asked_for_once_and_of_known_sources(do, syncs, operator):
    first = do(syncs.request, operator, "models_dev")
    assert do(syncs.request, operator, "models_dev").sync_id == first.sync_id
    assert do(syncs.next_waiting) == (first.sync_id, "models_dev")
    with pytest.raises(InvalidInput, match="models_dev"):
        do(syncs.request, operator, "gossip")
    do(syncs.note_failure, "models_dev", "the host\n is away", first.sync_id)
    assert do(syncs.next_waiting) is None
    [row] = do(syncs.list_syncs, operator)
    assert (row.error, row.ended_at is not None) == ("the host is away", True)


def test_what_could_not_be_folded_is_replaced_by_each_reading(sync, do, catalog):
    sync(unfolded=[Unfolded("h", "a", "why"), Unfolded("h", "b", "why")])
    assert do(catalog.stats).unfolded == 2
    sync(unfolded=[Unfolded("h", "b", "why")])
    assert do(catalog.stats).unfolded == 1


# --- models that are served -----------------------------------------------------------------


def test_a_model_from_a_list_is_adopted_and_no_list_changes_what_calls_are_checked_against(
    sync, do, catalog, database
):
    sync(an_offer(), models=[SaidModel("tw/m", "TW", facts={"display_name": "Model M"})])
    assert do(catalog.find_model, "tw/m").operation is None
    added = do(catalog.add_model, hosted(context_tokens=8_000))
    assert not added.is_new
    found = do(catalog.find_model, "tw/m")
    assert (found.display_name, found.operation) == ("Model M", Operation.CHAT)
    assert (found.context_tokens, found.max_output_tokens) == (8_000, 8_000)
    told = FACTS | {"operation": "embeddings", "context_tokens": 64_000, "family": "new"}
    sync(an_offer(), models=[SaidModel("tw/m", "TW", facts=told)])
    found = do(catalog.find_model, "tw/m")
    assert (found.operation, found.context_tokens) == (Operation.CHAT, 8_000)
    assert do(catalog.show_model, "tw/m", None).family == "new"
    with database.transaction() as tx:
        assert tx.execute(select(func.count()).select_from(model)).scalar_one() == 1
        assert tx.execute(select(model_version.c.label)).scalars().all() == ["hosted"]
    assert do(catalog.add_model, hosted()) is None


def test_a_length_that_nobody_told_gives_way_to_what_a_list_knows(sync, do, catalog):
    do(catalog.add_model, hosted())
    found = do(catalog.find_model, "tw/m")
    assert (found.context_tokens, found.max_output_tokens) == (1_000_000, 32_768)
    sync(an_offer())
    assert do(catalog.find_model, "tw/m").context_tokens == 128_000


def test_a_model_for_something_else_is_not_adopted(sync, do, catalog):
    sync(an_offer(), models=[SaidModel("tw/m", "TW", facts={"operation": "images"})])
    with pytest.raises(InvalidInput, match="as a model for images, not for chat"):
        do(catalog.add_model, hosted())


def test_a_built_in_model_goes_before_what_lists_say(sync, do, catalog):
    name = f"{SMOLLM2.publisher}/{SMOLLM2.slug}"
    said = SaidModel(name, "Somebody", facts={"licence": "MIT", "family": "smol"})
    sync(models=[said])
    added = do(catalog.add_builtin, SMOLLM2)
    assert added is not None
    shown = do(catalog.show_model, name, None)
    assert (shown.licence, shown.family) == ("Apache-2.0", "smol")
    sync(models=[said])
    assert do(catalog.show_model, name, None).licence == "Apache-2.0"
    assert do(catalog.add_builtin, SMOLLM2) is None


# --- versions, aliases, visibility ----------------------------------------------------------


def test_a_version_never_changes(do, catalog, database):
    added = do(catalog.add_builtin, SMOLLM2)
    new = NewVersion("1.0", "artifact:x", digest="ab" * 32)
    version = do(catalog.add_version, added.model_id, new)
    assert do(catalog.add_version, added.model_id, new) == version
    with pytest.raises(Conflict, match="another version"):
        do(catalog.add_version, added.model_id, replace(new, digest="cd" * 32))
    for column in ("label", "artifact", "digest", "model_id"):
        with pytest.raises(DBAPIError, match="immutable"), database.transaction() as tx:
            tx.execute(text(f"UPDATE model_version SET {column} = {column}"))
    with database.transaction() as tx:
        tx.execute(update(model_version).values(size_bytes=5))
    pinned = do(catalog.find_version, added.model_id, "sha256:" + "AB" * 32)
    assert pinned.version_id == version.version_id
    assert do(catalog.find_version, added.model_id, "1.0").version_id == version.version_id
    assert do(catalog.find_version, added.model_id, "2.0") is None


def test_a_model_is_found_by_other_names(sync, do, catalog):
    sync(models=[SaidModel("tw/m", "TW", facts=FACTS, aliases=("Other/M",))])
    assert do(catalog.resolve, "OTHER/m").name == "tw/m"
    assert do(catalog.resolve, "TW/M").name == "tw/m"
    assert do(catalog.resolve, "nobody/m") is None
    model_id = do(catalog.find_model, "tw/m").model_id
    do(catalog.set_alias, " Mine ", model_id)
    assert do(catalog.resolve, "mine").name == "tw/m"


def test_a_private_model_is_there_for_its_organization_alone(sync, do, catalog, person, database):
    sync(models=[SaidModel("tw/m", "TW", facts=FACTS), SaidModel("tw/n", "TW", facts=FACTS)])
    owner, other = person(), person()
    model_id = do(catalog.find_model, "tw/m").model_id
    do(catalog.set_visibility, model_id, Visibility.PRIVATE, owner.organization_id)

    def listed(organization_id):
        search = CatalogSearch(database)
        with closing(search):
            cards = search.search(CatalogQuery.of(), Reader(organization_id)).cards
        return sorted(card.model.name for card in cards)

    assert listed(owner.organization_id) == ["tw/m", "tw/n"]
    assert listed(other.organization_id) == listed(None) == ["tw/n"]
    for organization_id in (other.organization_id, None):
        with pytest.raises(ModelNotFound):
            do(catalog.show_model, "tw/m", organization_id)
    do(catalog.set_visibility, model_id, Visibility.UNLISTED)
    assert listed(other.organization_id) == ["tw/n"]
    assert do(catalog.show_model, "tw/m", None).name == "tw/m"
    with pytest.raises(InvalidInput):
        do(catalog.set_visibility, model_id, Visibility.PRIVATE)


def test_nothing_is_deployed_that_ends_or_is_not_known(do, catalog, services, database):
    added = do(catalog.add_builtin, SMOLLM2)
    do(catalog.check_deployable, added.version_id)
    for values, words in (
        ({"context_tokens": None}, "context_tokens"),
        ({"lifecycle": "deprecated", "retires_on": DAY}, "deprecated"),
    ):
        with database.transaction() as tx:
            tx.execute(update(model).values(**values))
        with pytest.raises(NotDeployable, match=words):
            do(services.deployments.deploy, added.version_id, engine="fake", slots=1)


def test_facts_that_nobody_knows_are_refused(do, catalog):
    added = do(catalog.add_builtin, SMOLLM2)
    do(catalog.tell_facts, added.model_id, {"licence": "MIT"}, source="published")
    assert do(catalog.show_model, f"{SMOLLM2.publisher}/{SMOLLM2.slug}", None).licence == "MIT"
    with pytest.raises(InvalidInput, match="colour"):
        do(catalog.tell_facts, added.model_id, {"colour": "red"}, source="published")


def test_the_database_keeps_the_provenance_of_each_fact(sync, database):
    sync(an_offer())
    with database.transaction() as tx:
        rows = tx.execute(select(model_fact.c.name, model_fact.c.source, model_fact.c.value))
        assert {row.name: (row.source, row.value) for row in rows} == {
            name: ("models_dev", value) for name, value in FACTS.items()
        }
