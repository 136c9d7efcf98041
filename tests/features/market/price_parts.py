"""A price book over a real database, on a clock turned by hand."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tradewind.core.clock import SystemClock
from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.core.permissions import Permission
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.features.catalog.service import Catalog
from tradewind.features.ledger.schemas import FxRate
from tradewind.features.ledger.service import Ledger
from tradewind.features.market import signing
from tradewind.features.market.ports import PriceReaders
from tradewind.features.market.schemas import NewPrice, PriceTerms, ProviderCost
from tradewind.features.market.service import Market
from tradewind.features.market.services import build_prices
from tradewind.readmodels.exchange_rates import StoredRates
from tradewind.readmodels.past_usage import past_use
from tradewind.readmodels.prices import model_ids, price_in_force, publishers_of

START = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
NOTICE = datetime(2026, 2, 10, tzinfo=UTC)
"""The first day after a notice of 30 days from START."""
MODEL = "tw/small"
ORGANIZATION, PROJECT = OrganizationId("org_a"), ProjectId("proj_a")


class HandClock:
    def __init__(self):
        self.at = START

    def now(self):
        return self.at

    def monotonic(self):
        return self.at.timestamp()


@dataclass(frozen=True)
class Somebody:
    """An actor with all permissions, or all but those of who runs the platform."""

    organization_id: OrganizationId = ORGANIZATION
    project_id: ProjectId = PROJECT
    runs_the_platform: bool = True

    def may(self, permission: Permission) -> bool:
        return self.runs_the_platform or permission is not Permission.PLATFORM_WRITE


ADMIN = Somebody()


def terms(input_tokens=1, output_tokens=2, currency="USD", **more):
    said = {name: more.pop(name) for name in ("seller", "is_charged", "is_free") if name in more}
    meters = {"input_tokens": input_tokens, "output_tokens": output_tokens, **more}
    return PriceTerms(currency, meters, **said)


class Signer:
    def __init__(self):
        self._key = Ed25519PrivateKey.generate()
        self.pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.public_pem = self._key.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, content):
        return signing.sign(content, self.pem)


class PriceWorld:
    def __init__(self, database):
        self.database = database
        self.clock = HandClock()
        self.costs: list[ProviderCost] = []
        self.market = Market(self.clock)
        self.signer = Signer()
        self.ledger = Ledger(self.clock)
        prices = build_prices(
            self.market,
            self.clock,
            PriceReaders(model_ids, lambda _tx: self.costs, StoredRates(self.ledger)),
            past_use,
            publishers_of,
        )
        self.book, self.files, self.margins, self.proposals, self.simulator = prices
        self.ids = {}

    def add_model(self, slug="small"):
        entry = replace(SMOLLM2, publisher="tw", publisher_name="Tradewind", slug=slug)
        with self.database.transaction() as tx:
            added = Catalog(SystemClock()).add_builtin(tx, entry)
        assert added is not None
        self.ids[f"tw/{slug}"] = added.model_id
        return added.model_id

    def do(self, act, *arguments, **named):
        with self.database.transaction() as tx:
            return act(tx, *arguments, **named)

    def set(self, wanted, model=MODEL, **named):
        new = NewPrice(model, wanted, **named)
        return self.do(self.book.set_price, ADMIN, new, by="Ada")

    def exchange(self, base, quote, nanos, at=START - DAY):
        self.do(self.ledger.set_rate, FxRate(base, quote, nanos, "ECB", at))

    def trust(self, publisher=""):
        return self.do(
            self.files.add_key,
            ADMIN,
            name="Ops",
            pem=self.signer.public_pem,
            publisher=publisher,
            by="Ada",
        )

    def apply(self, text, act=None, **named):
        content = text.encode()
        key_id, signature = self.signer.sign(content)
        act = act or self.files.apply_file
        more = {"by": "Ada"} if act == self.files.apply_file else {}
        return self.do(
            act, ADMIN, content, **({"key_id": key_id, "signature": signature} | more | named)
        )

    def check(self, text):
        return self.apply(text, act=self.files.check_file)

    def costs_at(self, at, model=MODEL):
        """Input price in force at a moment, by what readers see."""
        prices = price_in_force(at)
        with self.database.transaction() as tx:
            return tx.execute(
                prices.select()
                .with_only_columns(prices.c.input_nanos)
                .where(prices.c.model_id == self.ids[model])
            ).scalar()

    def versions(self, model=MODEL):
        return self.do(self.book.history, self.ids[model])


def price_file(*entries, currency="USD", more=""):
    lines = ["format: tradewind-prices-1", f"currency: {currency}"]
    if more:
        lines.append(more)
    return "\n".join([*lines, "prices:", *entries]) + "\n"


def entry(model=MODEL, prices='{input_tokens: "2", output_tokens: "4"}', **members):
    rest = "".join(f", {name}: {value}" for name, value in members.items())
    return f"  - {{model: {model}, prices: {prices}{rest}}}"
