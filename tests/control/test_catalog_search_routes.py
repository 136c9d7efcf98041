"""The search over the catalog as programs see it."""

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from tradewind.control.app import create_app
from tradewind.control.catalog_search_routes import SearchParameters
from tradewind.features.catalog.builtin import MINILM, SMOLLM2
from tradewind.readmodels.catalog_search.facets import FACETS

pytestmark = pytest.mark.postgres
URL = "/api/catalog/search"


@pytest.fixture
def catalog(database, built):
    with database.transaction() as tx:
        for entry in (SMOLLM2, MINILM):
            built.catalog.add_builtin(tx, entry)


@pytest.fixture
def search(client, with_key, catalog):
    def search(headers=None, **parameters):
        return client.get(URL, params=parameters, headers=with_key | (headers or {}))

    return search


@pytest.fixture
def open_client(services, catalog):
    with TestClient(create_app(replace(services, catalog_is_public=True))) as client:
        yield client


def test_a_search_answers_with_cards_and_counts(search):
    answer = search(q="smolm2", task="chat").json()

    assert [model["name"] for model in answer["models"]] == ["huggingfacetb/smollm2-135m-instruct"]
    assert answer["total"] == answer["page"] == answer["pages"] == 1
    tasks = next(facet for facet in answer["facets"] if facet["name"] == "task")
    assert tasks["values"] == [{"value": "chat", "label": "Chat", "count": 1, "is_chosen": True}]
    assert answer["query"] == "q=smolm2&task=chat"
    assert answer["corrected_text"] == "smollm2"


def test_unknown_prices_are_null_and_sorting_is_asked_for(search):
    answer = search(sort="name").json()

    assert [model["display_name"] for model in answer["models"]] == [
        "all-MiniLM-L6-v2",
        "SmolLM2 135M Instruct",
    ]
    assert [model["price"] for model in answer["models"]] == [None, None]


@pytest.mark.parametrize(
    "parameters",
    [
        {"colour": "red"},
        {"task": "dance"},
        {"sort": "profit"},
        {"page": 0},
        {"per_page": 101},
        {"q": "a" * 201},
        {"publisher": "a" * 121},
        {"publisher": "a\0b"},
        {"publisher": [str(i) for i in range(51)]},
    ],
)
def test_what_cannot_be_asked_is_refused(search, problem, parameters):
    problem(search(**parameters), 422, "invalid_input")


def test_hostile_text_is_only_text(search):
    for text in ("'", "\0", "a:* & b", "%", "\\", "🙂", "); DROP TABLE model; --"):
        assert search(q=text).status_code == 200


def test_the_same_question_is_not_answered_twice_until_something_changes(
    search, database, built, services
):
    first = search(q="chat")
    again = search({"if-none-match": first.headers["etag"]}, q="chat")
    other = search({"if-none-match": first.headers["etag"]}, q="small")
    with database.transaction() as tx:
        added = replace(SMOLLM2, slug="smollm3")
        built.catalog.add_builtin(tx, added)
    services.catalog_search.refresh()
    changed = search({"if-none-match": first.headers["etag"]}, q="chat")

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["vary"] == "authorization"
    assert other.status_code == 200
    assert (changed.status_code, changed.json()["total"]) == (200, first.json()["total"] + 1)


def test_nobody_searches_without_a_key_unless_the_catalog_is_public(
    client, open_client, with_key, problem
):
    problem(client.get(URL), 401, "key_refused")

    assert open_client.get(URL).json()["total"] == 2
    assert open_client.get(URL, headers=with_key).json()["total"] == 2
    assert open_client.get(URL, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert open_client.get("/api/models").status_code == 401


def test_every_facet_can_be_asked_for():
    assert set(FACETS) <= set(SearchParameters.model_fields)
