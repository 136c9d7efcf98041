"""Saved views over HTTP."""

import pytest

pytestmark = pytest.mark.postgres
BODY = {"name": "Cheap vision", "query": "sort=price&input=image&task=chat"}


@pytest.fixture
def api(client, with_management_key):
    def call(method, path="", body=None):
        return client.request(
            method, f"/api/catalog/views{path}", json=body, headers=with_management_key
        )

    return call


def test_a_view_is_kept_in_the_one_form_of_its_question(api):
    answer = api("POST", body=BODY)

    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/catalog/views/{made['id']}"
    assert made["query"] == "task=chat&input=image&sort=price"
    assert (made["is_own"], made["is_shared"]) == (True, False)
    assert api("GET", f"/{made['id']}").json() == made
    (listed,) = api("GET").json()["views"]
    assert listed == made | {"owner": listed["owner"]}
    assert listed["owner"]


def test_a_page_is_not_kept(api):
    assert api("POST", body={"name": "A", "query": "page=7"}).json()["query"] == ""


def test_a_view_is_renamed_shared_asked_anew_and_deleted(api):
    path = f"/{api('POST', body=BODY).json()['id']}"

    changed = api("PATCH", path, {"name": "Ours", "is_shared": True, "query": "fits=yes"}).json()

    assert (changed["name"], changed["is_shared"], changed["query"]) == ("Ours", True, "fits=yes")
    assert api("PATCH", path, {}).json()["name"] == "Ours"
    assert api("DELETE", path).status_code == 204
    assert api("GET", path).status_code == 404
    assert api("GET").json() == {"views": []}


@pytest.mark.parametrize(
    "change",
    [
        {"query": "colour=red"},
        {"query": "task=dance"},
        {"query": "&".join(["q=a"] * 1001)},
        {"query": "q=" + "x" * 4000},
        {"name": ""},
        {"name": "x" * 81},
        {"is_shared": "yes"},
        {"surprise": 1},
    ],
)
def test_what_is_wrong_is_refused_and_nothing_kept(api, change):
    assert api("POST", body=BODY | change).status_code == 422
    assert api("GET").json() == {"views": []}


def test_a_name_that_is_there_is_a_conflict(api, problem):
    api("POST", body=BODY)

    problem(api("POST", body=BODY | {"name": "CHEAP VISION"}), 409, "conflict")


def test_the_views_of_another_organization_are_not_there(api, client, database, built, problem):
    problem(api("GET", "/view_00000000000000000000000001"), 404, "not_found")
