"""Deployments over the control API."""

from pathlib import Path

import pytest

from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.plugins.engines.engine_logs import EngineLogs

pytestmark = pytest.mark.postgres

NAME = f"{SMOLLM2.publisher}/{SMOLLM2.slug}"


@pytest.fixture
def model(database, built):
    with database.transaction() as tx:
        built.catalog.add_builtin(tx, SMOLLM2)


@pytest.fixture
def ask(client, with_management_key, model):
    def call(method, path, status=200, **more):
        answer = client.request(method, f"/api{path}", headers=with_management_key, **more)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    return call


def test_a_model_is_looked_at_deployed_changed_scaled_stopped_and_deleted(ask):
    looked = ask("GET", f"/deployment-fit/{NAME}?slots=1&context_tokens=2048")
    assert looked["fit"]["is_estimate"] is True
    assert looked["deployment"] is None
    body = {"model": NAME, "slots": 1, "context_tokens": 2048, "override_fit": True}
    made = ask("POST", "/deployments", 201, json=body)
    assert (made["state"], made["endpoint"], made["revision"]) == ("queued", NAME, 1)
    here = f"/deployments/{made['id']}"
    assert ask("POST", "/deployments", 409, json=body)["code"] == "already_deployed"
    changed = ask("PATCH", here, json={"slots": 2, "replicas": 2, "override_fit": True})
    assert (changed["slots"], changed["revision"], changed["replicas_wanted"]) == (2, 2, 2)
    revisions = ask("GET", f"{here}/revisions")["revisions"]
    assert [each["number"] for each in revisions] == [2, 1]
    assert revisions[0]["created_by"] == "the key Automation"
    refused = ask("POST", f"{here}/rollback", 409, json={})
    assert refused["code"] == "nothing_to_roll_back_to"
    assert ask("POST", f"{here}/rollback", 201, json={"revision": 1})["slots"] == 1
    assert ask("POST", f"{here}/stop", 201)["state"] == "stopped"
    assert [each["id"] for each in ask("GET", "/deployments")["deployments"]] == [made["id"]]
    ask("DELETE", here, 204)
    ask("GET", here, 404)


def test_logs_are_read_followed_and_downloaded(
    ask, client, services, with_management_key, tmp_path: Path
):
    body = {"model": NAME, "slots": 1, "context_tokens": 2048, "override_fit": True}
    here = f"/deployments/{ask('POST', '/deployments', 201, json=body)['id']}"
    assert isinstance(services.engine_logs, EngineLogs)
    folder = tmp_path / "logs"
    folder.mkdir(exist_ok=True)
    log = folder / f"engine-{here.rpartition('/')[2]}.log"
    log.write_text("0.01 E it is broken\n")
    told = ask("GET", f"{here}/logs")
    assert (told["text"], told["first_error"]) == (log.read_text(), "0.01 E it is broken")
    with log.open("a") as stream:
        stream.write("more\n")
    assert ask("GET", f"{here}/logs?since={told['position']}")["text"] == "more\n"
    answer = client.get(f"/api{here}/logs/download", headers=with_management_key)
    assert answer.text == log.read_text()


@pytest.mark.parametrize("body", [{"model": NAME, "slots": 0}, {"model": NAME, "what": 1}, {}])
def test_a_body_that_cannot_be_is_refused(ask, body):
    ask("POST", "/deployments", 422, json=body)
