"""The pages of providers: empty, full, refused, out of date, and filled in wrong in every way."""

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape

import pytest
from sqlalchemy import insert
from starlette.testclient import TestClient

from tradewind.core.clock import SystemClock
from tradewind.core.ids import OrganizationId, ProjectId, UserId
from tradewind.core.permissions import Role
from tradewind.db.database import Database
from tradewind.features.accounts.schemas import SignedIn, Viewer
from tradewind.features.accounts.tables import organization
from tradewind.features.providers.schemas import (
    ConnectionChanges,
    ConnectionRow,
    NewConnection,
)
from tradewind.portal.app import create_portal
from tradewind.testing.portal_world import CHAT_MODEL, PortalWorld

SECRET = "gsk-very-secret-key-0123456789"
NEW_SECRET = "gsk-another-secret-key-98765"
HOSTILE = '<script>alert("x")</script>'


@pytest.fixture
def viewer(signed_in: SignedIn) -> Viewer:
    return signed_in.viewer


@pytest.fixture
def send(browser: TestClient, viewer: Viewer):
    """Post a form of our own page."""

    def post(path: str, **fields):
        return browser.post(path, data={"csrf_token": viewer.csrf_token} | fields)

    return post


@pytest.fixture
def rows(world: PortalWorld, viewer: Viewer) -> Callable[[], list[ConnectionRow]]:
    def read() -> list[ConnectionRow]:
        with world.database.transaction() as tx:
            return world.providers.list_connections(tx, viewer)

    return read


def main_of(page: str) -> str:
    return unescape(page.split("<main", 1)[1])


def credential_of(world: PortalWorld, connection_id: str) -> str:
    with world.database.transaction() as tx:
        return world.providers.open_connections(tx)[connection_id].credential.reveal()


def values(connection: ConnectionRow, **changes: str) -> dict[str, str]:
    """Return the form of changes as the page has it."""
    return {
        "revision": str(connection.revision),
        "name": connection.name,
        "base_url": connection.base_url,
        "region": connection.region,
        "zone": connection.zone,
        "retains_data": "yes",
        "trains_on_data": "yes",
    } | changes


# --- the list -------------------------------------------------------------------------------


def test_without_a_provider_the_page_says_what_one_is_and_how_to_add_one(browser: TestClient):
    text = main_of(browser.get("/providers").text)

    assert "No provider yet" in text
    assert 'href="/providers/new"' in text


def test_the_list_tells_of_accounts_and_never_their_keys(
    browser: TestClient, world: PortalWorld, viewer: Viewer
):
    connection = world.connect(viewer, region="us-east-1", zone="us", retains_data=False)
    world.add_hosted(viewer, connection, "llama-3.1-8b-instant", "openai/gpt-oss-20b")

    text = main_of(browser.get("/providers").text)

    assert "https://api.groq.com/openai/v1" in text
    assert "…wxyz" in text
    assert "gsk-" not in text
    assert "us-east-1 · us" in text
    assert "No retention" in text
    assert "May train on it" in text
    assert f'href="/endpoints?provider={connection.id}">2<' in text


def test_the_list_is_narrowed_by_words_and_says_when_nothing_matches(
    browser: TestClient, world: PortalWorld, viewer: Viewer
):
    world.connect(viewer)
    world.connect(viewer, "deepseek", region="eu-west-1")

    assert "Groq" not in main_of(browser.get("/providers?q=EU-west").text)
    assert "DeepSeek" in main_of(browser.get("/providers?q=EU-west").text)
    assert "No provider matches" in main_of(browser.get("/providers?q=zebra").text)
    assert browser.get("/providers?q=%00").status_code == 200


def test_the_list_stops_somewhere_and_says_so(
    browser: TestClient, world: PortalWorld, viewer: Viewer
):
    for number in range(201):
        world.connect(viewer, name=f"Account {number:03}", credential=None)

    text = main_of(browser.get("/providers").text)

    assert "201 providers" in text
    assert "The first 200 are shown" in text
    assert "Account 200" not in text


# --- who may --------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_whoever_may_not_change_providers_reads_where_calls_go_and_nothing_of_accounts(
    browser_of: Callable[[Role], TestClient], world: PortalWorld, role: Role
):
    browser = browser_of(role)
    with world.database.transaction() as tx:
        admin = _admin_beside(world, tx, is_of_platform=True)
        row = world.providers.add_connection(
            tx,
            admin,
            NewConnection(credential=None, base_url="https://inner.example.org/v1", name="Inner"),
        )

    for path in ("/providers", f"/providers/{row.id}"):
        answer = browser.get(path)
        text = main_of(answer.text)
        assert answer.status_code == 200
        assert "Inner" in text
        assert "Keeps data" in text
        assert "inner.example.org" not in text
        assert '<form method="post"' not in text
        assert 'class="form"' not in text
    assert "No provider matches" in browser.get("/providers?q=inner.example").text


@pytest.mark.parametrize(
    "path", ["/providers/new", "/providers/connect", "/providers/connect?host=groq"]
)
@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_the_denial_names_the_right_and_the_role_that_has_it(
    browser_of: Callable[[Role], TestClient], path: str, role: Role
):
    answer = browser_of(role).get(path)

    assert answer.status_code == 403
    assert "providers:write" in answer.text
    assert "<dd>admin</dd>" in answer.text
    assert "An administrator of My organization" in answer.text


def _admin_beside(world: PortalWorld, tx, *, is_of_platform: bool = False) -> Viewer:
    """Return an administrator of an organization of their own."""
    organization_id = OrganizationId.new()
    tx.execute(
        insert(organization).values(id=organization_id, name="Else", created_at=SystemClock().now())
    )
    return Viewer(
        user_id=UserId.new(),
        email="x@example.org",
        name="X",
        organization_id=organization_id,
        organization_name="Else",
        project_id=ProjectId.new(),
        project_name="",
        role=Role.ADMIN,
        is_of_platform=is_of_platform,
        has_password=True,
        csrf_token="x",
    )


def test_another_organizations_provider_is_not_found(
    browser: TestClient, world: PortalWorld, viewer: Viewer, send
):
    with world.database.transaction() as tx:
        other = _admin_beside(world, tx)
        row = world.providers.add_connection(
            tx,
            other,
            NewConnection(credential=None, host="groq", is_shared=False),
        )

    assert "No provider yet" in browser.get("/providers").text
    for path in ("", "/delete", "/models", "/models/other"):
        assert browser.get(f"/providers/{row.id}{path}").status_code == 404
    for path in ("", "/credential", "/enabled", "/delete", "/models"):
        answer = send(f"/providers/{row.id}{path}", **values(row), credential=SECRET, pick="x")
        assert answer.status_code == 404, path


@pytest.mark.parametrize("connection_id", ["x", "conn_", "conn_%00", "a" * 500, "conn_01%0a"])
def test_what_is_no_provider_is_not_found(browser: TestClient, connection_id: str):
    assert browser.get(f"/providers/{connection_id}").status_code == 404


FORMS = [
    "/providers",
    "/providers/{id}",
    "/providers/{id}/credential",
    "/providers/{id}/enabled",
    "/providers/{id}/delete",
    "/providers/{id}/models",
    "/providers/{id}/models/other",
]


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    ("token", "headers"),
    [("wrong", {}), (None, {}), ("own", {"origin": "https://evil.example"})],
)
def test_a_form_that_is_not_ours_changes_nothing(
    browser: TestClient,
    world: PortalWorld,
    viewer: Viewer,
    rows,
    *,
    path: str,
    token: str | None,
    headers: dict[str, str],
):
    connection = world.connect(viewer)
    fields = values(connection, name="Stolen") | {
        "credential": SECRET,
        "pick": "openai/gpt-oss-20b",
    }
    if token is not None:
        fields["csrf_token"] = viewer.csrf_token if token == "own" else token

    answer = browser.post(path.format(id=connection.id), data=fields, headers=headers)

    assert answer.status_code == 403
    assert "Nothing was changed" in answer.text
    assert rows() == [connection]


@pytest.mark.parametrize("path", FORMS)
def test_a_developer_cannot_post_what_only_administrators_may(
    browser_of: Callable[[Role], TestClient], world: PortalWorld, path: str
):
    browser = browser_of(Role.DEVELOPER)
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/").text)
    assert token is not None

    answer = browser.post(
        path.format(id="conn_01890000000000000000000000"),
        data={"csrf_token": token[1], "host": "groq", "credential": SECRET},
    )

    assert answer.status_code == 403
    assert re.search(r"(providers|endpoints):write", answer.text)
    assert SECRET not in answer.text


# --- finding a host -------------------------------------------------------------------------


def test_all_known_hosts_are_found_and_those_that_cannot_be_used_say_why(browser: TestClient):
    text = main_of(browser.get("/providers/new").text)

    assert text.count('href="/providers/connect?host=') == 184
    assert "184 hosts" in text
    assert "It runs inside the program that calls it." in text
    assert 'host=qvac"' not in text


def test_hosts_are_searched_by_words(browser: TestClient):
    text = main_of(browser.get("/providers/new?q=azure+cognitive").text)
    assert "1 host" in text
    assert "azure-cognitive-services" in text

    nothing = main_of(browser.get(f"/providers/new?q={HOSTILE}").text)
    assert "No known host matches" in nothing
    assert "Add it by its address" in nothing
    assert HOSTILE not in browser.get(f"/providers/new?q={HOSTILE}").text


@pytest.mark.parametrize("host", ["nobody", "qvac", "%00", "x" * 99])
def test_a_host_that_cannot_be_used_is_not_found(browser: TestClient, host: str):
    assert browser.get(f"/providers/connect?host={host}").status_code == 404


# --- adding ---------------------------------------------------------------------------------


def test_a_known_host_is_added_by_its_name_and_a_key(send, rows, world: PortalWorld):
    answer = send(
        "/providers",
        host="groq",
        name="Groq",
        credential=f" {SECRET}\n",
        base_url="https://api.groq.com/openai/v1",
        region="us-east-1",
        retains_data="no",
        trains_on_data="no",
    )

    (row,) = rows()
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/providers/{row.id}/models"
    assert (row.host, row.provider, row.region) == ("groq", "openai_compatible", "us-east-1")
    assert (row.retains_data, row.trains_on_data) == (False, False)
    assert row.is_shared
    assert not row.is_private_network
    assert credential_of(world, row.id) == SECRET


def test_a_host_asks_for_what_its_address_leaves_open(browser: TestClient, send, rows):
    page = main_of(browser.get("/providers/connect?host=azure").text)
    assert 'name="option_resource"' in page
    assert 'name="option_api_version"' in page
    assert 'name="base_url"' not in page

    refused = send("/providers", host="azure", name="Azure", credential=SECRET)
    assert refused.status_code == 422
    assert "Resource is missing" in refused.text
    assert rows() == []

    added = send(
        "/providers",
        host="azure",
        name="Azure",
        credential=SECRET,
        option_resource="my-res",
        option_api_version="2024-10-21",
        base_url="https://evil.example.org",
    )
    (row,) = rows()
    assert added.status_code == 303
    assert row.base_url == "https://my-res.openai.azure.com"
    assert row.options == {"resource": "my-res", "api_version": "2024-10-21"}


def test_an_address_made_of_an_option_that_is_no_name_is_refused_at_that_option(send, rows):
    answer = send("/providers", host="azure", name="A", credential=SECRET, option_resource="a@b/c")

    assert answer.status_code == 422
    assert 'id="option-resource-error"' in answer.text
    assert rows() == []


def test_any_other_host_is_added_by_its_address(send, rows):
    answer = send(
        "/providers",
        name="Mine",
        base_url="https://models.example.org/v1",
        provider="anthropic",
        further_options="max_tokens_field = max_tokens\n\nversion=2023-06-01",
    )

    (row,) = rows()
    assert answer.status_code == 303
    assert (row.host, row.provider) == (None, "anthropic")
    assert row.credential_set_at is None
    assert row.options == {"max_tokens_field": "max_tokens", "version": "2023-06-01"}


def test_a_host_in_a_private_network_is_added_when_somebody_says_so(send, rows):
    fields = {"name": "Mine", "base_url": "http://10.0.0.5:8000/v1"}
    refused = send("/providers", **fields)
    assert refused.status_code == 422
    assert "say that the host is in a private network" in refused.text

    added = send("/providers", **fields, is_private_network="yes")
    assert added.status_code == 303
    assert rows()[0].is_private_network


def test_a_host_on_ones_own_machine_is_prefilled_as_private(browser: TestClient):
    text = browser.get("/providers/connect?host=lmstudio").text

    assert re.search(r'name="is_private_network"[^>]* checked', text)
    assert 'value="http://127.0.0.1:1234/v1"' in text


GOOD = {
    "host": "groq",
    "name": "Kept name",
    "credential": SECRET,
    "base_url": "https://api.groq.com/openai/v1",
    "region": "eu-west-1",
    "zone": "eu",
    "retains_data": "no",
    "further_options": "stream_options = omit",
}


@pytest.mark.parametrize(
    ("field", "value", "place", "said"),
    [
        ("name", " ", "name", "name of the connection"),
        ("name", "a\x00b", "name", "printable"),
        ("credential", "", "credential", "key is missing"),
        ("credential", "two\nlines", "credential", "as one line"),
        ("credential", "k" * 9000, "credential", "8192 characters"),
        ("credential", '{"a": [1]}', "credential", "plain values"),
        ("base_url", "groq", "base-url", "does not start with"),
        ("base_url", "https://a@b/v1", "base-url", "user name"),
        ("base_url", "https://127.1/v1", "base-url", "four from 0 to 255"),
        ("base_url", "http://api.groq.com/v1", "base-url", "not encrypted"),
        ("region", "EU West", "region", "lower-case"),
        ("zone", "-", "zone", "lower-case"),
        ("further_options", "no sign", "further-options", "name = value"),
        ("further_options", f"a = {'x' * 300}", "further-options", "200 printable"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_the_rest_is_kept(
    send, rows, *, field: str, value: str, place: str, said: str
):
    answer = send("/providers", **(GOOD | {field: value}))

    assert answer.status_code == 422
    error = re.search(rf'id="{place}-error">(.*?)</p>', answer.text, re.DOTALL)
    assert error is not None
    assert said in unescape(error[1])
    assert re.search(rf'id="{place}"[^>]*aria-invalid="true"[^>]*autofocus', answer.text)
    assert rows() == []
    if field != "name":
        assert 'value="Kept name"' in answer.text
    if field != "region":
        assert 'value="eu-west-1"' in answer.text
    assert '<option value="no" selected>' in answer.text
    assert SECRET not in answer.text
    if field != "credential":
        assert "Type the key again" in answer.text


def test_all_that_is_wrong_is_said_at_once(send):
    text = send("/providers", host="groq", name="", region="!", zone="!").text

    for place in ("name", "region", "zone", "base-url", "credential"):
        assert f'id="{place}-error"' in text
    assert text.count(" autofocus") == 1


def test_a_name_that_is_taken_is_said_at_the_name(send, world: PortalWorld, viewer: Viewer, rows):
    world.connect(viewer, name="Kept name")

    answer = send("/providers", **GOOD)

    assert answer.status_code == 409
    assert 'id="name-error"' in answer.text
    assert SECRET not in answer.text
    assert len(rows()) == 1


def test_an_unknown_host_or_form_of_api_in_a_form_is_refused(send, rows):
    assert send("/providers", **(GOOD | {"host": "nobody"})).status_code == 404
    other = send("/providers", name="x", base_url="https://x.example.org", provider="bash")
    assert other.status_code == 422
    assert 'id="provider-error"' in other.text
    assert rows() == []


# --- one provider ---------------------------------------------------------------------------


def test_the_page_of_a_provider_shows_who_uses_it(
    browser: TestClient, world: PortalWorld, viewer: Viewer
):
    connection = world.connect(viewer)
    (endpoint_id,) = world.add_hosted(viewer, connection, "llama-3.1-8b-instant")

    text = main_of(browser.get(f"/providers/{connection.id}").text)

    assert f'href="/endpoints/{endpoint_id}">meta/llama-3.1-8b-instruct</a>' in text
    assert "1 target" in text
    assert "gsk-" not in text


def test_changes_are_saved(send, world: PortalWorld, viewer: Viewer, rows):
    connection = world.connect(viewer)

    answer = send(
        f"/providers/{connection.id}",
        **values(connection, name="Other", region="eu-west-1", trains_on_data="no"),
        further_options="stream_options = omit",
    )

    (row,) = rows()
    assert answer.headers["location"] == f"/providers/{connection.id}"
    assert (row.name, row.region, row.trains_on_data) == ("Other", "eu-west-1", False)
    assert row.options == {"stream_options": "omit"}
    assert row.retains_data
    assert credential_of(world, row.id).startswith("gsk-")


def test_a_new_address_takes_its_key_along(send, world: PortalWorld, viewer: Viewer, rows):
    connection = world.connect(viewer)
    elsewhere = values(connection, base_url="https://proxy.example.org/v1", region="eu-west-1")

    refused = send(f"/providers/{connection.id}", **elsewhere)
    assert refused.status_code == 422
    assert 'id="new-address-key-error"' in refused.text
    assert 'value="https://proxy.example.org/v1"' in refused.text
    assert 'value="eu-west-1"' in refused.text

    saved = send(f"/providers/{connection.id}", **elsewhere, credential=NEW_SECRET)
    assert saved.status_code == 303
    assert rows()[0].base_url == "https://proxy.example.org/v1"
    assert credential_of(world, connection.id) == NEW_SECRET


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("name", "", "name"),
        ("base_url", "http://x.example.org", "base-url"),
        ("region", "?", "region"),
        ("further_options", "?", "further-options"),
    ],
)
def test_a_change_that_is_wrong_changes_nothing_and_keeps_what_was_typed(
    send, world: PortalWorld, viewer: Viewer, rows, *, field: str, value: str, place: str
):
    connection = world.connect(viewer)

    answer = send(f"/providers/{connection.id}", **(values(connection, zone="eu") | {field: value}))

    assert answer.status_code == 422
    assert f'id="{place}-error"' in answer.text
    assert 'value="eu"' in answer.text
    assert rows() == [connection]


def test_a_name_of_another_provider_is_refused_at_the_name(
    send, world: PortalWorld, viewer: Viewer
):
    world.connect(viewer, name="Taken")
    connection = world.connect(viewer)

    answer = send(f"/providers/{connection.id}", **values(connection, name="Taken"))

    assert answer.status_code == 409
    assert 'id="name-error"' in answer.text


def test_a_form_that_is_out_of_date_says_so_shows_both_and_can_be_sent_again(
    send, world: PortalWorld, viewer: Viewer, rows
):
    connection = world.connect(viewer)
    with world.database.transaction() as tx:
        world.providers.update_connection(
            tx, viewer, connection.id, ConnectionChanges(name="Theirs", region="us-east-1")
        )

    answer = send(f"/providers/{connection.id}", **values(connection, name="Mine"))

    assert answer.status_code == 412
    assert "Somebody else has changed this provider" in answer.text
    assert 'value="Mine"' in answer.text
    assert "Now: <b>Theirs</b>" in answer.text
    assert "Now: <b>us-east-1</b>" in answer.text
    assert rows()[0].name == "Theirs"

    shown = re.search(r'name="revision" value="(\d+)">\s*<div class="field">', answer.text)
    assert shown is not None
    again = send(
        f"/providers/{connection.id}", **values(connection, name="Mine", revision=shown[1])
    )
    assert again.status_code == 303
    assert rows()[0].name == "Mine"


@pytest.mark.parametrize("revision", ["", "0", "-1", "x", "٣", "9" * 40])
def test_a_form_without_the_revision_it_was_made_from_changes_nothing(
    send, world: PortalWorld, viewer: Viewer, rows, revision: str
):
    connection = world.connect(viewer)

    for path, fields in (
        ("", values(connection, name="Mine")),
        ("/credential", {"credential": NEW_SECRET}),
        ("/enabled", {"is_enabled": "no"}),
        ("/delete", {}),
    ):
        answer = send(f"/providers/{connection.id}{path}", **(fields | {"revision": revision}))
        assert answer.status_code == 412, path
    assert rows() == [connection]


def test_a_form_with_an_error_keeps_the_revision_that_it_was_made_from(
    send, world: PortalWorld, viewer: Viewer, rows
):
    """Else mending the error would overwrite what somebody else did meanwhile, unseen."""
    connection = world.connect(viewer)
    with world.database.transaction() as tx:
        world.providers.update_connection(
            tx, viewer, connection.id, ConnectionChanges(name="Theirs")
        )

    wrong = send(f"/providers/{connection.id}", **values(connection, region="?"))

    assert wrong.status_code == 422
    assert f'name="revision" value="{connection.revision}"' in wrong.text
    mended = send(f"/providers/{connection.id}", **values(connection, region="eu"))
    assert mended.status_code == 412
    assert rows()[0].name == "Theirs"


def test_the_key_is_replaced_and_never_shown(send, world: PortalWorld, viewer: Viewer, rows):
    connection = world.connect(viewer)
    path = f"/providers/{connection.id}/credential"

    missing = send(path, revision=str(connection.revision), credential=" ")
    assert missing.status_code == 422
    assert 'id="new-key-error"' in missing.text

    wrong = send(path, revision=str(connection.revision), credential="sécret-that-was-typed-wrong")
    assert wrong.status_code == 422
    assert "typed-wrong" not in wrong.text

    replaced = send(path, revision=str(connection.revision), credential=NEW_SECRET)
    assert replaced.status_code == 303
    assert credential_of(world, connection.id) == NEW_SECRET
    assert rows()[0].credential_hint == NEW_SECRET[-4:]

    removed = send(path, revision=str(rows()[0].revision), takes_none="yes")
    assert removed.status_code == 303
    assert rows()[0].credential_set_at is None


def test_a_provider_is_switched_off_and_on(
    browser: TestClient, send, world: PortalWorld, viewer: Viewer, rows
):
    connection = world.connect(viewer)
    path = f"/providers/{connection.id}"

    assert send(f"{path}/enabled", revision="1", is_enabled="no").status_code == 303
    assert rows()[0].disabled_at is not None
    page = browser.get(path).text
    assert "No call goes to this provider" in page
    assert 'value="yes">Enable</button>' in page

    assert send(f"{path}/enabled", revision="2", is_enabled="yes").status_code == 303
    assert rows()[0].disabled_at is None


def test_a_provider_that_is_used_is_not_deleted_and_names_who_uses_it(
    browser: TestClient, send, world: PortalWorld, viewer: Viewer, rows
):
    connection = world.connect(viewer)
    (endpoint_id,) = world.add_hosted(viewer, connection, "llama-3.1-8b-instant")
    path = f"/providers/{connection.id}/delete"

    asked = main_of(browser.get(path).text)
    assert f'href="/endpoints/{endpoint_id}">meta/llama-3.1-8b-instruct</a>' in asked
    assert "Delete provider" not in asked

    answer = send(path, revision=str(connection.revision))
    assert answer.status_code == 409
    assert "meta/llama-3.1-8b-instruct" in answer.text
    assert rows() == [connection]


def test_a_provider_that_nobody_uses_is_deleted_after_asking(
    browser: TestClient, send, world: PortalWorld, viewer: Viewer, rows
):
    connection = world.connect(viewer, name=HOSTILE)

    asked = browser.get(f"/providers/{connection.id}/delete")
    assert "This cannot be undone" in asked.text
    assert HOSTILE not in asked.text
    assert rows() == [connection]

    answer = send(f"/providers/{connection.id}/delete", revision=str(connection.revision))
    assert answer.headers["location"] == "/providers"
    assert rows() == []


# --- models ---------------------------------------------------------------------------------


def test_the_models_of_a_known_host_are_there_with_what_they_cost(
    browser: TestClient, world: PortalWorld, viewer: Viewer
):
    connection = world.connect(viewer)
    (endpoint_id,) = world.add_hosted(viewer, connection, "llama-3.1-8b-instant")

    text = main_of(browser.get(f"/providers/{connection.id}/models").text)

    assert "15 models" in text
    assert "$0.59" in text
    assert 'name="pick" value="llama-3.3-70b-versatile"' in text
    assert 'name="pick" value="llama-3.1-8b-instant"' not in text
    assert f'href="/endpoints/{endpoint_id}">meta/llama-3.1-8b-instruct' in text
    assert 'value="whisper-large-v3"' not in text, "its price is not told"
    assert "models/other?model=whisper-large-v3" in text


def test_the_search_works_without_a_script(browser: TestClient, world: PortalWorld, viewer: Viewer):
    connection = world.connect(viewer)

    text = browser.get(f"/providers/{connection.id}/models?q=GPT+120b").text

    shown = re.findall(r'<tr data-find="([^"]*)"(?! hidden)>', text)
    assert shown == ["openai/gpt-oss-120b gpt oss 120b gpt-oss"]
    assert "1 model" in text
    assert "No model of this host matches" in text


def test_chosen_models_are_called_here_at_the_price_with_the_margin(
    send, world: PortalWorld, viewer: Viewer
):
    connection = world.connect(viewer)
    world.models.append(replace(CHAT_MODEL, name="meta/llama-3.3-70b-instruct"))

    answer = send(
        f"/providers/{connection.id}/models",
        pick=["llama-3.3-70b-versatile", "openai/gpt-oss-20b", "allam-2-7b"],
        margin="12.5 %",
    )

    text = main_of(answer.text)
    assert answer.status_code == 200
    assert "3 models added" in text
    assert "New model. The list says that the host takes nothing for tokens." in text
    assert "$0.66375" in text, "0.59 and an eighth of it"
    endpoint = world.endpoint(viewer, "meta/llama-3.3-70b-instruct")
    assert f'href="/endpoints/{endpoint.id}"' in text
    assert 'href="/playground?model=meta%2Fllama-3.3-70b-instruct"' in text
    assert world.endpoint(viewer, "openai/gpt-oss-20b").targets[0].connection_id == connection.id


def test_sending_the_same_choice_again_changes_nothing(send, world: PortalWorld, viewer: Viewer):
    connection = world.connect(viewer)
    path = f"/providers/{connection.id}/models"

    send(path, pick=["openai/gpt-oss-20b"], margin="0")
    again = send(path, pick=["openai/gpt-oss-20b"] * 2, margin="0")

    assert again.status_code == 200
    assert "It was a target already" in again.text
    assert len(world.endpoint(viewer, "openai/gpt-oss-20b").targets) == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"margin": "0"}, "no model is chosen"),
        ({"pick": ["openai/gpt-oss-20b"], "margin": "much"}, "not a percentage"),
        ({"pick": ["openai/gpt-oss-20b"], "margin": "-1"}, "not a percentage"),
        ({"pick": ["openai/gpt-oss-20b"], "margin": "10001"}, "between 0 and 10000"),
        ({"pick": ["openai/gpt-oss-20b", "nothing-of-it"]}, "not in the list"),
        ({"pick": ["openai/gpt-oss-20b", "groq/compound"]}, "say its price"),
    ],
)
def test_a_choice_that_is_wrong_adds_nothing_and_keeps_the_ticks(
    send, world: PortalWorld, viewer: Viewer, *, fields: dict, said: str
):
    connection = world.connect(viewer)

    answer = send(f"/providers/{connection.id}/models", **fields)

    assert answer.status_code == 422
    assert said in unescape(answer.text).lower() or said in unescape(answer.text)
    if "pick" in fields:
        assert re.search(r'value="openai/gpt-oss-20b"[^>]* checked', answer.text)
    with world.database.transaction() as tx:
        assert world.endpoints.list_endpoints(tx, viewer) == []


def test_a_host_without_a_list_leads_to_the_form_for_one_model(
    browser: TestClient, world: PortalWorld, viewer: Viewer
):
    connection = world.connect(viewer, base_url="https://x.example.org/v1", name="X")

    answer = browser.get(f"/providers/{connection.id}/models")

    assert answer.headers["location"] == f"/providers/{connection.id}/models/other"
    assert "not known here" in browser.get(answer.headers["location"]).text


OTHER = {
    "upstream_model": "my-model-v2",
    "name": "mine/model",
    "kind": "chat",
    "context_tokens": "32,000",
    "max_output_tokens": "",
    "dimensions": "",
    "cost_input": "0.15",
    "cost_output": "$0.60",
    "margin": "10",
}


def test_a_model_that_no_list_knows_is_added_by_what_one_says(
    send, world: PortalWorld, viewer: Viewer
):
    connection = world.connect(viewer, base_url="https://x.example.org/v1", name="X")

    answer = send(f"/providers/{connection.id}/models/other", **OTHER)

    assert answer.status_code == 200
    assert "1 model added" in answer.text
    assert "$0.165" in answer.text
    (target,) = world.endpoint(viewer, "mine/model").targets
    assert target.upstream_model == "my-model-v2"
    assert target.cost is not None
    assert target.cost.output_nanos == 600_000_000


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("upstream_model", "", "upstream-model"),
        ("name", "", "model-name"),
        ("kind", "video", "kind"),
        ("context_tokens", "long", "context"),
        ("max_output_tokens", "-4", "max-output"),
        ("cost_input", "", "cost-input"),
        ("cost_input", "1e3", "cost-input"),
        ("cost_output", "", "cost-output"),
        ("cost_output", "0.0000000001", "cost-output"),
        ("margin", "lots", "margin"),
    ],
)
def test_a_model_that_is_described_wrong_is_not_added_and_says_where(
    send, world: PortalWorld, viewer: Viewer, *, field: str, value: str, place: str
):
    connection = world.connect(viewer, base_url="https://x.example.org/v1", name="X")

    answer = send(f"/providers/{connection.id}/models/other", **(OTHER | {field: value}))

    assert answer.status_code == 422
    assert f'id="{place}-error"' in answer.text
    if field != "upstream_model":
        assert 'value="my-model-v2"' in answer.text
    with world.database.transaction() as tx:
        assert world.endpoints.list_endpoints(tx, viewer) == []


def test_a_model_of_the_list_without_a_price_is_prefilled(
    browser: TestClient, send, world: PortalWorld, viewer: Viewer
):
    connection = world.connect(viewer)
    path = f"/providers/{connection.id}/models/other"

    page = browser.get(f"{path}?model=groq%2Fcompound").text
    assert 'value="groq/compound"' in page
    assert 'value="131072"' in page

    added = send(path, **(OTHER | {"upstream_model": "groq/compound", "name": ""}))
    assert added.status_code == 200
    assert world.endpoint(viewer, "groq/compound").targets[0].upstream_model == "groq/compound"


# --- when things fail -----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/providers", "/endpoints", "/providers/new"])
def test_without_the_database_the_page_says_so_and_how_to_go_on(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn, path: str
):
    away = Database("postgresql://nobody@127.0.0.1:1/none", application_name="tests")
    portal = create_portal(replace(world.services, database=away))
    client = TestClient(portal, base_url=world.public_url, raise_server_exceptions=False)
    client.cookies.set("tradewind_session", signed_in.session_token)

    answer = client.get(path)

    assert answer.status_code == 503
    assert "The database does not answer" in answer.text
    assert "Try again" in answer.text
