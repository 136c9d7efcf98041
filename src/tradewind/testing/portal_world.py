"""A portal with something in it: people, keys, models and usage, over a real database.

`PortalWorld` is what tests and the small development server build; `FakeGateway` answers
`/v1/chat/completions` beside the portal, so that the playground works without an engine.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI, Request
from sqlalchemy import Connection, update
from starlette.responses import JSONResponse, Response, StreamingResponse

from tradewind.core.clock import SystemClock
from tradewind.core.ids import DeploymentId, OrganizationId, ReplicaId, request_id
from tradewind.core.permissions import Role
from tradewind.db.database import Database
from tradewind.db.sealing import HeldKeys, Secret
from tradewind.db.vault import Vault
from tradewind.features.accounts.passwords import Passwords
from tradewind.features.accounts.people import People
from tradewind.features.accounts.schemas import SignedIn, Viewer
from tradewind.features.accounts.service import Accounts
from tradewind.features.accounts.tables import membership
from tradewind.features.artifacts.manifest import PlatformSigner
from tradewind.features.artifacts.services import build_artifact_services
from tradewind.features.artifacts.stores.base import Store
from tradewind.features.billing.closing import Closing
from tradewind.features.billing.office import Office
from tradewind.features.billing.ports import NoSubscriptions, SameFee
from tradewind.features.billing.rules.minor_units import minor_digits
from tradewind.features.billing.service import Billing
from tradewind.features.billing.tax_table import TaxTable
from tradewind.features.budgets.schemas import BudgetRow, NewBudget, PeriodKind
from tradewind.features.budgets.service import Budgets
from tradewind.features.budgets.wallets import WalletBudgets
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.features.catalog.calendars import CalendarLinks
from tradewind.features.catalog.licences import Licences
from tradewind.features.catalog.lives import Lives
from tradewind.features.catalog.saved_views import SavedViews
from tradewind.features.catalog.service import Catalog
from tradewind.features.deployments.fit import Machine
from tradewind.features.deployments.orders import DeploymentOrders
from tradewind.features.deployments.rules import ReplicaAccess, ReplicaReport
from tradewind.features.deployments.service import Deployments
from tradewind.features.deployments.weighing import weigher
from tradewind.features.endpoints.call_through import CallThroughs
from tradewind.features.endpoints.schemas import EndpointRow, HostedModel, HostedModels
from tradewind.features.endpoints.service import Endpoints
from tradewind.features.ledger.books import Books
from tradewind.features.ledger.service import Ledger
from tradewind.features.market.ports import PriceReaders
from tradewind.features.market.service import Market
from tradewind.features.market.services import build_prices
from tradewind.features.marketplace.sinks import Sinks
from tradewind.features.metering.tables import usage_hour
from tradewind.features.payments.bank_transfers import BankTransfers
from tradewind.features.payments.card_payments import CardPayments
from tradewind.features.payments.service import Wallets
from tradewind.features.payouts.services import build_payouts
from tradewind.features.providers.schemas import ConnectionRow, NewConnection
from tradewind.features.providers.service import Providers
from tradewind.features.publishing.publishers import Publishers
from tradewind.features.publishing.services import build_publishing
from tradewind.features.receipts.service import Receipts
from tradewind.features.receipts.signing import ReceiptSigner
from tradewind.features.reconciliation.service import Reconciliation
from tradewind.features.redteam.service import RedTeam
from tradewind.features.safety.ports import PastReaders, PlatformReaders
from tradewind.features.safety.services import build_safety_services
from tradewind.features.sales.offers import SaleOffers
from tradewind.features.sales.payers import Payers
from tradewind.features.sales.service import Sales
from tradewind.features.trust.schemas import Release, SubjectKind
from tradewind.features.webhooks.courier import Courier
from tradewind.features.webhooks.schemas import DestinationRow, NewDestination, Outcome
from tradewind.features.webhooks.service import Webhooks
from tradewind.plugins.engines.engine_logs import EngineLogs
from tradewind.plugins.payments.base import Processor
from tradewind.plugins.redteam.registry import red_team_tools
from tradewind.plugins.sinks.registry import sinks
from tradewind.portal.app import create_portal
from tradewind.portal.live_tail import LiveTails
from tradewind.portal.services import PortalServices
from tradewind.readmodels.calendar_links import is_member
from tradewind.readmodels.catalog_search.fit import Fit
from tradewind.readmodels.catalog_search.live import CatalogSearch
from tradewind.readmodels.catalog_search.query import CatalogQuery
from tradewind.readmodels.catalog_search.rows import Card, CatalogPage, Reader
from tradewind.readmodels.disputed_invoices import DisputedInvoices
from tradewind.readmodels.earnings import PostedEarnings
from tradewind.readmodels.exchange_rates import StoredRates
from tradewind.readmodels.model_users import organizations_using
from tradewind.readmodels.models import ServedModel
from tradewind.readmodels.past_usage import past_use
from tradewind.readmodels.prices import find_model, model_ids, publishers_of
from tradewind.readmodels.provider_costs import provider_costs
from tradewind.readmodels.receipt_facts import read_calls
from tradewind.readmodels.redteam import find_target
from tradewind.readmodels.safety_past import (
    count_calls,
    flagged_calls,
    kept_calls,
    read_history,
)
from tradewind.readmodels.safety_subjects import (
    find_subject,
    missing_connections,
    missing_endpoints,
)
from tradewind.readmodels.spend import read_spend, read_spends
from tradewind.readmodels.wallets import BilledOrganizations
from tradewind.serve.abuse import build_abuse
from tradewind.serve.trust import build_trust, gate_of
from tradewind.testing.logged_calls import log_calls
from tradewind.usage.event import Refused, UsageEvent

PASSWORD = "a long enough password"  # noqa: S105 (of a person who does not exist)
EMAIL = "ada@example.org"
_PEPPER = b"p" * 32

CHAT_MODEL = ServedModel(
    name="huggingfacetb/smollm2-135m-instruct",
    display_name="SmolLM2 135M Instruct",
    publisher="huggingfacetb",
    publisher_name="Hugging Face TB",
    description="A very small chat model that runs on one processor core. Good for trying the "
    "platform out, for tests and for simple rewriting; do not trust its facts.",
    licence="Apache-2.0",
    operation="chat",
    context_tokens=8192,
    max_output_tokens=8192,
    dimensions=None,
    parameters=134_515_008,
    released_on=date(2024, 10, 31),
    version="q4_1",
    currency="USD",
    input_nanos=20_000_000,
    output_nanos=60_000_000,
    cached_input_nanos=5_000_000,
    engine="llama_server",
    state="ready",
    state_detail="",
    replicas_ready=1,
    replicas=1,
)
EMBEDDING_MODEL = replace(
    CHAT_MODEL,
    name="sentence-transformers/all-minilm-l6-v2",
    display_name="all-MiniLM-L6-v2",
    publisher="sentence-transformers",
    publisher_name="Sentence Transformers",
    description="Sentence embeddings of 384 dimensions for search and clustering. English; texts "
    "of up to 256 word pieces work best.",
    operation="embeddings",
    context_tokens=512,
    max_output_tokens=0,
    dimensions=384,
    parameters=22_713_216,
    released_on=date(2021, 8, 30),
    version="f32",
    input_nanos=10_000_000,
    output_nanos=0,
    cached_input_nanos=10_000_000,
)


class FreshSearch:
    """The search, brought up to date before each answer: what a test adds is there at once."""

    def __init__(self, database: Database) -> None:
        self._search = CatalogSearch(database)

    @property
    def currency(self) -> str:
        return self._search.currency

    def search(self, query: CatalogQuery, reader: Reader, *, fit: Fit | None = None) -> CatalogPage:
        self._search.refresh()
        return self._search.search(query, reader, fit=fit)

    def find(self, names: Sequence[str], reader: Reader) -> list[Card]:
        self._search.refresh()
        return self._search.find(names, reader)


@dataclass
class PortalWorld:
    """The portal and all it stands on. `models` may be changed while it runs."""

    database: Database
    public_url: str = "http://testserver"
    models: list[ServedModel] = field(default_factory=lambda: [CHAT_MODEL, EMBEDDING_MODEL])
    live_tails: LiveTails = field(default_factory=LiveTails)
    machine: Machine = field(default_factory=lambda: Machine(16 * 1024**3, 12 * 1024**3, 8))
    """What deployments are estimated against."""
    logs: Path = Path("/nonexistent")
    """Of engines."""
    artifacts_folder: Path = Path("/nonexistent")
    """Of uploads and, without `store`, of what they bring."""
    store: Store | None = None
    processor: Processor | None = None
    """Of card payments; without one there are none."""

    def __post_init__(self) -> None:
        # The weakest argon2 there is: what these tests are about is not how long a hash takes.
        hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        self.accounts = Accounts(_PEPPER, SystemClock(), Passwords(hasher))
        self.people = People(_PEPPER, SystemClock(), self.accounts, Passwords(hasher))
        clock = SystemClock()
        self.catalog, self.market = Catalog(clock), Market(clock)
        vault = Vault(HeldKeys([bytes(32)]), clock)
        self.providers = Providers(vault, clock)
        self.webhooks = Webhooks(vault, clock)
        self.courier = Courier(vault, clock)
        self.deployments = Deployments(self.catalog, clock)
        self.endpoints = Endpoints(
            self.catalog, self.market, self.providers, self.deployments, clock
        )
        self.call_throughs = CallThroughs(
            self.catalog, Licences(clock), self.market, self.providers, self.endpoints
        )
        self.budgets = Budgets(self.accounts, clock, read_spends)
        self.billing = Billing(
            clock,
            Ledger(clock),
            fees=SameFee(30_000),
            subscriptions=NoSubscriptions(),
            taxes=TaxTable(),
        )
        bills = BilledOrganizations(self.billing)
        self.wallets = Wallets(clock, Ledger(clock), WalletBudgets(clock, read_spend), bills)
        self.office = Office(self.billing, Closing(self.billing, clock))
        self.payouts = build_payouts(
            clock,
            Ledger(clock),
            self.catalog,
            Publishers(self.catalog, clock),
            PostedEarnings(minor_digits),
            minor_digits,
        )
        self.prices = build_prices(
            self.market,
            clock,
            PriceReaders(model_ids, provider_costs, StoredRates(Ledger(clock))),
            past_use,
            publishers_of,
        )
        self.orders = DeploymentOrders(
            self.catalog,
            Licences(clock),
            self.market,
            clock,
            weigh=weigher(self._find_artifact),
            machine=lambda: self.machine,
            serve=self.endpoints.serve_deployment,
            currency="USD",
        )
        self.artifact_services = build_artifact_services(
            self.artifacts_folder, vault, clock, PlatformSigner(bytes(32)), store=self.store
        )
        artifacts = self.artifact_services.artifacts
        self.publishing = build_publishing(
            self.catalog, self.providers, self.endpoints, clock, artifacts=artifacts
        )
        self.trust = build_trust(clock)
        self.abuse = build_abuse(clock)
        self.sales = Sales(clock)
        self.sale_offers = SaleOffers(
            Publishers(self.catalog, clock), find_model, PlatformSigner(bytes(32)), clock
        )
        self.card_payments: CardPayments | None = None
        if self.processor is not None:
            self.card_payments = CardPayments(
                self.database,
                clock,
                Ledger(clock),
                self.wallets,
                bills,
                DisputedInvoices(self.sales),
                self.processor,
                back_url=lambda: f"{self.public_url}/wallet",
            )
        readers = PlatformReaders(find_subject, missing_endpoints, missing_connections)
        past = PastReaders(read_history, count_calls, flagged_calls, kept_calls)
        self.services = PortalServices(
            database=self.database,
            accounts=self.accounts,
            people=self.people,
            providers=self.providers,
            endpoints=self.endpoints,
            call_throughs=self.call_throughs,
            orders=self.orders,
            engine_logs=EngineLogs(self.logs),
            budgets=self.budgets,
            safety=build_safety_services(clock, readers, past),
            trust=self.trust,
            abuse=self.abuse,
            wallets=self.wallets,
            bank_transfers=BankTransfers(clock, self.wallets, bills),
            payouts=self.payouts,
            card_payments=self.card_payments,
            sales=self.sales,
            sale_offers=self.sale_offers,
            payers=Payers(clock),
            prices=self.prices,
            office=self.office,
            books=Books(Ledger(clock)),
            receipts=Receipts(clock, ReceiptSigner(bytes(32)), read_calls),
            reconciliation=Reconciliation(clock),
            red_team=RedTeam(clock, red_team_tools(), find_target, self.logs.parent / "red-team"),
            webhooks=self.webhooks,
            sinks=Sinks(vault, sinks(), clock),
            publishing=self.publishing,
            artifacts=artifacts,
            uploads=self.artifact_services.uploads,
            catalog=self.catalog,
            lives=Lives(
                clock, organizations_using, gate_of(self.trust, SubjectKind.MODEL, Release.GA)
            ),
            calendar_links=CalendarLinks(clock, is_member),
            licences=Licences(clock),
            saved_views=SavedViews(clock),
            catalog_search=FreshSearch(self.database),
            clock=SystemClock(),
            public_url=lambda: self.public_url,
            list_models=self._list_models,
            get_model=self._get_model,
            live_tails=self.live_tails,
        )
        self.app = create_portal(self.services)

    def first_run(self) -> str:
        """Make the organization and return the code of a sign-in link."""
        with self.database.transaction() as tx:
            self.accounts.first_run(tx)
            return self.accounts.create_sign_in_link(tx, lifetime=timedelta(hours=1))

    def sign_in_new(self) -> SignedIn:
        """Return a session of the administrator of the first run, who has no password yet."""
        code = self.first_run()
        with self.database.transaction() as tx:
            return self.accounts.sign_in_with_link(tx, code)

    def sign_in(self, role: Role = Role.ADMIN) -> SignedIn:
        """Return a session of somebody who has set a password, in `role`."""
        signed_in = self.sign_in_new()
        with self.database.transaction() as tx:
            signed_in = self.accounts.set_up_administrator(
                tx, signed_in.viewer, name="Ada Lovelace", email=EMAIL, password=PASSWORD
            )
            tx.execute(
                update(membership)
                .where(membership.c.user_id == signed_in.viewer.user_id)
                .values(role=role.value)
            )
        return signed_in

    def add_key(self, viewer: Viewer, name: str) -> str:
        """Return the id of a new key."""
        with self.database.transaction() as tx:
            return self.accounts.create_key(tx, viewer, name=name).row.key_id

    def add_usage(self, viewer: Viewer, **changes: Any) -> None:
        """Add one row of the hourly roll-up: ten requests an hour ago, unless told otherwise."""
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        row: dict[str, Any] = {
            "organization_id": viewer.organization_id,
            "hour": hour,
            "project_id": viewer.project_id,
            "key_id": "k0123456789a",
            "model": CHAT_MODEL.name,
            "operation": "chat",
            "price_id": "price_01890000000000000000000000",
            "currency": "USD",
            "requests": 10,
            "failed": 1,
            "cancelled": 0,
            "orphaned": 0,
            "input_tokens": 4_000,
            "cached_input_tokens": 1_000,
            "output_tokens": 1_500,
            "cost_nanos": 155_000,
            "first_token_count": 9,
            "first_token_us_total": 9 * 212_000,
            "duration_us_total": 20_000_000,
        }
        with self.database.transaction() as tx:
            tx.execute(usage_hour.insert().values(row | changes))

    def add_budget(self, viewer: Viewer, name: str = "Monthly", **how: Any) -> BudgetRow:
        """Add a budget: ten dollars a month of the organization, unless told otherwise."""
        values: dict[str, Any] = {
            "currency": "USD",
            "amount_nanos": 10_000_000_000,
            "period": PeriodKind.MONTH,
        }
        with self.database.transaction() as tx:
            return self.budgets.add_budget(tx, viewer, NewBudget(name, **values | how))

    def add_webhook(self, viewer: Viewer, url: str = "", **how: Any) -> DestinationRow:
        """Add a webhook for alerts of budgets, unless told otherwise."""
        values: dict[str, Any] = {"kinds": ("budget.alert",), "description": "On call"}
        new = NewDestination(url or "https://hooks.example.org/tradewind", **values | how)
        with self.database.transaction() as tx:
            return self.webhooks.add_webhook(tx, viewer, new).row

    def deliver(self, viewer: Viewer, webhook_id: str, *outcomes: Outcome) -> None:
        """Have test events sent, and pretend that these things came of them."""
        for outcome in outcomes:
            with self.database.transaction() as tx:
                self.webhooks.send_test(tx, viewer, webhook_id)
            with self.database.transaction() as tx:
                for attempt in self.courier.claim(tx, 1):
                    self.courier.settle(tx, attempt, outcome)

    def add_calls(self, viewer: Viewer, *calls: UsageEvent | Refused) -> list[str]:
        """Log calls as made in the viewer's project; return their request ids."""
        log_calls(
            self.database,
            *(
                msgspec.structs.replace(
                    call, organization_id=viewer.organization_id, project_id=viewer.project_id
                )
                for call in calls
            ),
        )
        return [request_id(call.event_id) for call in calls]

    def connect(self, viewer: Viewer, host: str = "groq", **how: Any) -> ConnectionRow:
        """Add an account at a known host, or with `base_url` at any other."""
        values: dict[str, Any] = {"credential": Secret("gsk-0123456789-abcdefgh-wxyz")}
        values |= {} if "base_url" in how else {"host": host}
        with self.database.transaction() as tx:
            return self.providers.add_connection(tx, viewer, NewConnection(**values | how))

    def add_hosted(self, viewer: Viewer, connection: ConnectionRow, *models: str) -> list[str]:
        """Have models of a known host called; returns the ids of their endpoints."""
        wanted = HostedModels([HostedModel(model) for model in models], Decimal(10))
        with self.database.transaction() as tx:
            added = self.endpoints.add_from_host(tx, viewer, connection.id, wanted)
        return [one.endpoint_id for one in added]

    def deploy(self, slug: str = "small", *, ready: int = 1, starting: int = 0) -> DeploymentId:
        """Add a model of ours with a price, a deployment, and replicas in these states."""
        with self.database.transaction() as tx:
            entry = replace(SMOLLM2, publisher="tw", publisher_name="Tradewind", slug=slug)
            added = self.catalog.add_builtin(tx, entry)
            assert added is not None, "each slug is deployed once"
            self.market.set_price(
                tx,
                added.model_id,
                "USD",
                input_nanos=20_000_000,
                output_nanos=60_000_000,
                cached_input_nanos=5_000_000,
            )
            deployment_id = self.deployments.deploy(
                tx, added.version_id, engine="fake", slots=2, replicas=ready + starting
            )
            assert deployment_id is not None
            self.endpoints.serve_deployment(tx, deployment_id)
            for number in range(ready + starting):
                self.deployments.report(
                    tx,
                    deployment_id,
                    ReplicaId.new(),
                    ReplicaReport("ready" if number < ready else "starting", ""),
                    ReplicaAccess("llama_server", slug, "/run/replica.sock", "k"),
                )
        return deployment_id

    def endpoint(self, viewer: Viewer, name: str) -> EndpointRow:
        """Return the endpoint of this name."""
        with self.database.transaction() as tx:
            rows = self.endpoints.list_endpoints(tx, viewer)
        return next(row for row in rows if row.name == name)

    def _find_artifact(self, _tx: Connection, _digest: str) -> None:
        """There is no store here: models of installed packages can be deployed."""

    def _list_models(
        self, _tx: Connection, _organization_id: OrganizationId | None
    ) -> Sequence[ServedModel]:
        return list(self.models)

    def _get_model(
        self, _tx: Connection, name: str, _organization_id: OrganizationId | None
    ) -> ServedModel | None:
        return next((model for model in self.models if model.name == name), None)


ANSWER = """\
A **trade wind** is a steady wind near the equator.

It blows in three steps:

1. The sun warms the air at the equator, and it rises.
2. Cooler air flows in from north and south.
3. The turning Earth bends it to the west.

| Name | Blows from |
|------|------------|
| North-east trades | north-east |
| South-east trades | south-east |

```python
def direction(latitude):
    return "north-east" if latitude > 0 else "south-east"
```

Sailors used `trade winds` for centuries. <script>document.title = "broken"</script>
"""


class FakeGateway:
    """The part of the gateway that pages talk to.

    Every word is one token. A message that contains `forever` gets an answer that never ends, and
    `fail` an error.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.answered = threading.Event()
        self.left = threading.Event()
        """Set when a client went away before the end of an answer."""
        self.answering_place = "dep_fake"
        """What answers say of the deployment they come from."""
        self._refusals = 0

    def refuse_next(self, calls: int) -> None:
        """Refuse that many calls as if their key had not arrived yet."""
        self._refusals = calls

    def add_to(self, app: FastAPI) -> None:
        app.add_api_route("/v1/chat/completions", self._chat, methods=["POST"])
        app.add_api_route("/v1/embeddings", self._embed, methods=["POST"])

    async def _chat(self, request: Request) -> Response:
        body: dict[str, Any] = msgspec.json.decode(await request.body())
        self.requests.append(body)
        self.keys.append(request.headers.get("authorization", "").removeprefix("Bearer "))
        if self._refusals:
            self._refusals -= 1
            return _error(401, "this API key is not known")
        question = body["messages"][-1]["content"]
        if "fail" in question:
            return _error(503, "no replica of this model is ready")
        if region := body.get("provider", {}).get("region"):
            return _error(404, f"No host that may be used fulfils 'provider.region: {region}'.")
        words = _pieces("again and again " * 4 if "forever" in question else ANSWER)
        told = self._told(body)
        if not body.get("stream"):
            answer = {"choices": [{"message": {"content": "".join(words)}}]}
            return JSONResponse(answer, headers=told | _COST)
        chunks = self._stream(words, is_endless="forever" in question)
        return StreamingResponse(chunks, media_type="text/event-stream", headers=told)

    async def _embed(self, request: Request) -> Response:
        body: dict[str, Any] = msgspec.json.decode(await request.body())
        self.requests.append(body)
        answer = {"data": [{"index": 0, "embedding": [0.25, 0.5, 1.0, 2.0, 4.0]}]}
        return JSONResponse(answer, headers=self._told(body) | _COST)

    def _told(self, body: dict[str, Any]) -> dict[str, str]:
        """Return the headers that say where the call went."""
        return {
            "x-request-id": "req_fake",
            "x-tradewind-model": body["model"],
            "x-tradewind-deployment": self.answering_place,
            "x-tradewind-provider": "own",
            "x-tradewind-route": "least load",
            "x-tradewind-attempts": "1",
            "x-tradewind-overhead-ms": "0.210",
        }

    async def _stream(self, words: list[str], *, is_endless: bool) -> AsyncIterator[bytes]:
        is_complete = False
        try:
            while True:
                for word in words:
                    yield _event({"choices": [{"delta": {"content": word}}]})
                    await asyncio.sleep(0.004)
                if not is_endless:
                    break
            usage = {
                "prompt_tokens": 41,
                "completion_tokens": len(words),
                "prompt_tokens_details": {"cached_tokens": 8},
            }
            yield _event({"choices": [], "usage": usage})
            yield b"data: [DONE]\n\n"
            is_complete = True
            self.answered.set()
        finally:
            if not is_complete:
                self.left.set()


_COST = {"x-tradewind-cost": "0.000005260", "x-tradewind-currency": "USD"}


def _pieces(text: str) -> list[str]:
    return [f"{word} " for word in text.split(" ")]


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def _error(status: int, message: str) -> Response:
    return JSONResponse(
        {"error": {"message": message, "type": "invalid_request_error", "code": None}},
        status,
        {"x-request-id": "req_fake"},
    )


@contextmanager
def serve_on_loopback(world: PortalWorld, gateway: FakeGateway) -> Generator[str]:
    """Serve the portal with a fake gateway on a free port; yields the address."""
    app = FastAPI(openapi_url=None)
    gateway.add_to(app)
    app.mount("/", world.app)
    listener = socket.create_server(("127.0.0.1", 0))
    world.public_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2, ws="none")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield world.public_url
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()
