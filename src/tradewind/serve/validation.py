"""Builds what tries the models of publishers, for the worker."""

import ssl

from tradewind.core.checked_hosts import Resolver
from tradewind.core.data_folder import DataFolder
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.features.artifacts.service import Artifacts
from tradewind.features.publishing.services import build_publishing
from tradewind.plugins.engines.registry import engines
from tradewind.plugins.providers.registry import providers
from tradewind.serve.services import Services
from tradewind.worker.model_calls import ModelCalls
from tradewind.worker.validate import Validator
from tradewind.worker.validation_places import Places

_ENGINE = "llama_server"


def build_validator(
    settings: Settings,
    folder: DataFolder,
    database: Database,
    services: Services,
    artifacts: Artifacts,
    *,
    resolver: Resolver,
    trusted: ssl.SSLContext,
) -> Validator:
    """Starts nothing. Raises StartupError for an engine of another package that is broken."""
    publishing = build_publishing(
        services.catalog, services.providers, services.endpoints, services.clock, artifacts=None
    )
    places = Places(
        database,
        services.providers,
        artifacts,
        engines=engines(llama_server=settings.llama_server),
        family=providers(),
        engine=_ENGINE,
        run=folder.run,
        logs=folder.logs,
        models=folder.models,
    )
    return Validator(database, publishing.validations, places, ModelCalls(resolver, trusted))
