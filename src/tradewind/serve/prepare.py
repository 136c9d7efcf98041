"""Makes a database ready to serve: schema, first organization, built-in models. Idempotent."""

from dataclasses import dataclass

from tradewind.db.database import Database
from tradewind.features.catalog.builtin import BUILTIN_MODELS
from tradewind.migrations.runner import migrate
from tradewind.serve.services import Services
from tradewind.serve.sign_in_link import LINK_LIFETIME


@dataclass(frozen=True, slots=True)
class Prepared:
    """What whoever started the platform is told."""

    first_key: str | None
    """The first API key, only ever known at the first start."""
    sign_in_code: str
    start_up_key: str
    """A key of ten minutes for the platform's own first call."""
    has_administrator: bool


def prepare(database: Database, services: Services, *, currency: str) -> Prepared:
    """Migrate, then create what a first start needs. One transaction for all but the schema."""
    migrate(database)
    with database.transaction() as tx:
        services.providers.check_keys(tx)
        first = services.accounts.first_run(tx)
        for entry in BUILTIN_MODELS:
            added = services.catalog.add_builtin(tx, entry)
            if added is None:
                continue
            services.market.set_price(
                tx,
                added.model_id,
                currency,
                input_nanos=entry.input_nanos,
                output_nanos=entry.output_nanos,
                cached_input_nanos=entry.cached_input_nanos,
            )
            deployment_id = services.deployments.deploy(
                tx, added.version_id, engine="llama_server", slots=entry.slots
            )
            assert deployment_id is not None, "a version that was just made has no deployment"
            services.endpoints.serve_deployment(tx, deployment_id)
        services.deployments.forget_replicas(tx)
        return Prepared(
            first_key=first.api_key if first is not None else None,
            sign_in_code=services.accounts.create_sign_in_link(tx, lifetime=LINK_LIFETIME),
            start_up_key=services.accounts.mint_start_up_key(tx).text,
            has_administrator=services.accounts.has_administrator(tx),
        )
