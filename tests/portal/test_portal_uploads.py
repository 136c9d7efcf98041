"""Uploads of the wizard, over HTTP as its script asks: who may, what is refused, what is filled."""

import hashlib
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tradewind.core.acting import By
from tradewind.core.permissions import Role
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.artifacts.schemas import PART_BYTES
from tradewind.features.publishing.schemas import NewApplication
from tradewind.testing.model_files import GgufTensor, gguf_file, safetensors_file
from tradewind.testing.portal_world import PortalWorld

ADA, GRACE = By("user_ada", "Ada"), By("user_grace", "Grace")
SMALL = gguf_file({"general.name": "Small", "llama.context_length": 512, "general.license": "mit"})
LARGE = gguf_file(tensors=[GgufTensor("token_embd.weight", (256, (PART_BYTES + 5000) // 1024))])


@pytest.fixture
def world(database, tmp_path: Path) -> PortalWorld:
    return PortalWorld(database, artifacts_folder=tmp_path / "artifacts")


@pytest.fixture
def viewer(signed_in) -> Viewer:
    return signed_in.viewer


class Script:
    """The page's own requests."""

    def __init__(self, browser: TestClient, world: PortalWorld, csrf_token: str):
        self._browser, self._world = browser, world
        self.headers = {"x-csrf-token": csrf_token, "accept": "application/json"}

    def ask(self, method: str, path: str, **more):
        more.setdefault("headers", self.headers)
        return self._browser.request(method, path, **more)

    def begin(self, name: str, content: bytes, **fields):
        told = {"name": name, "size": str(len(content))}
        return self.ask("POST", "/publish/uploads", data=told | fields)

    def put(self, upload_id: str, number: int, content: bytes):
        headers = self.headers | {"content-type": "application/octet-stream"}
        path = f"/publish/uploads/{upload_id}/parts/{number}"
        return self.ask("PUT", path, content=content, headers=headers)

    def upload(self, name: str, content: bytes, **fields):
        upload = self.begin(name, content, **fields).json()
        for number in range(1, upload["parts"] + 1):
            part = content[(number - 1) * PART_BYTES : number * PART_BYTES]
            assert self.put(upload["id"], number, part).status_code == 204
        done = self.ask("POST", f"/publish/uploads/{upload['id']}/complete", data={"x": ""})
        assert done.json()["state"] == "checking"
        assert self._world.artifact_services.arrivals.check_next(self._world.database)
        return self.ask("GET", f"/publish/uploads/{upload['id']}").json()


@pytest.fixture
def script(browser: TestClient, world: PortalWorld, viewer: Viewer) -> Script:
    return Script(browser, world, viewer.csrf_token)


@pytest.fixture
def listing(world: PortalWorld, viewer: Viewer):
    new = NewApplication("acme", "Acme", "https://acme.example", "ada@acme.example")
    publishing = world.publishing
    with world.database.transaction() as tx:
        row = publishing.publishers.apply(tx, viewer, ADA, new)
        publishing.publishers.decide(
            tx, viewer, GRACE, row.application_id, is_accepted=True, reason=""
        )
        return publishing.listings.begin(tx, viewer, ADA, "acme", "small")


def content_of(world: PortalWorld, viewer: Viewer, listing):
    with world.database.transaction() as tx:
        return world.publishing.listings.get_listing(tx, viewer, listing.listing_id).row.content


def use(script: Script, listing, *uploads, revision=None):
    fields = {
        "revision": str(listing.revision if revision is None else revision),
        "path": [upload["name"] for upload in uploads],
        "upload": [upload["id"] for upload in uploads],
    }
    return script.ask("POST", f"/publish/listings/{listing.listing_id}/files", data=fields)


def test_a_file_is_sent_in_parts_gone_on_with_and_read(script):
    sha256 = hashlib.sha256(LARGE).hexdigest()
    begun = script.begin("large.gguf", LARGE, sha256=sha256).json()
    assert (begun["parts"], begun["received"], begun["state"]) == (2, [], "open")
    script.put(begun["id"], 2, LARGE[PART_BYTES:])
    again = script.begin("large.gguf", LARGE, sha256=sha256).json()
    assert (again["id"], again["received"]) == (begun["id"], [[2, 2]])
    ended = script.upload("large.gguf", LARGE, sha256=sha256)
    assert (ended["id"], ended["state"], ended["sha256"]) == (begun["id"], "ready", sha256)
    assert ["Architecture", "llama"] in ended["facts"]


def test_what_the_files_say_is_filled_in_and_what_a_person_wrote_stays(
    script, world, viewer, listing
):
    go = use(script, listing, script.upload("small.gguf", SMALL)).json()["go"]
    assert go.startswith(f"/publish/listings/{listing.listing_id}/model?filled=display_name")
    content = content_of(world, viewer, listing)
    assert content.artifact.startswith("sha256:")
    filled = (content.display_name, content.context_tokens, content.licence, content.family)
    assert filled == ("Small", 512, "MIT", "llama")
    assert "- File: `small.gguf`" in content.card

    with world.database.transaction() as tx:
        row = world.publishing.listings.get_listing(tx, viewer, listing.listing_id).row
    other = script.upload("other.gguf", gguf_file({"general.name": "Other"}))
    assert use(script, row, other).json()["go"].endswith("/source")
    later = content_of(world, viewer, listing)
    assert later.artifact != content.artifact
    assert (later.display_name, later.card) == (content.display_name, content.card)


def test_texts_of_a_file_are_no_markup_in_a_card(script, world, viewer, listing):
    hostile = gguf_file({"general.name": "<b>`x`</b>\n# [a](javascript:b)", "general.license": "`"})
    assert use(script, listing, script.upload("a.gguf", hostile)).status_code == 200
    card = content_of(world, viewer, listing).card
    assert not set("<>[]") & set(card)
    assert card.splitlines()[0].count("#") == 1


def test_files_of_safetensors_are_used_together(script, world, viewer, listing):
    weights = script.upload("model.safetensors", safetensors_file())
    config = script.upload(
        "config.json", b'{"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 2048}'
    )
    assert use(script, listing, weights, config).status_code == 200
    content = content_of(world, viewer, listing)
    assert (content.family, content.context_tokens) == ("LlamaForCausalLM", 2048)


def test_a_changed_file_is_refused_with_its_reason(script, listing):
    upload = script.upload("a.gguf", SMALL, sha256="0" * 64)
    assert upload["state"] == "refused"
    assert "was announced" in upload["reason"]
    answer = use(script, listing, upload)
    assert (answer.status_code, answer.json()["code"]) == (409, "upload_incomplete")


def test_whoever_saw_an_older_draft_changes_nothing(script, world, viewer, listing):
    upload = script.upload("small.gguf", SMALL)
    assert use(script, listing, upload, revision=listing.revision + 1).status_code == 412
    assert content_of(world, viewer, listing).artifact == ""


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"name": "", "size": "5"}, 422),
        ({"name": "../a.gguf", "size": "5"}, 422),
        ({"name": "a.gguf", "size": "-5"}, 422),
        ({"name": "a.gguf", "size": "٣"}, 422),
        ({"name": "a.gguf", "size": "9" * 16}, 422),
        ({"name": "a.gguf", "size": "5", "sha256": "x"}, 422),
    ],
)
def test_an_upload_that_cannot_be_is_refused(script, fields, status):
    assert script.ask("POST", "/publish/uploads", data=fields).status_code == status


def test_a_part_has_its_length_and_no_other(script):
    upload = script.begin("a.gguf", SMALL).json()
    assert script.put(upload["id"], 1, SMALL[:-1]).json()["code"] == "part_refused"
    assert script.put(upload["id"], 1, SMALL + b"x").json()["code"] == "part_refused"
    assert script.put(upload["id"], 1, bytes(PART_BYTES + 1)).status_code in {413, 422}
    assert script.put(upload["id"], 2, SMALL).status_code == 422
    assert script.put(upload["id"], 1, SMALL).status_code == 204
    assert script.put(upload["id"], 1, SMALL).status_code == 204, "it may be sent again"


def test_an_aborted_upload_is_gone(script):
    upload = script.begin("a.gguf", SMALL).json()
    assert script.ask("DELETE", f"/publish/uploads/{upload['id']}").status_code == 204
    assert script.ask("GET", f"/publish/uploads/{upload['id']}").status_code == 404


def test_requests_that_are_not_our_page_s_change_nothing(script):
    upload = script.begin("a.gguf", SMALL).json()
    script.headers = {"accept": "application/json"}
    path = f"/publish/uploads/{upload['id']}"
    for method, place in (
        ("PUT", f"{path}/parts/1"),
        ("POST", f"{path}/complete"),
        ("DELETE", path),
    ):
        assert script.ask(method, place).json()["code"] == "not_our_page"
    assert script.ask("GET", path).json()["received"] == []


def test_nobody_uploads_without_the_right(browser_of, world):
    browser = browser_of(Role.VIEWER)
    answer = browser.post(
        "/publish/uploads", headers={"accept": "application/json"}, data={"name": "a", "size": "1"}
    )
    assert answer.status_code == 403


def test_nobody_uploads_signed_out(anonymous):
    answer = anonymous.get("/publish/uploads/upl_1", headers={"accept": "application/json"})
    assert answer.status_code == 401
